import { assert } from '#kernel/assert.ts'
import { minimum, type NanoUsd } from '#kernel/money.ts'
import { consumerAccount, NETWORK_FEES, providerAccount } from '#ledger/ledger.ts'
import type { Payout } from '#ledger/ledger-events.ts'
import { costOf, networkFee } from '#ledger/price.ts'
import { useAt } from '#organisations/key-use.ts'
import type { BudgetUse, UsageBatch } from '#protocol/cell.ts'
import type { SlaTally } from '#protocol/sla.ts'
import type { UsagePart, UsageRecord } from '#protocol/usage.ts'
import { CLAIM_WITHIN_MS, claimedAtMs, isBilled } from '#receipts/receipts.ts'
import { type EarnedByAnswers, holdAnswerPay } from './answers/answer-pay.ts'
import { isOperators } from './answers/operator.ts'
import { countedFor, tallyFor } from './sla/own-nodes.ts'
import { slaIn } from './sla/step-sla.ts'
import type { Turn } from './turn.ts'

export interface PayRules {
  /** The network's part, in hundredths of a percent. */
  readonly feeBps: number
  /** Answers are looked at, and pay of them stands in for those that are not. */
  readonly holdsPay?: boolean
}

/**
 * Bills a gateway's meter readings, each exactly once: records below the spool's next sequence were applied before,
 * a gap is not applied at all. A ledger that was put back may know neither their payers nor their nodes: what can be
 * billed is. Returns the next sequence that the ledger expects.
 */
export function applyUsage(turn: Turn, batch: UsageBatch, { feeBps, holdsPay = false }: PayRules): number {
  const next = turn.state.ledger.spools.get(batch.spoolId) ?? 1
  const fresh = batch.records.slice(Math.max(0, next - batch.firstSequence))
  if (batch.firstSequence > next || fresh.length === 0) return next

  const advance = { spoolId: batch.spoolId, firstSequence: next, count: fresh.length }
  const refusal = turn.ledger({ kind: 'advance_spool', ...advance })
  assert(refusal === null, `a batch that continues its spool is accepted, not ${refusal}`)
  const earned = new Map<string, EarnedByAnswers>()
  for (const [index, record] of fresh.entries()) {
    const { spoolId } = batch
    const sequence = next + index
    const { tally } = record
    if (tally)
      slaIn(turn, {
        ...{ kind: 'tally', spoolId, sequence, nowMs: turn.nowMs },
        tally: tallyFor(turn.state, ofKnown(turn, tally)),
      })
    else {
      const wasLost = turn.state.sla.lost.has(record.requestId)
      billRecord(turn, { ...unbilled(turn, record), wasLost, spoolId, sequence, feeBps, earned })
    }
  }
  if (holdsPay) for (const pay of earned.values()) holdAnswerPay(turn, pay)
  return next + fresh.length
}

/** What is used, with this batch applied, of the limits that its records count for. */
export function budgetUses({ state, nowMs }: Turn, { records }: UsageBatch): { uses?: BudgetUse[] } {
  const budgetIds = new Set(records.flatMap(({ budgetId }) => budgetId ?? []))
  const { use } = state.organisations
  if (budgetIds.size === 0) return {}
  return { uses: [...budgetIds].map((budgetId) => ({ budgetId, ...useAt(use.get(budgetId), nowMs) })) }
}

/** Without what came in by its node's own copy before: that is billed. */
function unbilled({ state, nowMs }: Turn, record: UsageRecord): Pick<Bill, 'record' | 'paidParts'> {
  const isNew = ({ receipt }: UsagePart): boolean => !receipt || !isBilled(state.receipts, receipt)
  const { parts, losers = [] } = record
  if (parts.every(isNew) && losers.every(isNew)) return { record }
  const { losers: _losers, ...rest } = record
  const left = losers.filter(isNew)
  // A copy without its key, or that came too late, was noted and never billed.
  const isPaid = ({ receipt }: UsagePart): boolean =>
    receipt !== undefined &&
    (claimedAtMs(state.receipts, receipt) ?? nowMs) - receipt.atMs <= CLAIM_WITHIN_MS &&
    state.organisations.keys.has(record.keyId)
  return {
    record: { ...rest, parts: parts.filter(isNew), ...(left.length > 0 && { losers: left }) },
    paidParts: parts.filter((part) => !isNew(part) && isPaid(part)),
  }
}

export interface Bill {
  readonly record: UsageRecord
  /** Of the same request, what was billed before by its nodes' own copies. */
  readonly paidParts?: readonly UsagePart[]
  /** It was counted as lost. */
  readonly wasLost?: boolean
  readonly spoolId: string
  readonly sequence: number
  readonly feeBps: number
  /** By node, of answers that others may look at: what this record brings is added. */
  readonly earned: Map<string, EarnedByAnswers>
  /** Of the capture; named for the request unless given. */
  readonly captureId?: string
}

