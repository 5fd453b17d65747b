import assert from 'node:assert/strict'
import { test } from 'node:test'
import { measureFairness, measureOverload } from './crowd-scenarios.ts'

const size = { accounts: 6, nodes: 9, minutes: 2 }

test('one account at 20 times its share is refused in part, and the others hardly notice it', async () => {
  const result = await measureFairness(5, size)
  const { p99Ms, p99MsBesideGreedy, othersRefused, greedyRefused, greedyServed } = result
  assert.ok(p99MsBesideGreedy <= 1.5 * p99Ms, JSON.stringify(result))
  assert.equal(othersRefused, 0)
  assert.ok(greedyRefused > greedyServed && greedyServed > 0, JSON.stringify(result))
})

test('five times too much for a minute is refused at once, and ten seconds after it all is as before', async () => {
  const result = await measureOverload(5, size)
  assert.ok(result.p99MsAfter <= 1.25 * result.p99MsBefore, JSON.stringify(result))
  assert.ok(result.refusedMsMax <= 100 && result.retryAfterShare === 1, JSON.stringify(result))
  assert.deepEqual(
    Object.keys(result.statuses).filter((status) => status !== '429' && status !== '503'),
    [],
  )
  assert.equal(result.refusedAfter, 0)
})
