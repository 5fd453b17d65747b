import assert from 'node:assert/strict'
import { test } from 'node:test'
import { digestOf } from '#host/digest-of.ts'
import { nodeCrypto } from '#host/node/node-crypto.ts'
import type { ReceiptBody } from '#protocol/receipts.ts'
import { outputDigest } from '#receipts/receipt-text.ts'
import { Delivered, type StreamNote } from './delivered.ts'

type Part = Extract<ReceiptBody, { kind: 'part' }>
const digest = digestOf(nodeCrypto)
const payload = new TextEncoder().encode('{"salt":"s"}')

const rows: readonly [string, Partial<StreamNote>, Partial<Part>, string | null][] = [
  ['as it is', {}, {}, null],
  ['of a stream that is not remembered', {}, { stream: 2 }, 'unknown'],
  ['of another request', {}, { input: digest('other') }, 'input'],
  ['with fewer tokens than were delivered', {}, { completionTokens: 2 }, 'completion_tokens'],
  ['with more tokens than were delivered', {}, { completionTokens: 4 }, 'completion_tokens'],
  ['with another prompt', {}, { promptTokens: 6 }, 'prompt_tokens'],
  ['with another text', {}, { output: outputDigest(digest, 's', 'one two THREE') }, 'output'],
  ['with more text than there was', {}, { outputBytes: 99 }, 'output'],
  ['of a stream that was stopped, with less than was on its way', { isCut: true }, cut(), null],
  [
    'of a stream that was stopped, with more than was sent',
    { isCut: true },
    { completionTokens: 4 },
    'completion_tokens',
  ],
  ['of a stream without an end, with no prompt', { endTokens: null }, { ...cut(), promptTokens: 0 }, null],
]
for (const [what, note, change, why] of rows) {
  test(`a receipt ${what} is ${why === null ? 'taken' : `disputed: ${why}`}`, () => {
    const { delivered, body } = setup(note)
    assert.equal(delivered.disputeOf(1, { ...body, ...change })?.why ?? null, why)
  })
}

test('a result of a task is held against the files that were made', () => {
  const { delivered } = setup()
  const files = [{ name: 'a.png', bytes: 10, sha256: 'ab'.repeat(32) }]
  delivered.made(7, files)
  const body: ReceiptBody = {
    ...{ kind: 'task', node: 'node_1', job: 'job_1', step: 0, task: 0, fence: 7, files: 1, outputBytes: 10 },
    ...{ output: digest(JSON.stringify(['a.png', 10, 'ab'.repeat(32)])), wallMs: 5, atMs: 0 },
  }
  assert.equal(delivered.disputeOf(1, body), null)
  assert.equal(delivered.disputeOf(1, { ...body, outputBytes: 11 })?.why, 'task')
  assert.equal(delivered.disputeOf(1, { ...body, fence: 8 })?.why, 'unknown')
})

/** What a gateway took before it stopped the node. */
function cut(): Partial<Part> {
  return { completionTokens: 1, outputBytes: 3, output: outputDigest(digest, 's', 'one') }
}

function setup(change: Partial<StreamNote> = {}) {
  const delivered = new Delivered(1, digest)
  const note = delivered.begin(1, payload, 's')
  Object.assign(note, { text: 'one two three', promptTokens: 5, sentTokens: 3, endTokens: 3, ...change })
  const body: Part = {
    ...{
      kind: 'part',
      node: 'node_1',
      request: 'r',
      model: 'm',
      call: 'chat',
      promptTokens: 5,
      completionTokens: 3,
    },
    ...{ promptPerMillion: 1n, completionPerMillion: 1n, stream: 1, input: digest(payload) },
    ...{ output: outputDigest(digest, 's', 'one two three'), outputBytes: 13, payer: 'p', atMs: 0 },
  }
  return { delivered, body }
}
