/** How the money of jobs is named in the ledger: each name is of what it pays for, so that nothing is paid twice. */
import type { TaskPlace } from '#work/work-events.ts'

/** Owns what is held for jobs: no gateway may end such a hold. */
export const JOBS_OWNER = 'jobs'

export const jobHold = (jobId: string): string => `job:${jobId}`

export const taskTransfer = (jobId: string, { step, task }: TaskPlace, fence: number): string =>
  `task:${jobId}:${step}:${task}:${fence}`

/** The owner's part of what comes back, and the network's. */
export const refundTransfer = (jobId: string, { step, task }: TaskPlace, fence: number): string =>
  `refund:${jobId}:${step}:${task}:${fence}`
export const feeRefundTransfer = (jobId: string, place: TaskPlace, fence: number): string =>
  feeRefundOf(refundTransfer(jobId, place, fence))
/** The network's part, by the owner's. */
export const feeRefundOf = (refund: string): string => `${refund}:fee`

export const forfeitTransfer = (jobId: string, place: TaskPlace, fence: number): string =>
  `forfeit:${jobId}:${place.step}:${place.task}:${fence}`

const PAYMENT = /^(task|refund):([^:]+):\d+:\d+:\d+(:fee)?$/

/** The job that a transfer pays for, or gives back; `null` for any other transfer. */
export function paymentOfJob(
  transferId: string,
): { readonly jobId: string; readonly isRefund: boolean } | null {
  const [, kind, jobId] = PAYMENT.exec(transferId) ?? []
  return jobId === undefined ? null : { jobId, isRefund: kind === 'refund' }
}

const OF_JOB = /^(?:task|refund|forfeit):([^:]+):\d+:\d+:\d+(?::fee)?$/

/** The job that money moved for, forfeits included; `null` for any other transfer. */
export const jobOfTransfer = (transferId: string): string | null => OF_JOB.exec(transferId)?.[1] ?? null
