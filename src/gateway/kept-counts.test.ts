import assert from 'node:assert/strict'
import { test } from 'node:test'
import { DAY_MS, MINUTE_MS } from '#kernel/time.ts'
import { dayOf, monthOf } from '#organisations/key-use.ts'
import type { KeyLimits, KeyUse } from '#protocol/key-limits.ts'
import { Problem } from '#protocol/problem.ts'
import { createKeptCounts, isKept, type Permit, withoutCounts } from './kept-counts.ts'

test('of a limit that four workers share one may be under way at once, and always one is', () => {
  const { take, refuse } = setup({ requestsAtOnce: 1 })
  for (let call = 0; call < 5; call++) {
    const permit = take()
    assert.match(refuse().message, /1 requests at once/)
    permit.end(false)
    permit.end(false)
  }
})

test('of a limit a minute all of it is served, and no more in any minute', () => {
  const { take, refuse, pass } = setup({ requestsPerMinute: 3 })
  take().end(true)
  pass(10_000)
  take().end(true)
  const last = take()
  assert.deepEqual(
    [last.headers()['x-ratelimit-limit-requests'], last.headers()['x-ratelimit-remaining-requests']],
    ['3', '0'],
  )
  assert.equal(refuse().details['retryAfterMs'], 50_000)
  pass(50_000)
  take()
  assert.equal(refuse().details['retryAfterMs'], 10_000)
})

test('of a limit a day all of it is served, whenever the ledger hears of what was served', () => {
  for (const hears of ['at once', 'later'] as const) {
    const { take, refuse, ledger, pass } = setup({ requestsPerDay: 10 })
    ledger.requests = 2
    for (let call = 0; call < 8; call++) {
      take().end(false)
      const permit = take()
      if (hears === 'at once') ledger.requests++
      permit.end(true)
    }
    assert.deepEqual(
      [refuse().code, refuse().details['retryAfterMs']],
      ['rate_limited', 16 * 3_600_000],
      hears,
    )
    ledger.requests = 10
    refuse()
    pass(DAY_MS)
    ledger.day++
    ledger.requests = 0
    for (let call = 0; call < 10; call++) take().end(true)
    refuse()
  }
})

test('what is under way counts for the day, and what others let through as soon as the ledger tells', () => {
  const { take, refuse, ledger } = setup({ requestsPerDay: 3 })
  const open = take()
  take().end(true)
  take()
  refuse()
  open.end(false)
  ledger.requests = 2
  refuse()
})

test('several answers to one call are let in together, or none of them', () => {
  const { count, take } = setup({ requestsAtOnce: 3 })
  const first = count(2)
  assert.ok(!(first instanceof Problem))
  assert.ok(count(2) instanceof Problem)
  take()
  first.end(false)
  assert.ok(!(count(2) instanceof Problem))
})

test('of several machines each has the part of its workers, and one request at least', () => {
  for (const [limit, workers, share] of [
    [10, 2, 5],
    [10, 4, 10],
    [10, 9, 10],
    [1, 2, 1],
  ] as const) {
    const { take, refuse } = setup({ requestsAtOnce: limit }, workers)
    for (let call = 0; call < share; call++) take()
    refuse()
  }
})

test('limits of requests are kept where a share of them is few, and then nothing else is left out', () => {
  const rows: [limits: KeyLimits, gateways: number, is: boolean][] = [
    [{ requestsAtOnce: 1 }, 4, true],
    [{ requestsPerMinute: 63 }, 4, true],
    [{ requestsPerMinute: 64, requestsPerDay: 64 }, 4, false],
    [{ requestsPerMinute: 64_000, requestsPerDay: 3 }, 4, true],
    [{ tokensPerDay: 1 }, 4, false],
    [{ requestsAtOnce: 1 }, 1, false],
  ]
  for (const [limits, gateways, is] of rows)
    assert.equal(isKept(limits, gateways), is, JSON.stringify(limits))
  const limits = {
    requestsAtOnce: 1,
    requestsPerDay: 2,
    requestsPerMinute: 3,
    tokensPerDay: 4,
    spendPerDay: 5n,
  }
  assert.deepEqual(withoutCounts({ budgetId: 'k', limits }), {
    budgetId: 'k',
    limits: { tokensPerDay: 4, spendPerDay: 5n },
  })
})

/** 08:00 UTC on the 15th of January 2027. */
const START_MS = Date.UTC(2027, 0, 15, 8)

/** The keeper of one key with these limits, among four gateways. */
function setup(limits: KeyLimits, workers = 4) {
  const clock = { ms: MINUTE_MS, elapsedMs: () => clock.ms }
  const ledger: KeyUse & { requests: number } = {
    ...{ day: dayOf(START_MS), tokens: 0, requests: 0, spend: 0n },
    ...{ month: monthOf(START_MS), monthSpend: 0n },
  }
  const kept = createKeptCounts({
    clock,
    cellNowMs: () => START_MS + clock.ms - MINUTE_MS,
    gateways: () => 4,
    toldOf: () => ledger,
  })
  const count = (calls = 1) => kept.count({ budgetId: 'k', limits }, calls, workers)
  return {
    ledger,
    count,
    take(): Permit {
      const permit = count()
      if (permit instanceof Problem) assert.fail(permit.message)
      return permit
    },
    refuse(): Problem {
      const problem = count()
      assert.ok(problem instanceof Problem)
      return problem
    },
    pass(ms: number): void {
      clock.ms += ms
    },
  }
}
