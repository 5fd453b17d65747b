import { unreachable } from '#kernel/assert.ts'
import { dropRank, pushRank } from './rank-heap.ts'
import { hoursOf, setState } from './task-counts.ts'
import { offerResult, taskKey, withdrawResult } from './task-identity.ts'
import { type Job, jobOf, nodeRecord, type Step, stepOf, type Task, taskOf, type Work } from './work.ts'
import type { TaskPlace, WorkEvent } from './work-events.ts'

type OfTask = Extract<
  WorkEvent,
  { type: 'work.reused' | 'work.accepted' | 'work.rejected' | 'work.task_requeued' | 'work.task_failed' }
>

export function evolveTask(work: Work, event: OfTask): void {
  const job = jobOf(work, event.jobId)
  const step = stepOf(job, event.step)
  const task = taskOf(job, event)
  switch (event.type) {
    case 'work.reused': {
      const { nodeId, outputs, isChecked } = event
      dropReady(job, step, task)
      task.result = { fence: 0, nodeId, outputs, referenceMs: 0, wallMs: 0, charge: 0n, isChecked }
      return finish(work, { job, step, task }, event)
    }
    case 'work.accepted':
      if (task.state === 'done' && event.isChecked && !task.result?.isChecked) step.checked++
      if (task.result) task.result.isChecked ||= event.isChecked
      if (task.state !== 'done') finish(work, { job, step, task }, event)
      return
    case 'work.rejected':
      if (task.state === 'done') undo(work, { job, step, task })
      if (event.isBlamed && task.result) task.failedNodes = [...task.failedNodes, task.result.nodeId]
      task.result = null
      job.redispatched++
      release(job, task)
      makeReady(job, step, task)
      return
    case 'work.task_requeued':
      task.failedNodes = []
      makeReady(job, step, task)
      return
    case 'work.task_failed':
      dropReady(job, step, task)
      setState(step, task, 'failed')
      return
    default:
      unreachable(event)
  }
}

export function makeReady(job: Job, step: Step, task: Task): void {
  setState(step, task, 'ready')
  pushRank(step.ready, task.rank)
  job.tasksReady++
}

export function dropReady(job: Job, step: Step, task: Task): void {
  dropRank(step.ready, task.rank)
  job.tasksReady--
}

/** What was set aside for the task is free again. */
export function release(job: Job, task: Task): void {
  job.reserved -= task.reserved
  task.reserved = 0n
}

/** Makes the tasks ready that waited for the steps before. */
export function reopen(job: Job, step: Step): void {
  for (const task of step.tasks) if (task.state === 'blocked') makeReady(job, step, task)
}

interface Owned {
  readonly job: Job
  readonly step: Step
  readonly task: Task
}

function finish(work: Work, { job, step, task }: Owned, place: TaskPlace & { jobId: string }): void {
  release(job, task)
  setState(step, task, 'done')
  job.spent += task.result?.charge ?? 0n
  job.last = { step: place.step, task: place.task }
  if (task.result?.isChecked) step.checked++
  job.tasksOpen--
  step.tasksOpen--
  if (task.result && task.result.fence > 0) {
    job.doneMs += task.referenceMs
    job.measuredMs += task.result.referenceMs
    hoursOf(job, task.result.nodeId, job.submittedAtMs).usefulMs += task.result.wallMs
    nodeRecord(work, task.result.nodeId).done++
  }
  const { jobId, step: ofStep, task: ofTask } = place
  if (job.purpose !== 'audit')
    offerResult(work, { jobId, step: ofStep, task: ofTask }, taskKey(job, step, task))
  if (step.tasksOpen === 0)
    for (const next of dependentsOf(job, step)) if (isFree(job, next)) reopen(job, next)
}

function undo(work: Work, { job, step, task }: Owned): void {
  withdrawResult(work, job, { step, task })
  job.spent -= task.result?.charge ?? 0n
  job.tasksOpen++
  if (task.result && task.result.fence > 0) {
    job.doneMs -= task.referenceMs
    job.measuredMs -= task.result.referenceMs
    hoursOf(job, task.result.nodeId, job.submittedAtMs).usefulMs -= task.result.wallMs
  }
  if (task.result?.isChecked) step.checked--
  step.tasksOpen++
  if (step.tasksOpen > 1) return
  // It was whole before: what builds on it waits again.
  for (const next of dependentsOf(job, step)) {
    for (const other of next.tasks) {
      if (other.state === 'ready') dropReady(job, next, other)
      if (other.state === 'ready' || other.state === 'failed') setState(next, other, 'blocked')
    }
  }
}

export const dependentsOf = (job: Job, step: Step): readonly Step[] => {
  const index = job.steps.indexOf(step)
  return job.steps.filter(({ dependsOn }) => dependsOn.includes(index))
}

const isFree = (job: Job, step: Step): boolean =>
  step.dependsOn.every((before) => stepOf(job, before).tasksOpen === 0)
