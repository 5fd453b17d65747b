/** Which task is meant: `JOB/12` is the task that makes frame 12, `JOB/STEP/3` the third of a step, by its name or number; `JOB/video` the first. */
import { Problem } from '#protocol/problem.ts'
import { eachTask, type JobClient, type JobFacts, type TaskFacts } from './job-client.ts'
import { isWanted } from './results.ts'

export interface TaskAddress {
  readonly jobId: string
  readonly frame: number | null
  readonly step: string | null
  readonly task: number | null
}

const FORM = 'Write JOB/FRAME such as job_…/12, or JOB/STEP/TASK such as job_…/frames/0.'

export function readAddress(text: string): TaskAddress {
  const [jobId = '', first, second, ...more] = text.split('/')
  const isNumber = (part: string | undefined): part is string => /^-?\d{1,7}$/.test(part ?? '')
  if (jobId === '' || more.length > 0) throw wrong(`'${text}' names no task. ${FORM}`)
  if (first === undefined) return { jobId, frame: null, step: null, task: null }
  if (second === undefined) {
    if (isNumber(first)) return { jobId, frame: Number(first), step: null, task: null }
    if (first !== '') return { jobId, frame: null, step: first, task: 0 }
    throw wrong(`'${text}' names no task. ${FORM}`)
  }
  if (first !== '' && isNumber(second)) return { jobId, frame: null, step: first, task: Number(second) }
  throw wrong(`'${text}' names no task. ${FORM}`)
}

/** The task itself; rejects with `not_found` and what there is. */
export async function findTask(
  jobs: Pick<JobClient, 'listJobTasks' | 'getJob'>,
  address: TaskAddress,
): Promise<{ job: JobFacts; task: TaskFacts }> {
  const { jobId, frame, step, task } = address
  const job = await jobs.getJob({ params: { jobId } })
  if (step === null) {
    for (const step of wantedFirst(job))
      for await (const found of eachTask(jobs, jobId, { step }))
        if (found.params['frame'] === frame) return { job, task: found }
    throw new Problem(
      'not_found',
      `${jobId} has no frame ${frame}. See what it has: shoal job frames ${jobId}`,
    )
  }
  const named = job.steps.findIndex(({ name }) => name === step)
  const index = named >= 0 ? named : /^\d+$/.test(step) ? Number(step) : -1
  if (!job.steps[index])
    throw new Problem(
      'not_found',
      `${jobId} has no step ${step}, only ${job.steps.map(({ name }) => name).join(', ')}.`,
    )
  for await (const found of eachTask(jobs, jobId, { step: index }))
    if (found.task === task) return { job, task: found }
  throw new Problem(
    'not_found',
    `The step ${job.steps[index]?.name} of ${jobId} has no task ${task}, only 0 to ${(job.steps[index]?.tasks ?? 1) - 1}.`,
  )
}

/** A frame that is put together of parts is the whole one, and not the first of its parts. */
const wantedFirst = (job: JobFacts): number[] =>
  job.steps
    .map((step, index) => ({ index, isPart: !isWanted(job, step) }))
    .toSorted((a, b) => Number(a.isPart) - Number(b.isPart))
    .map(({ index }) => index)

/** The tasks whose results `task` puts together; none where it makes its own. */
export async function partsOf(
  jobs: Pick<JobClient, 'listJobTasks'>,
  job: JobFacts,
  { step, params }: Pick<TaskFacts, 'step' | 'params'>,
): Promise<TaskFacts[]> {
  const parts: TaskFacts[] = []
  if (params['do'] !== 'merge') return parts
  for (const [index, { name }] of job.steps.entries()) {
    if (!job.steps[step]?.dependsOn.includes(name)) continue
    for await (const part of eachTask(jobs, job.jobId, { step: index }))
      if (part.params['frame'] === params['frame']) parts.push(part)
  }
  return parts
}

const wrong = (message: string): Problem => new Problem('invalid_request', message)
