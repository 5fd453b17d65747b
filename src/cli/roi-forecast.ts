import type { RoiReport } from '#economics/economics.ts'
import type { Outlook, Simulation } from '#economics/simulate.ts'
import { usdText } from '#economics/usd-text.ts'
import { formatShare, sparkline } from './figures.ts'
import { formatCount } from './format.ts'
import { type Page, withTitle } from './report-page.ts'
import { type Column, formatTable } from './table.ts'

interface ForecastRow {
  readonly what: string
  readonly bad: string
  readonly middle: string
  readonly good: string
  readonly loss: string
  readonly worst: string
}

const columns: Column<ForecastRow>[] = [
  { title: 'IN ALL', text: ({ what }) => what },
  { title: 'P5', isRight: true, text: ({ bad }) => bad },
  { title: 'P50', isRight: true, text: ({ middle }) => middle, tone: () => 'bold' },
  { title: 'P95', isRight: true, text: ({ good }) => good },
  { title: 'P(LOSS)', isRight: true, text: ({ loss }) => loss },
  { title: 'WORST 5 %, MEAN', isRight: true, text: ({ worst }) => worst },
]

/** The range of what may come, as numbers and as a shape; nothing where the inputs do not suffice. */
export function formatForecast({ forecast }: Pick<RoiReport, 'forecast'>, page: Page): string {
  if (!forecast) return ''
  const { cash, economic, months } = forecast
  const title = `${formatCount(forecast.paths)} futures of ${months} ${months === 1 ? 'month' : 'months'} (seed ${forecast.seed})`
  const rows = [
    rowOf(`cash, USD in ${months} months`, cash),
    ...(economic ? [rowOf(`bought today and sold then, USD`, economic)] : []),
    breakEvenRow('electricity at which cash is 0', forecast.cashBreakEvenUsdPerKwh),
  ]
  const shapes = [shapeOf('cash', cash, page), ...(economic ? [shapeOf('bought', economic, page)] : [])]
  const body = [formatTable(columns, rows, page.style), '', ...shapes, ...paybackLines(forecast, page)]
  return withTitle(title, body.join('\n'), page)
}

const rowOf = (what: string, { netUsd, lossShare, worstMeanUsd }: Outlook): ForecastRow => ({
  what,
  bad: usdText(netUsd.p5),
  middle: usdText(netUsd.p50),
  good: usdText(netUsd.p95),
  loss: formatShare(lossShare),
  worst: usdText(worstMeanUsd),
})

const breakEvenRow = (what: string, { p5, p50, p95 }: Simulation['cashBreakEvenUsdPerKwh']): ForecastRow => ({
  what,
  bad: `${usdText(p5)}/kWh`,
  middle: `${usdText(p50)}/kWh`,
  good: `${usdText(p95)}/kWh`,
  loss: '',
  worst: '',
})

const LOW_WIDTH = 8

/** The futures side by side, the worst left; red where they lose. */
function shapeOf(what: string, { histogramUsd: histogram }: Outlook, { style }: Page): string {
  const line = sparkline(histogram.map(({ count }) => count))
  const losing = histogram.filter(({ to }) => to <= 0).length
  const [first, last] = [histogram[0], histogram.at(-1)]
  const shape = style('bad', line.slice(0, losing)) + style('good', line.slice(losing))
  const low = usdText(first?.from ?? 0).padStart(LOW_WIDTH)
  return `${what.padEnd(6)} ${low} ${shape} ${usdText(last?.to ?? 0)}`
}

function paybackLines({ payback }: Simulation, { style }: Page): string[] {
  if (payback.length === 0) return []
  const chances = (of: 'byCashShare' | 'withResaleShare'): string =>
    payback.map((chance) => `${formatShare(chance[of])} within ${chance.months} months`).join(', ')
  return [
    '',
    `${style('dim', 'chance that it has paid for itself by cash:')} ${chances('byCashShare')}`,
    `${style('dim', 'chance of a moment to sell it without a loss:')} ${chances('withResaleShare')}`,
  ]
}
