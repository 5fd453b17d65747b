import assert from 'node:assert/strict'
import { test } from 'node:test'
import { planOf, TestFloor } from '#coordinator/work/test-floor.ts'
import { createAuditorCall } from './auditor-call.ts'

test('who checks is called once, with the first job, and is on its way until it fails', async () => {
  const floor = await TestFloor.open()
  const { auditor, calls } = setup()
  auditor.watch(floor.service.coordinator)
  assert.deepEqual([calls(), auditor.isOnItsWay()], [0, false])
  await floor.submit()
  await floor.submit(planOf({ jobId: 'job_2', name: 'other' }))
  assert.deepEqual([calls(), auditor.isOnItsWay()], [1, true])
  auditor.failed()
  assert.equal(auditor.isOnItsWay(), false)
})

test('jobs that are there at the start call at once', async () => {
  const floor = await TestFloor.open()
  await floor.submit()
  const { auditor, calls } = setup()
  auditor.watch(floor.service.coordinator)
  assert.deepEqual([calls(), auditor.isOnItsWay()], [1, true])
})

test('where nobody has one to begin, none is on its way', async () => {
  const floor = await TestFloor.open()
  await floor.submit()
  const { auditor, calls } = setup(false)
  auditor.watch(floor.service.coordinator)
  assert.deepEqual([calls(), auditor.isOnItsWay()], [1, false])
})

function setup(hasReference = true) {
  let calls = 0
  const auditor = createAuditorCall(() => void calls++, { hasReference })
  return { auditor, calls: () => calls }
}
