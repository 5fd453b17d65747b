/** Prices of a list of hours, or of quarters of an hour: in order of time, with whatever is missing known as missing. */
import type { TimestampMs } from '#kernel/time.ts'
import { Problem } from '#protocol/problem.ts'
import type { TariffPrice } from './tariff-price.ts'

export interface PriceSlot {
  readonly fromAtMs: TimestampMs
  /** Up to and without. */
  readonly toAtMs: TimestampMs
  /** May be below zero. */
  readonly usdPerKwh: number
}

export interface Gap {
  readonly fromAtMs: TimestampMs
  readonly toAtMs: TimestampMs
}

/** In order, each once. Throws `Problem('config_invalid')` when two that overlap say different prices. */
export function orderSlots(slots: readonly PriceSlot[]): PriceSlot[] {
  const ordered: PriceSlot[] = []
  for (const slot of [...slots].sort((a, b) => a.fromAtMs - b.fromAtMs || a.toAtMs - b.toAtMs)) {
    const before = ordered.at(-1)
    if (slot.toAtMs <= slot.fromAtMs) {
      throw new Problem('config_invalid', `The price from ${textOf(slot.fromAtMs)} ends before it starts.`)
    }
    if (!before || slot.fromAtMs >= before.toAtMs) ordered.push(slot)
    else if (slot.fromAtMs !== before.fromAtMs || slot.usdPerKwh !== before.usdPerKwh) {
      throw new Problem(
        'config_invalid',
        `There are two prices for ${textOf(slot.fromAtMs)}: ${before.usdPerKwh} and ${slot.usdPerKwh} USD/kWh. Give each hour once.`,
      )
    }
  }
  return ordered
}

/** What no slot covers, between `within` or between the first and the last of them. */
export function gapsOf(slots: readonly PriceSlot[], within?: Gap): Gap[] {
  const [first, last] = [slots[0], slots.at(-1)]
  if (!first || !last) return within ? [within] : []
  const end = within?.toAtMs ?? last.toAtMs
  const gaps: Gap[] = []
  let covered = within?.fromAtMs ?? first.fromAtMs
  for (const slot of slots) {
    if (slot.fromAtMs > covered && covered < end) {
      gaps.push({ fromAtMs: covered, toAtMs: Math.min(slot.fromAtMs, end) })
    }
    covered = Math.max(covered, slot.toAtMs)
  }
  if (covered < end) gaps.push({ fromAtMs: covered, toAtMs: end })
  return gaps
}

export function slotAt(slots: readonly PriceSlot[], atMs: TimestampMs): TariffPrice {
  let [low, high] = [0, slots.length]
  // The first slot that ends after the instant.
  while (low < high) {
    const middle = (low + high) >> 1
    if ((slots[middle]?.toAtMs ?? 0) > atMs) high = middle
    else low = middle + 1
  }
  const slot = slots[low]
  if (slot && slot.fromAtMs <= atMs)
    return { kind: 'known', usdPerKwh: slot.usdPerKwh, untilAtMs: slot.toAtMs }
  const [first, last] = [slots[0], slots.at(-1)]
  const reach =
    first && last ? `prices reach from ${textOf(first.fromAtMs)} to ${textOf(last.toAtMs)}` : 'there is none'
  const hole = slot && low > 0 ? `, with a gap until ${textOf(slot.fromAtMs)}` : ''
  return { kind: 'unknown', why: `No price for ${textOf(atMs)}: ${reach}${hole}.` }
}

/** One sentence that names every gap, or `null` when there is none. */
export function describeGaps(gaps: readonly Gap[]): string | null {
  if (gaps.length === 0) return null
  const named = gaps.slice(0, 5).map((gap) => `${textOf(gap.fromAtMs)} to ${textOf(gap.toAtMs)}`)
  const more = gaps.length > named.length ? ` and ${gaps.length - named.length} more` : ''
  return `No price for ${named.join(', ')}${more}.`
}

/** `2026-11-22 14:00 UTC`. */
export const textOf = (atMs: TimestampMs): string =>
  `${new Date(atMs).toISOString().slice(0, 16).replace('T', ' ')} UTC`
