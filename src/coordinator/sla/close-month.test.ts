import assert from 'node:assert/strict'
import { test } from 'node:test'
import { nodeCrypto } from '#host/node/node-crypto.ts'
import { DAY_MS, HOUR_MS } from '#kernel/time.ts'
import { checkLedger, consumerAccount, EXTERNAL_TEST, NETWORK_FEES, NETWORK_LOSSES } from '#ledger/ledger.ts'
import type { SlaFact } from '#protocol/sla-evidence.ts'
import type { UsageRecord } from '#protocol/usage.ts'
import { foundCell, PAYER, PROVIDER } from '#sim/test-world.ts'
import { spanOfMonth } from '#sla/bins.ts'
import { formatBundleLine, hashOfFact, NO_HASH, sealedText } from '#sla/bundle.ts'
import { factsOf } from '#sla/facts.ts'
import { MONTH_GRACE_MS } from '#sla/sla.ts'
import { verifyBundle } from '#sla/verify-bundle.ts'
import { applyUsage } from '../apply-usage.ts'
import type { CoordinatorEvent } from '../coordinator-events.ts'
import { type CoordinatorState, checkState, emptyState, evolve, formatState } from '../coordinator-state.ts'
import { startTurn } from '../turn.ts'
import { closeMonths } from './close-month.ts'
import { sealOf } from './evidence.ts'
import { slaIn, stepSla } from './step-sla.ts'

const MONTH = '2026-11'
const { fromMs: NOVEMBER, toMs: DECEMBER } = spanOfMonth(MONTH)

test('a month that kept its promise owes nothing, and one that did not is credited within the day, unasked', () => {
  const { state, use, at, available } = setup()
  use({ requests: 100, failed: 0 })
  const before = available(consumerAccount(PAYER))
  at(DECEMBER + MONTH_GRACE_MS - 1)
  assert.equal(state.sla.statements.size, 0)
  at(DECEMBER + MONTH_GRACE_MS)
  const [kept] = state.sla.statements.values()
  assert.deepEqual([kept?.uptimePpb, kept?.posted, kept?.transferId], [1_000_000_000, 0n, null])
  assert.equal(available(consumerAccount(PAYER)), before)

  // Two days of December nobody is answered.
  for (let bin = 0; bin < 2 * 288; bin++)
    use({ requests: 1, failed: 1, startedAtMs: DECEMBER + bin * 300_000 })
  use({ requests: 10, failed: 0, startedAtMs: DECEMBER + 3 * DAY_MS })
  const paid = available(consumerAccount(PAYER)) ?? 0n
  at(spanOfMonth('2026-12').toMs + DAY_MS)
  const broken = [...state.sla.statements.values()].at(-1)
  assert.deepEqual([broken?.month, broken?.creditBps, broken?.posted], ['2026-12', 5_000, 5_000n])
  assert.equal((available(consumerAccount(PAYER)) ?? 0n) - paid, 5_000n)
})

test('a credit comes out of the fees, and what they lack out of the losses; no money is made', () => {
  const { outage, at, available } = setup()
  outage()
  const fees = available(NETWORK_FEES) ?? 0n
  at(DECEMBER + DAY_MS)
  assert.equal(available(NETWORK_FEES), 0n)
  assert.equal(available(NETWORK_LOSSES), fees - 5_000n)
})

test('a node at fault pays its part out of held pay, and no more than its part', () => {
  const { state, use, at, available } = setup({ holdsPay: true })
  for (let hour = 0; hour < 5; hour++)
    use({ requests: 20, failed: 0, startedAtMs: NOVEMBER + hour * HOUR_MS })
  for (let bin = 100; bin < 600; bin++) {
    use({ requests: 1, failed: 1, faultNodeId: 'node_1', startedAtMs: NOVEMBER + bin * 300_000 })
  }
  const before = available(consumerAccount(PAYER)) ?? 0n
  at(DECEMBER + DAY_MS)
  const [statement] = state.sla.statements.values()
  assert.ok(statement && statement.posted > 0n)
  assert.equal((available(consumerAccount(PAYER)) ?? 0n) - before, statement.posted)
  const shared = statement.shares.reduce((sum, { amount }) => sum + amount, 0n)
  assert.ok(shared > 0n && shared <= statement.posted, `nodes paid ${shared} of ${statement.posted}`)
})

test('who answers his own requests has no charge to be credited, and no failure of his own node counts', () => {
  const { state, use, at } = setup({ customer: PROVIDER })
  use({ requests: 100, failed: 0 })
  for (let bin = 1; bin < 500; bin++) {
    use({ requests: 1, failed: 1, faultNodeId: 'node_1', startedAtMs: NOVEMBER + bin * 300_000 })
  }
  at(DECEMBER + DAY_MS)
  const [statement] = state.sla.statements.values()
  assert.deepEqual(
    [statement?.valid, statement?.errors, statement?.charges, statement?.posted],
    [100, 0, 0n, 0n],
  )
})

