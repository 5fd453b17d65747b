/** What must hold whatever happened: checked against the journal itself, by other code than wrote it. */

import { replay } from '#coordinator/coordinator.ts'
import { type CoordinatorEvent, JournalRecord } from '#coordinator/coordinator-events.ts'
import { checkState, emptyState, evolve, formatState } from '#coordinator/coordinator-state.ts'
import { assert } from '#kernel/assert.ts'
import { toCanonical } from '#kernel/canonical.ts'
import { isHoldback } from '#ledger/payouts.ts'
import type { UsageRecord } from '#protocol/usage.ts'
import { AnswerRules } from './answer-rules.ts'
import { checkAuditLog, checkKeyLimits } from './audit-check.ts'
import { checkBills } from './bill-check.ts'
import { JournalRules } from './journal-rules.ts'
import { ProofRules } from './proof-rules.ts'
import { ReceiptCheck, type ReceiptFigures } from './receipt-check.ts'
import { ReputationRules } from './reputation-rules.ts'
import { mannerOf } from './sim-agent.ts'
import type { ClientResult } from './sim-client.ts'
import type { SimLoad } from './sim-load.ts'
import { EPOCH_MS } from './sim-process.ts'
import { FEE_BPS, NETWORK_KEYS, type SimWorld } from './sim-world.ts'
import { type SlaFigures, SlaRules } from './sla-rules.ts'

export interface SimSummary {
  readonly entries: number
  readonly usageRecords: number
  readonly losses: bigint
  /** Nodes that were paid for a prompt whose answer another gave, and tokens that cost less for being known. */
  readonly losersPaid: number
  readonly cachedTokens: number
  readonly proofs: ProofRules['figures']
  readonly receipts: ReceiptFigures
  readonly sla: SlaFigures
}

/** The checks at the end, when everything is healed and quiet. */
export async function checkEnd(
  world: SimWorld,
  load: SimLoad,
  outcomes: ReadonlyMap<string, UsageRecord>,
  {
    allSign = true,
    forgers = forgersOf(world),
  }: { readonly allSign?: boolean; readonly forgers?: ReadonlySet<string> } = {},
): Promise<SimSummary> {
  const { coordinator } = world
  assert(coordinator, 'a coordinator is up after healing')
  checkState(coordinator.state)
  const entries = world.coordinatorDisk.durable('journal')
  assert(coordinator.sequence() === entries.length, 'at rest, everything decided is durable')

  const replayed = emptyState()
  const read = async (from: number, countMax: number) => entries.slice(from - 1, from - 1 + countMax)
  await replay({ lastSequence: entries.length, read }, replayed, 0)
  const live = formatState(coordinator.state)
  assert(formatState(replayed) === live, 'replay from empty gives the live state')

  let epoch = 0
  const parsed = emptyState()
  const billed = new Map<string, UsageRecord>()
  const readings = new Set<string>()
  const transfers = new Set<string>()
  const oracle = new Map<string, bigint>()
  const rules = new JournalRules()
  const answers = new AnswerRules()
  const proofs = new ProofRules(forgers)
  const promises = new SlaRules()
  const reputations = new ReputationRules((atMs) => world.bus.wasCut(atMs - EPOCH_MS))
  const receipts = new ReceiptCheck(NETWORK_KEYS.publicKeyHex)
  const claimed = new Set<string>()
  let losses = 0n
  const post = (accountId: string, amount: bigint): void => {
    oracle.set(accountId, (oracle.get(accountId) ?? 0n) + amount)
  }
  const acts: CoordinatorEvent[] = []
  for (const entry of entries) {
    assert(
      entry.epoch >= epoch,
      `entry ${entry.sequence} of epoch ${entry.epoch} follows one of epoch ${epoch}`,
    )
    epoch = entry.epoch
    // By the schema: a replay trusts the journal, and reads it at the quick.
    const { atMs, events } = JournalRecord.parse(JSON.parse(entry.payload))
    rules.read(atMs, events)
    answers.read(atMs, events)
    proofs.read(events)
    promises.read(events)
    reputations.read(events)
    checkBills(events, BigInt(FEE_BPS))
    acts.push(...events.filter(({ type }) => type === 'audit.recorded'))
    for (const event of events) {
      evolve(parsed, event)
      receipts.read(event)
      if (event.type === 'usage.recorded') {
        const reading = `${event.spoolId}/${event.sequence}`
        assert(!readings.has(reading), `reading ${reading} is in the ledger twice`)
        readings.add(reading)
        // By its node's own copy: the reading, should it come yet, then has no part of it.
        if (event.spoolId.startsWith('receipts:')) {
          claimed.add(event.record.requestId)
          continue
        }
        assert(!billed.has(event.record.requestId), `request ${event.record.requestId} is billed twice`)
        billed.set(event.record.requestId, event.record)
      } else if (event.type === 'ledger.transferred') {
        assert(!transfers.has(event.transferId), `transfer ${event.transferId} happened twice`)
        transfers.add(event.transferId)
        post(event.debitAccountId, -event.amount)
        post(event.creditAccountId, event.amount)
      } else if (event.type === 'ledger.captured') {
        post(event.accountId, -event.fromHold - event.fromAvailable)
        post('network:losses', -event.fromLosses)
        losses += event.fromLosses
        for (const payout of event.payouts) post(payout.accountId, payout.amount)
      }
    }
  }
  reputations.end(coordinator.state)
  promises.refusedAtMost(load.results.filter(({ kind }) => kind !== 'completed').length)
  checkAuditLog(acts, coordinator.state)
  checkKeyLimits(coordinator.state, world.plan)
  assert(formatState(parsed) === live, 'what the schema reads of the journal gives the live state')
  for (const account of coordinator.state.ledger.accounts.values()) {
    const expected = oracle.get(account.id) ?? 0n
    assert(account.available + account.held === expected, `${account.id}: the journal explains ${expected}`)
  }
  for (const transferId of load.acknowledged)
    assert(transfers.has(transferId), `${transferId} was acknowledged and lost`)
  for (const result of load.results) checkResult(result, billed)
  for (const [requestId, record] of outcomes) {
    const inLedger = billed.get(requestId)
    assert(inLedger, `the outcome of ${requestId} never reached the ledger`)
    if (claimed.has(requestId)) continue
    assert(toCanonical(inLedger) === toCanonical(record), `${requestId} is in the ledger as it was metered`)
  }
  const records = [...billed.values()]
  const parts = records.flatMap((record) => record.parts)
  return {
    entries: entries.length,
    usageRecords: billed.size,
    proofs: proofs.figures,
    receipts: receipts.end(coordinator.state, { allSign }),
    // The last of all, as it changes what it plays on.
    sla: promises.end(parsed, coordinator.nowMs()),
    losses,
    losersPaid: records.reduce((sum, { losers = [] }) => sum + losers.length, 0),
    cachedTokens: parts.reduce(
      (sum, { cachedPerMillion, cachedPromptTokens = 0 }) =>
        sum + (cachedPerMillion === undefined ? 0 : cachedPromptTokens),
      0,
    ),
  }
}

