import type { MonthOutlook } from '../simulate.ts'
import { usdText } from '../usd-text.ts'
import { bottomAxis, leftAxis } from './axis.ts'
import { moneyTick } from './money-tick.ts'
import { linearScale } from './scale.ts'
import { chart, element, path, type Size, text } from './svg.ts'

const SIZE: Size = { width: 420, height: 230 }
const AREA = { left: 52, right: 360, top: 12, bottom: 196 }

/** Cash since the start, month by month: the middle future, and the band in which nine of ten lie. */
export function cashChart(months: readonly MonthOutlook[], label: string): string {
  const start = { month: 0, totalCashUsd: { p5: 0, p50: 0, p95: 0 } }
  const points = [start, ...months]
  const values = points.flatMap(({ totalCashUsd: { p5, p95 } }) => [p5, p95])
  const vertical = { from: AREA.bottom, to: AREA.top, tickCount: 5 }
  const y = linearScale({ low: Math.min(...values), high: Math.max(...values) }, vertical)
  const last = points.at(-1) ?? start
  const horizontal = { from: AREA.left, to: AREA.right, tickCount: Math.min(6, months.length) }
  const x = linearScale({ low: 0, high: last.month }, horizontal)
  const line = (of: 'p5' | 'p50' | 'p95') =>
    points.map(({ month, totalCashUsd }) => [x.at(month), y.at(totalCashUsd[of])] as const)
  const band = element('path', { d: `${path([...line('p95'), ...line('p5').toReversed()])}Z`, class: 'band' })
  const middle = element('path', { d: path(line('p50')), class: 'line' })
  const { p5, p50, p95 } = last.totalCashUsd
  const full = `${label}: after ${last.month} months ${usdText(p50)} in the middle, from ${usdText(p5)} to ${usdText(p95)} in nine of ten futures.`
  const axes = [
    leftAxis({ scale: y, format: moneyTick }, { x: [AREA.left, AREA.right] }),
    bottomAxis(
      { scale: x, format: (month) => (month === 0 ? 'now' : `month ${month}`) },
      { y: AREA.bottom, x: [AREA.left, AREA.right] },
    ),
  ]
  return chart(SIZE, full, ...axes, band, middle, endLabels([p95, p50, p5], y.at))
}

const LINE_HEIGHT = 14

/** What each line ends at, from the top, moved apart where they would lie on each other. */
function endLabels(values: readonly number[], at: (usd: number) => number): string {
  let free = 0
  return values
    .map((usd, index) => {
      const y = Math.max(at(usd) + 4, free)
      free = y + LINE_HEIGHT
      return text(usdText(usd), { x: AREA.right + 6, y, class: index === 1 ? 'strong' : 'soft' })
    })
    .join('')
}