test('who gives requests up gains nothing', () => {
  const patient = setup()
  const farming = setup()
  for (const [one, isFarming] of [
    [patient, false],
    [farming, true],
  ] as const) {
    for (let bin = 0; bin < 8_640; bin += 10) {
      const startedAtMs = NOVEMBER + bin * 300_000
      one.use({ requests: 1, failed: 1, startedAtMs })
      one.use({ requests: 9, failed: 0, startedAtMs, ...(isFarming && { outcome: 'cancelled' as const }) })
    }
    one.at(DECEMBER + DAY_MS)
  }
  const [kept] = patient.state.sla.statements.values()
  const [farmed] = farming.state.sla.statements.values()
  assert.equal(farmed?.uptimePpb, kept?.uptimePpb)
  assert.equal(farmed?.posted, kept?.posted)
  assert.equal(farmed?.aborted, 864 * 9)
})

test('a month is closed once, and replaying its events gives the same state', () => {
  const { state, events, outage, at } = setup()
  outage()
  for (let hour = 0; hour < 48; hour++) at(DECEMBER + hour * HOUR_MS)
  const closed = events.filter(({ type }) => type === 'sla.month_closed')
  assert.equal(closed.length, 1)
  assert.equal(events.filter(({ type }) => type === 'sla.statement_made').length, 1)
  const again = emptyState()
  for (const event of events) evolve(again, event)
  assert.equal(formatState(again), formatState(state))
})

test('a reading that comes after its month was closed counts when it comes, and moves no closed month', () => {
  const { state, use, at } = setup()
  use({ requests: 5, failed: 0 })
  at(DECEMBER + DAY_MS)
  const before = formatState({ ...state, ledger: emptyState().ledger }).length
  use({ requests: 3, failed: 3, startedAtMs: NOVEMBER + HOUR_MS })
  assert.ok(before > 0)
  assert.deepEqual(
    [...state.sla.counts.values()].map(({ month, errors }) => [month, errors]),
    [['2026-12', 3]],
  )
})

test('the credit that was posted is what its evidence says, and evidence that was touched is found', () => {
  const { state, events, use, outage, at } = setup()
  outage()
  use({ requests: 3, failed: 0, outcome: 'cancelled', startedAtMs: NOVEMBER + DAY_MS })
  at(DECEMBER + DAY_MS)
  const bundle = bundleOf(state, events)
  const whole = check(bundle)
  assert.deepEqual(whole.faults, [])
  assert.equal(whole.recomputed?.posted, [...state.sla.statements.values()][0]?.posted)
  assert.ok((whole.recomputed?.posted ?? 0n) > 0n)

  const [header = '', first = '', second = '', ...rest] = bundle
  const seal = rest.at(-1) ?? ''
  const kinds = (lines: readonly string[], networkKey?: string) =>
    new Set(check(lines, networkKey).faults.map(({ kind }) => kind))
  const good = first.replace('"outcome":"completed"', '"outcome":"failed"')
  for (const [name, lines, kind] of [
    [
      'forged',
      [header, good === first ? first.replace(/"cost":"\d+"/, '"cost":"9"') : good, second, ...rest],
      'changed',
    ],
    ['reordered', [header, second, first, ...rest], 'reordered'],
    ['repeated', [header, first, first, second, ...rest], 'repeated'],
    ['one left out', [header, second, ...rest], 'missing'],
    ['cut off', bundle.slice(0, -1), 'cut_off'],
    ['cut short before the seal', [...bundle.slice(0, -2), seal], 'missing'],
    [
      'another credit',
      [...bundle.slice(0, -1), seal.replace(/"posted":"\d+"/, '"posted":"999999"')],
      'forged',
    ],
    ['something behind', [...bundle, first], 'changed'],
    ['no JSON', [header, '{', ...rest], 'unreadable'],
  ] as const) {
    assert.ok(kinds(lines).has(kind), `${name} is found: ${[...kinds(lines)]}`)
  }
  // Whole, but for whom it is by.
  const strangers = bundleOf(state, events, nodeCrypto.keyPair(new Uint8Array(32).fill(9)))
  assert.deepEqual(check(strangers).faults, [])
  assert.ok(kinds(strangers, NETWORK.publicKeyHex).has('forged'))
})

const NETWORK = nodeCrypto.keyPair(new Uint8Array(32).fill(7))
const sha256 = (text: string): string => Buffer.from(nodeCrypto.sha256(text)).toString('hex')

