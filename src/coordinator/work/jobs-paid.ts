/** What was paid for each job in memory, as the ledger's events tell it: never counted from the work, which it proves. */
import { assert } from '#kernel/assert.ts'
import { maximum, type NanoUsd } from '#kernel/money.ts'
import type { Ledger } from '#ledger/ledger.ts'
import { isOver, type Job, type Work } from '#work/work.ts'
import type { CoordinatorEvent } from '../coordinator-events.ts'
import { isPaidByCustomer } from './plan-refusal.ts'
import { JOBS_OWNER, jobHold, paymentOfJob } from './task-transfer.ts'

/** By job. */
export type JobsPaid = Map<string, NanoUsd>

export function evolveJobsPaid(paid: JobsPaid, event: CoordinatorEvent): void {
  if (event.type === 'work.job_forgotten') return void paid.delete(event.jobId)
  if (event.type !== 'ledger.captured') return
  const payment = paymentOfJob(event.transferId)
  if (!payment) return
  const amount = event.payouts.reduce((sum, payout) => sum + payout.amount, 0n)
  paid.set(payment.jobId, (paid.get(payment.jobId) ?? 0n) + (payment.isRefund ? -amount : amount))
}

/** Throws unless every result that counts was paid once, none that does not, and each live job's money is held. */
export function checkJobsPaid({
  work,
  ledger,
  jobsPaid,
}: {
  readonly work: Work
  readonly ledger: Ledger
  readonly jobsPaid: JobsPaid
}): void {
  for (const job of work.jobs.values()) {
    if (!isPaidByCustomer(job)) continue
    const paid = jobsPaid.get(job.jobId) ?? 0n
    assert(paid === job.spent, `${job.jobId} owes ${job.spent}, and ${paid} were paid for it`)
    const hold = ledger.holds.get(jobHold(job.jobId))
    if (isOver(job)) assert(!hold, `${job.jobId} is over, and nothing is held for it`)
    const left = hold?.left ?? 0n
    assert(
      isOver(job) || left >= neededFor(job),
      `${job.jobId} may yet cost more than the ${left} that are held`,
    )
  }
  for (const { ownerId, id } of ledger.holds.values()) {
    const isJobs = ownerId !== JOBS_OWNER || work.jobs.has(id.slice(jobHold('').length))
    assert(isJobs, `${id} is held for a job that is not there`)
  }
  for (const jobId of jobsPaid.keys()) assert(work.jobs.has(jobId), `${jobId} was paid, and is not there`)
}

/** What has to be held for a job: all that it may yet cost. */
export const neededFor = (job: Pick<Job, 'cap' | 'spent' | 'reserved'>): NanoUsd =>
  maximum(maximum((job.cap ?? 0n) - job.spent, job.reserved), 0n)
