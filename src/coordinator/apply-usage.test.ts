import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import {
  checkLedger,
  consumerAccount,
  NETWORK_FEES,
  NETWORK_LOSSES,
  providerAccount,
} from '#ledger/ledger.ts'
import type { UsageRecord } from '#protocol/usage.ts'
import { foundCell, PAYER, PROVIDER } from '#sim/test-world.ts'
import { applyUsage } from './apply-usage.ts'
import type { CoordinatorEvent, UsageEvent } from './coordinator-events.ts'
import { checkState, emptyState } from './coordinator-state.ts'
import { takeSlice } from './take-slice.ts'
import { startTurn } from './turn.ts'

const feeBps = 500

test('a reading moves its cost from the payer to the provider, less the network fee', () => {
  const { apply, available, recorded } = setup()
  assert.equal(apply(1, [reading('a', 1_000)]), 2)
  assert.deepEqual(
    [available(consumerAccount(PAYER)), available(providerAccount(PROVIDER)), available(NETWORK_FEES)],
    [999_000n, 950n, 50n],
  )
  const [event] = recorded()
  assert.deepEqual([event?.cost, event?.fee, event?.transferId], [1_000n, 50n, 'usage:a'])
})

test('a slice pays for what was admitted on it', () => {
  const { apply, turn, state } = setup()
  const slice = { gatewayId: 'g', organisationId: PAYER, holdId: 'slice' }
  takeSlice(turn(), { ...slice, needed: 5_000n, wanted: 5_000n })
  apply(1, [reading('a', 1_000, { holdId: 'slice' })])
  assert.equal(state.ledger.holds.get('slice')?.left, 4_000n)
})

test('work on a slice that is gone is paid from the balance, then by the network', () => {
  const { apply, available } = setup()
  apply(1, [reading('a', 999_000, { holdId: 'gone' }), reading('b', 3_000, { holdId: 'gone' })])
  assert.equal(available(consumerAccount(PAYER)), 0n)
  assert.equal(available(NETWORK_LOSSES), -2_000n)
  assert.equal(available(providerAccount(PROVIDER)), 951_900n)
})

test('each part of a reading is paid to its own node’s owner, in one capture', () => {
  const { apply, available, recorded, events } = setup()
  const parts = [part('node_1', 1_999), part('node_2', 1_999)]
  apply(1, [reading('a', 0, { parts })])
  // Each part's fee is rounded down by itself: 99 and 99.
  assert.deepEqual([available(NETWORK_FEES), available(providerAccount(PROVIDER))], [198n, 3_800n])
  assert.equal(recorded().length, 1)
  assert.equal(events.filter((event) => event.type === 'ledger.captured').length, 1)
})

test('a node that lost a race is paid for its prompt out of the fee, and never more than that is', () => {
  for (const [promptTokens, paid, fee] of [
    [30, 30n, 20n],
    [50, 50n, 0n],
    [900, 50n, 0n],
  ] as const) {
    const { apply, available, recorded } = setup()
    const losers = [{ ...part('node_2', 0), promptTokens }]
    apply(1, [reading('a', 1_000, { losers })])
    assert.deepEqual(
      [available(consumerAccount(PAYER)), available(providerAccount(PROVIDER)), available(NETWORK_FEES)],
      [999_000n, 950n + paid, fee],
    )
    assert.equal(recorded()[0]?.fee, fee)
  }
})

test('a request that costs nothing brings nothing to a node that lost a race', () => {
  const { apply, available, events } = setup()
  apply(1, [
    reading('a', 0, { outcome: 'failed', parts: [], losers: [{ ...part('node_2', 0), promptTokens: 9 }] }),
  ])
  assert.equal(available(providerAccount(PROVIDER)), 0n)
  assert.ok(!events.some(({ type }) => type === 'ledger.captured'))
})

