/** What five times the load that there is room for came to. */
import type { UsageLine } from '#protocol/usage-page.ts'
import { spread } from '../parts/spread.ts'
import { atMost, none, type ScenarioResult } from './scenario.ts'
import type { Steady } from './steady-load.ts'

export interface OverloadFound {
  /** Answers a second. */
  readonly capacity: number
  /** What was asked before the flood, in it and after it. */
  readonly results: readonly Steady[]
  /** What was asked to learn the capacity. */
  readonly measured: readonly Steady[]
  /** By `performance.now`: as the flood began, and as it ended. */
  readonly floodMs: number
  readonly dropMs: number
  readonly usage: readonly UsageLine[]
}

const REFUSED_MS_MAX = 50
export const BACK_MS_MAX = 60_000
export const WINDOW_MS = 5_000
const STEP_MS = 1_000
/** Beside those before the flood: so much later, or later than this, first tokens are not as before. */
const AS_BEFORE_TIMES = 1.5
const AS_BEFORE_MS_MIN = 500
const REFUSED = /^(429|503)/

export function judgeOverload(found: OverloadFound): ScenarioResult {
  const { capacity, results, measured, floodMs, dropMs, usage } = found
  const before = results.filter(({ startedMs }) => startedMs < floodMs)
  const flood = results.filter(({ startedMs }) => startedMs >= floodMs && startedMs < dropMs)
  const later = results.filter(({ startedMs }) => startedMs >= dropMs)
  const refused = results.filter(({ error }) => error !== null && REFUSED.test(error))
  const strange = results.filter(({ error }) => error !== null && !REFUSED.test(error))
  const refusedMs = spread(refused.map(({ totalMs }) => totalMs))
  const normal = firstTokens(before)
  const isWell = (window: readonly Steady[]): boolean =>
    window.length > 0 &&
    window.every(({ error }) => error === null) &&
    firstTokens(window).p99 <= Math.max(AS_BEFORE_TIMES * normal.p99, AS_BEFORE_MS_MIN)
  const backMs = findBack(later, dropMs, isWell)
  const answered = new Set(
    [...measured, ...results].filter(({ error }) => error === null).map(({ requestId }) => requestId),
  )
  const billed = usage.filter(({ cost }) => cost > 0n)
  return {
    figures: {
      capacity,
      requests: { before: before.length, flood: flood.length, later: later.length },
      floodAnswered: flood.filter(({ error }) => error === null).length,
      refused: refused.length,
      refusedMs,
      firstTokenMs: { before: normal, flood: firstTokens(flood), later: firstTokens(later) },
      backMs,
      billed: billed.length,
      answered: answered.size,
    },
    checks: [
      {
        what: 'refusals in the flood',
        found: String(refused.length),
        pass: 'some',
        isPassed: refused.length > 0,
      },
      none('calls that ended otherwise than by an answer, 429 or 503', strange.length),
      atMost('a refusal takes, 99 of 100', refusedMs.p99, REFUSED_MS_MAX, 'ms'),
      none(
        'calls that were billed and not answered',
        billed.filter(({ requestId }) => !answered.has(requestId)).length,
      ),
      atMost(
        'first tokens before it, half of them: nobody waits in line',
        normal.p50,
        AS_BEFORE_MS_MIN,
        'ms',
      ),
      atMost('until first tokens stay as before, after the flood', backMs / 1_000, BACK_MS_MAX / 1_000, 's'),
    ],
  }
}

/** When the last window that was not well began to be over; infinite when it is the last of all, or there is none. */
function findBack(
  later: readonly Steady[],
  dropMs: number,
  isWell: (window: readonly Steady[]) => boolean,
): number {
  const lastMs = Math.max(dropMs, ...later.map(({ startedMs }) => startedMs))
  let backMs = Number.POSITIVE_INFINITY
  let wasWell = false
  for (let at = dropMs; at + WINDOW_MS <= lastMs; at += STEP_MS) {
    const now = isWell(later.filter(({ startedMs }) => startedMs >= at && startedMs < at + WINDOW_MS))
    if (now && !wasWell) backMs = at - dropMs
    if (!now) backMs = Number.POSITIVE_INFINITY
    wasWell = now
  }
  return backMs
}

const firstTokens = (some: readonly Steady[]) =>
  spread(some.flatMap(({ firstTokenMs }) => firstTokenMs ?? []))
