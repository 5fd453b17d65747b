import type { Tornado } from '../sensitivity.ts'
import { usdText } from '../usd-text.ts'
import { linearScale } from './scale.ts'
import { chart, element, text } from './svg.ts'

const WIDTH = 420
const ROW_HEIGHT = 38
const AREA = { left: 62, right: 358 }
const HEAD = 18

export interface TornadoRow extends Pick<Tornado, 'label' | 'atLowUsdPerDay' | 'atHighUsdPerDay'> {
  /** The range of the input with its unit, as text. */
  readonly range: string
}

/** How far the result of a day moves with each input, the widest first; the line is today's. */
export function tornadoChart(rows: readonly TornadoRow[], baseUsdPerDay: number, label: string): string {
  const ends = rows.flatMap(({ atLowUsdPerDay, atHighUsdPerDay }) => [atLowUsdPerDay, atHighUsdPerDay])
  const values = { low: Math.min(...ends, baseUsdPerDay), high: Math.max(...ends, baseUsdPerDay) }
  const x = linearScale(values, { from: AREA.left, to: AREA.right, tickCount: 4 })
  const height = HEAD + rows.length * ROW_HEIGHT
  const base = x.at(baseUsdPerDay)
  const bars = rows.map((row, index) => rowOf(row, { top: HEAD + index * ROW_HEIGHT, at: x.at }))
  const line = element('line', { x1: base, x2: base, y1: HEAD, y2: height, class: 'zero' })
  const name = text(`${usdText(baseUsdPerDay)} a day`, {
    x: Math.min(Math.max(base, 40), WIDTH - 40),
    y: 12,
    'text-anchor': 'middle',
    class: 'strong',
  })
  const full = `${label}: ${rows.map((row) => `${row.label}, ${row.range}: ${usdText(row.atLowUsdPerDay)} to ${usdText(row.atHighUsdPerDay)} a day`).join('; ')}.`
  return chart({ width: WIDTH, height }, full, line, ...bars, name)
}

function rowOf(
  { label, range, atLowUsdPerDay: low, atHighUsdPerDay: high }: TornadoRow,
  { top, at }: { top: number; at: (usd: number) => number },
): string {
  const [left, right] = [Math.min(at(low), at(high)), Math.max(at(low), at(high))]
  const [worst, best] = [Math.min(low, high), Math.max(low, high)]
  const y = top + 16
  return [
    text(`${label}: ${range}`, { x: 0, y: top + 12, class: 'halo' }),
    element('rect', { x: left, y, width: Math.max(1, right - left), height: 14, rx: 2, class: 'accent' }),
    text(usdText(worst), { x: left - 4, y: y + 11, 'text-anchor': 'end', class: 'soft halo' }),
    text(usdText(best), { x: right + 4, y: y + 11, class: 'soft halo' }),
  ].join('')
}
