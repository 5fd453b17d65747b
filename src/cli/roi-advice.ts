/** The comparison of networks for people: one sentence, the table, then the reasons and cautions of each row. */

import type { NetworkAdvice, RiskTolerance } from '#economics/advisor.ts'
import type { RoiReport } from '#economics/economics.ts'
import type { TokenSeries } from '#economics/token-past.ts'
import { usdText } from '#economics/usd-text.ts'
import { formatShare } from './figures.ts'
import { type FittedColumn, formatTableWithin } from './fitted-table.ts'
import { type Page, paragraph, withTitle } from './report-page.ts'
import { formatTokens } from './roi-tokens.ts'
import { printable } from './table.ts'

export interface Comparison {
  readonly report: Pick<RoiReport, 'gpu' | 'unknowns'>
  readonly months: number
  readonly rows: readonly NetworkAdvice[]
  readonly tolerance: RiskTolerance
  /** Prices of tokens that the owner gave. */
  readonly tokenSeries: readonly TokenSeries[]
}

export function formatAdvice(comparison: Comparison, page: Page): string {
  const { rows, months } = comparison
  const missing = comparison.report.unknowns
    .filter(({ blocks }) => blocks === 'everything')
    .map(({ label, flag, why }) => paragraph(`${label} (${flag}): ${why}`, page, { first: '? ' }))
  const parts = [
    paragraph(formatBestNetwork(comparison), page, { tone: 'bold' }),
    missing.join('\n'),
    formatTableWithin(columnsOf(months), rows, page),
    formatTokens({ risks: rows.flatMap(({ token }) => token ?? []), series: comparison.tokenSeries }, page),
    withTitle('Why', rows.map((row) => reasonsOf(row, page)).join('\n'), page),
    paragraph(formatBasis(comparison), page, { tone: 'dim' }),
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
  return `If renters pay ${rent} everywhere, which is not known of this network, `
}

const middle = ({ medianUsd }: NetworkAdvice): string => usdText(medianUsd ?? 0)

const tones = { ranked: 'plain', not_ranked: 'dim', excluded: 'dim' } as const
const dollars = (usd: number | null): string => (usd === null ? '–' : usdText(usd))

const columnsOf = (months: number): FittedColumn<NetworkAdvice>[] => [
  { title: '#', name: 'rank', text: ({ rank }) => (rank === null ? '–' : String(rank)) },
  { title: 'NETWORK', name: 'network', text: ({ name }) => name, tone: ({ status }) => tones[status] },
  {
    title: `USD, ${months} MONTHS`,
    name: `USD in ${months} months`,
    isRight: true,
    text: ({ medianUsd, status }) => (medianUsd === null ? status.replaceAll('_', ' ') : usdText(medianUsd)),
  },
  {
    title: 'BAD CASE',
    name: 'bad case',
    isRight: true,
    text: ({ medianUsd, shortfallUsd }) =>
      dollars(medianUsd === null || shortfallUsd === null ? null : medianUsd - shortfallUsd),
  },
  {
    title: 'P(LOSS)',
    name: 'chance of a loss',
    isRight: true,
    text: ({ lossShare }) => (lossShare === null ? '–' : formatShare(lossShare)),
  },
  {
    title: 'KEEPS',
    name: 'it keeps',
    isRight: true,
    text: ({ takeShare }) => (takeShare === null ? '–' : formatShare(takeShare)),
  },
  {
    title: 'PAYOUT',
    name: 'payout',
    text: ({ stability }) => stabilityNames[stability],
    tone: ({ stability }) =>
      stability === 'stable' ? 'good' : stability === 'unverified' ? 'dim' : 'warning',
  },
  {
    title: 'USD/GPU-HOUR',
    name: 'rent of a GPU-hour',
    isRight: true,
    text: ({ price }) => (price === null ? '–' : usdText(price.usdPerGpuHour)),
  },
  {
    title: 'AT ITS OWN PRICE',
    name: `in ${months} months at the price seen there`,
    isRight: true,
    text: ({ atOwnPrice }) => dollars(atOwnPrice?.medianUsd ?? null),
  },
]

export const stabilityNames = {
  stable: 'in dollars',
  usd_indexed_token_paid: 'token, by the dollar',
  token_floating: 'floating token',
  none_documented: 'none documented',
  unverified: 'unverified',
} as const satisfies Record<NetworkAdvice['stability'], string>

function reasonsOf({ name, why, cautions, token, price, sources, asOf }: NetworkAdvice, page: Page): string {
  const lines = [
    ...why.map((text) => ['plain', text] as const),
    ...(token === null ? [] : [['warning', `Token: ${token.text}`] as const]),
    ...cautions.map((text) => ['warning', text] as const),
    ...(price === null ? [] : [['dim', `Price: ${price.source}.`] as const]),
    ...(sources.length === 0 ? [] : [['dim', `Sources (as of ${asOf}): ${sources.join('; ')}.`] as const]),
  ]
  const body = lines.map(([tone, text]) =>
    paragraph(text, page, { tone, first: tone === 'warning' ? '  ! ' : '  ' }),
  )
  return [page.style('accent', printable(name)), ...body].join('\n')
}

const formatBasis = ({ tolerance }: Comparison): string =>
  `Ranked by the median of the cash left, less ${tolerance === 'low' ? 'all' : tolerance === 'medium' ? 'half' : 'none'} of the distance to the mean of the worst 5 % (--risk ${tolerance}). Rewards, points and "APY" count nothing. What is unverified is shown and never ranked.`