export function billRecord(turn: Turn, bill: Bill): void {
  const { record, paidParts = [], wasLost = false, spoolId, sequence, feeBps, earned } = bill
  const { captureId = `usage:${record.requestId}` } = bill
  let cost = 0n
  let fee = 0n
  const payouts: Payout[] = []
  const hasPayer = isOrganisation(turn, record.organisationId)
  // Of one that nobody knows nothing can be taken, and none is promised anything.
  for (const part of hasPayer ? record.parts : []) {
    const partCost = costOf(part, part)
    if (partCost === 0n) continue
    const payee = payeeOf(turn, part)
    const partFee = payee === null ? partCost : networkFee(partCost, feeBps)
    cost += partCost
    fee += partFee
    if (payee === null || partCost <= partFee) continue
    const pay = { accountId: payee, amount: partCost - partFee }
    payouts.push(pay)
    addEarned(turn, earned, { ...pay, nodeId: part.nodeId, organisationId: record.organisationId })
  }
  for (const { accountId, amount } of paidToLosers(turn, record, fee)) {
    fee -= amount
    payouts.push({ accountId, amount })
  }
  if (fee > 0n) payouts.push({ accountId: NETWORK_FEES, amount: fee })

  const transferId = cost > 0n ? captureId : null
  if (transferId) {
    const refusal = turn.ledger({
      kind: 'capture',
      transferId,
      accountId: consumerAccount(record.organisationId),
      holdId: record.holdId,
      payouts,
      memo: `${record.model} · ${record.requestId}`,
      nowMs: turn.nowMs,
    })
    assert(refusal === null, `work that was done is paid, not ${refusal}`)
  }
  const projectId = turn.state.organisations.keys.get(record.keyId)?.projectId
  const paidBefore = paidParts.reduce((sum, part) => sum + costOf(part, part), 0n)
  // As a whole request it counts, however it was billed.
  const { slaClass, ...unpromised } = record
  const whole = { ...(hasPayer ? record : unpromised), parts: [...paidParts, ...record.parts] }
  const counted = countedFor(turn.state, whole, cost + paidBefore)
  turn.recordUsage({
    type: 'usage.recorded',
    spoolId,
    sequence,
    ...counted,
    record: { ...counted.record, parts: record.parts },
    cost,
    fee,
    transferId,
    atMs: turn.nowMs,
    ...(projectId !== undefined && { projectId }),
    // Also of what was free: the request is known already.
    ...(paidParts.length > 0 && { paidBefore }),
    ...(wasLost && { wasLost }),
  })
  const told = turn.organisations({
    kind: 'reach_budget',
    keyId: record.keyId,
    added: cost,
    nowMs: turn.nowMs,
  })
  assert(told === null, `what a key has reached is never refused, not with ${told}`)
}

/** Who uses his own node, and the operator, have nobody to be protected from. */
function addEarned(
  { state }: Turn,
  earned: Map<string, EarnedByAnswers>,
  pay: { nodeId: string; accountId: string; amount: NanoUsd; organisationId: string },
): void {
  const { nodeId, accountId, amount } = pay
  const owner = state.fleet.nodes.get(nodeId)?.organisationId
  if (owner === undefined || owner === pay.organisationId || isOperators(state, owner)) return
  const known = earned.get(nodeId)
  if (!known) return void earned.set(nodeId, { nodeId, accountId, answers: 1, amount })
  known.answers++
  known.amount += amount
}

/**
 * What the nodes are paid that read the prompt in vain: it comes out of what the network takes of this very request and is
 * never more, so that nobody can make nodes race to earn more than the race brings.
 */
function paidToLosers(turn: Turn, { losers = [] }: UsageRecord, fee: NanoUsd): Payout[] {
  let left = fee
  return losers.flatMap((loser) => {
    const accountId = payeeOf(turn, loser)
    const amount = accountId === null ? 0n : minimum(costOf(loser, loser), left)
    left -= amount
    return accountId !== null && amount > 0n ? [{ accountId, amount }] : []
  })
}

/** Null for a node that enrolled after the backup that the ledger was put back from: its pay stays with the network. */
function payeeOf({ state }: Turn, { nodeId }: UsagePart): string | null {
  const node = state.fleet.nodes.get(nodeId)
  return node ? providerAccount(node.organisationId) : null
}

/** False for one that was made after the backup that the ledger was put back from. */
const isOrganisation = ({ state }: Pick<Turn, 'state'>, organisationId: string): boolean =>
  state.organisations.organisations.has(organisationId)

const ofKnown = (turn: Turn, tally: SlaTally): SlaTally => ({
  ...tally,
  refused: tally.refused.filter(({ organisationId }) => isOrganisation(turn, organisationId)),
})

/** Requests of organisations and nodes that nobody knows: they are not billed, or not paid to those who worked. */
export const requestsOfUnknown = (turn: Pick<Turn, 'state'>, { records }: UsageBatch): string[] =>
  records
    .filter(
      ({ organisationId, parts, tally }) =>
        !tally &&
        !(
          isOrganisation(turn, organisationId) &&
          parts.every(({ nodeId }) => turn.state.fleet.nodes.has(nodeId))
        ),
    )
    .map(({ requestId }) => requestId)
