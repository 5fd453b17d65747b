import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { SignedHead } from '#protocol/receipts.ts'
import type { UsageRecord } from '#protocol/usage.ts'
import {
  CHAIN_MEMORY_MS,
  CLAIM_MEMORY_MS,
  checkReceipts,
  decideForgetChains,
  decideMade,
  decideSigned,
  emptyReceipts,
  evolveReceipts,
  evolveReceiptsOfUsage,
  isBilled,
  settledOf,
} from './receipts.ts'

const chain = 'c'.repeat(43)
const hashOf = (number: number): string => `${number}`.padStart(43, 'h')

describe('receipts of a chain', () => {
  test('are billed once: a number at or below the newest known one was billed before', () => {
    const { receipts, bill } = setup()
    bill(1)
    bill(3)
    assert.deepEqual(
      [1, 2, 3, 4].map((number) => isBilled(receipts, { chain, number } as never)),
      [true, true, true, false],
    )
  })

  test('wait for their node until it has signed them, in whichever order readings and heads come', () => {
    const { receipts, bill, sign } = setup()
    bill(1)
    bill(2)
    assert.deepEqual(
      receipts.chains.get(chain)?.open.map(({ number }) => number),
      [1, 2],
    )
    sign(3)
    assert.deepEqual(receipts.chains.get(chain)?.open, [])
    bill(3)
    assert.deepEqual(receipts.chains.get(chain)?.open, [])
    checkReceipts(receipts)
  })

  test('are settled up to what is both signed and in the ledger', () => {
    const { receipts, bill, sign } = setup()
    assert.equal(settledOf(receipts, chain), 0)
    bill(1)
    assert.equal(settledOf(receipts, chain), 0)
    sign(2)
    assert.equal(settledOf(receipts, chain), 1)
    bill(2)
    assert.equal(settledOf(receipts, chain), 2)
  })

  test('that no reading brings are noted once and in order, and wait for their node like others', () => {
    const { receipts, make, sign } = setup()
    make(1)
    make(1)
    make(3)
    assert.deepEqual(
      receipts.chains.get(chain)?.open.map(({ number }) => number),
      [1],
      'the third comes with its signature',
    )
    make(2)
    assert.deepEqual([receipts.chains.get(chain)?.through, settledOf(receipts, chain)], [2, 0])
    checkReceipts(receipts)
    sign(2)
    assert.deepEqual([receipts.chains.get(chain)?.open, settledOf(receipts, chain)], [[], 2])
    const receipt = { number: 3, hash: hashOf(3), text: '{}' }
    assert.equal(decideMade(receipts, { nodeId: 'node_2', chain, receipt, atMs: 0 }), 'node_other')
  })

  test('are forgotten when nothing of them can be claimed any more', () => {
    const { receipts, bill } = setup()
    bill(1)
    assert.deepEqual(decideForgetChains(receipts, CHAIN_MEMORY_MS - 1), [])
    const [event] = decideForgetChains(receipts, CHAIN_MEMORY_MS)
    assert.deepEqual(event, { type: 'receipts.chain_forgotten', chain, unsigned: 1, atMs: CHAIN_MEMORY_MS })
    evolveReceipts(receipts, event)
    assert.equal(receipts.chains.size, 0)
  })

  test('that a copy billed are known for a year, so that a gateway that is back later brings nothing new', () => {
    const { receipts, bill } = setup()
    bill(1, { isCopy: true })
    bill(2)
    for (const event of decideForgetChains(receipts, CHAIN_MEMORY_MS)) evolveReceipts(receipts, event)
    assert.deepEqual(
      [1, 2].map((number) => isBilled(receipts, { chain, number })),
      [true, false],
    )
    assert.deepEqual(decideForgetChains(receipts, CLAIM_MEMORY_MS - 1), [])
    for (const event of decideForgetChains(receipts, CLAIM_MEMORY_MS)) evolveReceipts(receipts, event)
    assert.deepEqual(receipts, emptyReceipts())
  })
})

test('a head is refused, in this order: of another node, known already, of other receipts', () => {
  const { receipts, bill, sign } = setup()
  bill(1)
  sign(1)
  bill(2)
  const head = headOf(2)
  const said = { nodeId: 'node_1', head, atMs: 0 }
  assert.equal(decideSigned(receipts, { ...said, nodeId: 'node_2' }), 'node_other')
  assert.equal(decideSigned(receipts, { ...said, head: headOf(1) }), 'head_known')
  assert.equal(decideSigned(receipts, { ...said, head: { ...head, hash: hashOf(9) } }), 'head_conflicts')
  assert.ok(Array.isArray(decideSigned(receipts, said)))
})

const headOf = (number: number): SignedHead => ({
  ...{ chain, number, hash: hashOf(number), networkSignature: '00', nodeSignature: '00', disputes: [] },
})

function setup() {
  const receipts = emptyReceipts()
  const prices = { promptPerMillion: 1n, completionPerMillion: 1n }
  const facts = { stream: 1, input: 'i', output: 'o', outputBytes: 0, payer: 'p', atMs: 0 }
  return {
    receipts,
    bill(number: number, { isCopy = false } = {}) {
      const receipt = { chain, number, hash: hashOf(number), ...facts }
      const part = { nodeId: 'node_1', promptTokens: 1, completionTokens: 1, ...prices, receipt }
      const record = { requestId: `r${number}`, model: 'm', kind: 'chat', parts: [part] }
      evolveReceiptsOfUsage(receipts, record as unknown as UsageRecord, 0, isCopy)
    },
    make(number: number) {
      const receipt = { number, hash: hashOf(number), text: '{}' }
      const decided = decideMade(receipts, { nodeId: 'node_1', chain, receipt, atMs: 0 })
      assert.ok(Array.isArray(decided))
      for (const event of decided) evolveReceipts(receipts, event)
    },
    sign(number: number) {
      const decided = decideSigned(receipts, { nodeId: 'node_1', head: headOf(number), atMs: 0 })
      assert.ok(Array.isArray(decided))
      for (const event of decided) evolveReceipts(receipts, event)
    },
  }
}