test('tokens that the node had read before cost what they cost there', () => {
  const { apply, available } = setup()
  const cached = { promptTokens: 1_000, cachedPromptTokens: 800, cachedPerMillion: 250_000n }
  apply(1, [reading('a', 0, { parts: [{ ...part('node_1', 0), ...cached }] })])
  assert.equal(available(consumerAccount(PAYER)), 1_000_000n - 400n)
})

test('what cost nothing is recorded and moves no money', () => {
  const { apply, recorded, events } = setup()
  const failed = reading('a', 0, { outcome: 'failed', parts: [] })
  const free = reading('b', 0)
  assert.equal(apply(1, [failed, free]), 3)
  assert.deepEqual(
    recorded().map(({ cost, transferId }) => [cost, transferId]),
    [
      [0n, null],
      [0n, null],
    ],
  )
  assert.equal(
    events.some((event) => event.type === 'ledger.captured'),
    false,
  )
})

test('the network may take nothing or everything', () => {
  for (const [bps, provider, fees] of [
    [0, 1_000n, 0n],
    [10_000, 0n, 1_000n],
  ] as const) {
    const { apply, available } = setup()
    apply(1, [reading('a', 1_000)], bps)
    assert.deepEqual([available(providerAccount(PROVIDER)), available(NETWORK_FEES)], [provider, fees])
  }
})

test('a batch that comes again changes nothing and is answered alike', () => {
  const { apply, events } = setup()
  const batch = [reading('a', 10), reading('b', 10)]
  assert.equal(apply(1, batch), 3)
  const before = events.length
  assert.equal(apply(1, batch), 3)
  assert.equal(apply(1, batch.slice(0, 1)), 3)
  assert.equal(events.length, before)
})

test('of a batch that overlaps only the new readings are billed', () => {
  const { apply, recorded } = setup()
  apply(1, [reading('a', 10), reading('b', 10)])
  assert.equal(apply(2, [reading('b', 10), reading('c', 10)]), 4)
  assert.deepEqual(
    recorded().map(({ sequence, record }) => [sequence, record.requestId]),
    [
      [1, 'a'],
      [2, 'b'],
      [3, 'c'],
    ],
  )
})

test('a batch after a gap is not billed at all: the answer says what comes next', () => {
  const { apply, events } = setup()
  apply(1, [reading('a', 10)])
  const before = events.length
  assert.equal(apply(3, [reading('c', 10)]), 2)
  assert.equal(apply(2, []), 2)
  assert.equal(events.length, before)
})

test('each spool counts for itself', () => {
  const { apply } = setup()
  assert.equal(apply(1, [reading('a', 10)]), 2)
  assert.equal(apply(1, [reading('b', 10)], feeBps, 'another spool'), 2)
})

test('what a key has reached of its limits is told in the entry that bills it, once', () => {
  const { apply, turn, events } = setup()
  const key = { keyId: 'key', organisationId: PAYER, name: 'k', hash: 'h', hint: 'h' }
  const limits = { spendPerDay: 1_000n }
  turn().organisations({ kind: 'create_key', ...key, scopes: ['developer'], limits, nowMs: 1 })
  const told = (): string[] =>
    events.flatMap((event) =>
      event.type === 'organisation.budget_reached' ? [`${event.sharePercent} % at ${event.spent}`] : [],
    )
  const batch = [reading('a', 499), reading('b', 1), reading('c', 400), reading('d', 99)]
  apply(1, batch)
  assert.deepEqual(told(), ['50 % at 500', '80 % at 900'])
  apply(1, batch)
  apply(5, [reading('e', 1), reading('f', 1, { keyId: 'nobody' })])
  assert.deepEqual(told(), ['50 % at 500', '80 % at 900', '100 % at 1000'])
  const [first] = events.filter(({ type }) => type === 'organisation.budget_reached')
  assert.deepEqual(first, {
    type: 'organisation.budget_reached',
    organisationId: PAYER,
    keyId: 'key',
    budgetId: 'key',
    window: 'day',
    sharePercent: 50,
    spent: 500n,
    limit: 1_000n,
    atMs: 1_800_000_000_000,
  })
})

