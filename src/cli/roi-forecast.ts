import type { RoiReport } from '#economics/economics.ts'
import type { Bar, Percentiles } from '#economics/percentiles.ts'
import type { Outlook, Simulation } from '#economics/simulate.ts'
import { usdText } from '#economics/usd-text.ts'
import { formatShare, sparkline } from './figures.ts'
import { type FittedColumn, formatTableWithin } from './fitted-table.ts'
import { formatCount } from './format.ts'
import { type Page, paragraph, withTitle } from './report-page.ts'

interface ForecastRow {
  readonly what: string
  readonly loss: string
  readonly bad: string
  readonly middle: string
  readonly good: string
  readonly worst: string
}

const columnsOf = (months: number): FittedColumn<ForecastRow>[] => [
  { title: `USD, ${months} MONTHS`, name: 'what', text: ({ what }) => what },
  { title: 'P(LOSS)', name: 'chance of a loss', isRight: true, text: ({ loss }) => loss },
  { title: 'P5', name: 'P5', isRight: true, text: ({ bad }) => bad },
  { title: 'P50', name: 'P50', isRight: true, text: ({ middle }) => middle, tone: () => 'bold' },
  { title: 'P95', name: 'P95', isRight: true, text: ({ good }) => good },
  { title: 'WORST 5 %, MEAN', name: 'mean of the worst 5 %', isRight: true, text: ({ worst }) => worst },
]

/** The range of what may come, as numbers and as a shape; nothing where the inputs do not suffice. */
export function formatForecast({ forecast }: Pick<RoiReport, 'forecast'>, page: Page): string {
  if (!forecast) return ''
  const { cash, economic, months, cashBreakEvenUsdPerKwh, fullBreakEvenUsdPerKwh } = forecast
  const title = `${formatCount(forecast.paths)} futures of ${months} ${months === 1 ? 'month' : 'months'} (seed ${forecast.seed})`
  const rows = [
    rowOf('owner: cash', cash),
    ...(economic ? [rowOf('buyer: then sold', economic)] : []),
    breakEvenRow('owner breaks even', cashBreakEvenUsdPerKwh),
    ...(fullBreakEvenUsdPerKwh ? [breakEvenRow('buyer breaks even', fullBreakEvenUsdPerKwh)] : []),
  ]
  const table = formatTableWithin(columnsOf(months), rows, page)
  const about = 'P5 is what one of twenty futures stays below, P50 the middle one.'
  const shapes = [shapeOf('owner', cash, page), ...(economic ? [shapeOf('buyer', economic, page)] : [])]
  const body = [
    table,
    paragraph(about, page, { tone: 'dim' }),
    '',
    ...shapes,
    ...paybackLines(forecast, page),
  ]
  return withTitle(title, body.join('\n'), page)
}

const rowOf = (what: string, { netUsd, lossShare, worstMeanUsd }: Outlook): ForecastRow => ({
  what,
  loss: formatShare(lossShare),
  bad: usdText(netUsd.p5),
  middle: usdText(netUsd.p50),
  good: usdText(netUsd.p95),
  worst: usdText(worstMeanUsd),
})

const breakEvenRow = (what: string, { p5, p50, p95 }: Percentiles): ForecastRow => ({
  what,
  loss: '',
  bad: `${usdText(p5)}/kWh`,
  middle: `${usdText(p50)}/kWh`,
  good: `${usdText(p95)}/kWh`,
  worst: '',
})

const NAME_WIDTH = 5
const GAP = 2
const BARS_MIN = 10

/** The futures side by side, the worst left; red where they lose. */
function shapeOf(what: string, { histogramUsd }: Outlook, { style, columns }: Page): string {
  const [first, last] = [histogramUsd[0], histogramUsd.at(-1)]
  const [low, high] = [usdText(first?.from ?? 0), usdText(last?.to ?? 0)]
  const room = (columns ?? 120) - NAME_WIDTH - low.length - high.length - 3 * GAP
  const bars = merged(histogramUsd, Math.max(BARS_MIN, room))
  const line = sparkline(bars.map(({ count }) => count))
  const losing = bars.filter(({ to }) => to <= 0).length
  const shape = style('bad', line.slice(0, losing)) + style('good', line.slice(losing))
  const gap = ' '.repeat(GAP)
  return [what.padEnd(NAME_WIDTH), low, shape, high].join(gap)
}

/** Neighbours together until there are at most `countMax`. */
function merged(bars: readonly Bar[], countMax: number): Bar[] {
  const step = Math.ceil(bars.length / countMax)
  return Array.from({ length: Math.ceil(bars.length / step) }, (_, index) => {
    const group = bars.slice(index * step, (index + 1) * step)
    const count = group.reduce((sum, bar) => sum + bar.count, 0)
    return { from: group[0]?.from ?? 0, to: group.at(-1)?.to ?? 0, count }
  })
}

function paybackLines({ payback }: Simulation, page: Page): string[] {
  if (payback.length === 0) return []
  const chances = (of: 'byCashShare' | 'withResaleShare'): string =>
    payback.map((chance) => `${formatShare(chance[of])} within ${chance.months} months`).join(', ')
  return [
    '',
    paragraph(`Chance that it has paid for itself by cash: ${chances('byCashShare')}.`, page),
    paragraph(`Chance of a moment to sell it without a loss: ${chances('withResaleShare')}.`, page),
  ]
}
