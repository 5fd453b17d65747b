import assert from 'node:assert/strict'
import { test } from 'node:test'
import { evolveWork } from '#work/evolve-work.ts'
import { nameTask } from '#work/task-name.ts'
import type { TaskWhy } from '#work/why.ts'
import { emptyWork, jobOf } from '#work/work.ts'
import type { PlannedStep } from '#work/work-events.ts'
import { taskMemo } from './task-memo.ts'
import { planOf, stepOf } from './test-floor.ts'
import { whySentence } from './why-sentence.ts'

const place = { step: 0, task: 0 }

test('what failed names the command that gets it going, by whether its job goes on', () => {
  assert.match(whySentence(paused('same_error'), place, why('failed')), /: "shoal job resume job_1"\.$/)
  assert.match(whySentence(job(), place, why('failed')), /: "shoal job requeue job_1"\.$/)
})

test('a job at its cap goes on by a higher one, and not by being told to', () => {
  const sentence = whySentence(paused('cap_reached'), place, why('ready'))
  assert.match(sentence, /Raise the cap to go on\. "shoal job cap job_1 USD" does\.$/)
})

test('a part of a still is not called the frame', () => {
  const params = [0, 8].map((sampleOffset) => ({ do: 'range', frame: 7, samples: 8, sampleOffset }))
  const parts = stepOf({ name: 'parts', tasks: params.map((one) => taskWith(one)) })
  const merge = stepOf({ tasks: [taskWith({ do: 'merge', frame: 7, parts: 'a.exr=8;b.exr=8' })] })
  const still = job([parts, merge])
  assert.deepEqual(
    [nameTask(still, place), nameTask(still, { step: 0, task: 1 }), nameTask(still, { step: 1, task: 0 })],
    ['part 1 of frame 7', 'part 2 of frame 7', 'frame 7'],
  )
  assert.equal(taskMemo(still, { step: 0, task: 1 }), 'castle.blend · parts, part 2 of frame 7 · job_1')
})

const taskWith = (params: PlannedStep['tasks'][number]['params']) => ({
  params,
  referenceMs: 1,
  referenceMsP90: 1,
})

const why = (state: TaskWhy['state']): TaskWhy => ({
  ...{ state, job: state === 'ready' ? 'paused' : null, barred: {}, open: 0, busy: 0, nodeIds: [] },
})

function job(steps?: PlannedStep[]) {
  const work = emptyWork()
  evolveWork(work, { type: 'work.job_submitted', ...planOf(steps && { steps }), atMs: 0 })
  return jobOf(work, 'job_1')
}

function paused(reason: 'same_error' | 'cap_reached') {
  const work = emptyWork()
  evolveWork(work, { type: 'work.job_submitted', ...planOf(), atMs: 0 })
  const detail = 'Nothing is left. Raise the cap to go on.'
  evolveWork(work, { type: 'work.job_paused', jobId: 'job_1', reason, detail, atMs: 1 })
  return jobOf(work, 'job_1')
}
