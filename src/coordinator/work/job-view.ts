/**
 * Jobs and tasks as the API shows them. Of a job only its steps and what runs are looked at, so that one of 100,000
 * tasks is told as quickly as one of ten.
 */
import type { NanoUsd } from '#kernel/money.ts'
import type { TimestampMs } from '#kernel/time.ts'
import type { Job, JobStep, JobTask } from '#protocol/job.ts'
import type { OutputFile } from '#protocol/task.ts'
import type { Floor } from '#work/floor.ts'
import { durationMs } from '#work/placement.ts'
import {
  isOver,
  paceOf,
  type Job as StoredJob,
  stepOf,
  type TaskState,
  taskOf,
  type Work,
} from '#work/work.ts'
import type { TaskPlace } from '#work/work-events.ts'

export interface JobAround {
  readonly work: Pick<Work, 'attempts'>
  readonly floor: Pick<Floor, 'isAlive' | 'fractionOf'>
  /** Held of the customer's balance for the job now. */
  heldOf(jobId: string): NanoUsd
  /** Its results whose turn to be checked came and nobody independent was there. */
  unverifiedOf(jobId: string): number
}

export function toJob(job: StoredJob, around: JobAround, nowMs: TimestampMs): Job {
  const { jobId, organisationId, name, tier = 'priority', status, pause, priority, spent, reserved } = job
  const { pricePerHour, submittedAtMs, endedAtMs } = job
  const running = runningOf(job, around, nowMs)
  return {
    jobId,
    organisationId,
    name,
    tier,
    status,
    pause,
    priority,
    cap: job.cap ?? spent + reserved,
    spent,
    reserved,
    held: around.heldOf(jobId),
    pricePerHour,
    submittedAtMs,
    endedAtMs,
    etaMs: isOver(job) ? null : etaMs(job, running),
    progress: progressOf(job, running),
    nodes: running.speeds.size,
    redispatched: job.redispatched,
    unverified: around.unverifiedOf(jobId),
    efficiency: efficiencyOf(job),
    steps: job.steps.map((step) => toJobStep(job, step)),
    lastOutput: lastOutputOf(job),
  }
}

const toJobStep = (job: StoredJob, step: StoredJob['steps'][number]): JobStep => ({
  name: step.name,
  kind: step.requirements.kind as JobStep['kind'], // Plans are made of steps that were asked for.
  dependsOn: step.dependsOn.map((before) => stepOf(job, before).name),
  tasks: step.tasks.length,
  ready: step.counts.ready,
  blocked: step.counts.blocked,
  running: step.counts.leased + step.counts.committed,
  verifying: step.counts.verifying,
  done: step.counts.done,
  failed: step.counts.failed,
  cancelled: step.counts.cancelled,
  checked: step.checked,
})

interface Running {
  /** Of nodes that are there and compute something of the job. */
  readonly speeds: ReadonlyMap<string, number>
  /** By the estimates: what of the tasks that run is done, the better copy of each counted. */
  readonly partMs: number
  /** Until the last of what runs is done. */
  readonly longestMs: number
}

function runningOf(job: StoredJob, { work, floor }: JobAround, nowMs: TimestampMs): Running {
  const speeds = new Map<string, number>()
  const best = new Map<string, { partMs: number; leftMs: number }>()
  for (const fence of job.fences.keys()) {
    const attempt = work.attempts.get(fence)
    if (!attempt || attempt.committedAtMs !== null || attempt.startedAtMs === null) continue
    const { nodeId, speed, step, task } = attempt
    const planned = taskOf(job, { step, task })
    const fraction = floor.fractionOf(fence)
    const partMs = planned.referenceMs * fraction
    const leftMs = durationMs(job, planned, speed) * (1 - fraction)
    if (floor.isAlive(nodeId, nowMs)) speeds.set(nodeId, speed)
    const key = `${step}/${task}`
    if ((best.get(key)?.partMs ?? -1) < partMs) best.set(key, { partMs, leftMs })
  }
  const parts = [...best.values()]
  return {
    speeds,
    partMs: parts.reduce((sum, { partMs }) => sum + partMs, 0),
    longestMs: parts.reduce((most, { leftMs }) => Math.max(most, leftMs), 0),
  }
}

const made: readonly TaskState[] = ['committed', 'verifying', 'done']

const madeMs = ({ steps }: StoredJob): number =>
  steps.reduce((sum, { workMs }) => sum + made.reduce((ofStep, state) => ofStep + workMs[state], 0), 0)

function progressOf(job: StoredJob, { partMs }: Running): number {
  if (job.status === 'completed') return 1
  // What runs may say that it is done; the job is done when its last task is.
  const limit = job.tasksOpen > 0 ? 0.999 : 1
  return Math.min(limit, (madeMs(job) + partMs) / job.totalMs)
}

/** As if its nodes stayed, and it stays theirs; `null` when nobody works on it. */
function etaMs(job: StoredJob, { speeds, partMs, longestMs }: Running): number | null {
  const speed = [...speeds.values()].reduce((sum, one) => sum + one, 0)
  if (speed === 0) return null
  const leftMs = Math.max(0, job.totalMs - madeMs(job) - partMs) * paceOf(job)
  return Math.round(Math.max(leftMs / speed, longestMs))
}

/**
 * Each node's time counts from its first task to the last that it ended: what it does now is neither won nor lost yet,
 * and when it had nothing of the job it may have worked for another.
 */
function efficiencyOf({ nodes }: StoredJob): number | null {
  let [usefulMs, spanMs] = [0, 0]
  for (const { sinceMs, untilMs, usefulMs: ofNode } of nodes.values()) {
    usefulMs += ofNode
    spanMs += untilMs - sinceMs
  }
  return spanMs > 0 ? Math.min(1, usefulMs / spanMs) : null
}

function lastOutputOf(job: StoredJob): OutputFile | null {
  if (job.last === null) return null
  const { state, result } = taskOf(job, job.last)
  return state === 'done' ? (result?.outputs[0] ?? null) : null
}

export function toJobTask(
  job: StoredJob,
  { step, task }: TaskPlace,
  { work, floor }: Pick<JobAround, 'work' | 'floor'>,
): JobTask {
  const { params, state, fences, result, failedNodes } = taskOf(job, { step, task })
  return {
    step,
    task,
    params,
    state,
    attempts: fences.flatMap((fence) => {
      const attempt = work.attempts.get(fence)
      if (!attempt) return []
      const { nodeId, startedAtMs, isCopy } = attempt
      return [{ fence, nodeId, startedAtMs, fraction: floor.fractionOf(fence), isCopy }]
    }),
    outputs: [...(result?.outputs ?? [])],
    nodeId: result?.nodeId ?? null,
    referenceSeconds: result ? result.referenceMs / 1_000 : null,
    charge: result?.charge ?? null,
    isChecked: result?.isChecked ?? false,
    failedNodes: [...new Set(failedNodes)],
  }
}
