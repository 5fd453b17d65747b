import type { BreakEvenMap } from '../break-even-map.ts'
import { usdText } from '../usd-text.ts'
import { moneyTick } from './money-tick.ts'
import { chart, element, type Size, text } from './svg.ts'

const SIZE: Size = { width: 420, height: 286 }
const AREA = { left: 46, right: 412, top: 12, bottom: 228 }

/** The owner's own case in the map. */
export interface OwnCase {
  readonly usdPerKwh: number
  readonly utilisation: number
}

/** Where a machine is worth running: one field for each price of electricity and rented share, with the line between gain and loss. */
export function breakEvenChart(map: BreakEvenMap, own: OwnCase | null, label: string): string {
  const { usdPerKwh, utilisation, netUsdPerDay } = map
  const cell = {
    width: (AREA.right - AREA.left) / usdPerKwh.length,
    height: (AREA.bottom - AREA.top) / utilisation.length,
  }
  const most = Math.max(...netUsdPerDay.flat().map(Math.abs), 1e-9)
  // The highest share on top.
  const topOf = (row: number): number => AREA.bottom - (row + 1) * cell.height
  const cells = netUsdPerDay.flatMap((row, at) =>
    row.map((net, column) =>
      element('rect', {
        x: AREA.left + column * cell.width,
        y: topOf(at),
        width: cell.width,
        height: cell.height,
        class: net >= 0 ? 'good' : 'bad',
        'fill-opacity': (0.12 + 0.78 * Math.sqrt(Math.abs(net) / most)).toFixed(2),
      }),
    ),
  )
  const names = [
    ...usdPerKwh.flatMap((price, column) =>
      column % 2 === 0
        ? [
            text(moneyTick(price), {
              x: AREA.left + (column + 0.5) * cell.width,
              y: AREA.bottom + 16,
              'text-anchor': 'middle',
              class: 'soft',
            }),
          ]
        : [],
    ),
    ...utilisation.flatMap((share, row) =>
      row % 2 === (utilisation.length - 1) % 2
        ? [
            text(`${Math.round(share * 100)} %`, {
              x: AREA.left - 5,
              y: topOf(row) + cell.height / 2 + 4,
              'text-anchor': 'end',
              class: 'soft',
            }),
          ]
        : [],
    ),
    text('electricity, USD/kWh; up: share of all hours rented', {
      x: AREA.right,
      y: AREA.bottom + 34,
      'text-anchor': 'end',
    }),
  ]
  const legend = [
    element('rect', { x: AREA.left, y: SIZE.height - 14, width: 12, height: 12, class: 'good' }),
    text(`gains, up to ${usdText(Math.max(...netUsdPerDay.flat(), 0))} a day`, {
      x: AREA.left + 18,
      y: SIZE.height - 4,
    }),
    element('rect', { x: 240, y: SIZE.height - 14, width: 12, height: 12, class: 'bad' }),
    text(`loses, to ${usdText(Math.min(...netUsdPerDay.flat(), 0))}`, { x: 258, y: SIZE.height - 4 }),
  ]
  return chart(
    SIZE,
    fullLabel(map, label),
    element('g', { class: 'fields' }, ...cells),
    border(map, { cell, topOf }),
    youMark(map, own, { cell }),
    ...names,
    ...legend,
  )
}

function fullLabel({ usdPerKwh, utilisation, netUsdPerDay }: BreakEvenMap, label: string): string {
  const lines = utilisation.map((share, row) => {
    const gains = usdPerKwh.filter((_, column) => (netUsdPerDay[row]?.[column] ?? 0) >= 0)
    const until = gains.at(-1)
    return `${Math.round(share * 100)} % rented: ${until === undefined ? 'never' : `up to ${usdText(until)}/kWh`}`
  })
  return `${label}: ${lines.join('; ')}.`
}

/** The steps between the fields that gain and those that lose. */
function border(
  { netUsdPerDay }: BreakEvenMap,
  { cell, topOf }: { cell: { width: number; height: number }; topOf: (row: number) => number },
): string {
  const gains = (row: number, column: number): boolean | null => {
    const net = netUsdPerDay[row]?.[column]
    return net === undefined ? null : net >= 0
  }
  const edges: string[] = []
  for (const [row, values] of netUsdPerDay.entries())
    for (const column of values.keys()) {
      const [x, y] = [AREA.left + column * cell.width, topOf(row)]
      const own = gains(row, column)
      const [right, up] = [gains(row, column + 1), gains(row + 1, column)]
      if (right !== null && right !== own)
        edges.push(`M${fixed(x + cell.width)} ${fixed(y)}v${fixed(cell.height)}`)
      if (up !== null && up !== own) edges.push(`M${fixed(x)} ${fixed(y)}h${fixed(cell.width)}`)
    }
  return edges.length === 0 ? '' : element('path', { d: edges.join(''), class: 'border' })
}

const fixed = (value: number): string => value.toFixed(1)

/** Fields stand for the values in their middle, so the mark is measured from middle to middle. */
function youMark(
  { usdPerKwh, utilisation }: BreakEvenMap,
  own: OwnCase | null,
  { cell }: { cell: { width: number; height: number } },
): string {
  const column = own && positionIn(usdPerKwh, own.usdPerKwh)
  const row = own && positionIn(utilisation, own.utilisation)
  if (column === null || row === null) return ''
  const x = AREA.left + (column + 0.5) * cell.width
  const y = AREA.bottom - (row + 0.5) * cell.height
  const isRight = x > (AREA.left + AREA.right) / 2
  return (
    element('circle', { cx: x, cy: y, r: 5, class: 'you' }) +
    text('you', {
      x: isRight ? x - 9 : x + 9,
      y: y + 4,
      'text-anchor': isRight ? 'end' : 'start',
      class: 'strong',
    })
  )
}

/** Where between the ascending `values` it lies, as an index with a fraction; `null` beyond the outer fields. */
function positionIn(values: readonly number[], value: number): number | null {
  for (const [index, low] of values.entries()) {
    const high = values[index + 1]
    if (high !== undefined && value >= low && value <= high) return index + (value - low) / (high - low)
  }
  const [first = 0, second = 1] = values
  const step = second - first
  const last = values.at(-1) ?? 0
  if (value < first && value >= first - step / 2) return (value - first) / step
  if (value > last && value <= last + step / 2) return values.length - 1 + (value - last) / step
  return null
}
