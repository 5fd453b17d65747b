/**
 * One hour at its own price of electricity: what it costs to be parked, idle or at work, below which price work is not
 * worth its electricity, and whether to be online at all. What is bought or bound does not count here: it is spent
 * either way.
 */
import { assert } from '#kernel/assert.ts'
import { NANO_PER_USD, type NanoUsd } from '#kernel/money.ts'
import { kwhPerHour } from './energy.ts'
import { keptShare } from './revenue.ts'
import type { Terms } from './terms.ts'
import { usdText } from './usd-text.ts'

export type HourTerms = Pick<
  Terms,
  | 'gpuCount'
  | 'loadWatts'
  | 'idleWatts'
  | 'offWatts'
  | 'psuEfficiency'
  | 'pue'
  | 'takeShare'
  | 'payoutFeeShare'
  | 'fxHaircutShare'
>

export type MachineState = 'parked' | 'idle' | 'working'

/** What the electricity of one hour costs in that state; negative where the market pays for using it. */
export function hourCostUsd(state: MachineState, terms: HourTerms, usdPerKwh: number): number {
  const watts = { parked: terms.offWatts, idle: terms.idleWatts, working: terms.loadWatts }[state]
  return kwhPerHour(watts, terms) * usdPerKwh
}

/**
 * The list price of a GPU-hour that just pays for the electricity of working instead of being parked, the network's
 * part included. Never below 0. `Infinity` when the network keeps everything.
 */
export function marginalPriceUsdPerGpuHour(terms: HourTerms, usdPerKwh: number): number {
  const extra = hourCostUsd('working', terms, usdPerKwh) - hourCostUsd('parked', terms, usdPerKwh)
  if (extra <= 0) return 0
  const kept = keptShare(terms)
  return kept > 0 ? extra / (terms.gpuCount * kept) : Number.POSITIVE_INFINITY
}

/** A price as an ask, rounded up to whole nano-USD: never below what it stands for. */
export function askOf(usdPerGpuHour: number): NanoUsd {
  assert(Number.isFinite(usdPerGpuHour) && usdPerGpuHour >= 0, 'an ask is a finite price of 0 or more')
  return BigInt(Math.ceil(usdPerGpuHour * Number(NANO_PER_USD)))
}

export interface ParkDecision {
  readonly isParked: boolean
  /** What the hour is expected to bring, and what being online costs above being parked. */
  readonly expectedUsd: number
  readonly onlineUsd: number
  /** One sentence for people. */
  readonly why: string
}

/**
 * Whether being online this hour is worth its electricity. `utilisation` is the share of the hour expected to be
 * rented, `priceUsdPerGpuHour` what a renter pays for it.
 */
export function decideParking(
  terms: HourTerms,
  hour: { readonly usdPerKwh: number; readonly utilisation: number; readonly priceUsdPerGpuHour: number },
): ParkDecision {
  const { usdPerKwh, utilisation, priceUsdPerGpuHour } = hour
  const cost = (state: MachineState): number => hourCostUsd(state, terms, usdPerKwh)
  const online = utilisation * cost('working') + (1 - utilisation) * cost('idle') - cost('parked')
  const expected = terms.gpuCount * utilisation * priceUsdPerGpuHour * keptShare(terms)
  const isParked = expected < online
  const figures = `an hour online brings ${usdText(expected)} and costs ${usdText(online)} of electricity at ${usdText(usdPerKwh)}/kWh`
  return {
    isParked,
    expectedUsd: expected,
    onlineUsd: online,
    why: isParked ? `Parked: ${figures}.` : `Online: ${figures}.`,
  }
}
