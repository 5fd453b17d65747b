/** What was promised of jobs, as the events of work and money tell it. */
import type { NanoUsd } from '#kernel/money.ts'
import type { TimestampMs } from '#kernel/time.ts'
import { consumerAccount, providerAccount } from '#ledger/ledger.ts'
import { classOf, type JobPromise, type Sla } from '#sla/sla.ts'
import { tiers } from '#sla/tiers.ts'
import type { JobPlan } from '#work/work-events.ts'
import { isOperators } from '../answers/operator.ts'
import type { CoordinatorEvent } from '../coordinator-events.ts'
import type { CoordinatorState } from '../coordinator-state.ts'
import { isPaidByCustomer } from '../work/plan-refusal.ts'
import { feeRefundOf, jobOfTransfer } from '../work/task-transfer.ts'

type Books = Pick<CoordinatorState, 'organisations' | 'verify' | 'sla'>

/** To be applied to each event of jobs and of money. */
export function evolveJobPromises(state: Books, event: CoordinatorEvent): void {
  const { sla } = state
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
      const job = sla.jobs.get(jobOfTransfer(event.transferId) ?? '')
      if (job) job.charges += chargedBy(state, job, event)
      return
    }
    default:
  }
}

/**
 * What more, or less, the job's owner has paid that a credit is a part of. As with requests, what his own nodes are paid is none
 * of it, nor is the network's part of that; the operator owes credits to nobody but itself, and is not looked at.
 */
function chargedBy(
  state: Books,
  job: JobPromise,
  { transferId, accountId, payouts }: Extract<CoordinatorEvent, { type: 'ledger.captured' }>,
): NanoUsd {
  const { organisationId } = job
  const customer = consumerAccount(organisationId)
  const own = isOperators(state, organisationId) ? null : providerAccount(organisationId)
  if (payouts.some((payout) => payout.accountId === own)) return 0n
  if (accountId === own) {
    // The network's part of it comes back next, and by itself does not tell whose node it was of.
    job.ownRefund = transferId
    return 0n
  }
  if (job.ownRefund !== undefined && transferId === feeRefundOf(job.ownRefund)) {
    delete job.ownRefund
    return 0n
  }
  let charged = 0n
  for (const payout of payouts) {
    if (accountId === customer) charged += payout.amount
    if (payout.accountId === customer) charged -= payout.amount
  }
  return charged
}

/** The order that a job has unless its customer says otherwise. */
const PRIORITY = 50

/** Its customer has chosen that it waits for others: cheaper, or behind them. */
const isBehind = ({ tier, priority }: JobPlan): boolean => tier === 'economy' || priority < PRIORITY

function promise(sla: Sla, plan: JobPlan, atMs: TimestampMs): void {
  const { jobId, organisationId } = plan
  const slaClass = classOf(sla, organisationId)
  if (slaClass === 'none' || !isPaidByCustomer(plan) || isBehind(plan)) return
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
