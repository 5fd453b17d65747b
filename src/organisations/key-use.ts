/** The windows that limits by day and month run in, UTC, and what was used in them. */
import { DAY_MS, type TimestampMs } from '#kernel/time.ts'
import type { KeyUse } from '#protocol/key-limits.ts'

/** Days since the Unix epoch. */
export const dayOf = (atMs: TimestampMs): number => Math.floor(atMs / DAY_MS)

/** Months since year 0. */
export function monthOf(atMs: TimestampMs): number {
  const date = new Date(atMs)
  return date.getUTCFullYear() * 12 + date.getUTCMonth()
}

export const startOfDayMs = (day: number): TimestampMs => day * DAY_MS
export const startOfMonthMs = (month: number): TimestampMs =>
  Date.UTC(Math.floor(month / 12), ((month % 12) + 12) % 12)

export const emptyUse = (atMs: TimestampMs): KeyUse => ({
  day: dayOf(atMs),
  tokens: 0,
  requests: 0,
  spend: 0n,
  month: monthOf(atMs),
  monthSpend: 0n,
})

/** `use` as it stands at `atMs`: what was counted in a window that is over is gone. */
export function useAt(use: KeyUse | undefined, atMs: TimestampMs): KeyUse {
  if (!use) return emptyUse(atMs)
  const day = dayOf(atMs)
  if (use.day === day) return use
  const month = monthOf(atMs)
  return {
    day,
    tokens: 0,
    requests: 0,
    spend: 0n,
    month,
    monthSpend: use.month === month ? use.monthSpend : 0n,
  }
}
