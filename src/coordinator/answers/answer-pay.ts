/**
 * Pay of answers that stands in for those that nobody looked at: on the provider's account from the moment of its bill, in
 * windows that cannot be paid out. A node that is judged loses all of it.
 */
import { assert } from '#kernel/assert.ts'
import { minimum, type NanoUsd } from '#kernel/money.ts'
import { consumerAccount, NETWORK_FEES } from '#ledger/ledger.ts'
import type { Payout } from '#ledger/ledger-events.ts'
import { holdbackHold, holdbackOwner } from '#ledger/payouts.ts'
import { monthOf } from '#sla/bins.ts'
import { agedWindows, expiredWindows } from '#verify/answer-rules.ts'
import { type AnswerProof, answerRecordOf, type PayWindow } from '#verify/answers.ts'
import { type AnswerCommand, type AnswerRefusal, decideAnswers } from '#verify/decide-answers.ts'
import { slaIn } from '../sla/step-sla.ts'
import type { Turn } from '../turn.ts'
import { classOf } from '../work/holdback.ts'
import { answerPayId } from './check-answer-pay.ts'

/** Carries a command of the decider out, as part of `turn`. */
export function answersIn(turn: Turn, command: AnswerCommand): AnswerRefusal | null {
  const decision = decideAnswers(turn.state.verify, command)
  if (!Array.isArray(decision)) return decision
  turn.record(decision)
  return null
}

export interface EarnedByAnswers {
  readonly nodeId: string
  readonly accountId: string
  answers: number
  amount: NanoUsd
}

/** To be called in the turn that paid it: it is held back, and what is old enough is freed. */
export function holdAnswerPay(turn: Turn, earned: EarnedByAnswers): void {
  const { nodeId, accountId, amount } = earned
  if (amount <= 0n) return
  const refusal = answersIn(turn, { kind: 'hold_answer_pay', ...earned, nowMs: turn.nowMs })
  assert(refusal === null, `pay of answers can be held back, and not ${refusal}`)
  const window = turn.state.verify.answers.pay.get(nodeId)?.at(-1)
  assert(window, 'pay that is held back stands in a window')
  const holdbackId = answerPayId(nodeId, window.windowId)
  const holdId = holdbackHold(holdbackId)
  // Journals of before may have it released by hand: what comes now is held back all the same.
  const hold = turn.state.ledger.holds.get(holdId)
  const refused = hold
    ? turn.ledger({ kind: 'raise_hold', holdId, ownerId: holdbackOwner, lent: hold.lent + amount })
    : turn.ledger({ kind: 'hold_back', holdbackId, accountId, amount, nowMs: turn.nowMs })
  assert(refused === null, `what was paid just now can be held back, and not ${refused}`)
  freeAgedAnswers(turn, nodeId)
}

/** What of the node's pay need not be held back any longer is its owner's. */
export function freeAgedAnswers(turn: Turn, nodeId: string): void {
  const { answers } = turn.state.verify
  const windows = answers.pay.get(nodeId)
  if (!windows) return
  for (const window of agedWindows(windows, answerRecordOf(answers, nodeId), classOf(turn, nodeId)))
    free(turn, nodeId, window, 'aged')
}

/** Pay that was held back for so long that nobody will look at its answers any more. */
export function freeExpiredAnswers(turn: Turn): void {
  const { answers } = turn.state.verify
  for (const [nodeId, windows] of answers.pay)
    for (const window of expiredWindows(windows, answerRecordOf(answers, nodeId), turn.nowMs))
      free(turn, nodeId, window, 'expired')
}

/** The node is judged: what is held back goes to those whose answers were found false, and the rest to the network. */
export function forfeitAnswerPay(
  turn: Turn,
  { caseId, nodeId, proofs }: { caseId: string; nodeId: string; proofs: readonly AnswerProof[] },
): void {
  const byAccount = new Map<string, NanoUsd>()
  for (const window of turn.state.verify.answers.pay.get(nodeId) ?? []) {
    free(turn, nodeId, window, 'forfeited')
    byAccount.set(window.accountId, (byAccount.get(window.accountId) ?? 0n) + window.amount)
  }
  let owed = proofs
  for (const [accountId, amount] of byAccount) {
    const shared = shares(owed, amount)
    const refusal = turn.ledger({
      kind: 'capture',
      transferId: `answers-forfeited:${caseId}:${accountId}`,
      accountId,
      holdId: '',
      payouts: payoutsOf(shared, amount),
      memo: 'pay that was held back of a node whose answers were found false',
      isRefund: true,
      nowMs: turn.nowMs,
    })
    assert(refusal === null, `what was freed just now can be taken, and not ${refusal}`)
    for (const share of shared) uncharge(turn, caseId, share)
    owed = []
  }
}

/** What came back of what was paid for an answer is no charge that a credit is a part of. */
function uncharge(turn: Turn, caseId: string, { proof, amount }: Share): void {
  const { organisationId, slaClass, atMs } = proof
  if (slaClass === undefined) return
  const of = { organisationId, slaClass, month: monthOf(atMs) }
  const refusal = slaIn(turn, { kind: 'refund', ...of, caseId, amount, nowMs: turn.nowMs })
  assert(refusal === null, `what came back is no charge any more, and not ${refusal}`)
}

interface Share {
  readonly proof: AnswerProof
  readonly amount: NanoUsd
}

/** Of `amount`, what was paid for each false answer. */
function shares(proofs: readonly AnswerProof[], amount: NanoUsd): Share[] {
  let left = amount
  return proofs.flatMap((proof) => {
    const share = minimum(left, proof.cost)
    left -= share
    return share > 0n ? [{ proof, amount: share }] : []
  })
}

/** First each caller's, and then the network's part. */
function payoutsOf(shared: readonly Share[], amount: NanoUsd): Payout[] {
  const sums = new Map<string, NanoUsd>()
  let left = amount
  for (const share of shared) {
    left -= share.amount
    const accountId = consumerAccount(share.proof.organisationId)
    sums.set(accountId, (sums.get(accountId) ?? 0n) + share.amount)
  }
  if (left > 0n) sums.set(NETWORK_FEES, left)
  return [...sums].map(([accountId, sum]) => ({ accountId, amount: sum }))
}

function free(
  turn: Turn,
  nodeId: string,
  { windowId }: PayWindow,
  why: 'aged' | 'expired' | 'forfeited',
): void {
  const refusal =
    answersIn(turn, { kind: 'free_answer_pay', nodeId, windowId, why, nowMs: turn.nowMs }) ??
    turn.ledger({ kind: 'release_holdback', holdbackId: answerPayId(nodeId, windowId) })
  // In journals of before somebody may have released it by hand.
  const isFreed = refusal === null || refusal === 'hold_unknown'
  assert(isFreed, `pay that is held back can be freed, and not ${refusal}`)
}