function check(lines: readonly string[], networkKey?: string) {
  return verifyBundle(lines.map((line) => `${line}\n`).join(''), {
    sha256,
    verify: (key, text, signature) =>
      nodeCrypto.verify(key, new TextEncoder().encode(text), Buffer.from(signature, 'hex')),
    networkKey,
  })
}

function bundleOf(state: CoordinatorState, events: readonly CoordinatorEvent[], keys = NETWORK): string[] {
  const place = { organisationId: PAYER, slaClass: 'business' as const, month: MONTH }
  const facts = events.flatMap((event): SlaFact[] =>
    event.type === 'usage.recorded' || event.type.startsWith('sla.')
      ? factsOf(event as Parameters<typeof factsOf>[0]).flatMap(({ month, fact }) =>
          month === MONTH ? [fact] : [],
        )
      : [],
  )
  let head = NO_HASH
  const lines = facts.map((fact, index) => {
    const told = { sequence: index + 1, previousHash: head, fact }
    head = hashOfFact(told, sha256)
    return formatBundleLine({ ...told, hash: head })
  })
  const parts = { state, network: { keys }, nowMs: DECEMBER + DAY_MS }
  const seal = sealOf(parts, place, { facts: facts.length, head })
  const text = new TextEncoder().encode(sealedText(seal))
  const signature = Buffer.from(nodeCrypto.sign(keys.privateKeyHex, text)).toString('hex')
  const header = { version: 1 as const, networkKey: keys.publicKeyHex, ...place }
  return [formatBundleLine({ header }), ...lines, formatBundleLine({ seal, signature })]
}

interface Used {
  requests: number
  failed: number
  startedAtMs?: number
  outcome?: UsageRecord['outcome']
  nodeId?: string
  faultNodeId?: string
}

function setup({ customer = PAYER, holdsPay = false } = {}) {
  const state = emptyState()
  const events: CoordinatorEvent[] = []
  let nowMs = NOVEMBER
  let sequence = 1
  const turn = () => startTurn(state, nowMs, events)
  foundCell(turn(), { balance: 1_000_000_000n, nodes: { node_1: 'key 1' } })
  turn().ledger({
    kind: 'transfer',
    transferId: 'more',
    debitAccountId: EXTERNAL_TEST,
    creditAccountId: consumerAccount(PROVIDER),
    amount: 1_000_000_000n,
    memo: '',
    createdAtMs: nowMs,
    nowMs,
  })
  slaIn(turn(), { kind: 'set_class', organisationId: customer, slaClass: 'business', nowMs })
  const at = (atMs: number): void => {
    nowMs = Math.max(nowMs, atMs)
    stepSla(turn())
    closeMonths(turn())
    checkState(state)
    checkLedger(state.ledger)
  }
  const use = ({ requests, failed, startedAtMs = NOVEMBER, ...told }: Used): void => {
    nowMs = Math.max(nowMs, startedAtMs + 1_000)
    const records = Array.from({ length: requests }, (_, index) =>
      reading(`req_${sequence}_${index}`, { customer, startedAtMs, isFailed: index < failed, ...told }),
    )
    applyUsage(turn(), { spoolId: 'spool', firstSequence: sequence, records }, { feeBps: 500, holdsPay })
    sequence += requests
    stepSla(turn())
  }
  return {
    state,
    events,
    at,
    use,
    /** Ten answers that cost 1,000 each, then two days without one. */
    outage(): void {
      use({ requests: 10, failed: 0 })
      for (let bin = 1; bin < 2 * 288; bin++)
        use({ requests: 1, failed: 1, startedAtMs: NOVEMBER + bin * 300_000 })
    },
    available: (accountId: string) => {
      const account = state.ledger.accounts.get(accountId)
      return account && account.available + account.held
    },
  }
}

function reading(
  requestId: string,
  told: Omit<Used, 'requests' | 'failed'> & { customer: string; isFailed: boolean },
): UsageRecord {
  const { customer, startedAtMs = NOVEMBER, isFailed, outcome, faultNodeId, nodeId = 'node_1' } = told
  const part = {
    nodeId,
    promptTokens: 0,
    completionTokens: 1_000,
    promptPerMillion: 0n,
    completionPerMillion: 1_000_000n,
  }
  return {
    requestId,
    organisationId: customer,
    keyId: 'key',
    holdId: '',
    model: 'tiny',
    kind: 'chat',
    outcome: outcome ?? (isFailed ? 'failed' : 'completed'),
    parts: isFailed ? [] : [part],
    startedAtMs,
    firstTokenMs: isFailed ? null : 10,
    totalMs: 1_000,
    slaClass: 'business',
    ...(isFailed && { problem: 'node_failed' }),
    ...(isFailed && faultNodeId && { failed: [{ nodeId: faultNodeId, how: 'failed' as const }] }),
  }
}
