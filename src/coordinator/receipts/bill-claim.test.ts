import assert from 'node:assert/strict'
import { test } from 'node:test'
import { digestOf } from '#host/digest-of.ts'
import { nodeCrypto } from '#host/node/node-crypto.ts'
import { HOUR_MS, MINUTE_MS } from '#kernel/time.ts'
import { checkLedger, consumerAccount, providerAccount } from '#ledger/ledger.ts'
import type { ReceiptBody, ReceiptsClaim } from '#protocol/receipts.ts'
import type { UsageRecord } from '#protocol/usage.ts'
import { type Mac, payerMark } from '#receipts/receipt-secrets.ts'
import { linksOf, receiptText } from '#receipts/receipt-text.ts'
import { decideForgetChains } from '#receipts/receipts.ts'
import { foundCell, PAYER, PROVIDER } from '#sim/test-world.ts'
import { applyUsage } from '../apply-usage.ts'
import type { CoordinatorEvent, UsageEvent } from '../coordinator-events.ts'
import { emptyState } from '../coordinator-state.ts'
import { startTurn } from '../turn.ts'
import { billClaim } from './bill-claim.ts'

const chain = 'c'.repeat(43)
const BEGIN_MS = 1_800_000_000_000
const digest = digestOf(nodeCrypto)
const mac: Mac = (data) => Buffer.from(nodeCrypto.hmacSha256('secret', data)).toString('base64url')

test('what the ledger lacks is billed by a copy, once, and what it has is not', () => {
  const { claim, billed, available } = setup()
  assert.equal(claim(1, 2), 'settled')
  assert.deepEqual(billed(), [1, 2])
  assert.equal(claim(1, 2), 'settled')
  assert.equal(claim(1, 3), 'settled')
  assert.deepEqual(billed(), [1, 2, 3])
  assert.deepEqual(
    [available(consumerAccount(PAYER)), available(providerAccount(PROVIDER))],
    [997_000n, 2_850n],
  )
})

test('the gateway itself is waited for, and what is too old is billed no more', () => {
  const { claim, billed } = setup()
  assert.equal(claim(1, 1, 9 * MINUTE_MS), 'early')
  assert.equal(claim(1, 1, 71 * HOUR_MS), 'too_old')
  assert.deepEqual(billed(), [])
})

test('of a chain that goes on, what is too old is not billed: its memory may have ended after it was', () => {
  const { state, claim, billed, turnAt } = setup({ everyMs: 40 * HOUR_MS })
  assert.equal(claim(1, 1), 'settled')
  const [forgotten] = decideForgetChains(state.receipts, turnAt(73 * HOUR_MS + 1).nowMs)
  assert.ok(forgotten)
  turnAt(73 * HOUR_MS + 1).record([forgotten])
  assert.equal(claim(1, 3, 81 * HOUR_MS), 'settled')
  assert.deepEqual(billed(), [1, 2, 3])
})

test('what a copy billed is billed by no reading, however late its gateway is back', () => {
  const { state, claim, read, turnAt, usage, available } = setup()
  assert.equal(claim(1, 1), 'settled')
  turnAt(73 * HOUR_MS + 1).record(decideForgetChains(state.receipts, turnAt(73 * HOUR_MS + 1).nowMs))
  assert.equal(state.receipts.chains.size, 0)
  read(1, 74 * HOUR_MS)
  assert.deepEqual(
    usage().map(({ cost, paidBefore }) => [cost, paidBefore]),
    [
      [1_000n, undefined],
      [0n, 1_000n],
    ],
  )
  assert.equal(available(consumerAccount(PAYER)), 999_000n)
})

test('copies come in order: what is behind others that are not there waits for them', () => {
  const { claim, billed } = setup()
  assert.equal(claim(2, 3), 'early')
  assert.deepEqual(billed(), [])
})

test('a receipt whose key is gone is noted, and nobody pays for it', () => {
  const { claim, billed, available } = setup({ payer: 'nobody' })
  assert.equal(claim(1, 1), 'settled')
  assert.deepEqual(billed(), [])
  assert.equal(available(consumerAccount(PAYER)), 1_000_000n)
})

