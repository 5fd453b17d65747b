import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { EngineRequest } from '#protocol/engine-request.ts'
import type { DataPayload } from '#protocol/frame.ts'
import { AnswerBounds } from './answer-bounds.ts'

test('a plain answer is within its bounds, and paid in full', () => {
  const bounds = new AnswerBounds(chat())
  for (const text of ['Hel', 'lo', ' wörld', ' 👋', ''])
    assert.equal(bounds.take(delta({ text, tokenCount: 2 }), 0), null)
  assert.equal(bounds.payable(10), 10)
})

test('no more tokens are paid than the text has bytes, but for a few without text', () => {
  const bounds = new AnswerBounds(chat())
  assert.equal(bounds.take(delta({ text: 'é👋', tokenCount: 500 }), 0), null)
  assert.equal(bounds.payable(500), 6 + 16)
})

test('what a model thought is text of its answer, for what is paid and for what is silent', () => {
  const bounds = new AnswerBounds({ ...chat(), withReasoning: true } as EngineRequest)
  for (let count = 0; count < 600; count++)
    assert.equal(bounds.take(delta({ tokenCount: 1, detail: { reasoning: 'so' } }), 0), null)
  assert.equal(bounds.payable(600), 600)
  assert.equal(bounds.payable(5_000), 1_200 + 16)
})

test('tokens that an upstream counts and nobody sees are not paid, and no claim of the node; others are', () => {
  const bounds = new AnswerBounds(chat())
  assert.equal(bounds.take(delta({ text: 'Hi', tokenCount: 1 }), 0), null)
  assert.equal(bounds.take(delta({ tokenCount: 900 }), 0), null)
  assert.deepEqual([bounds.payable(901), bounds.overclaims(901)], [2 + 16, false])
  assert.equal(bounds.take(delta({ text: '!', tokenCount: 90 }), 0), null)
  assert.equal(bounds.overclaims(991), true)
  const knowing = new AnswerBounds(chat())
  assert.equal(knowing.take(delta({ tokenCount: 900, idsKnown: true }), 0), null)
  assert.equal(knowing.overclaims(900), true)
})

const refused: readonly [
  what: string,
  request: EngineRequest,
  deltas: readonly Partial<DataPayload>[],
  why: RegExp,
][] = [
  ['padding', chat(), Array.from({ length: 600 }, () => ({ tokenCount: 1 })), /513 pieces without text/],
  ['endless text', chat(), [{ text: 'x'.repeat(400_000), tokenCount: 1 }], /more text than/],
  ['text of no tokens', chat(), [{ text: 'x'.repeat(400_000) }], /more text than/],
  ['logprobs unasked', chat(), [{ text: 'a', tokenCount: 1, detail: { logprobs: [] } }], /nobody asked for/],
  ['reasoning unasked', chat(), [{ tokenCount: 1, detail: { reasoning: 'Hm' } }], /nobody asked for/],
  ['calls unasked', chat(), [{ detail: { toolCalls: [{ index: 0, name: 'f' }] } }], /nobody offered/],
  ['a nameless call', withTools(), [{ detail: { toolCalls: [{ index: 0 }] } }], /out of their order/],
  [
    'a call far ahead',
    withTools(),
    [{ detail: { toolCalls: [{ index: 9, name: 'f' }] } }],
    /out of their order/,
  ],
  [
    'a call that begins twice',
    withTools(),
    [
      { detail: { toolCalls: [{ index: 0, name: 'f' }] } },
      { detail: { toolCalls: [{ index: 0, name: 'g' }] } },
    ],
    /out of their order/,
  ],
  ['text for vectors', embedding(), [{ text: 'a', tokenCount: 1 }], /request for embeddings/],
]
for (const [what, request, deltas, why] of refused) {
  test(`refused: ${what}`, () => {
    const bounds = new AnswerBounds(request)
    const said = deltas.map((one) => bounds.take(delta(one), 0)).find((strange) => strange !== null)
    assert.match(said ?? '', why)
  })
}

test('refused: a node that goes on without credit', () => {
  assert.match(new AnswerBounds(chat()).take(delta({ text: 'a' }), 600_000) ?? '', /credit/)
})

test('embeddings come once, as many as there are texts, of one length', () => {
  const strange = (...all: (readonly (readonly number[])[])[]): (string | null)[] => {
    const bounds = new AnswerBounds(embedding())
    return [...all.map((vectors) => bounds.takeVectors(vectors)), bounds.end()]
  }
  assert.deepEqual(
    strange([
      [1, 2],
      [3, 4],
    ]),
    [null, null],
  )
  assert.deepEqual(strange(), ['an end before its embeddings'])
  assert.equal(strange([[1, 2]])[0], '1 embeddings of 2 texts')
  assert.equal(strange([[1, 2], [3]])[0], 'embeddings of different lengths')
  assert.equal(strange([[], []])[0], 'embeddings of different lengths')
  assert.equal(strange([[1], [2]], [[1], [2]])[1], 'its embeddings twice')
  assert.match(new AnswerBounds(chat()).takeVectors([[1]]) ?? '', /request for text/)
})

function delta(parts: Partial<DataPayload>): DataPayload {
  return { text: '', tokenIds: [], tokenCount: 0, idsKnown: false, ...parts }
}

function chat(): EngineRequest {
  const sampling = { temperature: 0, topP: 1, stop: [], frequencyPenalty: 0, presencePenalty: 0 }
  return { kind: 'chat', requestId: 'r', model: 'm', messages: [], maxTokens: 1_000, sampling }
}

function withTools(): EngineRequest {
  const list = [{ name: 'f', isStrict: false }]
  return { ...chat(), tools: { list, choice: 'auto', mayBeParallel: true } } as EngineRequest
}

function embedding(): EngineRequest {
  return { kind: 'embedding', requestId: 'r', model: 'm', inputs: ['a', 'b'] }
}
