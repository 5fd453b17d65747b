/** Jobs and their tasks as they are read: those in memory, and those that ended so long ago that only the tables have them. */
import type { Job, JobTask, TaskWhy } from '#protocol/job.ts'
import { PAGE_LIMIT_DEFAULT } from '#protocol/page.ts'
import { Problem } from '#protocol/problem.ts'
import type { Caller, Handlers } from '#protocol/route.ts'
import type { ControlRoutes } from '#protocol/routes.ts'
import { isOver, type Job as StoredJob } from '#work/work.ts'
import { toJob, toJobTask } from '../work/job-view.ts'
import { pageOfTasks } from '../work/task-pages.ts'
import { execute, freshly, listedOrganisation, maySee, notFound, pageRequest } from './handler-parts.ts'
import { isCustomers, type JobHandlerParts, jobAround, taskUnknown } from './job-parts.ts'

type JobsQuery = Parameters<Handlers<ControlRoutes>['listJobs']>[0]['query']
type TasksQuery = Parameters<Handlers<ControlRoutes>['listJobTasks']>[0]['query']

interface Position {
  readonly submittedAtMs: number
  readonly jobId: string
}

/** Newest first; of two of one instant the greater id. */
const isBefore = (one: Position, other: Position): boolean =>
  one.submittedAtMs !== other.submittedAtMs
    ? one.submittedAtMs > other.submittedAtMs
    : one.jobId > other.jobId
const newestFirst = (one: Position, other: Position): number =>
  isBefore(one, other) ? -1 : isBefore(other, one) ? 1 : 0

export async function listJobs(
  parts: JobHandlerParts,
  query: JobsQuery,
  caller: Caller,
): Promise<{ items: Job[]; next: string | null }> {
  const organisationId = listedOrganisation(caller, query.organisationId)
  const after = query.before === undefined ? null : parseCursor(query.before)
  const limit = query.limit ?? PAGE_LIMIT_DEFAULT
  const matches = (job: StoredJob): boolean =>
    isCustomers(job) &&
    (organisationId === null || job.organisationId === organisationId) &&
    isSuch(job, query.status) &&
    (after === null || isBefore(after, job))
  const live = await execute(parts, ({ nowMs, state }) => {
    const around = jobAround(parts)
    return [...state.work.jobs.values()]
      .filter(matches)
      .sort(newestFirst)
      .slice(0, limit + 1)
      .map((job) => toJob(job, around, nowMs))
  })
  const known = new Set(live.map(({ jobId }) => jobId))
  const old = await listOld(parts, organisationId, query)
  const items = [...live, ...old.items.filter(({ jobId }) => !known.has(jobId))].sort(newestFirst)
  const shown = items.slice(0, limit)
  const last = shown.at(-1)
  const isMore = items.length > limit || old.next !== null
  return { items: shown, next: last && isMore ? `${last.submittedAtMs}.${last.jobId}` : null }
}

const isSuch = (job: StoredJob, status: JobsQuery['status']): boolean =>
  status === undefined || (status === 'open' ? !isOver(job) : job.status === status)

/** Asked after the memory was: what left that since then is here. */
async function listOld(
  parts: JobHandlerParts,
  organisationId: string | null,
  query: JobsQuery,
): Promise<{ items: Job[]; next: string | null }> {
  const { status = null } = query
  if (status === 'active' || status === 'paused' || status === 'open') return { items: [], next: null }
  await freshly(parts)
  return parts.queries.jobs({ organisationId, status }, pageRequest(query))
}

/** A job that left the memory and that the caller may see; `null` where there is none. */
export async function keptJob(parts: JobHandlerParts, jobId: string, caller: Caller): Promise<Job | null> {
  await freshly(parts)
  const job = await parts.queries.job(jobId)
  return job && maySee(caller, job.organisationId) ? job : null
}

async function needKept(parts: JobHandlerParts, jobId: string, caller: Caller): Promise<Job> {
  const job = await keptJob(parts, jobId, caller)
  if (!job) throw notFound('job', jobId)
  return job
}

/** By what is in memory, or else by the tables. */
export async function readEither<T>(
  parts: JobHandlerParts,
  { jobId, caller }: { jobId: string; caller: Caller },
  read: { live: (job: StoredJob, nowMs: number) => T; kept: (job: Job) => T | Promise<T> },
): Promise<T> {
  const { jobs } = parts.coordinator.state.work
  const live = await execute(parts, ({ nowMs }) => {
    const job = jobs.get(jobId)
    if (!job) return null
    if (!isCustomers(job) || !maySee(caller, job.organisationId)) throw notFound('job', jobId)
    return { value: read.live(job, nowMs) }
  })
  return live ? live.value : await read.kept(await needKept(parts, jobId, caller))
}

export const readJob = (parts: JobHandlerParts, jobId: string, caller: Caller): Promise<Job> =>
  readEither(
    parts,
    { jobId, caller },
    { live: (job, nowMs) => toJob(job, jobAround(parts), nowMs), kept: (job) => job },
  )

export const listTasks = (
  parts: JobHandlerParts,
  { jobId, query }: { jobId: string; query: TasksQuery },
  caller: Caller,
): Promise<{ items: JobTask[]; next: string | null }> =>
  readEither(
    parts,
    { jobId, caller },
    {
      live(job) {
        const { places, next } = pageOfTasks(job, query)
        const around = jobAround(parts)
        return { items: places.map((place) => toJobTask(job, place, around)), next }
      },
      async kept() {
        const { step, state } = query
        const { items, next } = await parts.queries.jobTasks(jobId, { step, state }, pageRequest(query))
        return { items, next }
      },
    },
  )

/** Of a task of a job that left the memory. */
export async function whyKept(
  { queries }: JobHandlerParts,
  job: Job,
  params: { step: string; task: string },
): Promise<TaskWhy> {
  if (!isIndex(params.step) || !isIndex(params.task)) throw taskUnknown(job.jobId)
  const [step, task] = [Number(params.step), Number(params.task)]
  const before = task === 0 ? null : `${step}.${task - 1}`
  const [found] = (await queries.jobTasks(job.jobId, { step }, { limit: 1, before })).items
  if (found?.step !== step || found.task !== task) throw taskUnknown(job.jobId)
  const sentence =
    found.state === 'done'
      ? `It was done${found.nodeId === null ? '' : ` by ${found.nodeId}`}, and its job ended long ago.`
      : 'It was cancelled with its job, which ended long ago.'
  return { state: found.state, sentence, job: 'over', barred: {}, open: 0, busy: 0, nodeIds: [] }
}
const isIndex = (text: string): boolean => /^\d{1,6}$/.test(text)

function parseCursor(text: string): Position {
  const [, submittedAtMs, jobId] = /^(\d{1,16})\.(.{1,100})$/.exec(text) ?? []
  if (submittedAtMs !== undefined && jobId !== undefined) {
    return { submittedAtMs: Number(submittedAtMs), jobId }
  }
  throw new Problem(
    'invalid_request',
    `There is no page before "${text}". Give the \`next\` of the page before this one, or leave \`before\` out for the first.`,
  )
}