function checkResult(result: ClientResult, billed: ReadonlyMap<string, UsageRecord>): void {
  const record = result.requestId === null ? undefined : billed.get(result.requestId)
  if (result.kind === 'refused' || result.kind === 'broken') {
    const outcome = record?.outcome ?? 'failed'
    return assert(
      outcome === 'failed',
      `request ${result.requestId} failed its caller, its record says ${outcome}`,
    )
  }
  if (result.kind !== 'completed') return
  assert(record, `request ${result.requestId} completed and was never billed`)
  assert(
    record.outcome === 'completed',
    `request ${result.requestId} completed, its record says ${record.outcome}`,
  )
  const billedTokens = record.parts.reduce((sum, part) => sum + part.completionTokens, 0)
  assert(billedTokens === result.completionTokens, 'what is billed is what was delivered')
  const billedPrompt = record.parts.reduce((sum, part) => sum + part.promptTokens, 0)
  assert(billedPrompt === result.promptTokens, 'the prompt that is billed is the one that was read')
}

/** What is still missing before the healed network is at rest; null when nothing is. */
export function unrest(world: SimWorld, load: SimLoad): string | null {
  const { coordinator } = world
  if (!coordinator) return 'no coordinator is up'
  const undurable = coordinator.sequence() - world.coordinatorDisk.durable('journal').length
  if (undurable !== 0) return `${undurable} entries are on their way to the disk`
  if (load.open() > 0) return `${load.open()} calls are open`
  const unread = unreadOf(world)
  if (unread !== null) return unread
  const unsigned = ReceiptCheck.unsigned(coordinator.state)
  if (unsigned !== null) return unsigned
  for (const slot of world.agents) {
    if (slot.agent?.state() !== 'serving') return `${slot.nodeId} is ${slot.agent?.state() ?? 'down'}`
    const node = coordinator.state.fleet.nodes.get(slot.nodeId)
    if (node?.presence !== 'online') return `the coordinator sees ${slot.nodeId} as ${node?.presence}`
  }
  // What stands in for answers is held for a day.
  const holds = [...coordinator.state.ledger.holds.values()].filter((hold) => !isHoldback(hold))
  if (holds.length > 0) return `${holds.length} holds are open`
  return null
}

/** What of the answers is not in the ledger yet; null when all of it is. */
export function unreadOf(world: SimWorld): string | null {
  for (const slot of world.gateways) {
    if (!slot.gateway) return `${slot.name} is down`
    if (slot.gateway.requestsOpen() > 0)
      return `${slot.name} has ${slot.gateway.requestsOpen()} open requests`
    if (slot.disk.durable('spool').length > 0) return `${slot.name} has readings that are not in the ledger`
  }
  return null
}

const forgersOf = ({ plan, agents }: SimWorld): ReadonlySet<string> =>
  new Set(agents.filter((slot) => mannerOf(plan, slot) !== 'honest').map(({ nodeId }) => nodeId))
