import { DAY_MS } from '#kernel/time.ts'
import type { TokenSeries } from '../token-past.ts'
import { usdText } from '../usd-text.ts'
import { leftAxis } from './axis.ts'
import { moneyTick } from './money-tick.ts'
import { linearScale } from './scale.ts'
import { chart, element, path, type Size, text } from './svg.ts'

const SIZE: Size = { width: 420, height: 190 }
const AREA = { left: 52, right: 412, top: 12, bottom: 160 }
/** The line breaks where prices lie further apart than usual: nothing is drawn where nothing is known. */
const GAP_FACTOR = 3

/** The past of a token, in USD. */
export function tokenChart({ token, prices, source }: TokenSeries): string {
  const [first, last] = [prices[0], prices.at(-1)]
  if (!first || !last) return ''
  const usds = prices.map(({ usd }) => usd)
  const y = linearScale(
    { low: 0, high: Math.max(...usds) },
    { from: AREA.bottom, to: AREA.top, tickCount: 4 },
  )
  const time = { low: first.atMs, high: Math.max(last.atMs, first.atMs + DAY_MS) }
  const x = linearScale(time, { from: AREA.left, to: AREA.right, tickCount: 4 })
  const lines = pieces(prices).map((piece) =>
    element('path', {
      d: path(piece.map(({ atMs, usd }) => [x.at(atMs), y.at(usd)] as const)),
      class: 'line',
    }),
  )
  const day = (atMs: number): string => new Date(atMs).toISOString().slice(0, 10)
  const dates = [
    text(day(first.atMs), { x: AREA.left, y: AREA.bottom + 18, class: 'soft' }),
    text(day(last.atMs), { x: AREA.right, y: AREA.bottom + 18, 'text-anchor': 'end', class: 'soft' }),
  ]
  const label = `${token} from ${day(first.atMs)} to ${day(last.atMs)} (${source}): from ${usdText(first.usd)} to ${usdText(last.usd)}, at most ${usdText(Math.max(...usds))}, at least ${usdText(Math.min(...usds))}.`
  return chart(
    SIZE,
    label,
    leftAxis({ scale: y, format: moneyTick }, { x: [AREA.left, AREA.right] }),
    ...lines,
    ...dates,
  )
}

function pieces(prices: TokenSeries['prices']): TokenSeries['prices'][number][][] {
  const steps = prices.slice(1).map(({ atMs }, index) => atMs - (prices[index]?.atMs ?? atMs))
  const usual = [...steps].sort((a, b) => a - b)[steps.length >> 1] ?? DAY_MS
  const found: TokenSeries['prices'][number][][] = []
  for (const price of prices) {
    const piece = found.at(-1)
    const before = piece?.at(-1)
    if (piece && before && price.atMs - before.atMs <= GAP_FACTOR * usual) piece.push(price)
    else found.push([price])
  }
  return found
}
