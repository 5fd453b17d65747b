/** The SQL of the queries for jobs that left the memory, and the API's objects from their rows. */
import type { CompiledQuery } from 'kysely'
import { Job, JobTask } from '#protocol/job.ts'
import { unknownCursor } from './cursor.ts'
import type { JobsTable, JobTasksTable } from './jobs-schema.ts'
import type { PageRequest } from './queries.ts'
import { db } from './query-builder.ts'

export interface JobFilter {
  /** `null` for all organisations. */
  readonly organisationId: string | null
  /** `null` for all. */
  readonly status: string | null
}

export interface JobTaskFilter {
  readonly step?: number | undefined
  readonly state?: JobTask['state'] | undefined
}

/** Newest first by when they were submitted; of two of one instant the greater id. */
export function jobsQuery(
  { organisationId, status }: JobFilter,
  { limit, before }: PageRequest,
): CompiledQuery<JobsTable> {
  let query = db
    .selectFrom('jobs')
    .selectAll()
    .orderBy('submitted_at_ms', 'desc')
    .orderBy('job_id', 'desc')
    .limit(limit + 1)
  if (organisationId !== null) query = query.where('organisation_id', '=', organisationId)
  if (status !== null) query = query.where('status', '=', status)
  if (before === null) return query.compile()
  const { submittedAtMs, jobId } = parseJobCursor(before)
  return query
    .where(({ eb, refTuple, tuple }) =>
      eb(refTuple('submitted_at_ms', 'job_id'), '<', tuple(submittedAtMs, jobId)),
    )
    .compile()
}

export const jobQuery = (jobId: string): CompiledQuery<JobsTable> =>
  db.selectFrom('jobs').selectAll().where('job_id', '=', jobId).compile()

/** In the order of the plan. */
export function jobTasksQuery(
  jobId: string,
  { step, state }: JobTaskFilter,
  { limit, before }: PageRequest,
): CompiledQuery<JobTasksTable> {
  let query = db
    .selectFrom('job_tasks')
    .selectAll()
    .where('job_id', '=', jobId)
    .orderBy('step')
    .orderBy('task')
    .limit(limit + 1)
  if (step !== undefined) query = query.where('step', '=', step)
  if (state !== undefined) query = query.where('state', '=', state)
  if (before === null) return query.compile()
  const last = parseTaskCursor(before)
  return query
    .where(({ eb, refTuple, tuple }) => eb(refTuple('step', 'task'), '>', tuple(last.step, last.task)))
    .compile()
}

/** What was made for an organisation's jobs that ended at `sinceMs` or later. */
export const keptTasksQuery = (
  organisationId: string,
  sinceMs: number,
): CompiledQuery<Pick<JobTasksTable, 'hashes'>> =>
  db
    .selectFrom('job_tasks')
    .innerJoin('jobs', 'jobs.job_id', 'job_tasks.job_id')
    .select('job_tasks.hashes')
    .where('jobs.organisation_id', '=', organisationId)
    .where('jobs.ended_at_ms', '>=', BigInt(sinceMs))
    .where('job_tasks.hashes', '<>', '')
    .compile()

/** Written by `job-rows.ts`, and in the form of today: a change of it makes the tables anew. */
export const toKeptJob = ({ entry }: JobsTable): Job => Job.parse(JSON.parse(entry))
export const toKeptTask = ({ entry }: JobTasksTable): JobTask => JobTask.parse(JSON.parse(entry))

export const formatJobCursor = ({ submitted_at_ms, job_id }: JobsTable): string =>
  `${submitted_at_ms}.${job_id}`
export const formatTaskCursor = ({ step, task }: JobTasksTable): string => `${step}.${task}`

function parseJobCursor(text: string): { submittedAtMs: bigint; jobId: string } {
  const [, submittedAtMs, jobId] = /^(\d{1,16})\.([^\0]{1,100})$/.exec(text) ?? []
  if (submittedAtMs === undefined || jobId === undefined) throw unknownCursor(text)
  return { submittedAtMs: BigInt(submittedAtMs), jobId: jobId.toWellFormed() }
}

function parseTaskCursor(text: string): { step: number; task: number } {
  const [, step, task] = /^(\d{1,4})\.(\d{1,7})$/.exec(text) ?? []
  if (step === undefined || task === undefined) throw unknownCursor(text)
  return { step: Number(step), task: Number(task) }
}
