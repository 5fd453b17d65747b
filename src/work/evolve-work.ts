import { assert, unreachable } from '#kernel/assert.ts'
import { evolveAttempt } from './evolve-attempt.ts'
import { evolveTask, reopen } from './evolve-task.ts'
import { tasksBetween } from './forget.ts'
import { setState, unbegunCounts } from './task-counts.ts'
import { withdrawResult } from './task-identity.ts'
import { taskOrder } from './task-order.ts'
import { lineOf } from './tier.ts'
import { isOver, type Job, jobOf, type Step, type Task, type Work } from './work.ts'
import type { PlannedStep, WorkEvent } from './work-events.ts'

/** Applies an event that `decideWork` returned for this same state. The only writer of the work. */
export function evolveWork(work: Work, event: WorkEvent): void {
  switch (event.type) {
    case 'work.job_submitted': {
      const { type: _, steps, atMs, ...plan } = event
      const job: Job = { ...plan, steps: steps.map(unbegunStep), submittedAtMs: atMs, ...unbegunJob(steps) }
      work.jobs.set(job.jobId, job)
      for (const step of job.steps) if (step.dependsOn.length === 0) reopen(job, step)
      activate(work, job)
      return
    }
    case 'work.granted':
    case 'work.suspected':
    case 'work.committed':
    case 'work.delivered':
    case 'work.attempt_ended':
      return evolveAttempt(work, event)
    case 'work.reused':
    case 'work.accepted':
    case 'work.rejected':
    case 'work.task_requeued':
    case 'work.task_failed':
      return evolveTask(work, event)
    default:
      return evolveJob(work, jobOf(work, event.jobId), event)
  }
}

type OfJob = Extract<
  WorkEvent,
  {
    type:
      | 'work.job_paused'
      | 'work.job_resumed'
      | 'work.job_ended'
      | 'work.tasks_forgotten'
      | 'work.job_forgotten'
      | 'work.priority_set'
      | 'work.cap_set'
      | 'work.node_barred'
  }
>

function evolveJob(work: Work, job: Job, event: OfJob): void {
  switch (event.type) {
    case 'work.job_paused': {
      const { reason, detail, atMs } = event
      job.status = 'paused'
      job.pause = { reason, detail, atMs }
      deactivate(work, job)
      return
    }
    case 'work.job_resumed':
      job.status = 'active'
      job.pause = null
      // Whoever resumes it has mended what was wrong, or wants it tried again all the same.
      job.failures.clear()
      job.errors.clear()
      for (const step of job.steps) for (const task of step.tasks) task.failedNodes = []
      activate(work, job)
      return
    case 'work.job_ended':
      assert(job.fences.size === 0, `nothing of ${job.jobId} runs any more`)
      if (job.status === 'active') deactivate(work, job)
      job.status = event.end
      job.pause = null
      job.endedAtMs = event.atMs
      for (const step of job.steps) close(job, step)
      return
    case 'work.tasks_forgotten':
      assert(isOver(job), `${job.jobId} is over`)
      for (const place of tasksBetween(job, event.from, event.to)) withdrawResult(work, job, place)
      return
    case 'work.job_forgotten':
      assert(isOver(job), `${job.jobId} is over`)
      for (const place of tasksBetween(job, event.from)) withdrawResult(work, job, place)
      work.jobs.delete(job.jobId)
      return
    case 'work.priority_set':
      if (job.status === 'active') deactivate(work, job)
      job.priority = event.priority
      if (job.status === 'active') activate(work, job)
      return
    case 'work.cap_set':
      job.cap = event.cap
      return
    case 'work.node_barred':
      job.barred.set(event.nodeId, true)
      return
    default:
      unreachable(event)
  }
}

/** By their place in line, then by age, then by id: a total order. */
function activate(work: Work, job: Job): void {
  const isBefore = (other: Job): boolean =>
    lineOf(other) !== lineOf(job)
      ? lineOf(other) > lineOf(job)
      : other.submittedAtMs !== job.submittedAtMs
        ? other.submittedAtMs < job.submittedAtMs
        : other.jobId < job.jobId
  const index = work.active.findIndex((jobId) => !isBefore(jobOf(work, jobId)))
  if (index === -1) work.active.push(job.jobId)
  else work.active.splice(index, 0, job.jobId)
}

function deactivate(work: Work, { jobId }: Job): void {
  work.active = work.active.filter((other) => other !== jobId)
}

/** What is not done of a job that is over is cancelled. */
function close(job: Job, step: Step): void {
  for (const task of step.tasks) if (task.state !== 'done') setState(step, task, 'cancelled')
  step.ready.length = 0
  step.wanted = []
  job.tasksReady = 0
}

function unbegunStep({ tasks, ...step }: PlannedStep): Step {
  const order = taskOrder(tasks.length)
  const ranks: number[] = []
  for (const [rank, place] of order.entries()) ranks[place] = rank
  const unbegun = tasks.map(
    (task, place): Task => ({
      ...task,
      rank: ranks[place] ?? 0,
      state: 'blocked',
      fences: [],
      reserved: 0n,
      failedNodes: [],
      result: null,
    }),
  )
  return {
    ...step,
    tasks: unbegun,
    order,
    ready: [],
    wanted: [],
    tasksOpen: tasks.length,
    ...unbegunCounts(tasks),
    checked: 0,
  }
}

function unbegunJob(steps: readonly PlannedStep[]) {
  const tasks = steps.flatMap((step) => step.tasks)
  return {
    status: 'active' as const,
    pause: null,
    endedAtMs: null,
    tasksOpen: tasks.length,
    tasksReady: 0,
    spent: 0n,
    reserved: 0n,
    totalMs: tasks.reduce((sum, { referenceMs }) => sum + referenceMs, 0),
    doneMs: 0,
    measuredMs: 0,
    extraMs: 0,
    copiesMs: 0,
    fences: new Map(),
    failures: new Map(),
    barred: new Map(),
    errors: new Map(),
    redispatched: 0,
    last: null,
    nodes: new Map(),
  }
}
