/** `x-ratelimit-*`, as OpenAI names and writes them. */
import type { BoundedQueue } from '#kernel/bounded-queue.ts'
import { DAY_MS, MINUTE_MS, SECOND_MS } from '#kernel/time.ts'
import type { KeyLimits } from '#protocol/key-limits.ts'

export function requestHeaders(times: BoundedQueue<number> | null, nowMs: number): Record<string, string> {
  if (times === null) return {}
  const first = times.peek()
  return {
    'x-ratelimit-limit-requests': String(times.lengthMax),
    'x-ratelimit-remaining-requests': String(times.lengthMax - times.length),
    'x-ratelimit-reset-requests': formatReset(first === undefined ? 0 : MINUTE_MS - (nowMs - first)),
  }
}

export const tokenHeaders = (
  { tokensPerDay }: KeyLimits,
  left: number | null,
  resetMs: number,
): Record<string, string> =>
  left === null
    ? {}
    : {
        'x-ratelimit-limit-tokens': String(tokensPerDay),
        'x-ratelimit-remaining-tokens': String(left),
        'x-ratelimit-reset-tokens': formatReset(Math.min(resetMs, DAY_MS)),
      }

/** As OpenAI writes durations: `6h2m1s`, `820ms`. */
function formatReset(ms: number): string {
  if (ms < SECOND_MS) return `${Math.max(0, Math.ceil(ms))}ms`
  const seconds = Math.ceil(ms / SECOND_MS)
  const [hours, minutes, rest] = [Math.floor(seconds / 3_600), Math.floor(seconds / 60) % 60, seconds % 60]
  return `${hours > 0 ? `${hours}h` : ''}${hours + minutes > 0 ? `${minutes}m` : ''}${rest}s`
}
