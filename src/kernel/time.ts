/** Milliseconds since the Unix epoch. */
export type TimestampMs = number

export const SECOND_MS = 1_000
export const MINUTE_MS = 60 * SECOND_MS
export const HOUR_MS = 60 * MINUTE_MS
export const DAY_MS = 24 * HOUR_MS

/** `820 ms`, `4.2 s`, `3 min 20 s`, `2 h 5 min`, rounded down: for people, never parsed. */
export function formatDuration(durationMs: number): string {
  if (durationMs < SECOND_MS) return `${Math.floor(durationMs)} ms`
  if (durationMs < MINUTE_MS) return `${(Math.floor(durationMs / 100) / 10).toFixed(1)} s`
  if (durationMs < HOUR_MS) {
    return `${Math.floor(durationMs / MINUTE_MS)} min ${Math.floor((durationMs % MINUTE_MS) / SECOND_MS)} s`
  }
  return `${Math.floor(durationMs / HOUR_MS)} h ${Math.floor((durationMs % HOUR_MS) / MINUTE_MS)} min`
}
