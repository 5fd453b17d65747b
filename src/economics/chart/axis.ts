import type { Scale } from './scale.ts'
import { element, text } from './svg.ts'

interface Side {
  readonly scale: Scale
  readonly format: (value: number) => string
}

const FONT_HEIGHT = 12

/** Values along the bottom at `y`; labels that would run into the one before are left out. */
export function bottomAxis(
  { scale, format }: Side,
  { y, x }: { y: number; x: readonly [number, number] },
): string {
  let free = x[0] - 10
  const labels = scale.ticks.flatMap((tick) => {
    const label = format(tick)
    const half = label.length * 3.6
    const at = Math.min(Math.max(scale.at(tick), x[0] + half), x[1] - half)
    if (at - half < free) return []
    free = at + half + 8
    return [text(label, { x: at, y: y + FONT_HEIGHT + 4, 'text-anchor': 'middle', class: 'soft' })]
  })
  return element('line', { x1: x[0], x2: x[1], y1: y, y2: y, class: 'grid' }) + labels.join('')
}

/** Values up the left of `x[0]`, with a line through the chart for each; the line of nothing is the dark one. */
export function leftAxis({ scale, format }: Side, { x }: { x: readonly [number, number] }): string {
  return scale.ticks
    .map((tick) => {
      const y = scale.at(tick)
      const line = element('line', { x1: x[0], x2: x[1], y1: y, y2: y, class: tick === 0 ? 'zero' : 'grid' })
      return line + text(format(tick), { x: x[0] - 6, y: y + 4, 'text-anchor': 'end', class: 'soft' })
    })
    .join('')
}
