/** What a node that asks for work is given: something ready, else what waits behind another node's work, else a copy. */
import type { TimestampMs } from '#kernel/time.ts'
import type { Floor, FloorNode } from './floor.ts'
import { barOf, costMaxOf, durationMs, scoreOf, termsFor } from './placement.ts'
import { findRank } from './rank-heap.ts'
import { lineOf } from './tier.ts'
import {
  type Attempt,
  attemptOf,
  type Job,
  jobOf,
  type Step,
  stepOf,
  type Task,
  taskOf,
  type Work,
} from './work.ts'
import type { WorkEvent } from './work-events.ts'
import type { WorkLimits } from './work-limits.ts'

/** What is looked at for one grant is bounded, however much there is. */
const JOBS_MAX = 32
const RANKS_MAX = 16
const ATTEMPTS_MAX = 64
/** A copy has to be quicker by so much, or it is not worth its work. */
const QUICKER = 1.2
/** To take over what another has not begun is not free either. */
const MOVE_MS_MIN = 50

export interface Asking {
  readonly work: Work
  readonly floor: Floor
  readonly node: FloorNode
  readonly nowMs: TimestampMs
  readonly limits: WorkLimits
}

interface Choice {
  readonly job: Job
  readonly step: number
  readonly task: number
  readonly isCopy: boolean
}

/** At most one grant, with what makes room for it. */
export function decideGrant(asking: Asking): WorkEvent[] {
  const { nodeId } = asking.node.facts
  if (!hasRoom(asking, nodeId)) return []
  const ready = findReady(asking)
  if (ready) return [granted(asking, ready)]
  if ((asking.work.nodes.get(nodeId)?.held.length ?? 0) > 0) return []
  return findMove(asking) ?? findRace(asking) ?? []
}

/** Whether the node may have more: of what runs, and as long as what it made gets here. */
export function hasRoom({ work, limits }: Pick<Asking, 'work' | 'limits'>, nodeId: string): boolean {
  const { held = [], owed = [] } = work.nodes.get(nodeId) ?? {}
  return held.length < limits.heldMax && owed.length < limits.owedMax
}

function granted({ work, node, nowMs }: Asking, { job, step, task, isCopy }: Choice): WorkEvent {
  const { nodeId } = node.facts
  const { speed } = termsFor(node.facts, stepOf(job, step))
  const planned = taskOf(job, { step, task })
  // A task that moves keeps what was set aside for it: there may be no more left of the cap.
  const reserved = isCopy ? 0n : planned.fences.length > 0 ? planned.reserved : costMaxOf(job, planned)
  const place = { jobId: job.jobId, step, task }
  const fence = work.fence + 1
  return { type: 'work.granted', ...place, fence, nodeId, speed, reserved, isCopy, atMs: nowMs }
}

/** Of the jobs that are first in line and have something for this node, the one that suits it best. */
function findReady(asking: Asking): Choice | null {
  const { work, node, nowMs } = asking
  const record = work.nodes.get(node.facts.nodeId)
  let best: Choice | null = null
  let scoreMax = 0
  let looked = 0
  for (const jobId of work.active) {
    const job = jobOf(work, jobId)
    if (best && lineOf(job) < lineOf(best.job)) break
    if (job.tasksReady === 0 && job.steps.every(({ wanted }) => wanted.length === 0)) continue
    // Costs little, and does not count: audits wait by the hundred for a node of another owner, others at their caps.
    if (isBarred(asking, job)) continue
    const choice = findInJob(asking, job)
    if (!choice) continue
    if (looked++ === JOBS_MAX) break
    // Of two jobs that suit it alike, the one of which less runs.
    const step = stepOf(job, choice.step)
    const score = scoreOf(node, { job, step, record, nowMs }) / (1 + job.fences.size)
    if (best && score <= scoreMax) continue
    best = choice
    scoreMax = score
  }
  return best
}

/** Whether the node may have nothing of what the job could give now. */
const isBarred = ({ node, nowMs, limits }: Asking, job: Job): boolean =>
  job.steps.every(
    (step) =>
      (step.ready.length === 0 && step.wanted.length === 0) ||
      barOf(node, { job, step, nowMs, limits }) !== null,
  )

function findInJob(asking: Asking, job: Job): Choice | null {
  const { node, nowMs, limits } = asking
  for (const [index, step] of job.steps.entries()) {
    if (step.ready.length === 0 && step.wanted.length === 0) continue
    if (barOf(node, { job, step, nowMs, limits })) continue
    const task = wantedCopy(asking, job, step)
    if (task !== undefined) return { job, step: index, task, isCopy: true }
    const rank = findRank(step.ready, RANKS_MAX, (candidate) => {
      const other = step.tasks[step.order[candidate] ?? -1]
      return other !== undefined && mayTry(node, other)
    })
    const place = rank === null ? undefined : step.order[rank]
    const chosen = place === undefined ? undefined : step.tasks[place]
    if (place !== undefined && chosen && fitsCap(job, chosen))
      return { job, step: index, task: place, isCopy: false }
  }
  return null
}

