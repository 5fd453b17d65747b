import type { RoiReport } from '#economics/economics.ts'
import type { Tornado } from '#economics/sensitivity.ts'
import { usdText } from '#economics/usd-text.ts'
import { formatQuantity, formatShare, rangeBar } from './figures.ts'
import { type Page, withTitle } from './report-page.ts'
import { type Column, formatTable } from './table.ts'

/** As wide as the rest of the table leaves room for. */
const BAR_WIDTH = { min: 8, max: 30 }
const GAP = 2

/** How much the result of a day hangs on each input, as bars; the widest first. */
export function formatTornado(
  { tornado, account }: Pick<RoiReport, 'tornado' | 'account'>,
  page: Page,
): string {
  if (!account || tornado.length === 0) return ''
  const base = account.netUsdPerDay ?? account.cashUsdPerDay
  const ends = tornado.flatMap(({ atLowUsdPerDay, atHighUsdPerDay }) => [atLowUsdPerDay, atHighUsdPerDay])
  const { width, isRangeBelow } = layoutOf(tornado, page)
  const scale = { low: Math.min(...ends, base), high: Math.max(...ends, base), width }
  const range: Column<Tornado> = { title: 'FROM … TO', text: rangeText }
  const columns: Column<Tornado>[] = [
    { title: 'ONE AT A TIME', text: ({ label }) => label },
    ...(isRangeBelow ? [] : [range]),
    { title: 'USD/DAY', isRight: true, text: ({ atLowUsdPerDay }) => usdText(atLowUsdPerDay) },
    {
      title: ''.padEnd(width),
      text: ({ atLowUsdPerDay: from, atHighUsdPerDay: to }) => rangeBar({ from, to, base }, scale),
      tone: () => 'accent',
    },
    { title: 'USD/DAY', isRight: true, text: ({ atHighUsdPerDay }) => usdText(atHighUsdPerDay) },
  ]
  const view = account.netUsdPerDay === null ? 'cash' : 'net'
  const title = `What the ${view} of a day hangs on (│ is ${usdText(base)}/day)`
  const [titles = '', ...lines] = formatTable(columns, tornado, page.style).split('\n')
  const body = isRangeBelow
    ? lines.flatMap((line, index) => [line, `   ${page.style('dim', rangeText(tornado[index] as Tornado))}`])
    : lines
  return withTitle(title, [titles, ...body].join('\n'), page)
}

/** How wide the bar is, and whether the range has to go below its row. */
function layoutOf(rows: readonly Tornado[], { columns }: Page): { width: number; isRangeBelow: boolean } {
  const widest = (text: (row: Tornado) => string, title: string): number =>
    Math.max(title.length, ...rows.map((row) => text(row).length))
  const ends =
    widest(({ label }) => label, 'ONE AT A TIME') +
    widest(({ atLowUsdPerDay }) => usdText(atLowUsdPerDay), 'USD/DAY') +
    widest(({ atHighUsdPerDay }) => usdText(atHighUsdPerDay), 'USD/DAY') +
    3 * GAP
  if (columns === null) return { width: BAR_WIDTH.max, isRangeBelow: false }
  const room = columns - ends
  const besideRange = room - widest(rangeText, 'FROM … TO') - GAP
  const isRangeBelow = besideRange < BAR_WIDTH.min
  const width = Math.max(BAR_WIDTH.min, Math.min(BAR_WIDTH.max, isRangeBelow ? room : besideRange))
  return { width, isRangeBelow }
}

/** `25 % to 85 % of hours`, `0.12 to 0.74 USD/GPU-hour`, `× 1 to 1.4`. */
export function rangeText({ low, high, unit }: Tornado): string {
  if (unit.startsWith('share'))
    return `${formatShare(low)} to ${formatShare(high)}${unit.slice('share'.length)}`
  const range = `${formatQuantity(low)} to ${formatQuantity(high)}`
  return unit === 'ratio' ? `× ${range}` : `${range} ${unit}`
}
