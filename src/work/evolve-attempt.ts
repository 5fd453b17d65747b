import { unreachable } from '#kernel/assert.ts'
import type { TimestampMs } from '#kernel/time.ts'
import { dropReady, makeReady, release } from './evolve-task.ts'
import { hoursOf, setState } from './task-counts.ts'
import { type Attempt, attemptOf, type Job, jobOf, nodeRecord, stepOf, taskOf, type Work } from './work.ts'
import type { WorkEvent } from './work-events.ts'

type OfAttempt = Extract<
  WorkEvent,
  {
    type: 'work.granted' | 'work.suspected' | 'work.committed' | 'work.delivered' | 'work.attempt_ended'
  }
>
type OfType<Type extends OfAttempt['type']> = Extract<OfAttempt, { type: Type }>

export function evolveAttempt(work: Work, event: OfAttempt): void {
  switch (event.type) {
    case 'work.granted':
      return grant(work, event)
    case 'work.suspected': {
      const attempt = attemptOf(work, event.fence)
      const job = jobOf(work, attempt.jobId)
      attempt.isSuspected = true
      stepOf(job, attempt.step).wanted.push(attempt.task)
      return
    }
    case 'work.committed': {
      const attempt = attemptOf(work, event.fence)
      const job = jobOf(work, attempt.jobId)
      const task = taskOf(job, attempt)
      const { fence, outputs, referenceMs, charge } = event
      const { nodeId, speed } = attempt
      const wallMs = Math.round(referenceMs / speed)
      attempt.committedAtMs = event.atMs
      unhold(work, attempt, event.atMs)
      const record = nodeRecord(work, attempt.nodeId)
      record.owed = [...record.owed, fence]
      setState(stepOf(job, attempt.step), task, 'committed')
      task.result = { fence, nodeId, outputs, referenceMs, wallMs, charge, isChecked: false }
      hoursOf(job, nodeId, event.atMs).untilMs = event.atMs
      return unwant(job, attempt)
    }
    case 'work.delivered': {
      const attempt = attemptOf(work, event.fence)
      const job = jobOf(work, attempt.jobId)
      remove(work, attempt, event.atMs)
      setState(stepOf(job, attempt.step), taskOf(job, attempt), 'verifying')
      return
    }
    case 'work.attempt_ended':
      return end(work, event)
    default:
      unreachable(event)
  }
}

function grant(work: Work, event: OfType<'work.granted'>): void {
  const { type: _, reserved, atMs, ...made } = event
  const job = jobOf(work, made.jobId)
  const task = taskOf(job, made)
  const record = nodeRecord(work, made.nodeId)
  const startedAtMs = record.held.length === 0 ? atMs : null
  const attempt = { ...made, grantedAtMs: atMs, startedAtMs, committedAtMs: null, isSuspected: false }
  work.fence = made.fence
  work.attempts.set(made.fence, attempt)
  record.held = [...record.held, made.fence]
  job.fences.set(made.fence, true)
  hoursOf(job, made.nodeId, atMs)
  if (made.isCopy) {
    unwant(job, attempt)
    job.copiesMs += task.referenceMs
    job.redispatched++
  } else {
    const step = stepOf(job, made.step)
    dropReady(job, step, task)
    setState(step, task, 'leased')
    task.reserved = reserved
    job.reserved += reserved
  }
  task.fences = [...task.fences, made.fence]
}

function end(work: Work, { fence, how, failure, isKeptFrom, atMs }: OfType<'work.attempt_ended'>): void {
  const attempt = attemptOf(work, fence)
  const job = jobOf(work, attempt.jobId)
  const task = taskOf(job, attempt)
  const isRaced = task.fences.length > 1
  const record = nodeRecord(work, attempt.nodeId)
  remove(work, attempt, atMs)
  hoursOf(job, attempt.nodeId, atMs).untilMs = atMs
  const isLost = how === 'lease_expired' || how === 'forgotten' || how === 'timed_out'
  if (isLost) record.lost++
  // Where another runs on, it was counted when that was given.
  if ((isLost || failure) && !isRaced) job.redispatched++
  if (failure?.class === 'infrastructure') record.lost++
  else if (failure) {
    if (failure.class === 'node' && !isLost) record.failed++
    blame(job, attempt, { signature: failure.class === 'task' ? failure.signature : null, atMs })
    task.failedNodes = [...task.failedNodes, attempt.nodeId]
  }
  if (isKeptFrom) task.failedNodes = [...task.failedNodes, attempt.nodeId]
  if (isRaced) {
    job.copiesMs -= task.referenceMs
    if (how === 'beaten') job.extraMs += task.referenceMs
  }
  if (task.result?.fence === fence) task.result = null
  const [left] = task.fences
  if (left !== undefined) {
    // A copy of it may be wanted anew: the one that it had is gone.
    attemptOf(work, left).isSuspected = false
    return
  }
  unwant(job, attempt)
  release(job, task)
  makeReady(job, stepOf(job, attempt.step), task)
}

function blame(
  job: Job,
  { nodeId }: Attempt,
  { signature, atMs }: { signature: string | null; atMs: TimestampMs },
): void {
  job.failures.set(nodeId, { count: (job.failures.get(nodeId)?.count ?? 0) + 1, atMs })
  if (signature === null) return
  const nodes = job.errors.get(signature) ?? []
  if (!nodes.includes(nodeId)) job.errors.set(signature, [...nodes, nodeId])
}

/** The attempt is alive no more. */
function remove(work: Work, attempt: Attempt, atMs: TimestampMs): void {
  const { fence, jobId, nodeId } = attempt
  const job = jobOf(work, jobId)
  const task = taskOf(job, attempt)
  work.attempts.delete(fence)
  job.fences.delete(fence)
  task.fences = task.fences.filter((other) => other !== fence)
  const record = nodeRecord(work, nodeId)
  record.owed = record.owed.filter((other) => other !== fence)
  unhold(work, attempt, atMs)
}

/** The node goes on with what it has next. */
function unhold(work: Work, { nodeId, fence }: Attempt, atMs: TimestampMs): void {
  const record = nodeRecord(work, nodeId)
  record.held = record.held.filter((other) => other !== fence)
  const [next] = record.held
  if (next === undefined) return
  const attempt = attemptOf(work, next)
  attempt.startedAtMs ??= atMs
}

/** No copy of it is wanted any more. */
function unwant(job: Job, { step, task }: Attempt): void {
  const owner = stepOf(job, step)
  if (owner.wanted.length > 0) owner.wanted = owner.wanted.filter((other) => other !== task)
}
