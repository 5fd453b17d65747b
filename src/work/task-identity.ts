import { toCanonical } from '#kernel/canonical.ts'
import type { Job, Step, Task, Work } from './work.ts'
import type { JobPlan, PlannedStep, PlannedTask } from './work-events.ts'

/**
 * What a task is: the same step (engine, settings and inputs, by their hashes) with the same params is the same task, in
 * whatever job, so that its result is made once. Of one organisation alone: nobody learns what others work on.
 */
export const taskKey = (
  { organisationId }: Pick<JobPlan, 'organisationId'>,
  { digest }: Pick<PlannedStep, 'digest'>,
  { params }: Pick<PlannedTask, 'params'>,
): string => `${organisationId}/${digest}/${toCanonical(params)}`

/** The task is done: others that are the same need not be. */
export function offerResult(
  work: Work,
  place: { jobId: string; step: number; task: number },
  key: string,
): void {
  if (!work.results.has(key)) work.results.set(key, place)
}

export function withdrawResult(
  { results }: Work,
  job: Job,
  { step, task }: { step: Step; task: Task },
): void {
  const key = taskKey(job, step, task)
  if (results.get(key)?.jobId === job.jobId) results.delete(key)
}
