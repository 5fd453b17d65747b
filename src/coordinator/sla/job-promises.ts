/** What was promised of jobs, as the events of work and money tell it. */
import type { TimestampMs } from '#kernel/time.ts'
import { classOf, type JobPromise, type Sla } from '#sla/sla.ts'
import { tiers } from '#sla/tiers.ts'
import type { JobPlan } from '#work/work-events.ts'
import type { CoordinatorEvent } from '../coordinator-events.ts'
import { isPaidByCustomer } from '../work/plan-refusal.ts'
import { paymentOfJob } from '../work/task-transfer.ts'

/** To be applied to each event of jobs and of money. */
export function evolveJobPromises(sla: Sla, event: CoordinatorEvent): void {
  switch (event.type) {
    case 'work.job_submitted':
      return promise(sla, event, event.atMs)
    case 'work.granted': {
      const job = sla.jobs.get(event.jobId)
      if (!job || job.startedAtMs !== null) return
      job.startedAtMs = event.atMs
      job.pausedBeforeStartMs = job.pausedMs
      return
    }
    case 'work.job_paused': {
      const job = sla.jobs.get(event.jobId)
      if (job) job.pausedAtMs ??= event.atMs
      return
    }
    case 'work.job_resumed':
      return resume(sla.jobs.get(event.jobId), event.atMs)
    case 'work.job_ended': {
      const job = sla.jobs.get(event.jobId)
      resume(job, event.atMs)
      if (!job) return
      job.endedAtMs = event.atMs
      job.isCancelled = event.end === 'cancelled'
      return
    }
    case 'ledger.captured': {
      const payment = paymentOfJob(event.transferId)
      const job = payment && sla.jobs.get(payment.jobId)
      if (!job) return
      const amount = event.payouts.reduce((sum, payout) => sum + payout.amount, 0n)
      job.charges += payment.isRefund ? -amount : amount
      return
    }
    default:
  }
}

function promise(sla: Sla, plan: JobPlan, atMs: TimestampMs): void {
  const { jobId, organisationId } = plan
  const slaClass = classOf(sla, organisationId)
  if (slaClass === 'none' || !isPaidByCustomer(plan)) return
  const { jobStartMs, jobFinishPercent } = tiers[slaClass]
  let aloneMs = 0
  for (const { tasks } of plan.steps) for (const task of tasks) aloneMs += task.referenceMsP90
  const job: JobPromise = {
    jobId,
    organisationId,
    slaClass,
    submittedAtMs: atMs,
    startDueMs: jobStartMs,
    finishDueMs: jobStartMs + Math.ceil((aloneMs * jobFinishPercent) / 100),
    startedAtMs: null,
    endedAtMs: null,
    isCancelled: false,
    pausedAtMs: null,
    pausedBeforeStartMs: 0,
    pausedMs: 0,
    charges: 0n,
  }
  sla.jobs.set(jobId, job)
}

function resume(job: JobPromise | undefined, atMs: TimestampMs): void {
  if (!job || job.pausedAtMs === null) return
  job.pausedMs += atMs - job.pausedAtMs
  job.pausedAtMs = null
}
