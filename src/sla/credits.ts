import { divideUp, type NanoUsd } from '#kernel/money.ts'
import type { JobCredit, JobFacts } from '#protocol/sla-statement.ts'
import { type MonthBins, type Uptime, uptimeOf } from './bins.ts'
import type { Tier } from './tiers.ts'

export interface Credits extends Uptime {
  /** Of the charges, in hundredths of a percent; 0 where the promise was kept. */
  readonly creditBps: number
  /** Rounded up, never more than the charges. */
  readonly credit: NanoUsd
}

/**
 * What a month's uptime gives back of `charges`, which are what was paid in it for requests of the class. The month's
 * end, the recount of an evidence bundle and the simulators all ask this one function.
 */
export function creditsOf(month: MonthBins, charges: NanoUsd, tier: Pick<Tier, 'credits'>): Credits {
  const uptime = uptimeOf(month)
  const step = tier.credits.find(({ belowPpb }) => uptime.uptimePpb < belowPpb)
  const creditBps = step?.creditBps ?? 0
  return { ...uptime, creditBps, credit: shareOf(charges, creditBps) }
}

/** Of what the job cost: for a late start, a late end, and an end that took twice what was promised. */
export const JOB_START_BPS = 1_000
export const JOB_FINISH_BPS = 2_500
export const JOB_FAR_TOO_LATE_BPS = 5_000

/** What a job that is over gives back of its charges; the time that it was paused for is nobody's. */
export function jobCreditOf(jobId: string, facts: JobFacts): JobCredit {
  const { submittedAtMs, startDueMs, finishDueMs, pausedMs, pausedBeforeStartMs, charges } = facts
  const { startedAtMs, endedAtMs, isCancelled } = facts
  const endMs = endedAtMs ?? submittedAtMs
  const waitedMs =
    startedAtMs === null
      ? endMs - submittedAtMs - pausedMs
      : startedAtMs - submittedAtMs - pausedBeforeStartMs
  const startLateMs = Math.max(0, waitedMs - startDueMs)
  const finishLateMs = isCancelled ? 0 : Math.max(0, endMs - submittedAtMs - pausedMs - finishDueMs)
  const creditBps =
    finishLateMs > finishDueMs
      ? JOB_FAR_TOO_LATE_BPS
      : finishLateMs > 0
        ? JOB_FINISH_BPS
        : startLateMs > 0
          ? JOB_START_BPS
          : 0
  return { jobId, facts, startLateMs, finishLateMs, creditBps, credit: shareOf(charges, creditBps) }
}

const shareOf = (charges: NanoUsd, bps: number): NanoUsd =>
  charges > 0n ? divideUp(charges * BigInt(bps), 10_000n) : 0n
