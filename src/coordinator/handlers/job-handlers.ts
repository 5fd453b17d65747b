import { formatId, ID_BYTES } from '#kernel/id.ts'
import type { TimestampMs } from '#kernel/time.ts'
import { consumerAccount } from '#ledger/ledger.ts'
import type { Job, JobNewsPage, TaskWhy } from '#protocol/job.ts'
import { Problem } from '#protocol/problem.ts'
import type { CallContext, Caller, Handlers } from '#protocol/route.ts'
import type { ControlRoutes } from '#protocol/routes.ts'
import type { JobCommand } from '#work/decide-work.ts'
import { whyTask } from '#work/why.ts'
import type { Job as StoredJob } from '#work/work.ts'
import type { Turn } from '../turn.ts'
import { toJob, toJobTask } from '../work/job-view.ts'
import { whySentence } from '../work/why-sentence.ts'
import type { DeskRefusal } from '../work/work-desk.ts'
import { act } from './act.ts'
import { maySee } from './handler-parts.ts'
import { checkBudget, checkRaise } from './job-budget.ts'
import { keptJob, listJobs, listTasks, readEither, readJob, whyKept } from './job-lists.ts'
import { type JobHandlerParts, jobAround, jobParts, visibleJob, visiblePlace } from './job-parts.ts'
import { jobProblem, rejectProblem } from './job-problem.ts'

type ReadNames = 'listJobs' | 'getJob' | 'listJobTasks' | 'whyTask' | 'followJob'
type ActNames =
  | 'createJob'
  | 'pauseJob'
  | 'resumeJob'
  | 'cancelJob'
  | 'requeueTasks'
  | 'setJobCap'
  | 'setJobPriority'
  | 'rejectTask'
type Some<Names extends keyof ControlRoutes> = Pick<Handlers<ControlRoutes>, Names>

export const jobHandlers = (parts: JobHandlerParts): Some<ReadNames | ActNames> => ({
  ...readHandlers(parts),
  ...makeHandlers(parts),
  ...changeHandlers(parts),
})

function readHandlers(parts: JobHandlerParts): Some<ReadNames> {
  const { coordinator } = parts
  return {
    listJobs: ({ query }, caller) => listJobs(parts, query, caller),
    getJob: ({ params }, caller) => readJob(parts, params.jobId, caller),

    listJobTasks: ({ params, query }, caller) => listTasks(parts, { ...params, query }, caller),

    whyTask: ({ params }, caller) =>
      readEither<TaskWhy>(
        parts,
        { jobId: params.jobId, caller },
        {
          live(job, nowMs) {
            const place = visiblePlace(job, params)
            const why = whyTask(jobParts(parts).desk.around(parts.coordinator), job, { ...place, nowMs })
            const barred = Object.entries(why.barred).filter(([, count]) => count > 0)
            return {
              ...why,
              barred: Object.fromEntries(barred),
              nodeIds: [...why.nodeIds],
              sentence: whySentence(job, place, why),
            }
          },
          kept: (job) => whyKept(parts, job, params),
        },
      ),

    async followJob({ params: { jobId }, query: { after = 0, waitMs = 0 } }, caller, { signal }) {
      const { news } = jobParts(parts)
      // What became of jobs that left the memory nobody knows any more.
      const read = (): Promise<JobNewsPage> =>
        readEither(
          parts,
          { jobId, caller },
          { live: () => news.read(jobId, after), kept: () => ({ items: [], next: after }) },
        )
      const page = await read()
      if (page.items.length > 0 || waitMs === 0) return page
      // Whoever reads ended jobs waits for nothing.
      if (coordinator.state.work.jobs.get(jobId)?.endedAtMs !== null) return page
      const { organisationId } = caller
      await news.wait(jobId, page.next, { organisationId, waitMs, signal })
      return read()
    },
  }
}

/** One quote makes one job: asked again, as after a lost answer, it is the same. */
function makeHandlers(parts: JobHandlerParts): Some<'createJob'> {
  const { jobs } = parts.coordinator.state.work
  return {
    createJob: ({ body }, caller, context) => {
      const details = { quoteId: body.quoteId, ...(body.cap !== undefined && { cap: String(body.cap) }) }
      return act(parts, { caller, context }, { details }, (turn, doing) => {
        const { desk, quotes } = jobParts(parts)
        const jobId = jobIdOf(parts, body.quoteId)
        const job = jobs.get(jobId)
        // What belongs to others is as unknown as what never was: by the quote's own words.
        if (job && maySee(caller, job.organisationId)) {
          if (body.cap !== undefined && job.cap !== body.cap) throw madeBefore(job)
          return show(parts, turn, jobId)
        }
        const plan = quotes.plan({ caller, body, jobId, nowMs: turn.nowMs })
        Object.assign(doing, { organisationId: plan.organisationId, objectId: jobId })
        doing.details = { ...details, name: plan.name, cap: String(plan.cap ?? '') }
        const { keyId } = caller
        if (plan.cap !== null) checkBudget(turn, keyId, plan.cap)
        const refusal = desk.carryOut(turn, {
          kind: 'submit',
          plan: { ...plan, keyId },
          nowMs: turn.nowMs,
        })
        if (refusal) throw problemOf(parts, refusal, { ...plan, status: undefined })
        desk.serveWaiting(turn)
        return show(parts, turn, jobId)
      })
    },
  }
}

