import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { UsageLine } from '#protocol/usage-page.ts'
import { judgeOverload } from './judge-overload.ts'
import type { Steady } from './steady-load.ts'
import { steady } from './test-steady.ts'

const [FLOOD_MS, DROP_MS, END_MS] = [10_000, 20_000, 60_000]

test('a flood that is refused at once and leaves nothing behind passes', () => {
  assert.deepEqual(failedOf(run()), [])
})

test('a refused call that is billed does not pass', () => {
  assert.deepEqual(failedOf(run(), [bill('req_of_nobody')]), ['calls that were billed and not answered'])
})

test('refusals that take seconds are counted with those that do not', () => {
  const slow = run((one) => (one.error === null ? one : { ...one, totalMs: 2_000 }))
  assert.deepEqual(failedOf(slow), ['a refusal takes, 99 of 100'])
})

test('a network that is well for a while and bad again is not back', () => {
  const bad = (fromMs: number, untilMs: number) =>
    run((one) => (one.startedMs >= fromMs && one.startedMs < untilMs ? { ...one, firstTokenMs: 900 } : one))
  assert.deepEqual(failedOf(bad(DROP_MS, DROP_MS + 10_000)), [], 'back after ten seconds')
  assert.deepEqual(failedOf(bad(END_MS - 10_000, END_MS)), [
    'until first tokens stay as before, after the flood',
  ])
})

test('a load that waits in line before the flood is no measure of what comes after it', () => {
  const queued = run((one) => (one.error === null ? { ...one, firstTokenMs: 2_600 } : one))
  assert.deepEqual(failedOf(queued), ['first tokens before it, half of them: nobody waits in line'])
})

test('a network that is not there after the flood is not back', () => {
  const gone = run().filter(({ startedMs }) => startedMs < DROP_MS)
  assert.deepEqual(failedOf(gone), ['until first tokens stay as before, after the flood'])
})

/** Four a second, and in the flood a refusal beside each. */
function run(change: (one: Steady) => Steady = (one) => one): Steady[] {
  const all: Steady[] = []
  for (let startedMs = 0; startedMs < END_MS; startedMs += 250) {
    all.push(steady({ startedMs, requestId: `req_${startedMs}` }))
    if (startedMs >= FLOOD_MS && startedMs < DROP_MS)
      all.push(steady({ startedMs, requestId: null, cost: null, firstTokenMs: null, error: '503 busy' }))
  }
  return all.map(change)
}

const bill = (requestId: string) => ({ requestId, cost: 5n }) as UsageLine

function failedOf(results: readonly Steady[], more: readonly UsageLine[] = []): string[] {
  const usage = results.flatMap(({ requestId }) => (requestId === null ? [] : bill(requestId)))
  const times = { floodMs: FLOOD_MS, dropMs: DROP_MS }
  return judgeOverload({ capacity: 4, measured: [], results, ...times, usage: [...usage, ...more] })
    .checks.filter(({ isPassed }) => !isPassed)
    .map(({ what }) => what)
}
