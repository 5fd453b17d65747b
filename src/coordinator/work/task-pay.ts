/**
 * The money of jobs, in the turn of the work that it follows. What a job may cost is held when it is submitted and until
 * it ends; each result that counts is paid from it at once, and what a rejected one was paid comes back.
 */
import { assert } from '#kernel/assert.ts'
import { maximum, minimum, type NanoUsd } from '#kernel/money.ts'
import { DAY_MS } from '#kernel/time.ts'
import { consumerAccount, NETWORK_FEES, providerAccount } from '#ledger/ledger.ts'
import { networkFee } from '#ledger/price.ts'
import type { WorkCommand } from '#work/decide-work.ts'
import { isOver, type Job, jobOf, type Result, taskOf } from '#work/work.ts'
import type { TaskPlace, WorkEvent } from '#work/work-events.ts'
import type { CoordinatorState } from '../coordinator-state.ts'
import type { Turn } from '../turn.ts'
import { holdPay, releasePay } from './holdback.ts'
import { neededFor } from './jobs-paid.ts'
import { isPaidByCustomer } from './plan-refusal.ts'
import { refundMemo, taskMemo } from './task-memo.ts'
import {
  feeRefundOf,
  feeRefundTransfer,
  forfeitTransfer,
  JOBS_OWNER,
  jobHold,
  refundTransfer,
  taskTransfer,
} from './task-transfer.ts'

/** In order of precedence. */
export type PayRefusal = 'funds_insufficient'

/** A job's hold lives on for so long, and is extended for as long as the job does. */
const HOLD_TTL_MS = 30 * DAY_MS
const EXTEND_WITHIN_MS = 29 * DAY_MS

/** Whether the payer has what `command` would hold. Asked before anything of it is applied. */
export function payRefusal(
  { state }: Turn,
  command: WorkCommand,
  decision: readonly WorkEvent[],
): PayRefusal | null {
  if (decision.some(({ type }) => type === 'work.job_ended')) return null
  if (command.kind === 'submit') {
    const { plan } = command
    if (!isPaidByCustomer(plan)) return null
    return isShort(state, plan.organisationId, neededFor({ cap: plan.cap, spent: 0n, reserved: 0n }))
  }
  if (command.kind !== 'set_cap' || decision.length === 0) return null
  const job = jobOf(state.work, command.jobId)
  if (!isPaidByCustomer(job)) return null
  const left = state.ledger.holds.get(jobHold(job.jobId))?.left ?? 0n
  const { cap } = command
  return isShort(state, job.organisationId, neededFor({ ...job, cap }) - left)
}

function isShort({ ledger }: CoordinatorState, organisationId: string, amount: NanoUsd): PayRefusal | null {
  const account = ledger.accounts.get(consumerAccount(organisationId))
  return amount > 0n && (account?.available ?? 0n) < amount ? 'funds_insufficient' : null
}

/** What is to be paid for `event`, which is not applied yet; the answer pays it once it is. */
export function payFor(turn: Turn, event: WorkEvent, feeBps: number): (() => void) | null {
  if (event.type !== 'work.accepted' && event.type !== 'work.rejected') return null
  const job = jobOf(turn.state.work, event.jobId)
  const { state, result } = taskOf(job, event)
  const isPaid = state === 'done'
  // A result that is looked at once more was paid; one that never counted was not.
  if (isPaid === (event.type === 'work.accepted') || !result || result.charge === 0n) return null
  const paid = { job, place: { step: event.step, task: event.task }, result, feeBps }
  return event.type === 'work.accepted' ? () => capture(turn, paid) : () => refund(turn, paid)
}

interface Paid {
  readonly job: Job
  readonly place: TaskPlace
  readonly result: Result
  readonly feeBps: number
}

function capture(turn: Turn, { job, place, result, feeBps }: Paid): void {
  const { jobId, organisationId } = job
  const fee = networkFee(result.charge, feeBps)
  const isCustomers = isPaidByCustomer(job)
  const payouts = [{ accountId: payeeOf(turn, result), amount: result.charge - fee }]
  // What the network pays itself is no fee.
  if (isCustomers) payouts.push({ accountId: NETWORK_FEES, amount: fee })
  pay(turn, {
    transferId: taskTransfer(jobId, place, result.fence),
    accountId: isCustomers ? consumerAccount(organisationId) : NETWORK_FEES,
    holdId: jobHold(jobId),
    payouts,
    memo: taskMemo(job, place),
  })
  if (isCustomers && job.keyId !== undefined)
    turn.organisations({
      kind: 'reach_budget',
      keyId: job.keyId,
      added: result.charge,
      nowMs: turn.nowMs,
    })
  if (!isCustomers || !job.isVerified) return
  const { fence, nodeId, isChecked } = result
  const held = { accountId: payeeOf(turn, result), organisationId, amount: result.charge - fee, isChecked }
  holdPay(turn, { place: { jobId, ...place, fence }, nodeId, ...held })
}

