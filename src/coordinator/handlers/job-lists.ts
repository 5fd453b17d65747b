/** Lists of jobs, newest first: those in memory, and those that ended so long ago that only the tables have them. */
import type { Job } from '#protocol/job.ts'
import { PAGE_LIMIT_DEFAULT } from '#protocol/page.ts'
import { Problem } from '#protocol/problem.ts'
import type { Caller, Handlers } from '#protocol/route.ts'
import type { ControlRoutes } from '#protocol/routes.ts'
import type { Job as StoredJob } from '#work/work.ts'
import { toJob } from '../work/job-view.ts'
import { execute, listedOrganisation, maySee, notFound } from './handler-parts.ts'
import { isCustomers, type JobHandlerParts, jobAround } from './job-parts.ts'

type Query = Parameters<Handlers<ControlRoutes>['listJobs']>[0]['query']

interface Position {
  readonly submittedAtMs: number
  readonly jobId: string
}

/** Newest first; of two of one instant the greater id. */
const isBefore = (one: Position, other: Position): boolean =>
  one.submittedAtMs !== other.submittedAtMs
    ? one.submittedAtMs > other.submittedAtMs
    : one.jobId > other.jobId
const newestFirst = (one: Position, other: Position): number => (isBefore(one, other) ? -1 : 1)

export async function listJobs(
  parts: JobHandlerParts,
  query: Query,
  caller: Caller,
): Promise<{ items: Job[]; next: string | null }> {
  const organisationId = listedOrganisation(caller, query.organisationId)
  const after = query.before === undefined ? null : parseCursor(query.before)
  const limit = query.limit ?? PAGE_LIMIT_DEFAULT
  const matches = (job: StoredJob): boolean =>
    isCustomers(job) &&
    (organisationId === null || job.organisationId === organisationId) &&
    (query.status === undefined || job.status === query.status) &&
    (after === null || isBefore(after, job))
  const items = await execute(parts, ({ nowMs, state }) => {
    const around = jobAround(parts)
    return [...state.work.jobs.values()]
      .filter(matches)
      .sort(newestFirst)
      .slice(0, limit + 1)
      .map((job) => toJob(job, around, nowMs))
  })
  const shown = items.slice(0, limit)
  const last = shown.at(-1)
  return { items: shown, next: last && items.length > limit ? formatCursor(last) : null }
}

export async function readJob(parts: JobHandlerParts, jobId: string, caller: Caller): Promise<Job> {
  const job = await execute(parts, ({ nowMs, state }) => {
    const stored = state.work.jobs.get(jobId)
    return stored && isCustomers(stored) ? toJob(stored, jobAround(parts), nowMs) : null
  })
  if (!job || !maySee(caller, job.organisationId)) throw notFound('job', jobId)
  return job
}

const formatCursor = ({ submittedAtMs, jobId }: Position): string => `${submittedAtMs}.${jobId}`

function parseCursor(text: string): Position {
  const match = /^(\d{1,16})\.(.{1,100})$/.exec(text)
  const [, submittedAtMs, jobId] = match ?? []
  if (submittedAtMs !== undefined && jobId !== undefined) {
    return { submittedAtMs: Number(submittedAtMs), jobId }
  }
  throw new Problem(
    'invalid_request',
    `There is no page before "${text}". Give the \`next\` of the page before this one, or leave \`before\` out for the first.`,
  )
}
