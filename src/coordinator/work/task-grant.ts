import { TaskKind } from '#protocol/task.ts'
import type { TaskFile, TaskGrant } from '#protocol/work-link.ts'
import { durationMs } from '#work/placement.ts'
import { type Attempt, type Job, jobOf, type Step, stepOf, taskOf, type Work } from '#work/work.ts'

/** What the node is told that was given a task; the gateway adds the grant for its files. */
export function grantOf(
  work: Work,
  attempt: Pick<Attempt, 'jobId' | 'step' | 'task' | 'fence' | 'speed'>,
): TaskGrant {
  const { jobId, step: ofStep, task: ofTask, fence, speed } = attempt
  const job = jobOf(work, jobId)
  const step = stepOf(job, ofStep)
  const task = taskOf(job, attempt)
  return {
    kind: 'grant',
    fence,
    jobId,
    organisationId: job.organisationId,
    step: ofStep,
    task: ofTask,
    // Plans name no other: whoever makes one takes it from the same list.
    engine: TaskKind.parse(step.requirements.kind),
    settings: step.settings,
    params: task.params,
    inputRoot: step.inputRoot === '' ? null : step.inputRoot,
    files: step.takesResults ? filesBefore(job, step) : [],
    estimateMs: Math.max(1, Math.ceil(durationMs(job, task, speed))),
  }
}

/** The results of the steps that this one depends on, by where its tasks find them. */
export function filesBefore(job: Job, { dependsOn }: Pick<Step, 'dependsOn'>): TaskFile[] {
  return dependsOn
    .flatMap((before) => {
      const { name, tasks } = stepOf(job, before)
      return tasks.flatMap(({ result }) =>
        (result?.outputs ?? []).map((output) => ({ ...output, path: `${name}/${output.name}` })),
      )
    })
    .map(({ path, bytes, sha256 }) => ({ path, bytes, sha256 }))
}
