/**
 * Jobs and the spending limits of the keys that made them. A task counts for its job's key when it is paid, and no longer when
 * that comes back. What a live job may yet cost is set aside of its key's limits, so that jobs together never exceed them.
 */
import { maximum, minimum, type NanoUsd } from '#kernel/money.ts'
import type { TimestampMs } from '#kernel/time.ts'
import { consumerAccount } from '#ledger/ledger.ts'
import { countSpend } from '#organisations/count-spend.ts'
import { startOfDayMs, startOfMonthMs, useAt } from '#organisations/key-use.ts'
import { isOver } from '#work/work.ts'
import type { CoordinatorEvent } from '../coordinator-events.ts'
import type { CoordinatorState } from '../coordinator-state.ts'
import { neededFor } from './jobs-paid.ts'
import { isPaidByCustomer } from './plan-refusal.ts'
import { jobOfTransfer } from './task-transfer.ts'

type Books = Pick<CoordinatorState, 'organisations' | 'work'>

/** The key whose use `event` changes, as it pays for a job or gives back what was paid; else `undefined`. */
function keyCharged(
  { work }: Pick<Books, 'work'>,
  event: CoordinatorEvent,
): { readonly keyId: string; readonly amount: NanoUsd } | undefined {
  if (event.type !== 'ledger.captured') return undefined
  const { keyId, organisationId = '' } = work.jobs.get(jobOfTransfer(event.transferId) ?? '') ?? {}
  if (keyId === undefined) return undefined
  const customer = consumerAccount(organisationId)
  let amount = 0n
  for (const payout of event.payouts) {
    if (event.accountId === customer) amount += payout.amount
    if (payout.accountId === customer) amount -= payout.amount
  }
  return { keyId, amount }
}

export function evolveKeySpend(state: Books, event: CoordinatorEvent): void {
  const charged = keyCharged(state, event)
  if (charged && event.type === 'ledger.captured')
    countSpend(state.organisations, { ...charged, atMs: event.atMs })
}

/** What is left of the limit that leaves least. */
export interface KeyLeft {
  readonly window: 'day' | 'month'
  readonly limit: NanoUsd
  readonly left: NanoUsd
  /** Of it, for jobs of the key that are not over. */
  readonly promised: NanoUsd
  /** Until the window is over. */
  readonly resetMs: number
}

/** `null` for a key whose spending is not limited. `except` is a job of which nothing is set aside. */
export function keyLeft(
  state: Books,
  { keyId, nowMs, except }: { keyId: string; nowMs: TimestampMs; except?: string },
): KeyLeft | null {
  const key = state.organisations.keys.get(keyId)
  const { spendPerDay, spendPerMonth } = key?.limits ?? {}
  if (!key || (spendPerDay === undefined && spendPerMonth === undefined)) return null
  const { spend, monthSpend, day, month } = useAt(state.organisations.use.get(key.budgetId), nowMs)
  const promised = promisedByBudget(state, except).get(key.budgetId) ?? 0n
  const leftOf = (limit: NanoUsd, spent: NanoUsd): NanoUsd => maximum(limit - spent - promised, 0n)
  const windows: KeyLeft[] = []
  if (spendPerDay !== undefined) {
    const resetMs = startOfDayMs(day + 1) - nowMs
    const left = leftOf(spendPerDay, spend)
    windows.push({ window: 'day', limit: spendPerDay, left, promised, resetMs })
  }
  if (spendPerMonth !== undefined) {
    const resetMs = startOfMonthMs(month + 1) - nowMs
    const left = leftOf(spendPerMonth, monthSpend)
    windows.push({ window: 'month', limit: spendPerMonth, left, promised, resetMs })
  }
  const least = windows.map(({ left }) => left).reduce(minimum)
  return windows.find(({ left }) => left === least) ?? null
}

/** What live jobs of each budget may yet cost, but for the job `except`. */
export function promisedByBudget({ work, organisations }: Books, except?: string): Map<string, NanoUsd> {
  const sums = new Map<string, NanoUsd>()
  for (const job of work.jobs.values()) {
    if (job.keyId === undefined || job.jobId === except || isOver(job) || !isPaidByCustomer(job)) continue
    const budgetId = organisations.keys.get(job.keyId)?.budgetId
    if (budgetId !== undefined) sums.set(budgetId, (sums.get(budgetId) ?? 0n) + neededFor(job))
  }
  return sums
}

/** The key of which less or more is used or set aside since `event`, for it was of a job that the key made. */
export function keyTouched(state: Pick<Books, 'work'>, event: CoordinatorEvent): string | undefined {
  switch (event.type) {
    case 'work.job_submitted':
      return event.keyId
    case 'work.cap_set':
    case 'work.job_ended':
      return state.work.jobs.get(event.jobId)?.keyId
    default:
      return keyCharged(state, event)?.keyId
  }
}
