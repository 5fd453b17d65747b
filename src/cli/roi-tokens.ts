/** What the payout tokens did: a chart where the owner gave a series, figures with their source where not, never a line without prices. */
import { correlationOf, historyOf } from '#economics/token-history.ts'
import type { TokenSeries } from '#economics/token-past.ts'
import type { TokenRisk } from '#economics/token-risk.ts'
import { usdText } from '#economics/usd-text.ts'
import { formatShare, sparkline } from './figures.ts'
import { type Page, paragraph, withTitle } from './report-page.ts'

interface Tokens {
  /** Of the networks that are shown, one for each token. */
  readonly risks: readonly TokenRisk[]
  readonly series: readonly TokenSeries[]
}

export function formatTokens({ risks, series }: Tokens, page: Page): string {
  const drawn = series.map((one) => chartOf(one, series, page))
  const summaries = [...new Map(risks.map((risk) => [risk.token, risk])).values()]
    .filter(({ token }) => !series.some((one) => one.token === token))
    .map((risk) => summaryOf(risk, page))
  const parts = [...drawn, ...summaries]
  if (parts.length === 0) return ''
  const about = 'A past, and no word on what comes.'
  const how =
    summaries.length > 0
      ? ' Where only figures stand, --token-history AKT=prices.csv draws the series that you have.'
      : ''
  return withTitle(
    'Payout tokens',
    [...parts, paragraph(about + how, page, { tone: 'dim' })].join('\n'),
    page,
  )
}

const BARS = { min: 10, max: 60 }
const INDENT = '   '

function chartOf(one: TokenSeries, all: readonly TokenSeries[], page: Page): string {
  const { token, prices, source } = one
  const history = historyOf(prices)
  if (!history) return ''
  const low = Math.min(...prices.map(({ usd }) => usd))
  const high = Math.max(...prices.map(({ usd }) => usd))
  const ends = `${token}  ${usdText(low)} … ${usdText(high)}  `
  const room = (page.columns ?? 100) - [...ends].length
  const bars = barsOf(one, Math.max(BARS.min, Math.min(BARS.max, room, prices.length)))
  const day = (atMs: number): string => new Date(atMs).toISOString().slice(0, 10)
  const { volatilityPerYear, maxDrawdown, change, fromAtMs, toAtMs, count } = history
  const figures = `${day(fromAtMs)} to ${day(toAtMs)}, ${count} prices (${source}): moved by ${formatShare(volatilityPerYear)} a year, deepest fall ${formatShare(-maxDrawdown)}, first to last ${change > 0 ? '+' : ''}${formatShare(change)}.`
  const together = all.flatMap((other) => {
    const value = other === one ? null : correlationOf(prices, other.prices)
    return value === null ? [] : [`${other.token} ${value.toFixed(2)}`]
  })
  const moved = together.length === 0 ? '' : ` Moved with: ${together.join(', ')}.`
  return `${page.style('bold', ends)}${page.style('accent', sparkline(bars))}\n${paragraph(figures + moved, page, { first: INDENT })}`
}

/** The mean price of each of equal stretches of time; a stretch without a price is 0, and drawn as a hole. */
function barsOf({ prices }: TokenSeries, count: number): number[] {
  const [first, last] = [prices[0]?.atMs ?? 0, prices.at(-1)?.atMs ?? 0]
  const sums = Array.from({ length: count }, () => ({ usd: 0, prices: 0 }))
  for (const { atMs, usd } of prices) {
    const at = last === first ? 0 : Math.floor(((atMs - first) / (last - first)) * count)
    const bar = sums[Math.min(at, count - 1)]
    if (!bar) continue
    bar.usd += usd
    bar.prices++
  }
  return sums.map((bar) => (bar.prices === 0 ? 0 : bar.usd / bar.prices))
}

function summaryOf(
  { token, volatilityPerYear, maxDrawdown, source, correlations }: TokenRisk,
  page: Page,
): string {
  const fall = maxDrawdown === null ? '' : `, deepest fall ${formatShare(-maxDrawdown)}`
  const together = correlations.map(({ with: other, value }) => `${other} ${value.toFixed(2)}`)
  const moved = together.length === 0 ? '' : ` Moved with: ${together.join(', ')}.`
  const text = `${formatShare(volatilityPerYear)} a year${fall} (${source}).${moved}`
  return paragraph(text, page, { first: `${token}  ` })
}
