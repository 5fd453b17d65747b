/**
 * Limits of requests that are too small to be shared out among the workers of one machine: of four that allow a key one
 * request each it would get four, of four that allow it none it would get none. One worker, the keeper of the key's budget,
 * counts all calls of such a key, wherever they come in and wherever they run; `worker-calls.ts` brings them to it.
 */
import type { Clock } from '#host/host.ts'
import { BoundedQueue } from '#kernel/bounded-queue.ts'
import { MINUTE_MS, type TimestampMs } from '#kernel/time.ts'
import { startOfDayMs, useAt } from '#organisations/key-use.ts'
import type { KeyLimits, KeyUse } from '#protocol/key-limits.ts'
import type { Problem } from '#protocol/problem.ts'
import type { LimitedKey } from './key-budgets.ts'
import { requestHeaders } from './key-limit-headers.ts'
import { atOnceLimited, dayLimited, rateLimited } from './key-limit-problems.ts'

/** Calls of a key that were counted in. */
export interface Permit {
  /** `x-ratelimit-*` of its requests, as they stand now. */
  headers(): Record<string, string>
  /** The call is over. `isServed`: it was answered, which the ledger counts as requests of the day. Once. */
  end(isServed: boolean): void
}

export interface KeptCounts {
  /** Counts `calls` requests in, or says why not. `workers`: how many of the gateways bring their calls here. */
  count(key: LimitedKey, calls: number, workers: number): Permit | Problem
}

interface Kept {
  /** Under way. */
  open: number
  /** When requests of the last minute were admitted, by the monotonic clock. */
  times: BoundedQueue<number> | null
  /** What the ledger had of this day when it was first asked, and what was served here since. */
  day: number
  servedBefore: number
  served: number
}

/** A share of fewer requests than this is too small. */
const SHARE_MIN = 16
const names = ['requestsAtOnce', 'requestsPerMinute', 'requestsPerDay'] as const

/** Whether calls of a key with these limits go to one keeper. */
export const isKept = (limits: KeyLimits, gateways: number): boolean =>
  gateways > 1 && names.some((name) => (limits[name] ?? Number.POSITIVE_INFINITY) < SHARE_MIN * gateways)

/** What is left to be held to by the worker that runs a call which its keeper has counted. */
export function withoutCounts({ budgetId, limits }: LimitedKey): LimitedKey {
  const { requestsAtOnce: _open, requestsPerMinute: _minute, requestsPerDay: _day, ...others } = limits
  return { budgetId, limits: others }
}

export function createKeptCounts(parts: {
  readonly clock: Pick<Clock, 'elapsedMs'>
  readonly cellNowMs: () => TimestampMs
  readonly gateways: () => number
  /** What the ledger told last. */
  readonly toldOf: (budgetId: string) => KeyUse | undefined
}): KeptCounts {
  const { clock, cellNowMs, toldOf } = parts
  const budgets = new Map<string, Kept>()

  function keptOf(budgetId: string): Kept {
    const { day, requests = 0 } = useAt(toldOf(budgetId), cellNowMs())
    const known = budgets.get(budgetId)
    if (known?.day === day) return known
    const fresh = { open: 0, times: null, ...known, day, servedBefore: requests, served: 0 }
    budgets.set(budgetId, fresh)
    return fresh
  }

  /** The window of its requests, without those that are a minute old. */
  function timesOf(kept: Kept, lengthMax: number): BoundedQueue<number> {
    kept.times = ofLastMinute(kept.times, lengthMax, clock.elapsedMs())
    return kept.times
  }

  /** Of what is left to all gateways; other machines have the rest. No machine gets nothing as long as there is some. */
  function shareOf(left: number, workers: number): number {
    const gateways = parts.gateways()
    return left <= 0 ? 0 : Math.max(1, Math.floor((left * Math.min(workers, gateways)) / gateways))
  }

  function leftToday({ servedBefore, served }: Kept, { limits, budgetId }: LimitedKey): number | null {
    const { requests = 0 } = useAt(toldOf(budgetId), cellNowMs())
    // The ledger hears of what was served here a little later.
    const used = Math.max(requests, servedBefore + served)
    return limits.requestsPerDay === undefined ? null : limits.requestsPerDay - used
  }

  return {
    count(key, calls, workers) {
      const { requestsAtOnce, requestsPerMinute, requestsPerDay } = key.limits
      const kept = keptOf(key.budgetId)
      const nowMs = clock.elapsedMs()
      const times =
        requestsPerMinute === undefined ? null : timesOf(kept, shareOf(requestsPerMinute, workers))
      if (times && times.length + calls > times.lengthMax)
        return rateLimited(times.lengthMax, MINUTE_MS - (nowMs - (times.peek() ?? nowMs)))
      if (requestsAtOnce !== undefined && kept.open + calls > shareOf(requestsAtOnce, workers))
        return atOnceLimited(shareOf(requestsAtOnce, workers))
      const left = leftToday(kept, key)
      if (left !== null && kept.open + calls > shareOf(left, workers))
        return dayLimited(requestsPerDay ?? 0, startOfDayMs(kept.day + 1) - cellNowMs())
      for (let call = 0; call < calls; call++) times?.push(nowMs)
      kept.open += calls
      let isOver = false
      return {
        headers: () => requestHeaders(times && timesOf(kept, times.lengthMax), clock.elapsedMs()),
        end(isServed) {
          if (isOver) return
          isOver = true
          const now = keptOf(key.budgetId)
          now.open -= calls
          if (isServed) now.served += calls
        },
      }
    },
  }
}

/** `times` without those that are a minute old, in a queue of `lengthMax`: of more the newest. */
export function ofLastMinute(
  times: BoundedQueue<number> | null,
  lengthMax: number,
  nowMs: number,
): BoundedQueue<number> {
  const fit = times?.lengthMax === lengthMax ? times : new BoundedQueue<number>(lengthMax)
  if (fit !== times) {
    for (let left = times?.length ?? 0; left > 0; left--) {
      const time = times?.shift()
      if (time !== undefined && left <= lengthMax) fit.push(time)
    }
  }
  for (let first = fit.peek(); first !== undefined && nowMs - first >= MINUTE_MS; first = fit.peek())
    fit.shift()
  return fit
}
