import { assert } from '#kernel/assert.ts'
import { taskStates } from './task-counts.ts'
import { isOver, type Job, jobOf, type Step, type Task, taskOf, type Work } from './work.ts'

/** Throws unless the state makes sense. */
export function checkWork(work: Work): void {
  for (const job of work.jobs.values()) checkJob(job)
  for (const attempt of work.attempts.values()) {
    const { fence, jobId, nodeId, committedAtMs } = attempt
    const task = taskOf(jobOf(work, jobId), attempt)
    const record = work.nodes.get(nodeId)
    assert(fence <= work.fence, `fence ${fence} was given`)
    assert(task.fences.includes(fence), `the task of attempt ${fence} knows of it`)
    assert(
      record?.held.includes(fence) === (committedAtMs === null),
      `${nodeId} has ${fence} until it commits`,
    )
    assert(
      record?.owed.includes(fence) === (committedAtMs !== null),
      `${nodeId} owes ${fence} once it commits`,
    )
  }
  const active = [...work.jobs.values()].filter(({ status }) => status === 'active')
  assert(work.active.length === active.length, 'the active jobs are listed')
  for (const jobId of work.active) assert(jobOf(work, jobId).status === 'active', `${jobId} is active`)
}

function checkJob(job: Job): void {
  const { jobId, spent, reserved } = job
  let [open, ready, fences, spentSum, reservedSum] = [0, 0, 0, 0n, 0n]
  for (const [index, step] of job.steps.entries()) {
    let openHere = 0
    for (const [place, task] of step.tasks.entries()) {
      checkTask(task, `task ${index}/${place} of ${jobId}`)
      if (task.state !== 'done') openHere++
      if (task.state === 'ready') ready++
      fences += task.fences.length
      reservedSum += task.reserved
      if (task.state === 'done') spentSum += task.result?.charge ?? 0n
    }
    const waits = !isOver(job) && step.dependsOn.some((before) => (job.steps[before]?.tasksOpen ?? 0) > 0)
    for (const [place, { state }] of step.tasks.entries())
      assert(
        waits === (state === 'blocked'),
        `${jobId}/${index}/${place} waits for the steps before, and is ${state}`,
      )
    for (const place of step.wanted)
      assert(
        step.tasks[place]?.state === 'leased',
        `a copy is wanted of ${jobId}/${index}/${place}, which runs`,
      )
    assert(openHere === step.tasksOpen, `${jobId}/${index}: open tasks are counted`)
    checkCounts(step, `${jobId}/${index}`)
    open += openHere
  }
  assert(open === job.tasksOpen && ready === job.tasksReady, `${jobId}: its tasks are counted`)
  assert(fences === job.fences.size, `${jobId}: its attempts are listed`)
  assert(reservedSum === reserved && spentSum === spent, `${jobId}: its money is counted`)
  if (isOver(job)) assert(fences === 0, `${jobId} is over, and nothing of it runs`)
  if (job.status === 'completed') assert(open === 0, `${jobId} is complete`)
  assert((job.pause !== null) === (job.status === 'paused'), `${jobId}: a pause has a reason`)
  assert(job.copiesMs >= 0 && job.extraMs >= 0, `${jobId}: extra work is counted`)
}

function checkCounts({ tasks, counts, workMs, checked }: Step, name: string): void {
  for (const state of taskStates) {
    const there = tasks.filter((task) => task.state === state)
    const sumMs = there.reduce((sum, { referenceMs }) => sum + referenceMs, 0)
    assert(there.length === counts[state] && sumMs === workMs[state], `${name}: what is ${state} is counted`)
  }
  const looked = tasks.filter(({ state, result }) => state === 'done' && result?.isChecked)
  assert(looked.length === checked, `${name}: what somebody looked at is counted`)
}

function checkTask({ state, fences, reserved, result }: Task, name: string): void {
  const isRunning = state === 'leased' || state === 'committed'
  assert(isRunning === fences.length > 0, `${name} is ${state} with ${fences.length} attempts`)
  assert(fences.length <= 2, `${name} runs twice at most`)
  if (state !== 'leased' && state !== 'committed' && state !== 'verifying' && state !== 'cancelled')
    assert(reserved === 0n, `nothing is set aside for ${name}`)
  if (state === 'committed' || state === 'verifying' || state === 'done')
    assert(result, `${name} has a result`)
}
