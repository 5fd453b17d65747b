/** What the facts of a month say, counted anew, is what was counted as it happened: by whichever way readings come. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { HOUR_MS, MINUTE_MS } from '#kernel/time.ts'
import { consumerAccount, EXTERNAL_TEST, providerAccount } from '#ledger/ledger.ts'
import type { ReceiptMark } from '#protocol/receipts.ts'
import { SlaFact } from '#protocol/sla-evidence.ts'
import type { UsagePart, UsageRecord } from '#protocol/usage.ts'
import { foundCell, PROVIDER } from '#sim/test-world.ts'
import { spanOfMonth } from '#sla/bins.ts'
import { factsOf, recount } from '#sla/facts.ts'
import { MONTH_GRACE_MS } from '#sla/sla.ts'
import { holdAnswerPay } from '../answers/answer-pay.ts'
import { hearAnswers } from '../answers/hear-answers.ts'
import { applyUsage, billRecord } from '../apply-usage.ts'
import type { CoordinatorEvent } from '../coordinator-events.ts'
import { checkState, emptyState } from '../coordinator-state.ts'
import { enrolNode } from '../enrol-node.ts'
import { openOrganisation } from '../open-organisation.ts'
import { spoolOfChain } from '../receipts/bill-claim.ts'
import { startTurn } from '../turn.ts'
import { closeMonths } from './close-month.ts'
import { slaIn, stepSla } from './step-sla.ts'

const BUYER = 'org_buyer'
const { toMs: DECEMBER } = spanOfMonth('2026-11')
const chain = 'c'.repeat(43)

test('a request that was lost in one month is not counted again in the next, where its reading comes', () => {
  const { use, lose, counted } = setup()
  lose('r1', DECEMBER - HOUR_MS)
  use(reading('r1', { startedAtMs: DECEMBER - HOUR_MS }), DECEMBER + 6 * HOUR_MS)
  assert.deepEqual(counted('2026-11'), { valid: 1, errors: 1, charges: 0n })
  assert.deepEqual(counted('2026-12'), { valid: 0, errors: 0, charges: 1_000n })
})

test('a reading whose parts its node’s copy brought before is the paid answer that it is', () => {
  const { claim, use, counted, shown } = setup()
  const startedAtMs = DECEMBER + HOUR_MS
  claim('r1', [1], startedAtMs + 11 * MINUTE_MS)
  assert.deepEqual(shown(), { valid: 0, errors: 0 }, 'a copy is no answer that anybody had')
  const parts = [part(1), part(2)]
  use(reading('r1', { startedAtMs, parts }), startedAtMs + 12 * MINUTE_MS)
  assert.deepEqual(counted('2026-12'), { valid: 1, errors: 0, charges: 2_000n })
  assert.deepEqual(shown(), { valid: 1, errors: 0 })
  use(reading('r2', { startedAtMs, parts: [part(2)] }), startedAtMs + 13 * MINUTE_MS)
  assert.equal(counted('2026-12').valid, 2)
})

test('a request that was given up as lost is counted once, though its node’s copy and its reading come', () => {
  const { claim, use, lose, counted, shown } = setup()
  const startedAtMs = DECEMBER + HOUR_MS
  lose('r1', startedAtMs)
  claim('r1', [1], startedAtMs + 11 * MINUTE_MS)
  use(reading('r1', { startedAtMs, parts: [part(1)] }), startedAtMs + 2 * HOUR_MS)
  assert.deepEqual(counted('2026-12'), { valid: 1, errors: 1, charges: 1_000n })
  assert.deepEqual(shown(), { valid: 1, errors: 1 })
})

test('a copy that nobody paid for, as its key was gone or it came too late, is no charge', () => {
  for (const [keyId, afterMs] of [
    ['key_gone', 11 * MINUTE_MS],
    ['key_1', 71 * HOUR_MS],
  ] as const) {
    const { claim, use, counted } = setup()
    const startedAtMs = mark(1).atMs
    claim('r1', [1], startedAtMs + afterMs, { isBilled: false })
    use(reading('r1', { startedAtMs, keyId, parts: [part(1)] }), startedAtMs + afterMs + 1)
    assert.deepEqual(counted('2026-12'), { valid: 0, errors: 0, charges: 0n })
  }
})

test('what comes back for answers that were found false is no charge that a credit is a part of', () => {
  const { use, audit, counted, state, turnAt } = setup()
  const startedAtMs = DECEMBER + HOUR_MS
  for (const requestId of ['r1', 'r2', 'r3']) use(reading(requestId, { startedAtMs }), startedAtMs + 1_000)
  const account = () => state.ledger.accounts.get(consumerAccount(BUYER))?.available ?? 0n
  const before = account()
  audit(['r1', 'r2'], startedAtMs + MINUTE_MS)
  assert.equal(account() - before, 2_000n)
  assert.deepEqual(counted('2026-12'), { valid: 3, errors: 0, charges: 1_000n })

  // Nothing is answered for the rest of the month.
  const refused = Array.from({ length: 8_000 }, (_, bin) => ({
    ...{ organisationId: BUYER, slaClass: 'business' as const, problem: 'overloaded', count: 1 },
    binStartMs: DECEMBER + (bin + 100) * 300_000,
  }))
  const { toMs } = spanOfMonth('2026-12')
  for (const one of refused) {
    const tally = { gatewayId: 'g', run: '1', refused: [one], open: [] }
    const nowMs = one.binStartMs
    slaIn(turnAt(nowMs), { kind: 'tally', spoolId: 's', sequence: 1, tally, nowMs })
  }
  closeMonths(turnAt(toMs + MONTH_GRACE_MS))
  const [statement] = state.sla.statements.values()
  assert.deepEqual([statement?.charges, statement?.creditBps, statement?.posted], [1_000n, 5_000, 500n])
})

test('what comes back after the month has its statement moves nothing of it', () => {
  const { use, audit, state, turnAt, events } = setup()
  const startedAtMs = DECEMBER - HOUR_MS
  use(reading('r1', { startedAtMs }), startedAtMs + 1_000)
  audit(['r1'], startedAtMs + MINUTE_MS)
  closeMonths(turnAt(DECEMBER + MONTH_GRACE_MS))
  audit(['r2'], DECEMBER + MONTH_GRACE_MS + 1)
  assert.equal([...state.sla.statements.values()][0]?.charges, 1_000n)
  assert.equal(
    events.some(({ type }) => type === 'sla.refunded'),
    false,
  )
})

const mark = (number: number): ReceiptMark => ({
  ...{ chain, number, hash: 'h'.repeat(43), stream: 1, input: 'i'.repeat(43), output: 'o'.repeat(43) },
  ...{ outputBytes: 1, payer: 'p', atMs: DECEMBER + HOUR_MS },
})

const part = (number?: number): UsagePart => ({
  ...{ nodeId: 'node_1', promptTokens: 0, completionTokens: 1_000 },
  ...{ promptPerMillion: 0n, completionPerMillion: 1_000_000n },
  ...(number !== undefined && { receipt: mark(number) }),
})

const reading = (requestId: string, told: Partial<UsageRecord> = {}): UsageRecord => ({
  ...{ requestId, organisationId: BUYER, keyId: 'key_1', holdId: '', model: 'm', kind: 'chat' },
  ...{ outcome: 'completed', parts: [part()], startedAtMs: DECEMBER, firstTokenMs: 10, totalMs: 1_000 },
  slaClass: 'business',
  ...told,
})

/** A cell whose buyer is promised something; `node_1` is the provider's, and others look at its answers. */
function setup() {
  const state = emptyState()
  const events: CoordinatorEvent[] = []
  const turnAt = (nowMs: number) => startTurn(state, nowMs, events)
  const beginMs = DECEMBER - 48 * HOUR_MS
  const turn = turnAt(beginMs)
  foundCell(turn, { nodes: { node_1: 'key 1' } })
  for (const organisationId of [BUYER, 'a', 'b']) {
    openOrganisation(turnAt(beginMs + 1), { organisationId, name: organisationId })
    const tokenHash = `token of ${organisationId}`
    turn.fleet({ kind: 'issue_token', tokenHash, organisationId, expiresAtMs: 9e15, nowMs: beginMs })
    const nodeId = `node_${organisationId}`
    enrolNode(turn, { nodeId, publicKey: nodeId, name: nodeId, tokenHash, askPerGpuHour: 1n })
  }
  turn.ledger({
    ...{ kind: 'transfer', transferId: 'deposit', debitAccountId: EXTERNAL_TEST, memo: '' },
    ...{ creditAccountId: consumerAccount(BUYER), amount: 1_000_000n, createdAtMs: 1, nowMs: beginMs },
  })
  const key = { keyId: 'key_1', organisationId: BUYER, name: 'k', hash: 'h', hint: 'h' }
  turn.organisations({ kind: 'create_key', ...key, scopes: ['developer'], nowMs: beginMs })
  slaIn(turn, { kind: 'set_class', organisationId: BUYER, slaClass: 'business', nowMs: beginMs })
  let sequence = 1
  let report = 1
  return {
    state,
    events,
    turnAt,
    /** Its reading comes at `atMs`. */
    use(record: UsageRecord, atMs: number) {
      applyUsage(
        turnAt(atMs),
        { spoolId: 's', firstSequence: sequence++, records: [record] },
        { feeBps: 500 },
      )
      checkState(state)
    },
    /** Its gateway tells of it, and is gone. */
    lose(requestId: string, startedAtMs: number) {
      const open = [{ requestId, organisationId: BUYER, slaClass: 'business' as const, startedAtMs }]
      const tally = { gatewayId: 'g', run: '1', refused: [], open }
      slaIn(turnAt(startedAtMs), { kind: 'tally', spoolId: 't', sequence: 1, tally, nowMs: startedAtMs })
      stepSla(turnAt(startedAtMs + 16 * MINUTE_MS))
      assert.ok(state.sla.lost.has(requestId))
    },
    /** These parts of it are billed by their node's own copy. */
    claim(requestId: string, numbers: number[], atMs: number, { isBilled = true } = {}) {
      for (const number of numbers) {
        const record = reading(requestId, { parts: [part(number)], startedAtMs: mark(number).atMs })
        const { slaClass: _, ...told } = record
        const { parts } = isBilled ? told : { parts: [{ ...part(number), completionTokens: 0 }] }
        billRecord(turnAt(atMs), {
          ...{ record: { ...told, parts }, spoolId: spoolOfChain(chain), sequence: number },
          ...{ feeBps: 500, captureId: `receipt:${chain}:${number}`, earned: new Map() },
        })
      }
    },
    /** Two owners find these answers false, and the node is judged once two are. */
    audit(requestIds: string[], atMs: number) {
      const accountId = providerAccount(PROVIDER)
      const amount = state.ledger.accounts.get(accountId)?.available ?? 0n
      if (amount > 0n) holdAnswerPay(turnAt(atMs), { nodeId: 'node_1', accountId, answers: 1, amount })
      const said = { tokens: 100, off: 60, readTokens: 1, pay: 0n, evidenceMilli: 30_000 }
      const opinions = ['node_a', 'node_b'].map((nodeId) => ({ ...said, nodeId }))
      const news = requestIds.map((auditId) => ({
        ...{ kind: 'check' as const, auditId, nodeId: 'node_1', model: 'm', test: 'claimed' as const },
        ...{ organisationId: BUYER, cost: 1_000n, slaClass: 'business' as const, isCanary: false },
        ...{ opinions, evidenceHash: 'e' },
      }))
      hearAnswers(turnAt(atMs), { gatewayId: 'g', start: 's', sequence: report++, news })
      checkState(state)
    },
    /** As it stands, which is as the facts have it. */
    counted(month: string) {
      const of = { organisationId: BUYER, slaClass: 'business' as const, month }
      const live = state.sla.counts.get(`${BUYER} business ${month}`)
      const facts = events.flatMap((event) =>
        event.type === 'usage.recorded' || event.type.startsWith('sla.')
          ? factsOf(event as Parameters<typeof factsOf>[0]).filter((one) => one.month === month)
          : [],
      )
      const anew = recount(
        of,
        // As the bundle has them.
        facts.map(({ fact }) => SlaFact.parse(JSON.parse(JSON.stringify(SlaFact.encode(fact))))),
      )
      const figures = (count: typeof anew | undefined) => ({
        valid: count?.valid ?? 0,
        errors: count?.errors ?? 0,
        charges: count?.charges ?? 0n,
      })
      assert.deepEqual(figures(anew), figures(live), 'the facts say what was counted')
      assert.deepEqual(anew?.bins, live?.bins)
      assert.deepEqual(anew?.notCounted, live?.notCounted)
      return figures(live)
    },
    /** On the status page. */
    shown() {
      const sum = { valid: 0, errors: 0 }
      for (const { valid, errors } of state.sla.network.bins.values()) {
        sum.valid += valid
        sum.errors += errors
      }
      return sum
    },
  }
}
