/** Receipts that both sides signed, and the end of their chain, in the golden history. */
import type { Turn } from '#coordinator/turn.ts'
import { assert } from '#kernel/assert.ts'
import type { ChainFacts, SignedHead } from '#protocol/receipts.ts'
import { decideForgetChains, decideMade } from '#receipts/receipts.ts'

const chain = 'c'.repeat(43)
const hash = 'h'.repeat(43)

export function signReceipts(turn: Turn, nowMs: number): void {
  const facts: ChainFacts = {
    ...{
      of: 'tasks',
      network: '1'.repeat(64),
      node: 'node_1',
      nodeKey: 'ab'.repeat(32),
      gateway: 'gateway_1',
    },
    ...{ session: 1, nonce: '0'.repeat(32), previous: { chain: 'p'.repeat(43), number: 3, hash } },
  }
  const head: SignedHead = {
    ...{ chain, number: 1, hash, networkSignature: '2'.repeat(128), nodeSignature: '3'.repeat(128) },
    disputes: [{ number: 1, why: 'completion_tokens', expected: 7 }],
  }
  const extra = [{ number: 1, hash, text: '{"kind":"task"}', organisationId: 'org_buyer' }]
  const signed = {
    nodeId: 'node_1',
    head: { ...head, disputes: [...head.disputes] },
    facts,
    extra,
    atMs: nowMs,
  }
  const refusal = turn.signReceipts(signed)
  assert(refusal === null, `the golden history: ${refusal}`)
}

/** The result of another task is taken, and its node has yet to sign. */
export function makeReceipt(turn: Turn, nowMs: number): void {
  const receipt = { number: 2, hash, text: '{"kind":"task","task":2}', organisationId: 'org_buyer' }
  const decided = decideMade(turn.state.receipts, { nodeId: 'node_1', chain, receipt, atMs: nowMs })
  assert(typeof decided !== 'string' && decided.length === 1, 'the golden history: it is the next')
  turn.record(decided)
}

/** Days after. */
export const forgetReceipts = (turn: Turn, nowMs: number): void =>
  turn.record(decideForgetChains(turn.state.receipts, nowMs))