for (const promptPerMillion of [1_000_000n, 0n]) {
  test(`a reading that comes after the copy says that it is known, at ${promptPerMillion}`, () => {
    const { claim, read, usage } = setup({ promptPerMillion })
    assert.equal(claim(1, 1), 'settled')
    read(1, 2 * HOUR_MS)
    assert.deepEqual(
      usage().map(({ cost, paidBefore }) => [cost, paidBefore]),
      [
        [promptPerMillion / 1_000n, undefined],
        [0n, promptPerMillion / 1_000n],
      ],
    )
  })
}

interface Options {
  readonly payer?: string
  readonly everyMs?: number
  readonly promptPerMillion?: bigint
}

function setup({ payer, everyMs = 0, promptPerMillion = 1_000_000n }: Options = {}) {
  const state = emptyState()
  const events: CoordinatorEvent[] = []
  const turnAt = (afterMs: number) => startTurn(state, BEGIN_MS + afterMs, events)
  foundCell(turnAt(0), { balance: 1_000_000n, nodes: { node_1: 'key 1' } })
  const key = {
    organisationId: PAYER,
    keyId: 'key_1',
    hash: 'h',
    hint: 'k',
    name: 'k',
    scopes: ['developer'],
  }
  const refused = turnAt(0).organisations({ kind: 'create_key', ...key, nowMs: BEGIN_MS } as never)
  assert.equal(refused, null)
  const body = (number: number): ReceiptBody => ({
    ...{ kind: 'part', node: 'node_1', request: `r${number}`, model: 'm', call: 'chat', promptTokens: 1_000 },
    ...{ completionTokens: 0, promptPerMillion, completionPerMillion: 0n, stream: number },
    ...{ input: 'i'.repeat(43), output: 'o'.repeat(43), outputBytes: 0 },
    atMs: BEGIN_MS + (number - 1) * everyMs,
    payer: payer ?? payerMark(mac, { chain, keyId: 'key_1' }),
  })
  const text = (number: number): string => receiptText(body(number))
  const links = linksOf(digest, { chain, from: 1, before: chain, texts: [1, 2, 3].map(text) })
  const usage = () => events.filter((event): event is UsageEvent => event.type === 'usage.recorded')
  return {
    state,
    turnAt,
    claim(from: number, to: number, afterMs = HOUR_MS) {
      const receipts = Array.from({ length: to - from + 1 }, (_, index) => text(from + index))
      const head = {
        chain,
        number: to,
        hash: links[to - 1] ?? '',
        networkSignature: '00',
        nodeSignature: '00',
      }
      const before = links[from - 2] ?? chain
      const claim: ReceiptsClaim = {
        ...{ kind: 'claim', chain, from, before, receipts, facts: null },
        head: { ...head, disputes: [] },
      }
      const outcome = billClaim(turnAt(afterMs), { nodeId: 'node_1', claim }, { digest, mac, feeBps: 500 })
      checkLedger(state.ledger)
      return outcome
    },
    /** The reading of the same request, as a gateway that is back delivers it. */
    read(number: number, afterMs: number) {
      const receipt = {
        ...{ chain, number, hash: links[number - 1] ?? '', stream: number },
        ...{
          ...{ input: 'i'.repeat(43), output: 'o'.repeat(43), outputBytes: 0 },
          ...{ payer: payerMark(mac, { chain, keyId: 'key_1' }), atMs: BEGIN_MS },
        },
      }
      const tokens = { promptTokens: 1_000, completionTokens: 0, promptPerMillion, completionPerMillion: 0n }
      const record: UsageRecord = {
        ...{ requestId: `r${number}`, organisationId: PAYER, keyId: 'key_1', holdId: '', model: 'm' },
        ...{ kind: 'chat', outcome: 'cancelled', parts: [{ nodeId: 'node_1', ...tokens, receipt }] },
        ...{ startedAtMs: BEGIN_MS, firstTokenMs: 5, totalMs: 9 },
      }
      applyUsage(turnAt(afterMs), { spoolId: 's', firstSequence: 1, records: [record] }, { feeBps: 500 })
    },
    usage,
    billed: () => usage().map(({ sequence }) => sequence),
    available: (accountId: string) => state.ledger.accounts.get(accountId)?.available,
  }
}
