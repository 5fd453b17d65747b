/**
 * Jobs that are over leave the memory, and what is kept of them goes to the journal. A job may have a hundred thousand tasks,
 * so they go in parts, a part with each review: `work.tasks_forgotten` …, and `work.job_forgotten` with the last. How far it is
 * nobody writes down. After a start it begins anew, which changes nothing: what is said twice is the same.
 */
import type { TimestampMs } from '#kernel/time.ts'
import type { Around } from './decide-work.ts'
import type { Job, Step, Task } from './work.ts'
import type { WorkEvent } from './work-events.ts'
import { keepMsOf, type WorkLimits } from './work-limits.ts'

export function decideForgetting({ work, floor, limits }: Around, nowMs: TimestampMs): WorkEvent[] {
  const events: WorkEvent[] = []
  let room = limits.forgetTasksMax
  for (const job of work.jobs.values()) {
    if (!isOld(job, limits, nowMs)) continue
    const { jobId } = job
    const from = floor.forgottenTo(jobId)
    const left = countTasks(job) - from
    if (left > room) {
      if (room > 0) events.push({ type: 'work.tasks_forgotten', jobId, from, to: from + room })
      break
    }
    events.push(lastPart(job, from))
    room -= left
  }
  return events
}

export const lastPart = ({ jobId }: Job, from: number): WorkEvent => ({
  type: 'work.job_forgotten',
  jobId,
  ...(from > 0 && { from }),
})

export const isOld = (job: Job, limits: WorkLimits, nowMs: TimestampMs): boolean =>
  job.endedAtMs !== null && nowMs >= job.endedAtMs + keepMsOf(job, limits)

const countTasks = ({ steps }: Job): number => steps.reduce((sum, { tasks }) => sum + tasks.length, 0)

export interface PlacedTask {
  readonly at: { readonly step: number; readonly task: number }
  readonly step: Step
  readonly task: Task
}

/** The tasks of all steps, one step behind the other, from `from` on and before `to`. */
export function* tasksBetween(
  { steps }: Job,
  from = 0,
  to = Number.POSITIVE_INFINITY,
): Generator<PlacedTask> {
  let first = 0
  for (const [index, step] of steps.entries()) {
    const { tasks } = step
    const end = Math.min(tasks.length, to - first)
    for (let place = Math.max(0, from - first); place < end; place++) {
      const task = tasks[place]
      if (task) yield { at: { step: index, task: place }, step, task }
    }
    first += tasks.length
  }
}
