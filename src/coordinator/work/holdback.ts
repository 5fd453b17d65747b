/**
 * Pay that stands in for results that may be looked at yet. It is on the provider's account from the moment that the result
 * counts, and cannot be paid out; a result that is rejected pays itself back from it, and a node that lies loses all of it.
 */
import { assert } from '#kernel/assert.ts'
import type { NanoUsd } from '#kernel/money.ts'
import { consumerAccount, NETWORK_FEES } from '#ledger/ledger.ts'
import type { NodeClass } from '#protocol/node-class.ts'
import { decideVerify, type VerifyCommand, type VerifyRefusal } from '#verify/decide-verify.ts'
import { agedPay } from '#verify/holdback.ts'
import { type HeldPay, keyOf, type ResultPlace } from '#verify/verify.ts'
import type { PayFreed } from '#verify/verify-events.ts'
import type { Turn } from '../turn.ts'
import { payHoldId } from './check-held-pay.ts'
import { forfeitTransfer } from './task-transfer.ts'

/** Carries a command of the decider out, as part of `turn`. */
export function verifyIn(turn: Turn, command: VerifyCommand): VerifyRefusal | null {
  const decision = decideVerify(turn.state.verify, command)
  if (!Array.isArray(decision)) return decision
  turn.record(decision)
  return null
}

export interface EarnedPay {
  readonly place: ResultPlace
  readonly nodeId: string
  readonly accountId: string
  /** Whose job it was. */
  readonly organisationId: string
  /** What the node's owner was paid just now. */
  readonly amount: NanoUsd
  readonly isChecked: boolean
}

/** To be called in the turn that pays for a result of a verified job: it is held back, and what is old enough is freed. */
export function holdPay(turn: Turn, pay: EarnedPay): void {
  if (pay.amount <= 0n) return
  const { nowMs } = turn
  const refusal =
    turn.ledger({
      kind: 'hold_back',
      holdbackId: payHoldId(pay.place),
      accountId: pay.accountId,
      amount: pay.amount,
      nowMs,
    }) ?? verifyIn(turn, { kind: 'hold_pay', ...pay, nowMs })
  assert(refusal === null, `what was paid just now can be held back, and not ${refusal}`)
  freeAged(turn, pay.nodeId)
}

/** To be called before the pay of a result is taken back: it is then on the provider's account, for the same turn to take. */
export function releasePay(turn: Turn, place: ResultPlace, nodeId: string): void {
  const pay = turn.state.verify.held.get(nodeId)?.get(keyOf(place))
  if (pay) free(turn, { nodeId, pay, why: 'taken_back' })
}

/** What of the node's pay need not be held back any longer is its owner's. */
export function freeAged(turn: Turn, nodeId: string): void {
  for (const pay of agedPay(turn.state.verify, nodeId, classOf(turn, nodeId)))
    free(turn, { nodeId, pay, why: 'aged' })
}

/** Pay of jobs that left the memory: nobody can find anything out about it any more. */
export function freeExpired(turn: Turn): void {
  const { verify, work } = turn.state
  for (const [nodeId, list] of verify.held) {
    for (const pay of list.values())
      if (!work.jobs.has(pay.jobId)) free(turn, { nodeId, pay, why: 'expired' })
  }
}

/**
 * A node lied: what is still held back of its pay is lost. For what nobody looked at it goes back to who paid it, for the rest to the
 * network, which pays for finding out.
 */
export function forfeitPay(turn: Turn, nodeId: string): void {
  for (const pay of [...(turn.state.verify.held.get(nodeId)?.values() ?? [])]) {
    free(turn, { nodeId, pay, why: 'forfeited' })
    const creditor = pay.isChecked ? NETWORK_FEES : consumerAccount(pay.organisationId)
    const refusal = turn.ledger({
      kind: 'capture',
      transferId: forfeitTransfer(pay.jobId, pay, pay.fence),
      accountId: pay.accountId,
      holdId: '',
      payouts: [{ accountId: creditor, amount: pay.amount }],
      memo: `pay that was held back of a node whose result was found false`,
      isRefund: true,
      nowMs: turn.nowMs,
    })
    assert(refusal === null, `what was freed just now can be taken, and not ${refusal}`)
  }
}

function free(turn: Turn, { nodeId, pay, why }: { nodeId: string; pay: HeldPay; why: PayFreed }): void {
  const { nowMs } = turn
  const { jobId, step, task, fence } = pay
  const refusal =
    verifyIn(turn, { kind: 'free_pay', place: { jobId, step, task, fence }, nodeId, why, nowMs }) ??
    turn.ledger({ kind: 'release_holdback', holdbackId: payHoldId(pay) })
  // In journals of before somebody may have released it by hand.
  const isFreed = refusal === null || refusal === 'hold_unknown'
  assert(isFreed, `pay that is held back can be freed, and not ${refusal}`)
}

export const classOf = ({ state }: Pick<Turn, 'state'>, nodeId: string): NodeClass =>
  state.fleet.nodes.get(nodeId)?.nodeClass ?? 'community'
