/**
 * What the node asks in this hour, and whether it works at all. Pure.
 *
 *   serving ⇄ parked
 *
 * The *reserve price* is what an hour of work costs in electricity at this hour's price. The ask is never below it. Where
 * work cannot sell for that much (the owner's fixed ask, or the most that `max` says work sells for), the card parks: an
 * hour of work would cost more than it brings. It comes back only once work pays a little more than it costs, so that a
 * price or a measurement at the edge does not send it to and fro.
 */
import { askOf, marginalPriceUsdPerGpuHour } from '#economics/hour.ts'
import { formatUsd, maximum, NANO_PER_USD, type NanoUsd } from '#kernel/money.ts'

/** How the owner wants the ask made, per GPU-hour. */
export type AskPolicy =
  | { readonly kind: 'fixed'; readonly ask: NanoUsd }
  /** Follows the reserve price, never below `floor`; parks above `max`, and never where that is `null`. */
  | { readonly kind: 'auto'; readonly floor: NanoUsd; readonly max: NanoUsd | null }

export interface ParkState {
  readonly isParked: boolean
  /** The ask in force; `null` before the first. */
  readonly ask: NanoUsd | null
}

/** A time with one price of electricity; `null` where nobody knows it. */
export interface PriceSlot {
  readonly fromMs: number
  readonly usdPerKwh: number | null
}

export interface ParkInput {
  readonly policy: AskPolicy
  /** Of this moment; `null` when unknown. */
  readonly usdPerKwh: number | null
  /** The times after this one, in order. */
  readonly upcoming: readonly PriceSlot[]
  readonly extraKwhPerGpuHour: number
  readonly feeBps: number
}

export interface ParkVerdict {
  readonly isParked: boolean
  readonly ask: NanoUsd
  /** The reserve price; `null` when it cannot be told. */
  readonly reserve: NanoUsd | null
  /** One sentence for the owner. */
  readonly reason: string
  /** When it will take work again as far as prices are known; `null` while it serves, or when nobody knows. */
  readonly untilMs: number | null
}

/** Parked comes back when work pays this much more than it costs; an ask falls only when it falls by more. */
const RESUME_MARGIN_BPS = 200n
const ASK_STEP_BPS = 100n
const BPS = 10_000n

export function decidePark(state: ParkState, input: ParkInput): ParkVerdict {
  const { policy, usdPerKwh } = input
  if (usdPerKwh === null) return keepOn(state, policy)
  const reserve = reserveAt(usdPerKwh, input)
  const ceiling = policy.kind === 'fixed' ? policy.ask : policy.max
  const pays = reserve !== null && (ceiling === null || isEnough(ceiling, reserve, state.isParked))
  if (!pays) {
    return {
      isParked: true,
      ask: ceiling ?? lowest(policy),
      reserve,
      reason: explainParked({ reserve, ceiling, usdPerKwh }),
      untilMs: input.upcoming.find((slot) => wouldServe(slot, ceiling, input))?.fromMs ?? null,
    }
  }
  const ask = policy.kind === 'fixed' ? policy.ask : follow(state.ask, maximum(reserve, policy.floor))
  const reason = costText(reserve, usdPerKwh)
  return { isParked: false, ask, reserve, reason, untilMs: null }
}

/** Nothing is known of this hour: what was, stays. Without anything before, a floating ask has no ground to stand on. */
function keepOn({ isParked, ask }: ParkState, policy: AskPolicy): ParkVerdict {
  const unknown = 'no price of electricity is known for this hour'
  const kept = policy.kind === 'fixed' ? policy.ask : ask
  if (kept === null) {
    const reason = `${unknown}, and there is no earlier ask to keep`
    return { isParked: true, ask: lowest(policy), reserve: null, reason, untilMs: null }
  }
  const reason = isParked ? `${unknown}: it stays parked` : `${unknown}: the last ask stays`
  return { isParked, ask: kept, reserve: null, reason, untilMs: null }
}

/**
 * The machine stays on while its card is parked, so what it draws when idle is paid either way and does not count. `null`
 * where the network keeps all that callers pay.
 */
export function reserveAt(
  usdPerKwh: number,
  { extraKwhPerGpuHour, feeBps }: Pick<ParkInput, 'extraKwhPerGpuHour' | 'feeBps'>,
): NanoUsd | null {
  const perGpu = { gpuCount: 1, loadWatts: extraKwhPerGpuHour * 1_000, idleWatts: 0, offWatts: 0 }
  const atTheMeter = { psuEfficiency: 1, pue: 1 }
  const shares = { takeShare: feeBps / Number(BPS), payoutFeeShare: 0, fxHaircutShare: 0 }
  const usd = marginalPriceUsdPerGpuHour({ ...perGpu, ...atTheMeter, ...shares }, usdPerKwh)
  return Number.isFinite(usd) ? askOf(usd) : null
}

/** Whether `ceiling` pays `reserve`, with a margin for one that is parked. */
const isEnough = (ceiling: NanoUsd, reserve: NanoUsd, isParked: boolean): boolean =>
  isParked && reserve > 0n ? ceiling * BPS >= reserve * (BPS + RESUME_MARGIN_BPS) : ceiling >= reserve

function wouldServe(slot: PriceSlot, ceiling: NanoUsd | null, input: ParkInput): boolean {
  const reserve = slot.usdPerKwh === null ? null : reserveAt(slot.usdPerKwh, input)
  return reserve !== null && (ceiling === null || isEnough(ceiling, reserve, true))
}

/** Up at once, for less would not cover the cost; down only by a step that is worth telling the network. */
export function follow(current: NanoUsd | null, wanted: NanoUsd): NanoUsd {
  if (current === null || wanted > current) return wanted
  return (current - wanted) * BPS > current * ASK_STEP_BPS ? wanted : current
}

const lowest = (policy: AskPolicy): NanoUsd => (policy.kind === 'fixed' ? policy.ask : policy.floor)

function explainParked(found: {
  reserve: NanoUsd | null
  ceiling: NanoUsd | null
  usdPerKwh: number
}): string {
  if (found.reserve === null)
    return 'the network keeps all that callers pay, so no work pays for its electricity'
  const sells = found.ceiling === null ? '' : `, and sells for at most $${formatUsd(found.ceiling)}`
  return `${costText(found.reserve, found.usdPerKwh)}${sells}`
}

/** A hundredth of a cent is precise enough for people. */
const STEP = NANO_PER_USD / 10_000n

const costText = (reserve: NanoUsd, usdPerKwh: number): string =>
  `a GPU-hour of work takes $${formatUsd(((reserve + STEP / 2n) / STEP) * STEP)} to pay its electricity at $${Math.round(usdPerKwh * 1e4) / 1e4} per kWh`
