import type { NanoUsd } from '#kernel/money.ts'
import { keptShare } from './revenue.ts'
import type { Terms } from './terms.ts'

const NANO_PER_USD = 1e9

/** What an hour of sold work costs beyond an idle hour. */
export interface MarginalCost
  extends Pick<Terms, 'electricityUsdPerKwh' | 'takeShare' | 'payoutFeeShare' | 'fxHaircutShare'> {
  /** At the meter, per GPU-hour. */
  readonly extraKwhPerGpuHour: number
}

/**
 * The least ask per GPU-hour at which work pays for its own electricity, `ΔkWh · c ÷ ((1 − f)(1 − φ)(1 − h))`, rounded
 * up. It is the "off rule" of a machine that stays on while its card is parked: the idle draw is paid either way, so it
 * does not count. 0 where electricity is free or less; `null` where nothing of the price is left, so that no ask is enough.
 */
export function marginalAsk(cost: MarginalCost): NanoUsd | null {
  const usd = cost.extraKwhPerGpuHour * cost.electricityUsdPerKwh
  if (usd <= 0) return 0n
  const kept = keptShare(cost)
  return kept > 0 ? roundUp((usd * NANO_PER_USD) / kept) : null
}

/** What lies above an integer by less than a thousandth is that integer, and a rounding of the arithmetic. */
const roundUp = (value: number): bigint => BigInt(Math.ceil(value - 0.001))
