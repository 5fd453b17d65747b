import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { RecentSum } from './recent-sum.ts'

const WINDOW_MS = 60_000
const BUCKET_MS = WINDOW_MS / 60

test('it counts everything of the window, and nothing that is a bucket older than it', () => {
  const additions = fc.array(fc.record({ wait: fc.nat(90_000), amount: fc.nat(1_000) }), { maxLength: 80 })
  fc.assert(
    fc.property(additions, fc.nat(90_000), (steps, lastWait) => {
      const sum = new RecentSum(WINDOW_MS)
      const added: { atMs: number; amount: number }[] = []
      let nowMs = 5_000
      for (const { wait, amount } of steps) {
        nowMs += wait
        sum.add(amount, nowMs)
        added.push({ atMs: nowMs, amount })
      }
      nowMs += lastWait
      const since = (ageMs: number): number =>
        added.filter(({ atMs }) => nowMs - atMs < ageMs).reduce((total, { amount }) => total + amount, 0)
      const total = sum.at(nowMs)
      assert.ok(total >= since(WINDOW_MS), `${total} is less than the window's`)
      assert.ok(total <= since(WINDOW_MS + BUCKET_MS + 1), `${total} has what is too old`)
    }),
  )
})

test('what it says of when something is gone is so', () => {
  const sum = new RecentSum(WINDOW_MS)
  sum.add(10, 1_000)
  sum.add(20, 31_000)
  const waitMs = sum.msUntilGone(5, 40_000)
  assert.equal(sum.at(40_000 + waitMs), 20)
  assert.equal(sum.msUntilGone(20, 40_000 + waitMs) > 0, true)
  assert.equal(sum.at(200_000), 0)
})