/** The payer has it all back: from the node's owner, as far as that has it, and from the network. */
function refund(turn: Turn, { job, place, result, feeBps }: Paid): void {
  releasePay(turn, { jobId: job.jobId, ...place, fence: result.fence }, result.nodeId)
  const fee = networkFee(result.charge, feeBps)
  const isCustomers = isPaidByCustomer(job)
  const creditor = isCustomers ? consumerAccount(job.organisationId) : NETWORK_FEES
  const transferId = refundTransfer(job.jobId, place, result.fence)
  const memo = refundMemo(job, place)
  const back = (id: string, accountId: string, amount: NanoUsd): void =>
    pay(turn, {
      transferId: id,
      accountId,
      holdId: '',
      payouts: [{ accountId: creditor, amount }],
      memo,
      isRefund: true,
    })
  back(transferId, payeeOf(turn, result), result.charge - fee)
  if (isCustomers) back(feeRefundTransfer(job.jobId, place, result.fence), NETWORK_FEES, fee)
}

/**
 * For a result that was found false when its job was over, which stays as it is: its customer has back what of its pay the node's
 * owner still has, and the network's fee. To be called once for a result, before pay of its node is forfeited.
 */
export function giveBack(turn: Turn, { job, place, result, feeBps }: Paid): void {
  const { jobId, organisationId } = job
  if (!isPaidByCustomer(job) || result.charge === 0n) return
  releasePay(turn, { jobId, ...place, fence: result.fence }, result.nodeId)
  const fee = networkFee(result.charge, feeBps)
  const payeeId = payeeOf(turn, result)
  const has = maximum(turn.state.ledger.accounts.get(payeeId)?.available ?? 0n, 0n)
  const transferId = forfeitTransfer(jobId, place, result.fence)
  const back = (id: string, accountId: string, amount: NanoUsd): void =>
    pay(turn, {
      transferId: id,
      accountId,
      holdId: '',
      payouts: [{ accountId: consumerAccount(organisationId), amount }],
      memo: refundMemo(job, place),
      isRefund: true,
    })
  // Beyond that it would be the network's loss: a node and a customer of one hand could pay themselves out and have it all back.
  back(transferId, payeeId, minimum(result.charge - fee, has))
  back(feeRefundOf(transferId), NETWORK_FEES, fee)
}

interface Payment {
  readonly transferId: string
  readonly accountId: string
  readonly holdId: string
  readonly payouts: readonly { readonly accountId: string; readonly amount: NanoUsd }[]
  readonly memo: string
  readonly isRefund?: boolean
}

function pay(turn: Turn, { payouts, ...payment }: Payment): void {
  const some = payouts.filter(({ amount }) => amount > 0n)
  if (some.length === 0) return
  const refusal = turn.ledger({ kind: 'capture', ...payment, payouts: some, nowMs: turn.nowMs })
  assert(refusal === null, `work that was done is paid, not ${refusal}`)
}

function payeeOf({ state }: Turn, { nodeId }: Result): string {
  const node = state.fleet.nodes.get(nodeId)
  assert(node, `node ${nodeId} worked, so it is enrolled`)
  return providerAccount(node.organisationId)
}

/** Holds for each job that these events touched what it may yet cost, and no more where that became less. */
export function balanceHolds(turn: Turn, events: readonly WorkEvent[]): void {
  const touched = new Set<string>()
  for (const event of events) {
    switch (event.type) {
      case 'work.job_submitted':
      case 'work.cap_set':
      case 'work.job_ended':
      case 'work.rejected':
        touched.add(event.jobId)
    }
  }
  for (const jobId of touched) {
    const job = turn.state.work.jobs.get(jobId)
    if (job && isPaidByCustomer(job)) balanceHold(turn, job)
  }
}

function balanceHold(turn: Turn, job: Job): void {
  const { jobId, organisationId } = job
  const holdId = jobHold(jobId)
  const ownerId = JOBS_OWNER
  const hold = turn.state.ledger.holds.get(holdId)
  const needed = isOver(job) ? 0n : neededFor(job)
  const left = hold?.left ?? 0n
  const refusals: (string | null)[] = []
  if (hold && needed > left)
    refusals.push(turn.ledger({ kind: 'raise_hold', holdId, ownerId, lent: hold.lent + needed - left }))
  if (hold && (needed < left || needed === 0n))
    refusals.push(turn.ledger({ kind: 'release_hold', holdId, ownerId }))
  if (needed > 0n && (!hold || needed < left)) {
    const accountId = consumerAccount(organisationId)
    const expiresAtMs = turn.nowMs + HOLD_TTL_MS
    const opened = { holdId, accountId, ownerId, amount: needed, expiresAtMs, nowMs: turn.nowMs }
    refusals.push(turn.ledger({ kind: 'open_hold', ...opened }))
  }
  for (const refusal of refusals)
    assert(refusal === null, `what ${jobId} may cost is held, and not ${refusal}`)
}

/** Keeps the holds of jobs alive, before anything expires: to be done before holds expire. */
export function keepJobHolds(turn: Turn): void {
  for (const { id: holdId, ownerId, expiresAtMs } of turn.state.ledger.holds.values()) {
    if (ownerId !== JOBS_OWNER || expiresAtMs - turn.nowMs > EXTEND_WITHIN_MS) continue
    turn.ledger({ kind: 'extend_hold', holdId, ownerId, expiresAtMs: turn.nowMs + HOLD_TTL_MS })
  }
}
