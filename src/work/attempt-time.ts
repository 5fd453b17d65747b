/**
 * How long an attempt may take before it is given up. What runs may take as long as its engine lets it, as long as it tells
 * of progress; what tells of none is given up sooner, by its estimate. What is made may be on its way as long as its bytes
 * take on a slow line.
 */
import { formatDuration, HOUR_MS, MINUTE_MS, type TimestampMs } from '#kernel/time.ts'
import type { TaskFailure } from '#protocol/task-failure.ts'
import type { Around } from './decide-work.ts'
import { type Attempt, type Job, jobOf, paceOf, type Step, stepOf, type Task, taskOf } from './work.ts'

/** The most that engines give a task; a program's own limit may be another. */
const ENGINE_MS = HOUR_MS
const VIDEO_MS = 6 * HOUR_MS
/** A line of 8 Mbit/s: it brings the inputs, or takes eight results at once. */
const BYTES_PER_SECOND = 1_000_000
const RESULTS_AT_ONCE = 8
const SENDING_MS_MAX = HOUR_MS

interface Running {
  readonly job: Job
  readonly step: Step
  readonly task: Task
  readonly attempt: Attempt
}

/** Attempts that have had their time, oldest first. */
export function lateAttempts(around: Around, nowMs: TimestampMs): Attempt[] {
  return [...around.work.attempts.values()].filter((attempt) => whyLate(attempt, around, nowMs) !== null)
}

/** Why the attempt is given up; `null` while it has time. */
export function whyLate(attempt: Attempt, around: Around, nowMs: TimestampMs): TaskFailure | null {
  const job = jobOf(around.work, attempt.jobId)
  const running = { job, step: stepOf(job, attempt.step), task: taskOf(job, attempt), attempt }
  if (attempt.committedAtMs !== null) return whyNotSent(running, around, nowMs)
  return whyNotDone(running, around, nowMs)
}

function whyNotDone(running: Running, { floor, limits }: Around, nowMs: TimestampMs): TaskFailure | null {
  const { job, step, attempt } = running
  const { startedAtMs, fence, nodeId } = attempt
  if (startedAtMs === null) return null
  const ranMs = nowMs - startedAtMs
  const stillMs = nowMs - floor.stillSinceMs(fence, startedAtMs)
  const quietMs = Math.max(plannedMs(running, limits), ownMs(step))
  const engineMs = step.requirements.kind === 'ffmpeg' ? VIDEO_MS : ENGINE_MS
  if (stillMs < quietMs && ranMs < engineMs) return null
  // A file of the inputs may be large, and tells nothing while it comes.
  const isFetched = floor.node(nodeId)?.cached.has(step.inputRoot) === true
  const resultsMs = lineMs(step.takesResults ? resultBytes(job, step) : 0)
  const waitMs = quietMs + resultsMs + (isFetched ? 0 : lineMs(step.inputBytes))
  if (stillMs >= waitMs) return tooLong(running, `It did not get on for ${formatDuration(stillMs)}.`)
  const longestMs = Math.max(quietMs, engineMs) + resultsMs + lineMs(step.inputBytes)
  if (ranMs < longestMs) return null
  return tooLong(
    running,
    `It took longer than ${formatDuration(longestMs)}, the most that a task like it may take.`,
  )
}

const resultBytes = (job: Job, { dependsOn }: Step): number =>
  dependsOn
    .flatMap((before) => stepOf(job, before).tasks.flatMap(({ result }) => result?.outputs ?? []))
    .reduce((sum, { bytes }) => sum + bytes, 0)

/** The same of one task on several nodes is the task's own; of several tasks it is not. */
const tooLong = ({ attempt: { step, task } }: Running, message: string): TaskFailure => ({
  class: 'task',
  signature: `timed_out ${step}/${task}`,
  message,
  tail: '',
})

function whyNotSent(running: Running, { floor, limits }: Around, nowMs: TimestampMs): TaskFailure | null {
  const { task, attempt } = running
  const { committedAtMs, fence } = attempt
  if (committedAtMs === null) return null
  const bytes = (task.result?.outputs ?? []).reduce((sum, output) => sum + output.bytes, 0)
  // Whoever cannot send it says so itself before.
  const longestMs =
    plannedMs(running, limits) + MINUTE_MS + Math.min(SENDING_MS_MAX, RESULTS_AT_ONCE * lineMs(bytes))
  if (nowMs - floor.stillSinceMs(fence, committedAtMs) < longestMs) return null
  const message = `What it made (${bytes} bytes) did not arrive within ${formatDuration(longestMs)}.`
  return { class: 'node', signature: 'not_sent', message, tail: '' }
}

/** So many times the high estimate, by what the job's tasks took so far. */
const plannedMs = ({ job, task, attempt }: Running, limits: Around['limits']): number =>
  Math.max(
    limits.timeoutMsMin,
    (limits.timeoutTimes * task.referenceMsP90 * Math.max(1, paceOf(job))) / attempt.speed,
  )

/** A program need not tell how far it is: it has its own limit, and a moment for its node to say that it ended it. */
function ownMs({ requirements, settings }: Step): number {
  if (requirements.kind !== 'command') return 0
  const { timeoutMs } = settings
  return (typeof timeoutMs === 'number' ? timeoutMs : ENGINE_MS) + MINUTE_MS
}

const lineMs = (bytes: number): number => (bytes * 1_000) / BYTES_PER_SECOND
