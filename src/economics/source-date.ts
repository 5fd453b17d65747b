import { DAY_MS, type TimestampMs } from '#kernel/time.ts'

/** Figures older than this are called old. */
export const STALE_DAYS = 90

/**
 * How many whole days before `atMs` a source's date ended; `null` where it has none to tell. A month or a year counts
 * from its end, a range from its last year, so that nothing is made older than it may be.
 */
export function ageDays(asOf: string, atMs: TimestampMs): number | null {
  const end = endOf(asOf)
  return end === null ? null : Math.max(0, Math.floor((atMs - end) / DAY_MS))
}

function endOf(asOf: string): TimestampMs | null {
  if (asOf.includes('undated')) return null
  const day = /^(\d{4})-(\d\d)-(\d\d)$/.exec(asOf)
  if (day) return Date.UTC(Number(day[1]), Number(day[2]) - 1, Number(day[3]))
  const month = /^(\d{4})-(0[1-9]|1[0-2])$/.exec(asOf)
  if (month) return Date.UTC(Number(month[1]), Number(month[2]), 1) - DAY_MS
  const half = /^(\d{4})-?[SH]([12])$/.exec(asOf)
  if (half) return Date.UTC(Number(half[1]), Number(half[2]) * 6, 1) - DAY_MS
  const quarter = /^(\d{4})-?Q([1-4])$/.exec(asOf)
  if (quarter) return Date.UTC(Number(quarter[1]), Number(quarter[2]) * 3, 1) - DAY_MS
  const year = /^(?:\d{4}-)?(\d{4})$/.exec(asOf)
  return year ? Date.UTC(Number(year[1]) + 1, 0, 1) - DAY_MS : null
}
