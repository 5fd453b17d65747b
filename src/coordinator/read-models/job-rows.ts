/** From what is kept of a job that was forgotten to its rows. */
import type { Statement } from '#host/sql-store.ts'
import { Job, JobTask, Tier } from '#protocol/job.ts'
import { TaskKind } from '#protocol/task.ts'
import { jsonWriter } from '#protocol/wire-form.ts'
import type { JobSummary, KeptTask } from '#work/job-summary.ts'
import { UPSERT_JOB_TASKS, UPSERT_JOBS } from './jobs-schema.ts'
import { storable } from './storable.ts'

export interface JobRow {
  job_id: string
  organisation_id: string
  name: string
  status: string
  submitted_at_ms: number
  ended_at_ms: number
  spent: string
  tasks: number
  tasks_done: number
  entry: string
}

export interface JobTaskRow {
  job_id: string
  step: number
  task: number
  state: string
  hashes: string
  entry: string
}

export interface JobRows {
  /** By id: the newest of an id stands. */
  readonly jobs: Map<string, JobRow>
  /** By place. */
  readonly tasks: Map<string, JobTaskRow>
}

const writeJob = jsonWriter(Job)
const writeTask = jsonWriter(JobTask)
/** Rows of one statement: jobs may have a hundred thousand tasks. */
const ROWS_MAX = 5_000

export function collectJob(rows: JobRows, jobId: string, summary: JobSummary): void {
  const id = storable(jobId)
  rows.jobs.set(id, jobRow(id, summary))
  collectTasks(rows, jobId, summary.tasks)
}

export function collectTasks(
  { tasks }: Pick<JobRows, 'tasks'>,
  jobId: string,
  kept: readonly KeptTask[],
): void {
  const id = storable(jobId)
  for (const task of kept) {
    const { step, task: place, state, outputs } = task
    const hashes = outputs.map(({ sha256 }) => sha256).join(' ')
    const entry = writeTask(jobTaskOf(task))
    tasks.set(`${id} ${step} ${place}`, { job_id: id, step, task: place, state, hashes, entry })
  }
}

export function insertJobs({ jobs, tasks }: JobRows): Statement[] {
  const rows = [...tasks.values()]
  const parts = Array.from({ length: Math.ceil(rows.length / ROWS_MAX) }, (_, part) =>
    rows.slice(part * ROWS_MAX, (part + 1) * ROWS_MAX),
  )
  return [
    ...(jobs.size > 0 ? [{ sql: UPSERT_JOBS, parameters: [JSON.stringify([...jobs.values()])] }] : []),
    ...parts.map((part) => ({ sql: UPSERT_JOB_TASKS, parameters: [JSON.stringify(part)] })),
  ]
}

function jobRow(jobId: string, summary: JobSummary): JobRow {
  const { organisationId, name, status, submittedAtMs, endedAtMs, spent, steps } = summary
  return {
    job_id: jobId,
    organisation_id: storable(organisationId),
    name: storable(name),
    status,
    submitted_at_ms: submittedAtMs,
    ended_at_ms: endedAtMs,
    spent: spent.toString(),
    tasks: steps.reduce((sum, { tasks }) => sum + tasks, 0),
    tasks_done: steps.reduce((sum, { done }) => sum + done, 0),
    entry: writeJob(jobOf(jobId, summary)),
  }
}

/** As the API shows a job of which nothing runs and for which nothing is held. */
function jobOf(jobId: string, summary: JobSummary): Job {
  const { tier = Tier.enum.priority, cap, spent, spanMs, usefulMs, steps, tasks: _, ...same } = summary
  return {
    ...same,
    jobId,
    tier,
    pause: null,
    cap: cap ?? spent,
    spent,
    reserved: 0n,
    held: 0n,
    etaMs: null,
    nodes: 0,
    efficiency: spanMs > 0 ? Math.min(1, usefulMs / spanMs) : null,
    steps: steps.map(({ name, kind, dependsOn, tasks, done, checked }) => ({
      name,
      kind: TaskKind.parse(kind),
      dependsOn,
      tasks,
      ...{ ready: 0, blocked: 0, running: 0, verifying: 0, failed: 0 },
      done,
      cancelled: tasks - done,
      checked,
    })),
  }
}

const jobTaskOf = ({ referenceMs, ...same }: KeptTask): JobTask => ({
  ...same,
  attempts: [],
  referenceSeconds: referenceMs === null ? null : referenceMs / 1_000,
})
