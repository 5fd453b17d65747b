import assert from 'node:assert/strict'
import { test } from 'node:test'
import { MINUTE_MS } from '#kernel/time.ts'
import { recordOf } from '#verify/verify.ts'
import { checkState } from '../coordinator-state.ts'
import { grantsIn } from './test-floor.ts'
import { deliver, enrol, openInspected, truth, verifiedPlan, work } from './test-inspected.ts'

test('what nobody gets to waits for its turn to be looked at, over a restart too, and does not count meanwhile', async () => {
  const inspected = await openInspected()
  const { floor, keeper } = inspected
  keeper.faults.set('b', 'size_wrong')
  await floor.submit(verifiedPlan(2))
  await floor.hello('a')
  keeper.isAway = true
  await work(inspected, ['a'], () => 'b', 2)
  await floor.world.run(15 * MINUTE_MS)
  assert.equal(floor.job().steps[0]?.counts.verifying, 2)
  await floor.restart(1_000)
  await floor.present(['a', 'b'])
  await floor.world.run(50 * MINUTE_MS)
  assert.equal(floor.job().steps[0]?.counts.verifying, 2)
  keeper.isAway = false
  await floor.world.run(MINUTE_MS)
  assert.deepEqual([keeper.asked, floor.job().steps[0]?.counts.verifying], [2, 0])
  assert.deepEqual([floor.job().spent, recordOf(floor.state.verify, 'a').faults], [0n, 2])
})

test('where nobody ever looks a job comes to its end all the same, after an hour and unverified', async () => {
  const inspected = await openInspected()
  const { floor, keeper } = inspected
  await floor.submit(verifiedPlan(1))
  await floor.hello('a')
  keeper.isAway = true
  await work(inspected, ['a'], (_, grant) => truth(grant), 1)
  await floor.world.run(59 * MINUTE_MS)
  assert.equal(floor.job().status, 'active')
  await floor.world.run(2 * MINUTE_MS)
  assert.equal(floor.job().status, 'completed')
  assert.equal(floor.state.verify.jobs.get('job_1')?.unverified, 1)
  checkState(floor.state)
})

test('what its customer says against a result while that waits for its turn is not lost', async () => {
  const inspected = await openInspected()
  const { floor, keeper, reject } = inspected
  await enrol(floor, ['c'])
  await floor.submit(verifiedPlan(1))
  await floor.hello('a')
  keeper.isAway = true
  await work(inspected, ['a'], () => 'c', 1)
  assert.equal(await reject(), null)
  keeper.isAway = false
  await floor.world.run(45_000)
  const [audit] = floor.state.verify.audits.values()
  assert.equal(audit?.askedBy, 'org_payer')
})

test('what is gone is asked for no more', async () => {
  const inspected = await openInspected()
  const { floor, keeper } = inspected
  await floor.submit(verifiedPlan(1))
  const [grant] = grantsIn(await floor.hello('a'))
  assert(grant)
  keeper.isAway = true
  await deliver(floor, 'a', grant, 'b')
  const judged = { jobId: 'job_1', step: 0, task: 0, isGood: false, isChecked: false }
  await floor.command({ kind: 'judge', ...judged, nowMs: floor.nowMs() })
  await floor.world.run(MINUTE_MS)
  keeper.isAway = false
  await floor.world.run(5 * MINUTE_MS)
  assert.equal(keeper.asked, 0)
})

test('what another owner rendered again waits for its turn to be compared', async () => {
  const inspected = await openInspected()
  const { floor, keeper } = inspected
  await enrol(floor, ['c'])
  await floor.submit(verifiedPlan(1))
  await floor.hello('a')
  await floor.hello('c')
  await work(inspected, ['a'], (_, grant) => truth(grant), 1)
  keeper.isAway = true
  await work(inspected, ['c'], (_, grant) => truth(grant), 2)
  await floor.world.run(10 * MINUTE_MS)
  assert.equal(floor.job().status, 'active')
  keeper.isAway = false
  await floor.world.run(MINUTE_MS)
  assert.deepEqual([floor.job().status, floor.job().steps[0]?.checked], ['completed', 1])
})
