/** What the clocks of a place show, from the system's table of time zones. */
import type { TimestampMs } from '#kernel/time.ts'

/** Local time is UTC and so many minutes, from `fromAtMs` until the next one begins. */
export interface UtcOffset {
  readonly fromAtMs: TimestampMs
  readonly minutes: number
}

export interface TimeZones {
  /**
   * The offsets of `timeZone` (an IANA name such as `Europe/Berlin`) within the period, in order of time: the first begins
   * with it, each later one at the instant when the clocks change. `null` for a name that is none.
   */
  offsets(
    timeZone: string,
    period: { readonly fromMs: TimestampMs; readonly toMs: TimestampMs },
  ): readonly UtcOffset[] | null
}
