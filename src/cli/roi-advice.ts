/** The comparison of networks for people: one sentence, the table, then the reasons and cautions of each row. */

import type { NetworkAdvice, RiskTolerance } from '#economics/advisor.ts'
import type { RoiReport } from '#economics/economics.ts'
import { usdText } from '#economics/usd-text.ts'
import { formatShare, wrapText } from './figures.ts'
import { type Page, withTitle } from './report-page.ts'
import { type Column, formatTable, printable } from './table.ts'

export interface Comparison {
  readonly report: Pick<RoiReport, 'gpu' | 'unknowns'>
  readonly months: number
  readonly rows: readonly NetworkAdvice[]
  readonly tolerance: RiskTolerance
}

export function formatAdvice(comparison: Comparison, page: Page): string {
  const { rows, months } = comparison
  const missing = comparison.report.unknowns
    .filter(({ blocks }) => blocks === 'everything')
    .map(({ label, flag, why }) => `${page.style('warning', '?')} ${label} (${flag}): ${why}`)
  const parts = [
    page.style('bold', printable(formatBestNetwork(comparison))),
    missing.join('\n'),
    formatTable(columnsOf(months), rows, page.style),
    withTitle('Why', rows.map((row) => reasonsOf(row, page)).join('\n'), page),
    page.style('dim', formatBasis(comparison)),
  ]
  return parts.filter((part) => part !== '').join('\n\n')
}

/** Where the machine should work and what that rests on, in a sentence. */
export function formatBestNetwork({ report: { gpu }, rows, months, tolerance }: Comparison): string {
  const machine = `${gpu.count} × ${gpu.name}`
  const [best, second] = rows.filter(({ status }) => status === 'ranked')
  if (!best) return `Of ${machine} no network can be ranked yet: the reason stands beside each.`
  const isPaying = (best.medianUsd ?? 0) > 0
  const first = isPaying
    ? `${best.name} leaves ${machine} most at ${tolerance} tolerance of risk`
    : `no network that can be ranked pays for ${machine}, and ${best.name} loses least`
  const bad = usdText((best.medianUsd ?? 0) - (best.shortfallUsd ?? 0))
  const then = second ? `; then ${second.name} with ${middle(second)}` : '; no other can be ranked'
  return `${rentOf(best)}${first}: ${middle(best)} in the middle case and ${bad} in a bad one within ${months} months${then}.`
}

/** What the comparison rests on, before its result: it is the weakest part of it. */
function rentOf({ price, atOwnPrice }: NetworkAdvice): string {
  if (price === null) return ''
  const rent = `${usdText(price.usdPerGpuHour)} a GPU-hour`
  if (price.isOwn) return `At ${rent} there, `
  if (atOwnPrice)
    return `If renters pay ${rent} everywhere (it was seen at ${usdText(atOwnPrice.price.usdPerGpuHour)}), `
  return `If renters pay ${rent} everywhere, which nobody publishes of it, `
}

const middle = ({ medianUsd }: NetworkAdvice): string => usdText(medianUsd ?? 0)

const tones = { ranked: 'plain', not_ranked: 'dim', excluded: 'dim' } as const
const dollars = (usd: number | null): string => (usd === null ? '–' : usdText(usd))

const columnsOf = (months: number): Column<NetworkAdvice>[] => [
  { title: 'RANK', text: ({ rank, status }) => (rank === null ? status.replaceAll('_', ' ') : String(rank)) },
  { title: 'NETWORK', text: ({ name }) => name, tone: ({ status }) => tones[status] },
  { title: `P50, USD/${months} MONTHS`, isRight: true, text: ({ medianUsd }) => dollars(medianUsd) },
  {
    title: 'BAD CASE',
    isRight: true,
    text: ({ medianUsd, shortfallUsd }) =>
      dollars(medianUsd === null || shortfallUsd === null ? null : medianUsd - shortfallUsd),
  },
  {
    title: 'AT ITS OWN PRICE',
    isRight: true,
    text: ({ atOwnPrice }) => dollars(atOwnPrice?.medianUsd ?? null),
  },
  {
    title: 'P(LOSS)',
    isRight: true,
    text: ({ lossShare }) => (lossShare === null ? '–' : formatShare(lossShare)),
  },
  {
    title: 'USD/GPU-HOUR',
    isRight: true,
    text: ({ price }) => (price === null ? 'unknown' : usdText(price.usdPerGpuHour)),
  },
  {
    title: 'KEEPS',
    isRight: true,
    text: ({ takeShare }) => (takeShare === null ? 'unknown' : formatShare(takeShare)),
  },
  {
    title: 'PAYOUT',
    text: ({ stability }) => stability.replaceAll('_', ' '),
    tone: ({ stability }) =>
      stability === 'stable' ? 'good' : stability === 'unverified' ? 'dim' : 'warning',
  },
]

function reasonsOf({ name, why, cautions, token, price, sources, asOf }: NetworkAdvice, page: Page): string {
  const lines = [
    ...why.map((text) => ['plain', text] as const),
    ...(token === null ? [] : [['warning', `! ${tokenText(token)}`] as const]),
    ...cautions.map((text) => ['warning', `! ${text}`] as const),
    ...(price === null ? [] : [['dim', `Price: ${price.source}.`] as const]),
    ...(sources.length === 0 ? [] : [['dim', `Sources (as of ${asOf}): ${sources.join('; ')}.`] as const]),
  ]
  const width = page.columns === null ? Number.POSITIVE_INFINITY : page.columns - INDENT.length
  const body = lines.flatMap(([tone, text]) =>
    wrapText(printable(text), width).map((line) => INDENT + page.style(tone, line)),
  )
  return [page.style('accent', printable(name)), ...body].join('\n')
}

const INDENT = '  '

function tokenText(token: NonNullable<NetworkAdvice['token']>): string {
  const fall = token.maxDrawdown === null ? '' : ` It once fell by ${formatShare(-token.maxDrawdown)}.`
  const proxy = token.isOwnSeries ? '' : ' It has no series of prices of its own: that of its like stands in.'
  const lock =
    token.lockLossShare > 0
      ? ` In one of twenty cases ${formatShare(token.lockLossShare)} of a payout is gone before it can be sold.`
      : ''
  return `It pays in ${token.token}, whose price moves by ${formatShare(token.volatilityPerYear)} a year.${fall}${lock}${proxy} (${token.source})`
}

const formatBasis = ({ tolerance }: Comparison): string =>
  `Ranked by the median of the cash left, less ${tolerance === 'low' ? 'all' : tolerance === 'medium' ? 'half' : 'none'} of the distance to the mean of the worst 5 % (--risk ${tolerance}). Rewards, points and "APY" count nothing. What is unverified is shown and never ranked.`
