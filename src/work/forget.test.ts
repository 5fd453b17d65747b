import assert from 'node:assert/strict'
import { test } from 'node:test'
import { planOf, stepOf, TestFarm } from './test-farm.ts'

test('a job of many tasks leaves the memory in parts, a part with each review', () => {
  const farm = setup()
  farm.submit(planOf({ steps: [stepOf({ frames: 15 }), stepOf({ name: 'more', digest: 'b', frames: 20 })] }))
  cancelAndWait(farm)
  const told = forget(farm)
  assert.deepEqual(told, ['job_1 0-10', 'job_1 10-20', 'job_1 20-30', 'job_1 30- over'])
})

test('with each part its results are no longer taken over, and with the last none is', () => {
  const farm = setup()
  farm.seat('a')
  farm.submit(planOf({ frames: 12 }))
  for (let frame = 0; frame < 12; frame++) {
    farm.pull('a')
    farm.finish('a')
  }
  assert.equal(farm.work.results.size, 12)
  farm.nowMs += farm.desk.limits.keepMs
  farm.pass(250, [])
  assert.equal(farm.work.results.size, 2)
  farm.pass(250, [])
  assert.equal(farm.work.results.size, 0)
  assert.equal(farm.work.jobs.size, 0)
})

test('what a review has room for is shared by the jobs that are due', () => {
  const farm = setup()
  for (const jobId of ['job_1', 'job_2', 'job_3']) farm.submit(planOf({ jobId, frames: 6, ...apart(jobId) }))
  for (const jobId of ['job_1', 'job_2', 'job_3']) cancel(farm, jobId)
  farm.nowMs += farm.desk.limits.keepMs
  const told = forget(farm)
  assert.deepEqual(told, ['job_1 0- over', 'job_2 0-4', 'job_2 4- over', 'job_3 0- over'])
})

test('a coordinator that starts in the middle of it begins anew, and ends it all the same', () => {
  const farm = setup()
  farm.submit(planOf({ frames: 25 }))
  cancelAndWait(farm)
  farm.pass(250, [])
  farm.restart()
  assert.deepEqual(forget(farm), ['job_1 0-10', 'job_1 0-10', 'job_1 10-20', 'job_1 20- over'])
})

test('a job that somebody forgets at once goes with what is left of it', () => {
  const farm = setup()
  farm.submit(planOf({ frames: 25 }))
  cancelAndWait(farm)
  farm.pass(250, [])
  assert.equal(farm.say({ kind: 'forget', jobId: 'job_1', nowMs: farm.nowMs }), null)
  assert.deepEqual(forgotten(farm), ['job_1 0-10', 'job_1 10- over'])
})

/** What left the memory so far: which tasks of which job. */
const forgotten = ({ events }: TestFarm): string[] =>
  events.flatMap((event) => {
    if (event.type === 'work.tasks_forgotten') return [`${event.jobId} ${event.from}-${event.to}`]
    return event.type === 'work.job_forgotten' ? [`${event.jobId} ${event.from ?? 0}- over`] : []
  })

/** Until nothing is left, but no longer than a minute. */
function forget(farm: TestFarm): string[] {
  for (let reviews = 0; farm.work.jobs.size > 0 && reviews < 240; reviews++) farm.pass(250, [])
  return forgotten(farm)
}

const apart = (jobId: string) => ({ steps: [stepOf({ frames: 6, digest: jobId })] })

const cancel = (farm: TestFarm, jobId = 'job_1'): void =>
  assert.equal(farm.say({ kind: 'cancel', jobId, nowMs: farm.nowMs }), null)

function cancelAndWait(farm: TestFarm): void {
  cancel(farm)
  farm.nowMs += farm.desk.limits.keepMs
}

const setup = (): TestFarm => new TestFarm({ forgetTasksMax: 10 })
