import { minimum } from '#kernel/money.ts'
import type { OutputFile } from '#protocol/task.ts'
import type { TaskFailure } from '#protocol/task-failure.ts'
import { whyLate } from './attempt-time.ts'
import type { Around, AttemptCommand, WorkCommand, WorkRefusal } from './decide-work.ts'
import { failureDetail } from './failure-detail.ts'
import { acceptances, pauseFor } from './job-steps.ts'
import { costOf, isTriedEverywhere } from './placement.ts'
import { type Attempt, type Job, jobOf, type Task, taskOf } from './work.ts'
import type { WorkEvent } from './work-events.ts'

/** A node may have begun so long before we know: its last word travelled. */
const TRAVEL_MS = 1_000

export function decideAttempt(command: AttemptCommand, around: Around): WorkRefusal | WorkEvent[] {
  const { work } = around
  const { fence, nodeId, nowMs: atMs } = command
  const attempt = work.attempts.get(fence)
  // Another's fence is as good as none, and the answer tells nothing of it.
  if (!attempt || attempt.nodeId !== nodeId) return 'fence_stale'
  const job = jobOf(work, attempt.jobId)
  const running = { job, task: taskOf(job, attempt), attempt }
  if (command.kind === 'commit') return decideCommit(running, command)
  if (command.kind === 'fail')
    return decideFailure(running, { how: 'failed', failure: command.failure, atMs }, around)
  if (attempt.committedAtMs === null) return 'not_committed'
  const place = { jobId: job.jobId, step: attempt.step, task: attempt.task }
  const delivered: WorkEvent = { type: 'work.delivered', fence, atMs }
  return job.isVerified ? [delivered] : [delivered, ...acceptances(job, place, { isChecked: false, atMs })]
}

/** An attempt that has had its time failed; one that ended meanwhile is left as it is. */
export function decideGivingUp(
  { fence, nowMs: atMs }: Extract<WorkCommand, { kind: 'give_up' }>,
  around: Around,
): WorkEvent[] {
  const { work } = around
  const attempt = work.attempts.get(fence)
  const failure = attempt ? whyLate(attempt, around, atMs) : null
  if (!attempt || !failure) return []
  const job = jobOf(work, attempt.jobId)
  return decideFailure(
    { job, task: taskOf(job, attempt), attempt },
    { how: 'timed_out', failure, atMs },
    around,
  )
}

/** However quick a node says that it is: what it took counts for so many times the high estimate of what was measured, in the job's pace as well. */
const TOLD_MAX = 10

interface Running {
  readonly job: Job
  readonly task: Task
  readonly attempt: Attempt
}
type OfKind<Kind extends AttemptCommand['kind']> = Extract<AttemptCommand, { kind: Kind }>

function decideCommit(
  { job, task, attempt }: Running,
  { outputs, wallMs, nowMs: atMs }: OfKind<'commit'>,
): WorkRefusal | WorkEvent[] {
  const { fence, committedAtMs, startedAtMs, grantedAtMs, speed } = attempt
  // Said twice, it happened once.
  if (committedAtMs !== null) return isSame(task.result?.outputs ?? [], outputs) ? [] : 'commit_differs'
  // A node that commits what we think it had not begun began it.
  const elapsedMs = atMs - (startedAtMs ?? grantedAtMs) + TRAVEL_MS
  const toldMs = Math.round(Math.max(0, Math.min(wallMs, elapsedMs)) * speed)
  // Of what nobody measured before, it is all that is known; what it costs is bounded by what was set aside.
  const referenceMs = task.isPriceFixed ? Math.min(toldMs, TOLD_MAX * task.referenceMsP90) : toldMs
  const owedMs = task.isPriceFixed ? task.referenceMs : referenceMs
  const charge = minimum(costOf(job, owedMs), task.reserved)
  const beaten = task.fences
    .filter((other) => other !== fence)
    .map((other): WorkEvent => ({ type: 'work.attempt_ended', fence: other, how: 'beaten', atMs }))
  return [{ type: 'work.committed', fence, outputs: [...outputs], referenceMs, charge, atMs }, ...beaten]
}

const isSame = (before: readonly OutputFile[], after: readonly OutputFile[]): boolean =>
  before.length === after.length &&
  before.every(({ name, sha256 }, at) => after[at]?.name === name && after[at]?.sha256 === sha256)

function decideFailure(
  { job, task, attempt }: Running,
  { how, failure, atMs }: { how: 'failed' | 'timed_out'; failure: TaskFailure; atMs: number },
  around: Around,
): WorkEvent[] {
  const { fence, nodeId, jobId, step } = attempt
  const ended: WorkEvent = { type: 'work.attempt_ended', fence, how, failure, atMs }
  if (failure.class === 'infrastructure') return [ended]
  const isRaced = task.fences.length > 1
  const nodes = new Set(job.errors.get(failure.signature)).add(nodeId)
  const isSame = failure.class === 'task' && nodes.size >= around.limits.sameErrorNodes
  const tried = { job, step, task, lastNodeId: nodeId, nowMs: atMs }
  if (!isSame && (isRaced || !isTriedEverywhere(around, tried))) return [ended]
  // Where another attempt of it runs, the task may yet come to its end.
  const failed: WorkEvent[] = isRaced
    ? []
    : [{ type: 'work.task_failed', jobId, step, task: attempt.task, atMs }]
  // What is paused already stays so, for the reason that it had.
  if (job.status !== 'active') return [ended, ...failed]
  const nodeIds = isSame ? [...nodes] : [...new Set([...task.failedNodes, nodeId])]
  const detail = failureDetail({ job, place: attempt, nodeIds, isSame, failure })
  const reason = isSame ? 'same_error' : 'no_node_left'
  return [ended, ...failed, ...pauseFor(around.work, job, { reason, detail, atMs, except: fence })]
}
