/** Events that several commands lead to. */
import type { TimestampMs } from '#kernel/time.ts'
import { attemptOf, type Job, taskOf, type Work } from './work.ts'
import type { AttemptEnd, PauseReason, TaskPlace, WorkEvent } from './work-events.ts'

/** The task counts as done; with the last one the job ends. */
export function acceptances(
  job: Job,
  { step, task }: TaskPlace,
  { isChecked, atMs }: { isChecked: boolean; atMs: TimestampMs },
): WorkEvent[] {
  const { jobId } = job
  const accepted: WorkEvent = { type: 'work.accepted', jobId, step, task, isChecked, atMs }
  const isLast = job.tasksOpen === 1 && taskOf(job, { step, task }).state !== 'done'
  return isLast ? [accepted, { type: 'work.job_ended', jobId, end: 'completed', atMs }] : [accepted]
}

interface Pause {
  readonly reason: PauseReason
  readonly detail: string
  readonly atMs: TimestampMs
  /** An attempt that ends anyway. */
  readonly except?: number
}

/** The job pauses: what runs goes on to its end, what was not begun is called off. */
export const pauseFor = (work: Work, job: Job, { reason, detail, atMs, except }: Pause): WorkEvent[] => [
  ...endAll(work, job, {
    how: 'called_off',
    atMs,
    which: ({ fence, startedAtMs }) => startedAtMs === null && fence !== except,
  }),
  { type: 'work.job_paused', jobId: job.jobId, reason, detail, atMs },
]

/** Ends those attempts of the job that are meant. */
export function endAll(
  work: Work,
  job: Job,
  ending: {
    how: AttemptEnd
    atMs: TimestampMs
    which(attempt: ReturnType<typeof attemptOf>): boolean
  },
): WorkEvent[] {
  const { how, atMs, which } = ending
  return [...job.fences.keys()]
    .filter((fence) => which(attemptOf(work, fence)))
    .map((fence) => ({ type: 'work.attempt_ended', fence, how, atMs }))
}
