import assert from 'node:assert/strict'
import { test } from 'node:test'
import { runChurnedFarm } from './churn-farm.ts'

const TASKS = 60

test('nodes that die take tasks with them, which others do later, and the job ends later', async () => {
  const calm = await runChurnedFarm(1, { tasks: TASKS, killedPerHour: 0 })
  const churned = await runChurnedFarm(1, { tasks: TASKS, killedPerHour: 2 })
  assert.equal(calm.killed, 0)
  assert.deepEqual(calm.cutOffMs, [])
  assert.equal(churned.killed, 4)
  assert.equal(churned.tookMs.length, TASKS)
  assert.ok(churned.cutOffMs.length >= churned.killed, JSON.stringify(churned.cutOffMs))
  assert.ok(Math.max(...churned.tookMs) > Math.max(...calm.tookMs))
  assert.ok(churned.jobMs > calm.jobMs)
})
