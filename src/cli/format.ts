/** Amounts, times and counts as people read them. */
import { formatUsd, type NanoUsd } from '#kernel/money.ts'
import { DAY_MS, formatDuration, HOUR_MS, MINUTE_MS, SECOND_MS } from '#kernel/time.ts'

/** `$1.25`, `-$0.000000042`. */
export const formatMoney = (amount: NanoUsd): string =>
  amount < 0n ? `-$${formatUsd(-amount)}` : `$${formatUsd(amount)}`

/** `+$1.25`, `-$0.20`: for postings, where the direction is the point. */
export const formatPosting = (amount: NanoUsd): string => (amount < 0n ? '' : '+') + formatMoney(amount)

/** `$1.00` or `$1.00 to $2.00`. */
export const formatMoneyRange = ({ min, max }: { min: NanoUsd; max: NanoUsd }): string =>
  min === max ? formatMoney(min) : `${formatMoney(min)} to ${formatMoney(max)}`

/** `2026-11-22 13:04:05`, in UTC. */
export const formatTime = (atMs: number): string =>
  new Date(atMs).toISOString().slice(0, 19).replace('T', ' ')

/** `12 s ago`, `3 h ago`: one unit is enough. */
export function formatAge(atMs: number, nowMs: number): string {
  const ageMs = Math.max(0, nowMs - atMs)
  if (ageMs < MINUTE_MS) return `${Math.floor(ageMs / SECOND_MS)} s ago`
  if (ageMs < HOUR_MS) return `${Math.floor(ageMs / MINUTE_MS)} min ago`
  return ageMs < 2 * DAY_MS
    ? `${Math.floor(ageMs / HOUR_MS)} h ago`
    : `${Math.floor(ageMs / DAY_MS)} days ago`
}

/** `1,234,567`. */
export const formatCount = (count: number): string => String(count).replace(/\B(?=(\d{3})+$)/g, ',')

/** `1 node`, `2 nodes`. */
export const formatNoun = (count: number, noun: string): string =>
  `${formatCount(count)} ${noun}${count === 1 ? '' : 's'}`

export const formatSpeed = (perSecond: number): string =>
  perSecond >= 100 ? String(Math.round(perSecond)) : perSecond.toFixed(1)

export const formatMaybeDuration = (durationMs: number | null): string =>
  durationMs === null ? '–' : formatDuration(durationMs)

/** Parts per billion as `99.953 %`, rounded down. */
export const formatShare = (ppb: number): string => `${(Math.floor(ppb / 10_000) / 1_000).toFixed(3)} %`
