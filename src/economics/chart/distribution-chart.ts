import type { Outlook } from '../simulate.ts'
import { usdText } from '../usd-text.ts'
import { bottomAxis } from './axis.ts'
import { moneyTick } from './money-tick.ts'
import { linearScale } from './scale.ts'
import { chart, element, type Size, text } from './svg.ts'

const SIZE: Size = { width: 420, height: 210 }
const AREA = { left: 12, right: 408, top: 44, bottom: 178 }
const LABEL_GAP = 6

/** Where the futures end: bars by their number, those that lose in the other colour, with the three percentiles. */
export function distributionChart({ histogramUsd: bars, netUsd, lossShare }: Outlook, label: string): string {
  const ends = { low: bars[0]?.from ?? 0, high: bars.at(-1)?.to ?? 1 }
  const x = linearScale(ends, { from: AREA.left, to: AREA.right, tickCount: 5 })
  const most = Math.max(...bars.map(({ count }) => count), 1)
  const columns = bars.map(({ from, to, count }) => {
    const height = (count / most) * (AREA.bottom - AREA.top)
    const tone = to <= 0 ? 'bad' : from >= 0 ? 'good' : lossShare > 0.5 ? 'bad' : 'good'
    const [left, right] = [x.at(from), x.at(to)]
    return element('rect', {
      x: left,
      y: AREA.bottom - height,
      width: Math.max(0.5, right - left - 1),
      height,
      class: tone,
    })
  })
  const zero =
    ends.low < 0 && ends.high > 0
      ? element('line', { x1: x.at(0), x2: x.at(0), y1: AREA.top - 4, y2: AREA.bottom, class: 'zero' })
      : ''
  const axis = bottomAxis({ scale: x, format: moneyTick }, { y: AREA.bottom, x: [AREA.left, AREA.right] })
  const full = `${label}: ${usdText(netUsd.p5)} or less in one of twenty futures, ${usdText(netUsd.p50)} in the middle, ${usdText(netUsd.p95)} or more in one of twenty; ${Math.round(lossShare * 100)} % lose.`
  const marks = marksOf([
    ['P5', netUsd.p5, x.at(netUsd.p5)],
    ['P50', netUsd.p50, x.at(netUsd.p50)],
    ['P95', netUsd.p95, x.at(netUsd.p95)],
  ])
  return chart(SIZE, full, ...columns, zero, axis, marks)
}

/** Names above their lines, moved apart where they would run into each other. */
function marksOf(marks: readonly (readonly [name: string, usd: number, at: number])[]): string {
  let free = AREA.left
  const placed = marks.map(([name, usd, at]) => {
    const label = usdText(usd)
    const half = Math.max(label.length, name.length) * 3.6
    const middle = Math.max(at, free + half)
    free = middle + half + LABEL_GAP
    return { name, label, at, middle, half }
  })
  // What ran out of the right edge pushes the others back.
  let limit = AREA.right
  for (const mark of placed.toReversed()) {
    mark.middle = Math.min(mark.middle, limit - mark.half)
    limit = mark.middle - mark.half - LABEL_GAP
  }
  return placed
    .map(
      ({ name, label, at, middle }) =>
        text(name, { x: middle, y: 14, 'text-anchor': 'middle', class: 'soft' }) +
        text(label, { x: middle, y: 29, 'text-anchor': 'middle', class: 'strong' }) +
        element('line', { x1: at, x2: at, y1: 35, y2: AREA.bottom, class: 'mark' }),
    )
    .join('')
}
