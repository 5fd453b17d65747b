/** For tests: the API of jobs over a served cell with nodes. */
import { nodeCrypto } from '#host/node/node-crypto.ts'
import type { Job, JobTask } from '#protocol/job.ts'
import type { CallContext, Caller } from '#protocol/route.ts'
import type { Scope } from '#protocol/scope.ts'
import { PAYER } from '#sim/test-world.ts'
import type { JobPlan } from '#work/work-events.ts'
import { planOf, TestFloor } from '../work/test-floor.ts'
import { maySee, notFound } from './handler-parts.ts'
import { jobHandlers } from './job-handlers.ts'
import type { JobHandlerParts, JobParts } from './job-parts.ts'
import { openJobs } from './open-jobs.ts'

type Plan = Partial<JobPlan> & { frames?: number; referenceMs?: number }

/** Quotes by their ids, each with the plan that is made of it. */
export class TestJobs {
  readonly floor: TestFloor
  readonly quotes = new Map<string, Plan>()
  parts: JobHandlerParts & { jobs: JobParts }
  readonly rejected: unknown[] = []
  /** What the tables have. */
  readonly kept: Job[] = []
  readonly keptTasks: JobTask[] = []

  constructor(floor: TestFloor) {
    this.floor = floor
    this.parts = this.#open()
  }

  static async open(options: Parameters<typeof TestFloor.open>[0] = {}): Promise<TestJobs> {
    return new TestJobs(await TestFloor.open(options))
  }

  #open(): JobHandlerParts & { jobs: JobParts } {
    const { coordinator, desk } = this.floor.service
    const { scheduler } = this.floor.world
    const quotes: JobParts['quotes'] = {
      plan: ({ caller, body: { quoteId, cap, priority }, jobId }) => {
        const quote = this.quotes.get(quoteId)
        if (!quote || !maySee(caller, PAYER)) throw notFound('quote', quoteId)
        return { ...planOf(quote), jobId, priority, ...(cap !== undefined && { cap }) }
      },
    }
    const inspection: Pick<JobParts, 'reject' | 'unverifiedOf'> = {
      reject: (_turn, place, reason) => {
        this.rejected.push({ ...place, reason })
        return null
      },
      unverifiedOf: () => 0,
    }
    const jobs = openJobs({ coordinator, desk, clock: scheduler, quotes, inspection })
    const queries = {
      job: async (jobId: string) => this.kept.find((job) => job.jobId === jobId) ?? null,
      jobs: async () => ({ items: [...this.kept], next: null, asOfSequence: 0 }),
      jobTasks: async () => ({ items: [...this.keptTasks], next: null, asOfSequence: 0 }),
    }
    const projector = { reach: async () => true }
    return { coordinator, crypto: nodeCrypto, keySecret: 'secret', jobs, queries, projector }
  }

  /** Another coordinator leads. */
  async restart(): Promise<void> {
    this.parts.jobs.news.close()
    await this.floor.restart()
    this.parts = this.#open()
  }

  get api() {
    return jobHandlers(this.parts)
  }

  /** Lets time pass until the call is answered. */
  answer<T>(reply: T | Promise<T>): Promise<T> {
    return this.floor.world.settle(Promise.resolve(reply))
  }

  /** A job of a quote of its own. */
  async submit(plan: Plan = {}, caller = developer): Promise<string> {
    const quoteId = `quote_${this.quotes.size + 1}`
    this.quotes.set(quoteId, plan)
    const body = { quoteId, priority: plan.priority ?? 50 }
    return (await this.answer(this.api.createJob({ body }, caller, contextOf('createJob')))).jobId
  }
}

export const callerOf = (organisationId: string, scope: Scope): Caller => ({
  organisationId,
  keyId: `key_${scope}`,
  scopes: [scope],
})
export const developer = callerOf(PAYER, 'developer')
export const operator = callerOf('org_network', 'operator')
export const stranger = callerOf('org_stranger', 'owner')

export const contextOf = (act: string, signal?: AbortSignal): CallContext => ({
  act,
  requestId: 'req_1',
  sourceAddress: null,
  ...(signal && { signal }),
})
