/** What a series of token prices says of its past. Nothing of it says where the price goes. */
import { assert } from '#kernel/assert.ts'
import { DAY_MS, type TimestampMs } from '#kernel/time.ts'
import { DAYS_PER_YEAR } from './terms.ts'

export interface TokenPrice {
  readonly atMs: TimestampMs
  /** Above zero. */
  readonly usd: number
}

export interface TokenHistory {
  readonly fromAtMs: TimestampMs
  readonly toAtMs: TimestampMs
  readonly count: number
  /** Of the logarithm of the price, for a year; from samples that need not lie evenly. */
  readonly volatilityPerYear: number
  /** The deepest fall from a peak to a later low, as a share: between -1 and 0. */
  readonly maxDrawdown: number
  /** Last over first price, less 1. */
  readonly change: number
}

const SAMPLES_MIN = 3

/** `null` for fewer than three prices: too few to say anything. `prices` are in order of time. */
export function historyOf(prices: readonly TokenPrice[]): TokenHistory | null {
  const [first, last] = [prices[0], prices.at(-1)]
  if (!first || !last || prices.length < SAMPLES_MIN) return null
  let [squares, peak, maxDrawdown] = [0, first.usd, 0]
  for (const [index, price] of prices.entries()) {
    assert(price.usd > 0, 'a token price is above zero')
    const before = prices[index - 1]
    if (before) {
      assert(before.atMs < price.atMs, 'token prices come in order of time')
      squares += Math.log(price.usd / before.usd) ** 2
    }
    peak = Math.max(peak, price.usd)
    maxDrawdown = Math.min(maxDrawdown, price.usd / peak - 1)
  }
  const days = (last.atMs - first.atMs) / DAY_MS
  return {
    fromAtMs: first.atMs,
    toAtMs: last.atMs,
    count: prices.length,
    volatilityPerYear: Math.sqrt((squares / days) * DAYS_PER_YEAR),
    maxDrawdown,
    change: last.usd / first.usd - 1,
  }
}

/** How far two tokens moved together, from -1 to 1, over the instants that both series have; `null` for too few of them. */
export function correlationOf(a: readonly TokenPrice[], b: readonly TokenPrice[]): number | null {
  const usdOfB = new Map(b.map((price) => [price.atMs, price.usd]))
  const shared = a.flatMap(({ atMs, usd }) => {
    const other = usdOfB.get(atMs)
    return other === undefined ? [] : [[usd, other] as const]
  })
  const moves = shared.slice(1).map(([usd, other], index) => {
    const [usdBefore, otherBefore] = shared[index] ?? [usd, other]
    return [Math.log(usd / usdBefore), Math.log(other / otherBefore)] as const
  })
  if (moves.length < SAMPLES_MIN) return null
  const mean = (at: 0 | 1): number => moves.reduce((sum, move) => sum + move[at], 0) / moves.length
  const [meanA, meanB] = [mean(0), mean(1)]
  let [both, ofA, ofB] = [0, 0, 0]
  for (const [moveA, moveB] of moves) {
    both += (moveA - meanA) * (moveB - meanB)
    ofA += (moveA - meanA) ** 2
    ofB += (moveB - meanB) ** 2
  }
  return ofA > 0 && ofB > 0 ? both / Math.sqrt(ofA * ofB) : null
}
