/** What each request should have moved, worked out anew from its meter reading: the ledger's formulas are not used here. */
import type { CoordinatorEvent } from '#coordinator/coordinator-events.ts'
import { assert } from '#kernel/assert.ts'

type Captured = Extract<CoordinatorEvent, { type: 'ledger.captured' }>
type Recorded = Extract<CoordinatorEvent, { type: 'usage.recorded' }>
type Part = Recorded['record']['parts'][number]

const BPS = 10_000n
const TOKENS_PER_PRICE = 1_000_000n

/** Checks the bills of one journal entry: every reading was paid for by its payer, in full, to whom it was due. */
export function checkBills(events: readonly CoordinatorEvent[], feeBps: bigint): void {
  const captured = new Map<string, Captured>()
  for (const event of events) if (event.type === 'ledger.captured') captured.set(event.transferId, event)
  for (const event of events) if (event.type === 'usage.recorded') checkBill(event, captured, feeBps)
}

/** What one node's work costs, worked out token by token of each kind. */
function dueTo(part: Part, requestId: string): bigint {
  const { promptTokens, completionTokens, cachedPromptTokens = 0, promptPerMillion } = part
  const { cachedPerMillion = promptPerMillion, completionPerMillion } = part
  assert(cachedPromptTokens <= promptTokens, `${requestId} has more cached tokens than tokens`)
  assert(cachedPerMillion <= promptPerMillion, `${requestId} pays more for cached tokens than for others`)
  const exact =
    BigInt(promptTokens - cachedPromptTokens) * promptPerMillion +
    BigInt(cachedPromptTokens) * cachedPerMillion +
    BigInt(completionTokens) * completionPerMillion
  return exact / TOKENS_PER_PRICE + (exact % TOKENS_PER_PRICE > 0n ? 1n : 0n)
}

function checkBill(event: Recorded, captured: ReadonlyMap<string, Captured>, feeBps: bigint): void {
  const { record, cost, fee, transferId } = event
  let due = 0n
  let feeDue = 0n
  for (const part of record.parts) {
    const rounded = dueTo(part, record.requestId)
    due += rounded
    feeDue += (rounded * feeBps) / BPS
  }
  for (const loser of record.losers ?? []) {
    assert(loser.completionTokens === 0, `${record.requestId} pays ${loser.nodeId} for an answer that lost`)
    assert(
      record.parts.some(({ promptTokens }) => loser.promptTokens <= promptTokens),
      `${record.requestId} pays ${loser.nodeId} for more of a prompt than anybody read`,
    )
    const owed = dueTo(loser, record.requestId)
    feeDue -= owed < feeDue ? owed : feeDue
  }
  assert(record.outcome !== 'failed' || due === 0n, `${record.requestId} failed, and yet costs ${due}`)
  assert(
    cost === due && fee === feeDue,
    `${record.requestId} costs ${cost} with a fee of ${fee}, not ${due} and ${feeDue}`,
  )
  if (transferId === null) return assert(due === 0n, `${record.requestId} owes ${due} and paid nothing`)

  const capture = captured.get(transferId)
  assert(capture, `${record.requestId} names a capture that is not in its entry`)
  const paid = capture.fromHold + capture.fromAvailable + capture.fromLosses
  const payout = capture.payouts.reduce((sum, { amount }) => sum + amount, 0n)
  const toFees = capture.payouts.find(({ accountId }) => accountId === 'network:fees')?.amount ?? 0n
  assert(
    paid === due && payout === due,
    `${record.requestId} costs ${due}: ${paid} was taken and ${payout} paid out`,
  )
  assert(toFees === feeDue, `${record.requestId} brings the network ${toFees}, not ${feeDue}`)
  assert(
    capture.accountId === `consumer:${record.organisationId}`,
    `${record.requestId} is paid by its own caller`,
  )
}
