import { DAY_MS, MINUTE_MS, type TimestampMs } from '#kernel/time.ts'
import type { TimeZones, UtcOffset } from '../time-zones.ts'

/** The time zones of Node's own tables (ICU). */
export const nodeTimeZones: TimeZones = {
  offsets(timeZone, { fromMs, toMs }) {
    const minutesAt = offsetReader(timeZone)
    if (!minutesAt) return null
    const offsets: UtcOffset[] = [{ fromAtMs: fromMs, minutes: minutesAt(fromMs) }]
    for (let atMs = fromMs; atMs < toMs; atMs += DAY_MS) {
      const nextMs = Math.min(atMs + DAY_MS, toMs)
      const minutes = minutesAt(nextMs)
      if (minutes === offsets.at(-1)?.minutes) continue
      offsets.push({ fromAtMs: changeBetween(atMs, nextMs, minutesAt), minutes })
    }
    return offsets
  },
}

/** `null` for a name that is no time zone. An offset such as `+01:00` is one for Intl, and none of a place. */
function offsetReader(timeZone: string): ((atMs: TimestampMs) => number) | null {
  if (!/^[A-Za-z]/.test(timeZone)) return null
  let format: Intl.DateTimeFormat
  try {
    format = new Intl.DateTimeFormat('en-US', { timeZone, timeZoneName: 'longOffset', hour: 'numeric' })
  } catch {
    return null // RangeError: no such zone.
  }
  return (atMs) => {
    const name = format.formatToParts(atMs).find(({ type }) => type === 'timeZoneName')?.value ?? ''
    const [, sign, hours = '0', minutes = '0'] = /^GMT(?:([+-])(\d{2}):(\d{2}))?/.exec(name) ?? []
    return (sign === '-' ? -1 : 1) * (Number(hours) * 60 + Number(minutes))
  }
}

/** The first minute between the two with the offset of the later. */
function changeBetween(fromMs: number, toMs: number, minutesAt: (atMs: number) => number): number {
  const after = minutesAt(toMs)
  let [low, high] = [Math.floor(fromMs / MINUTE_MS), Math.ceil(toMs / MINUTE_MS)]
  while (high - low > 1) {
    const middle = Math.floor((low + high) / 2)
    if (minutesAt(middle * MINUTE_MS) === after) high = middle
    else low = middle
  }
  return high * MINUTE_MS
}
