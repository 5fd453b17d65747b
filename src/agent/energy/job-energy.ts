/** Shares the machine's energy out among the requests that it worked on. */
import type { JobRecord } from '#host/energy-store.ts'
import { networkFee } from '#ledger/price.ts'
import type { MeanPower } from './machine-energy.ts'
import { grossOf, type Job, type WorkSlice } from './metered-engine.ts'

export interface EndedJob extends JobRecord {
  /** GPU-hours that its price pays for, at the ask of its start. */
  readonly soldGpuHours: number
}

export interface JobEnergy {
  /** Books a slice of work; gives the requests that ended in it. */
  take(work: WorkSlice, power: MeanPower | null): EndedJob[]
}

interface Account {
  joules: number | null
  isLowerBound: boolean
}

/**
 * A slice's busy time has the slice's mean power; each request gets its share of the time of all of them. Idle time is
 * nobody's. A request that no meter saw a part of has no figure.
 */
export function attributeEnergy(feeBps: () => number): JobEnergy {
  const accounts = new Map<Job, Account>()
  return {
    take(work, power) {
      const ended: EndedJob[] = []
      for (const { job, slotMs } of work.jobs) {
        const account = accounts.get(job) ?? { joules: 0, isLowerBound: false }
        accounts.set(job, account)
        book(account, { work, slotMs, power })
        if (!job.end) continue
        accounts.delete(job)
        ended.push(endedJob(job, account, feeBps()))
      }
      return ended
    },
  }
}

function book(
  account: Account,
  { work, slotMs, power }: { work: WorkSlice; slotMs: number; power: MeanPower | null },
): void {
  if (slotMs === 0) return
  if (!power) account.joules = null
  else if (account.joules !== null)
    account.joules += power.watts * (work.busyMs / 1_000) * (slotMs / work.slotMs)
  if (power?.basis === 'parts') account.isLowerBound = true
}

function endedJob(job: Job, { joules, isLowerBound }: Account, feeBps: number): EndedJob {
  const { requestId, model, startedAtMs, end, promptTokens, completionTokens, askPerGpuHour } = job
  const expectedGross = grossOf(job)
  return {
    requestId,
    model,
    startedAtMs,
    endedAtMs: end?.atMs ?? startedAtMs,
    outcome: end?.outcome ?? 'failed',
    promptTokens,
    completionTokens,
    expectedGross,
    expectedFee: networkFee(expectedGross, feeBps),
    soldGpuHours: askPerGpuHour > 0n ? Number(expectedGross) / Number(askPerGpuHour) : 0,
    joules,
    isLowerBound,
  }
}