test('however batches are cut, repeated and reordered, each reading is billed once', () => {
  const batch = fc.record({ first: fc.integer({ min: 1, max: 12 }), count: fc.nat(5) })
  fc.assert(
    fc.property(fc.array(batch, { maxLength: 20, size: 'max' }), (batches) => {
      const { apply, recorded, available } = setup()
      const all = Array.from({ length: 16 }, (_, index) => reading(`r${index + 1}`, 100))
      let next = 1
      for (const { first, count } of batches) {
        const answer = apply(first, all.slice(first - 1, first - 1 + count))
        next = first <= next ? Math.max(next, first + count) : next
        assert.equal(answer, next)
      }
      apply(next, all.slice(next - 1))
      assert.deepEqual(
        recorded().map(({ record }) => record.requestId),
        all.map(({ requestId }) => requestId),
      )
      assert.equal(available(consumerAccount(PAYER)), 1_000_000n - 1_600n)
    }),
    { numRuns: 50 },
  )
})

test('a ledger that was put back bills what it can of nodes and organisations that it does not know', () => {
  const { apply, available, recorded, state } = setup()
  const [known, stranger] = [part('node_1', 1_000), part('node_young', 1_000)]
  const losers = [{ ...part('node_young', 0), promptTokens: 30 }]
  const readings = [
    reading('a', 0, { parts: [known, stranger], losers }),
    reading('b', 1_000, { organisationId: 'org_young', keyId: 'young', slaClass: 'standard', losers }),
    reading('c', 1_000),
  ]
  assert.equal(apply(1, readings), 4)
  assert.deepEqual(
    [available(consumerAccount(PAYER)), available(providerAccount(PROVIDER)), available(NETWORK_FEES)],
    [997_000n, 1_900n, 1_100n],
  )
  assert.deepEqual(
    recorded().map(({ cost, fee, transferId }) => [cost, fee, transferId]),
    [
      [2_000n, 1_050n, 'usage:a'],
      [0n, 0n, null],
      [1_000n, 50n, 'usage:c'],
    ],
  )
  assert.equal(state.sla.counts.size, 0, 'nobody knows of a promise to it')
  checkState(state)
})

/** Work that costs `nanoUsd`: at a price of one nano-USD a token. */
const part = (nodeId: string, nanoUsd: number): UsageRecord['parts'][number] => ({
  nodeId,
  promptTokens: 0,
  completionTokens: nanoUsd,
  promptPerMillion: 1_000_000n,
  completionPerMillion: 1_000_000n,
})

const reading = (requestId: string, nanoUsd: number, more: Partial<UsageRecord> = {}): UsageRecord => ({
  requestId,
  organisationId: PAYER,
  keyId: 'key',
  holdId: '',
  model: 'm',
  kind: 'chat',
  outcome: 'completed',
  parts: [part('node_1', nanoUsd)],
  startedAtMs: 1,
  firstTokenMs: 1,
  totalMs: 2,
  ...more,
})

/** A cell whose payer has a million nano-USD. */
function setup() {
  const state = emptyState()
  const events: CoordinatorEvent[] = []
  const turn = () => startTurn(state, 1_800_000_000_000, events)
  foundCell(turn(), { balance: 1_000_000n, nodes: { node_1: 'key 1', node_2: 'key 2' } })
  return {
    state,
    events,
    turn,
    apply(firstSequence: number, records: UsageRecord[], bps = feeBps, spoolId = 'spool') {
      const next = applyUsage(turn(), { spoolId, firstSequence, records }, { feeBps: bps })
      checkLedger(state.ledger)
      return next
    },
    available: (accountId: string) => state.ledger.accounts.get(accountId)?.available,
    recorded: () => events.filter((event): event is UsageEvent => event.type === 'usage.recorded'),
  }
}
