/**
 * What happens to jobs, for those who follow them: kept in memory alone, the newest of each, as long as this coordinator
 * leads. Numbers begin where the time of the start puts them, which is later than anything that was told before a
 * restart: so `after` of before shows all that there is, once.
 */
import type { Clock } from '#host/host.ts'
import type { TimestampMs } from '#kernel/time.ts'
import type { JobNewsPage } from '#protocol/job.ts'
import { Problem } from '#protocol/problem.ts'
import type { Job, Work } from '#work/work.ts'
import type { WorkEvent } from '#work/work-events.ts'
import { NewsRing } from './news-ring.ts'
import { type AttemptPlace, type Told, tellAttempt, tellJob } from './news-text.ts'

export interface JobNewsDesk {
  /** Notes what an event says, after it took effect; `attempt` is the one that it is of, if it is of one. */
  hear(work: Pick<Work, 'jobs'>, event: WorkEvent, attempt: AttemptPlace | null): void
  /** Notes what no event of the job itself says, as that a result is being checked. */
  tell(jobId: string, told: Told & { atMs: TimestampMs }): void
  /** What came after `after`; of a job of which nothing was told yet, nothing. */
  read(jobId: string, after: number): JobNewsPage
  /**
   * Resolves once there is something after `after`, when `waitMs` are over or `signal` is aborted. Rejects with
   * `queue_full` when too many of the organisation wait already, and with `unavailable` when the coordinator stops.
   */
  wait(jobId: string, after: number, options: WaitOptions): Promise<void>
  close(): void
}

interface WaitOptions {
  readonly organisationId: string
  readonly waitMs: number
  readonly signal: AbortSignal | undefined
}

/** Pieces that are kept of a job, and given in one answer. */
export const NEWS_PER_JOB = 500
/** Of a job that is over, and how many such jobs have any. */
const NEWS_PER_OVER = 100
const OVER_MAX = 1_000
/** Calls of one organisation that wait at once. */
export const WAITING_PER_ORGANISATION = 64
/** Numbers in each millisecond of the clock: far more than happens in one. */
const NUMBERS_PER_MS = 1_000

/** `nowMs`: when this coordinator began to lead, by cell time. */
export function createJobNews(clock: Pick<Clock, 'after'>, nowMs: TimestampMs): JobNewsDesk {
  const first = nowMs * NUMBERS_PER_MS
  /** The greatest number that was given: what is begun later goes on above it. */
  let highest = first - 1
  const rings = new Map<string, NewsRing>()
  const over: string[] = []
  /** Tasks of one submission that an earlier job made are told of in one sentence. */
  let reused = { jobId: '', atMs: 0, count: 0 }
  const waiting = createWaiting(clock)

  function tell(jobId: string, { atMs, kind, place, nodeId, text }: Told & { atMs: TimestampMs }): void {
    let ring = rings.get(jobId)
    if (!ring) {
      ring = new NewsRing(highest + 1, NEWS_PER_JOB)
      rings.set(jobId, ring)
    }
    ring.add({ atMs, kind, step: place?.step ?? null, task: place?.task ?? null, nodeId, text })
    highest = Math.max(highest, ring.next - 1)
    waiting.wake(jobId)
  }

  function hearReused(job: Job, event: Extract<WorkEvent, { type: 'work.reused' }>): void {
    const { jobId, atMs } = event
    const isFirst = reused.jobId !== jobId || reused.atMs !== atMs
    reused = { jobId, atMs, count: isFirst ? 1 : reused.count + 1 }
    const told = isFirst ? tellJob(job, event) : null
    if (told) tell(jobId, { ...told, atMs })
    else rings.get(jobId)?.amend(`${reused.count} tasks were made before; nothing is owed for them.`)
  }

  function end(jobId: string): void {
    rings.get(jobId)?.shrink(NEWS_PER_OVER)
    over.push(jobId)
    if (over.length > OVER_MAX) rings.delete(over.shift() ?? '')
  }

  return {
    tell,
    hear({ jobs }, event, attempt) {
      if ('fence' in event) {
        const job = attempt && jobs.get(attempt.jobId)
        const told = job && isTold(job) ? tellAttempt(job, attempt, event) : null
        if (told && job) tell(job.jobId, { ...told, atMs: event.atMs })
        return
      }
      if (event.type === 'work.job_forgotten') {
        rings.delete(event.jobId)
        return waiting.wake(event.jobId)
      }
      if (event.type === 'work.tasks_forgotten') return
      const job = jobs.get(event.jobId)
      if (!job || !isTold(job)) return
      if (event.type === 'work.reused') return hearReused(job, event)
      const told = tellJob(job, event)
      if (told) tell(event.jobId, { ...told, atMs: event.atMs })
      if (event.type === 'work.job_ended') end(event.jobId)
    },
    read(jobId, after) {
      const ring = rings.get(jobId)
      const items = ring?.since(after, NEWS_PER_JOB) ?? []
      // Who names a piece that is not there yet goes on from the newest.
      return { items, next: items.at(-1)?.sequence ?? Math.min(after, ring ? ring.next - 1 : highest) }
    },
    wait(jobId, after, options) {
      const newest = (rings.get(jobId)?.next ?? 0) - 1
      return newest > after ? Promise.resolve() : waiting.wait(jobId, options)
    },
    close: waiting.close,
  }
}

/** Probes and audits are nobody's to follow. */
const isTold = ({ purpose = 'work' }: Pick<Job, 'purpose'>): boolean => purpose === 'work'

interface Waiter {
  readonly organisationId: string
  end(problem?: Problem): void
}

function createWaiting(clock: Pick<Clock, 'after'>) {
  const byJob = new Map<string, Set<Waiter>>()
  const counts = new Map<string, number>()
  let isClosed = false

  function count(organisationId: string, change: number): void {
    const left = (counts.get(organisationId) ?? 0) + change
    if (left > 0) counts.set(organisationId, left)
    else counts.delete(organisationId)
  }

  function wait(jobId: string, { organisationId, waitMs, signal }: WaitOptions): Promise<void> {
    if (isClosed) return Promise.reject(stopping())
    if (signal?.aborted) return Promise.resolve()
    if ((counts.get(organisationId) ?? 0) >= WAITING_PER_ORGANISATION) return Promise.reject(tooMany())
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    const waiters = byJob.get(jobId) ?? new Set<Waiter>()
    byJob.set(jobId, waiters)
    const leave = (): void => waiter.end()
    const timer = clock.after(waitMs, leave)
    const waiter: Waiter = {
      organisationId,
      end(problem) {
        if (!waiters.delete(waiter)) return
        if (waiters.size === 0) byJob.delete(jobId)
        timer.cancel()
        signal?.removeEventListener('abort', leave)
        count(organisationId, -1)
        if (problem) reject(problem)
        else resolve()
      },
    }
    waiters.add(waiter)
    count(organisationId, 1)
    signal?.addEventListener('abort', leave, { once: true })
    return promise
  }

  return {
    wait,
    wake(jobId: string): void {
      for (const waiter of [...(byJob.get(jobId) ?? [])]) waiter.end()
    },
    close(): void {
      isClosed = true
      for (const waiters of [...byJob.values()]) for (const waiter of [...waiters]) waiter.end(stopping())
    },
  }
}

const stopping = (): Problem =>
  new Problem('unavailable', 'This coordinator stops. Ask again: another answers soon.')
const tooMany = (): Problem =>
  new Problem(
    'queue_full',
    `${WAITING_PER_ORGANISATION} calls of this organisation wait for news already. End some, or ask without \`waitMs\`.`,
  )
