import assert from 'node:assert/strict'
import { test } from 'node:test'
import { auditPolicy, auditRateBps, DETECTION_BPS, holdbackTasks, minHoldback } from './audit-rate.ts'

test('a node’s first ten are all looked at, then ever fewer, and never under the floor of its class', () => {
  const rates = (nodeClass: 'community' | 'vetted') =>
    [0, 9, 10, 18, 19, 49, 1_000].map((passes) => auditRateBps({ passes }, nodeClass))
  assert.deepEqual(rates('community'), [10_000, 10_000, 910, 527, 500, 500, 500])
  assert.deepEqual(rates('vetted'), [10_000, 10_000, 910, 527, 500, 200, 200])
})

test('24 tasks of a community node and 50 of a vetted one are held back, by one rule', () => {
  assert.equal(holdbackTasks('community'), 24)
  assert.equal(holdbackTasks('vetted'), 50)
  assert.equal(minHoldback(auditPolicy('vetted'), DETECTION_BPS), 50)
})

test('with so much held back a false result loses money, and with one task less it does not', () => {
  for (const nodeClass of ['community', 'vetted'] as const) {
    const { floorBps, colludingBps } = auditPolicy(nodeClass)
    const found = (floorBps / 1e4) * (DETECTION_BPS / 1e4) * (1 - colludingBps / 1e4)
    const gain = (tasks: number): number => 1 - found - found * tasks
    assert(gain(holdbackTasks(nodeClass)) <= 0)
    assert(gain(holdbackTasks(nodeClass) - 1) > 0)
  }
})
