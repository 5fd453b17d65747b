/** What the handlers of jobs work with, beside what all handlers have. */
import type { NanoUsd } from '#kernel/money.ts'
import type { TimestampMs } from '#kernel/time.ts'
import type { NewJob } from '#protocol/job.ts'
import type { WorkCounts } from '#protocol/network-status.ts'
import { Problem } from '#protocol/problem.ts'
import type { Caller } from '#protocol/route.ts'
import type { FloorNode } from '#work/floor.ts'
import type { Job, TaskState } from '#work/work.ts'
import type { JobPlan, TaskPlace } from '#work/work-events.ts'
import type { Projector } from '../read-models/projector.ts'
import type { ReadModelQueries } from '../read-models/queries.ts'
import type { Turn } from '../turn.ts'
import type { RejectRefusal } from '../work/inspection.ts'
import type { JobNewsDesk } from '../work/job-news.ts'
import type { JobAround } from '../work/job-view.ts'
import type { QuoteDesk } from '../work/quotes.ts'
import { jobHold } from '../work/task-transfer.ts'
import type { WorkDesk } from '../work/work-desk.ts'
import type { ActParts } from './act.ts'
import { type HandlerParts, maySee, notFound } from './handler-parts.ts'

export interface JobParts {
  readonly desk: WorkDesk
  readonly news: JobNewsDesk
  readonly quotes: {
    /** The plan of a job of this quote. Throws `not_found` where there is none for the caller, `conflict` where it is not ready. */
    plan(quote: { caller: Caller; body: NewJob; jobId: string; nowMs: TimestampMs }): JobPlan
  }
  /** Where quotes are asked for; none are made without. */
  readonly quoteDesk?: Pick<QuoteDesk, 'ask' | 'read'>
  /** Has a result looked at by another owner, whatever was drawn for it. */
  reject(turn: Turn, place: TaskPlace & { jobId: string }, reason: string): RejectRefusal | null
  unverifiedOf(jobId: string): number
}

export type JobHandlerParts = ActParts &
  Pick<HandlerParts, 'keySecret' | 'jobs'> & {
    /** Of jobs that left the memory. */
    readonly queries: Pick<ReadModelQueries, 'job' | 'jobs' | 'jobTasks'>
    readonly projector: Pick<Projector, 'reach'>
  }

export function jobParts({ jobs }: Pick<HandlerParts, 'jobs'>): JobParts {
  if (jobs) return jobs
  throw new Problem('not_supported', 'This network takes no jobs.')
}

/** What is needed to show jobs. */
export const jobAround = (parts: Pick<HandlerParts, 'coordinator' | 'jobs'>): JobAround => {
  const { ledger, work } = parts.coordinator.state
  const { desk, unverifiedOf } = jobParts(parts)
  return {
    work,
    floor: desk.floor,
    heldOf: (jobId): NanoUsd => ledger.holds.get(jobHold(jobId))?.left ?? 0n,
    unverifiedOf,
  }
}

/** How much there is to do, of all customers together. */
export function workCounts(
  { coordinator }: Pick<HandlerParts, 'coordinator'>,
  { desk }: JobParts,
): WorkCounts {
  const nowMs = coordinator.nowMs()
  const active = [...coordinator.state.work.jobs.values()].filter(
    (job) => isCustomers(job) && job.status === 'active',
  )
  const count = (state: TaskState): number =>
    active.reduce((sum, { steps }) => steps.reduce((ofJob, { counts }) => ofJob + counts[state], sum), 0)
  const isThere = ({ facts }: FloorNode): boolean => desk.floor.isAlive(facts.nodeId, nowMs)
  const there = [...desk.floor.nodes()].filter(isThere)
  return {
    jobsActive: active.length,
    tasksReady: count('ready'),
    tasksRunning: count('leased') + count('committed'),
    nodes: there.length,
    renderers: renderersOf(there),
  }
}

function renderersOf(nodes: readonly FloorNode[]): Record<string, number> {
  const counts: Record<string, number> = {}
  for (const { facts } of nodes) {
    if (!facts.kinds.includes('blender') || facts.onlyAudits || facts.isDrained) continue
    const { device = 'CPU' } = facts
    counts[device] = (counts[device] ?? 0) + 1
  }
  return counts
}

/** What customers asked for, and not what the network does for itself. */
export const isCustomers = ({ purpose = 'work' }: Pick<Job, 'purpose'>): boolean => purpose === 'work'

/** A job that is in memory and that the caller may see. */
export function visibleJob(parts: Pick<HandlerParts, 'coordinator'>, jobId: string, caller: Caller): Job {
  const job = parts.coordinator.state.work.jobs.get(jobId)
  if (!job || !isCustomers(job) || !maySee(caller, job.organisationId)) throw notFound('job', jobId)
  return job
}

/** The task that a path names. */
export function visiblePlace(job: Job, params: { step: string; task: string }): TaskPlace {
  const [step, task] = [indexOf(params.step), indexOf(params.task)]
  if (step === null || !job.steps[step]) {
    throw new Problem('not_found', `Job ${job.jobId} has no step ${params.step}: ${countSteps(job)}.`)
  }
  const { tasks, name } = job.steps[step]
  if (task === null || !tasks[task]) {
    throw new Problem(
      'not_found',
      `Step ${step} (${name}) of job ${job.jobId} has no task ${params.task}: it has ${range(tasks.length)}.`,
    )
  }
  return { step, task }
}

export const taskUnknown = (jobId: string): Problem =>
  new Problem('not_found', `Job ${jobId} has no such task. See "shoal job frames ${jobId}".`)

const indexOf = (text: string): number | null => (/^\d{1,7}$/.test(text) ? Number(text) : null)
const range = (count: number): string => (count === 1 ? '0 alone' : `0 to ${count - 1}`)
const countSteps = ({ steps }: Job): string => `it has ${range(steps.length)}`
