import type { RoiReport } from '#economics/economics.ts'
import type { Tornado } from '#economics/sensitivity.ts'
import { usdText } from '#economics/usd-text.ts'
import { formatQuantity, formatShare, rangeBar } from './figures.ts'
import { type Page, withTitle } from './report-page.ts'
import { type Column, formatTable } from './table.ts'

/** As wide as the rest of the table leaves room for in a terminal. */
const BAR_WIDTH = { min: 12, max: 30 }
const REST_WIDTH = 92

/** How much the result of a day hangs on each input, as bars; the widest first. */
export function formatTornado(
  { tornado, account }: Pick<RoiReport, 'tornado' | 'account'>,
  page: Page,
): string {
  if (!account || tornado.length === 0) return ''
  const base = account.netUsdPerDay ?? account.cashUsdPerDay
  const ends = tornado.flatMap(({ atLowUsdPerDay, atHighUsdPerDay }) => [atLowUsdPerDay, atHighUsdPerDay])
  const scale = { low: Math.min(...ends, base), high: Math.max(...ends, base), width: barWidthIn(page) }
  const columns: Column<Tornado>[] = [
    { title: 'ONE AT A TIME', text: ({ label }) => label },
    { title: 'FROM', isRight: true, text: ({ low, unit }) => endOf(low, unit) },
    { title: 'TO', isRight: true, text: ({ high, unit }) => endOf(high, unit) },
    { title: 'UNIT', text: ({ unit }) => unit },
    { title: 'USD/DAY', isRight: true, text: ({ atLowUsdPerDay }) => usdText(atLowUsdPerDay) },
    {
      title: `${usdText(scale.low)} to ${usdText(scale.high)} a day`.padEnd(scale.width),
      text: ({ atLowUsdPerDay: from, atHighUsdPerDay: to }) => rangeBar({ from, to, base }, scale),
      tone: () => 'accent',
    },
    { title: 'USD/DAY', isRight: true, text: ({ atHighUsdPerDay }) => usdText(atHighUsdPerDay) },
  ]
  const view = account.netUsdPerDay === null ? 'cash' : 'net'
  const title = `What the ${view} of a day hangs on (│ is ${usdText(base)}/day)`
  return withTitle(title, formatTable(columns, tornado, page.style), page)
}

const barWidthIn = ({ columns }: Page): number =>
  columns === null ? BAR_WIDTH.max : Math.min(BAR_WIDTH.max, Math.max(BAR_WIDTH.min, columns - REST_WIDTH))

const endOf = (value: number, unit: string): string =>
  unit.startsWith('share') ? formatShare(value) : formatQuantity(value)
