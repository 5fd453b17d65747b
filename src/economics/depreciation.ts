import { assert } from '#kernel/assert.ts'
import { DAY_MS, type TimestampMs } from '#kernel/time.ts'
import { type Capital, DAYS_PER_YEAR } from './terms.ts'

/** The same amount every day from the purchase to the resale; negative when the resale brings more. */
export const straightLineUsdPerDay = (capital: Omit<Capital, 'discountPerYear'>): number =>
  (capital.purchaseUsd - capital.resaleUsd) / (DAYS_PER_YEAR * capital.lifeYears)

/** What a card of this kind fetched at an instant. */
export interface MarketValue {
  readonly atMs: TimestampMs
  readonly usd: number
}

export interface ValueLoss {
  readonly fromAtMs: TimestampMs
  readonly toAtMs: TimestampMs
  /** Negative where the market rose: the owner gained. */
  readonly lossUsd: number
  readonly lossUsdPerDay: number
}

/** What the market took from (or gave to) the owner between each two observations. `values` are in order of time. */
export function marketLosses(values: readonly MarketValue[]): ValueLoss[] {
  return values.slice(1).map((value, index) => {
    const before = values[index]
    assert(before && before.atMs < value.atMs, 'market values come in order of time')
    const lossUsd = before.usd - value.usd
    return {
      fromAtMs: before.atMs,
      toAtMs: value.atMs,
      lossUsd,
      lossUsdPerDay: (lossUsd * DAY_MS) / (value.atMs - before.atMs),
    }
  })
}
