import type { SparesAnswer } from '../fleet/spares-search.ts'
import { usdText } from '../usd-text.ts'
import { bottomAxis, leftAxis } from './axis.ts'
import { moneyTick } from './money-tick.ts'
import { linearScale, type Scale } from './scale.ts'
import { shareTick } from './share-tick.ts'
import { chart, element, path, type Size, text } from './svg.ts'

const SIZE: Size = { width: 420, height: 230 }
const AREA = { left: 52, right: 400, top: 18, bottom: 190 }
const across = { y: AREA.bottom, x: [AREA.left, AREA.right] } as const

/** The share of months that keep the promise by the number of spares, with the share that is wanted. */
export function keptChart({ rows, needed }: SparesAnswer, goal: number, label: string): string {
  const x = sparesScale(rows)
  const low = Math.min(goal, ...rows.map(({ keptShare }) => keptShare))
  const y = linearScale(
    { low: Math.max(0, low - 0.02), high: 1 },
    { from: AREA.bottom, to: AREA.top, tickCount: 5 },
  )
  const points = rows.map(({ spares, keptShare }) => [x.at(spares), y.at(keptShare)] as const)
  const dots = points.map(([cx, cy]) => element('circle', { cx, cy, r: 3, class: 'accent' }))
  const wanted =
    element('line', { x1: AREA.left, x2: AREA.right, y1: y.at(goal), y2: y.at(goal), class: 'mark' }) +
    text(`wanted: ${shareTick(goal)}`, { x: AREA.left + 6, y: y.at(goal) + 14, class: 'soft' })
  const found = needed === null ? 'no number of spares that was tried is enough' : `${needed} are enough`
  return chart(
    SIZE,
    `${label}: ${found}.`,
    leftAxis({ scale: y, format: shareTick }, { x: across.x }),
    bottomAxis({ scale: x, format: String }, across),
    element('path', { d: path(points), class: 'line' }),
    ...dots,
    wanted,
    text('spares', { x: AREA.right, y: AREA.bottom + 32, 'text-anchor': 'end', class: 'soft' }),
  )
}

/** What machines and expected credits cost in a month, by the number of spares. */
export function costChart({ rows, cheapest }: SparesAnswer, label: string): string {
  const x = sparesScale(rows)
  const most = Math.max(...rows.map(({ totalUsd }) => totalUsd))
  const y = linearScale({ low: 0, high: most * 1.05 }, { from: AREA.bottom, to: AREA.top, tickCount: 5 })
  const machines = rows.map(({ spares, machinesUsd }) => [x.at(spares), y.at(machinesUsd)] as const)
  const totals = rows.map(({ spares, totalUsd }) => [x.at(spares), y.at(totalUsd)] as const)
  const band = element('path', { d: `${path([...totals, ...machines.toReversed()])}Z`, class: 'band' })
  const best = rows.find(({ spares }) => spares === cheapest)
  const mark = best
    ? element('circle', { cx: x.at(best.spares), cy: y.at(best.totalUsd), r: 5, class: 'you' })
    : ''
  return chart(
    SIZE,
    `${label}: least with ${cheapest} spares, ${usdText(best?.totalUsd ?? 0)} a month; the shaded part is credits.`,
    leftAxis({ scale: y, format: moneyTick }, { x: across.x }),
    bottomAxis({ scale: x, format: String }, across),
    band,
    element('path', { d: path(totals), class: 'line' }),
    mark,
    text('spares', { x: AREA.right, y: AREA.bottom + 32, 'text-anchor': 'end', class: 'soft' }),
  )
}

function sparesScale(rows: SparesAnswer['rows']): Scale {
  const [first, last] = [rows[0]?.spares ?? 0, rows.at(-1)?.spares ?? 1]
  const tickCount = Math.min(8, Math.max(1, last - first))
  return linearScale({ low: first, high: last }, { from: AREA.left + 8, to: AREA.right - 8, tickCount })
}