const mayTry = ({ facts }: FloorNode, { failedNodes }: Task): boolean => !failedNodes.includes(facts.nodeId)

/** Whether the most that it may cost is left of the job's cap. */
export const fitsCap = (job: Job, task: Task): boolean =>
  job.cap === null || job.spent + job.reserved + costMaxOf(job, task) <= job.cap

/** Whether one more copy of `task` stays within what may be done twice. */
export function mayCopy(job: Job, task: Task, limits: WorkLimits): boolean {
  if (!job.isIdempotent || task.fences.length !== 1 || task.fences.length >= limits.copiesMax) return false
  const extraMs = job.extraMs + job.copiesMs
  return extraMs === 0 || (extraMs + task.referenceMs) * 10_000 <= job.totalMs * limits.extraBpsMax
}

function wantedCopy({ work, node, limits }: Asking, job: Job, step: Step): number | undefined {
  return step.wanted.find((place) => {
    const task = step.tasks[place]
    const [fence] = task?.fences ?? []
    if (!task || fence === undefined || !mayCopy(job, task, limits) || !mayTry(node, task)) return false
    return attemptOf(work, fence).nodeId !== node.facts.nodeId
  })
}

/** Jobs of which nothing is ready, with the oldest attempts that are alive. */
function* tails({ work }: Asking): Generator<{ job: Job; attempt: Attempt; step: Step; task: Task }> {
  let looked = 0
  for (const jobId of work.active) {
    const job = jobOf(work, jobId)
    if (job.tasksReady > 0 || job.fences.size === 0) continue
    for (const fence of job.fences.keys()) {
      if (looked++ === ATTEMPTS_MAX) return
      const attempt = attemptOf(work, fence)
      if (attempt.committedAtMs !== null) continue
      yield { job, attempt, step: stepOf(job, attempt.step), task: taskOf(job, attempt) }
    }
  }
}

function isOpenTo(
  { node, nowMs, limits }: Asking,
  { job, step, task }: { job: Job; step: Step; task: Task },
): boolean {
  return mayTry(node, task) && barOf(node, { job, step, nowMs, limits }) === null
}

/** What a busy node has not begun goes to one that has nothing to do. */
function findMove(asking: Asking): WorkEvent[] | null {
  const { node, work, nowMs } = asking
  let longestMs = MOVE_MS_MIN
  let found: { job: Job; attempt: Attempt } | null = null
  for (const { job, attempt, step, task } of tails(asking)) {
    if (attempt.startedAtMs !== null || attempt.isCopy || attempt.nodeId === node.facts.nodeId) continue
    if (!isOpenTo(asking, { job, step, task })) continue
    const [head] = work.nodes.get(attempt.nodeId)?.held ?? []
    if (head === undefined) continue
    const waitMs = remainingMs(asking, attemptOf(work, head))
    if (waitMs <= longestMs) continue
    longestMs = waitMs
    found = { job, attempt }
  }
  if (!found) return null
  const { job, attempt } = found
  return [
    { type: 'work.attempt_ended', fence: attempt.fence, how: 'moved', atMs: nowMs },
    granted(asking, { job, step: attempt.step, task: attempt.task, isCopy: false }),
  ]
}

/** A copy of what would be done soonest by doing it again. */
function findRace(asking: Asking): WorkEvent[] | null {
  const { node, limits } = asking
  let most = 0
  let found: { job: Job; attempt: Attempt } | null = null
  for (const { job, attempt, step, task } of tails(asking)) {
    if (attempt.startedAtMs === null || attempt.nodeId === node.facts.nodeId) continue
    if (!mayCopy(job, task, limits) || !isOpenTo(asking, { job, step, task })) continue
    const fetchMs = node.cached.has(step.inputRoot)
      ? 0
      : (step.inputBytes * 1_000) / node.facts.bytesPerSecond
    const ownMs = durationMs(job, task, termsFor(node.facts, step).speed) + fetchMs
    const savedMs = remainingMs(asking, attempt) - ownMs * QUICKER
    if (savedMs <= most) continue
    most = savedMs
    found = { job, attempt }
  }
  if (!found) return null
  const { job, attempt } = found
  return [granted(asking, { job, step: attempt.step, task: attempt.task, isCopy: true })]
}

/** How long an attempt that has begun will take yet, by what it told, else by its estimate, else as long again as it has. */
function remainingMs({ work, floor, nowMs }: Asking, attempt: Attempt): number {
  const job = jobOf(work, attempt.jobId)
  const estimateMs = durationMs(job, taskOf(job, attempt), attempt.speed)
  const elapsedMs = nowMs - (attempt.startedAtMs ?? nowMs)
  const fraction = floor.fractionOf(attempt.fence)
  if (fraction > 0.05) return (elapsedMs * (1 - fraction)) / fraction
  return elapsedMs < estimateMs ? estimateMs - elapsedMs : elapsedMs
}
