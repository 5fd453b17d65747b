import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fromCanonical, toCanonical } from '#kernel/canonical.ts'
import { jsonWriter } from '#protocol/wire-form.ts'
import type { WorkCommand } from './decide-work.ts'
import { evolveWork } from './evolve-work.ts'
import { planOf, stepOf, TestFarm } from './test-farm.ts'
import { emptyWork, type Work } from './work.ts'
import { WorkEvent } from './work-events.ts'

const nowMs = 1_000_000
const about = { jobId: 'job_1', nowMs }
const submit = (plan: ReturnType<typeof planOf>): WorkCommand => ({ kind: 'submit', plan, nowMs })
const tasks = [{ step: 0, task: 0 }]

test('what cannot be done is refused by name, and changes nothing', () => {
  const refused: readonly (readonly [string, WorkCommand])[] = [
    ['id_taken', submit(planOf())],
    ['tasks_too_many', submit(planOf({ jobId: 'new', frames: 21 }))],
    ['jobs_too_many', submit(planOf({ jobId: 'new' }))],
    [
      'plan_wrong',
      submit(planOf({ jobId: 'new', organisationId: 'o', steps: [stepOf({ dependsOn: [0] })] })),
    ],
    ['plan_wrong', submit(planOf({ jobId: 'new', organisationId: 'o', steps: [twice()] }))],
    ['job_unknown', { kind: 'pause', ...about, jobId: 'none' }],
    ['node_unknown', { kind: 'pull', nodeId: 'none', nowMs }],
    ['fence_stale', { kind: 'deliver', fence: 9, nodeId: 'a', nowMs }],
    ['task_unknown', { kind: 'requeue', ...about, tasks: [{ step: 0, task: 99 }] }],
    ['task_unknown', { kind: 'requeue', ...about, tasks: [{ step: 7, task: 0 }] }],
    ['task_not_failed', { kind: 'requeue', ...about, tasks }],
    ['nothing_to_judge', { kind: 'judge', ...about, step: 0, task: 0, isGood: true, isChecked: true }],
    ['status_wrong', { kind: 'forget', ...about }],
  ]
  const farm = new TestFarm({ tasksMax: 20, organisationJobsMax: 1 })
  farm.submit()
  const before = toCanonical(farm.work)
  for (const [refusal, command] of refused) {
    assert.equal(farm.say(command), refusal)
    assert.equal(toCanonical(farm.work), before)
  }
})

test('a job that is over is refused everything but to be cancelled again, and forgotten in time', () => {
  const farm = new TestFarm()
  farm.submit()
  farm.say({ kind: 'cancel', ...about })
  const commands: readonly WorkCommand[] = [
    { kind: 'pause', ...about },
    { kind: 'set_cap', ...about, cap: 1n },
    { kind: 'set_priority', ...about, priority: 1 },
    { kind: 'condemn', ...about, nodeId: 'a' },
  ]
  for (const command of commands) assert.equal(farm.say(command), 'job_over')
  assert.equal(farm.say({ kind: 'forget', ...about }), 'too_early')
  assert.equal(farm.say({ kind: 'forget', ...about, nowMs: nowMs + farm.desk.limits.keepMs }), null)
  assert.equal(farm.work.jobs.size, 0)
})

test('events that crossed the wire lead to the same state, and a state that was kept is the same', () => {
  const farm = new TestFarm()
  farm.submit(
    planOf({ cap: 100_000n, steps: [stepOf({ frames: 5, settings: { samples: 32, nested: [1, null] } })] }),
  )
  for (const nodeId of ['a', 'b', 'c']) farm.seat(nodeId)
  farm.pull('a')
  farm.pull('b')
  farm.finish('a')
  farm.fail('b')
  farm.pass(4_000, ['a', 'c'])
  farm.pull('c')
  const write = jsonWriter(WorkEvent)
  const replayed = emptyWork()
  for (const event of farm.events) evolveWork(replayed, WorkEvent.parse(JSON.parse(write(event))))
  assert.equal(toCanonical(replayed), toCanonical(farm.work))
  const kept = fromCanonical(toCanonical(farm.work)) as Work
  assert.deepEqual(kept, farm.work)
})

/** A step that has the same task two times. */
function twice() {
  const step = stepOf({ frames: 1 })
  return { ...step, tasks: [...step.tasks, ...step.tasks] }
}
