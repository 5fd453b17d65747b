import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Answered } from './audited-answer.ts'
import type { AnswerFacts, NodeClaims } from './seen-faults.ts'
import { seenFaults } from './seen-faults.ts'

const request: Answered = {
  kind: 'completion',
  requestId: 'r',
  model: 'm',
  prompt: 'p',
  maxTokens: 200,
  sampling: { temperature: 1, topP: 1, stop: [], frequencyPenalty: 0, presencePenalty: 0 },
}
const honest: AnswerFacts = {
  request,
  finishReason: 'stop',
  promptTokens: 50,
  completionTokens: 100,
  firstTokenMs: 90,
  lastTokenMs: 2_000,
}
const claims: NodeClaims = { tokensPerSecond: 50, contextTokens: 4_096, roundTripMs: 40 }

const rows: [name: string, facts: Partial<AnswerFacts>, claims: Partial<NodeClaims>, faults: string[]][] = [
  ['an honest answer', {}, {}, []],
  ['100 tokens in 400 ms of a device that does 50 a second', { lastTokenMs: 400 }, {}, ['too_fast']],
  ['the same of a device that says nothing of its speed', { lastTokenMs: 400 }, { tokensPerSecond: 0 }, []],
  ['an answer too short to be timed', { completionTokens: 63, lastTokenMs: 95 }, {}, []],
  ['a first token before a message could come back', { firstTokenMs: 15 }, {}, ['first_token_too_soon']],
  ['the same of a node next door', { firstTokenMs: 1 }, { roundTripMs: 2 }, []],
  ['a limit that was not reached', { finishReason: 'length' }, {}, ['finish_inconsistent']],
  ['the limit', { finishReason: 'length', completionTokens: 200, lastTokenMs: 4_000 }, {}, []],
  ['a full context', { finishReason: 'length', promptTokens: 3_700 }, {}, []],
  [
    'an answer that never came',
    { finishReason: null, completionTokens: 0, firstTokenMs: null, lastTokenMs: null },
    {},
    [],
  ],
]
for (const [name, facts, said, faults] of rows)
  test(`seen of ${name}: ${faults.join() || 'nothing'}`, () => {
    const found = seenFaults({ ...honest, ...facts }, { ...claims, ...said })
    assert.deepEqual(
      found.map(({ fault }) => fault),
      faults,
    )
  })