function jobIdOf({ crypto, keySecret }: JobHandlerParts, quoteId: string): string {
  return formatId('job', crypto.hmacSha256(keySecret, `job\n${quoteId}`).slice(0, ID_BYTES))
}

function changeHandlers(parts: JobHandlerParts): Some<Exclude<ActNames, 'createJob'>> {
  /** Asking for what already is changes nothing and is no error. */
  const change = (
    call: { caller: Caller; context: CallContext; jobId: string; details?: Record<string, string> },
    command: (at: { jobId: string; nowMs: TimestampMs }) => JobCommand,
    check?: (turn: Turn, job: StoredJob) => void,
  ): Promise<Job> => {
    const { caller, jobId, details = {} } = call
    const acted = act(parts, call, { objectId: jobId, details }, (turn, doing) => {
      const job = visibleJob(parts, jobId, caller)
      doing.organisationId = job.organisationId
      const { desk } = jobParts(parts)
      check?.(turn, job)
      const asked = command({ jobId, nowMs: turn.nowMs })
      const refusal = desk.carryOut(turn, asked)
      if (refusal) {
        throw problemOf(parts, refusal, { ...job, cap: asked.kind === 'set_cap' ? asked.cap : job.cap })
      }
      desk.serveWaiting(turn)
      return show(parts, turn, jobId)
    })
    return acted.catch((error: unknown) => refuseOld(parts, { jobId, caller, error }))
  }
  return {
    pauseJob: ({ params }, caller, context) =>
      change({ caller, context, ...params }, (at) => ({ kind: 'pause', ...at })),
    resumeJob: ({ params }, caller, context) =>
      change({ caller, context, ...params }, (at) => ({ kind: 'resume', ...at })),
    cancelJob: ({ params }, caller, context) =>
      change({ caller, context, ...params }, (at) => ({ kind: 'cancel', ...at })),
    requeueTasks: ({ params, body: { tasks } }, caller, context) =>
      change({ caller, context, ...params, details: { tasks: String(tasks?.length ?? 'all') } }, (at) => ({
        kind: 'requeue',
        tasks: tasks ?? null,
        ...at,
      })),
    setJobCap: ({ params, body: { cap } }, caller, context) =>
      change(
        { caller, context, ...params, details: { cap: String(cap) } },
        (at) => ({ kind: 'set_cap', cap, ...at }),
        (turn, job) => checkRaise(turn, { job, cap, keyId: caller.keyId }),
      ),
    setJobPriority: ({ params, body: { priority } }, caller, context) =>
      change({ caller, context, ...params, details: { priority: String(priority) } }, (at) => ({
        kind: 'set_priority',
        priority,
        ...at,
      })),

    rejectTask: ({ params, body: { reason } }, caller, context) => {
      const details = { step: params.step, task: params.task, reason }
      const acted = act(parts, { caller, context }, { objectId: params.jobId, details }, (turn, doing) => {
        const job = visibleJob(parts, params.jobId, caller)
        doing.organisationId = job.organisationId
        const place = visiblePlace(job, params)
        const { jobId } = job
        // Who looks is told of in no journal until somebody has looked.
        doing.isOutside = true
        const refusal = jobParts(parts).reject(turn, { jobId, ...place }, reason)
        if (refusal) throw rejectProblem(refusal, jobId)
        return toJobTask(job, place, jobAround(parts))
      })
      return acted.catch((error: unknown) => refuseOld(parts, { jobId: params.jobId, caller, error }))
    },
  }
}

/** A job that left the memory is over, and not unknown. */
async function refuseOld(
  parts: JobHandlerParts,
  { jobId, caller, error }: { jobId: string; caller: Caller; error: unknown },
): Promise<never> {
  const isMissing = error instanceof Problem && error.code === 'not_found'
  if (!isMissing || parts.coordinator.state.work.jobs.has(jobId)) throw error
  const kept = await keptJob(parts, jobId, caller)
  if (!kept) throw error
  throw jobProblem('job_over', { jobId, status: kept.status, limits: jobParts(parts).desk.limits })
}

const show = (parts: JobHandlerParts, { nowMs, state }: Turn, jobId: string): Job => {
  const job = state.work.jobs.get(jobId)
  if (!job) throw new Problem('internal', `Job ${jobId} was made, and is not there.`)
  return toJob(job, jobAround(parts), nowMs)
}

function problemOf(
  parts: JobHandlerParts,
  refusal: DeskRefusal,
  job: {
    jobId: string
    organisationId: string
    cap: bigint | null
    status?: StoredJob['status'] | undefined
  },
): Problem {
  const { accounts } = parts.coordinator.state.ledger
  const available = accounts.get(consumerAccount(job.organisationId))?.available
  return jobProblem(refusal, { ...job, limits: jobParts(parts).desk.limits, available })
}

const madeBefore = ({ jobId }: StoredJob): Problem =>
  new Problem(
    'conflict',
    `This quote became job ${jobId}, which has another cap. Change the job’s cap, or ask for a new quote.`,
  )
