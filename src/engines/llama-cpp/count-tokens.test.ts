import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { EngineRequest } from '#protocol/engine-request.ts'
import { countTokens, type Vocabulary } from './count-tokens.ts'

test('without ids an answer counts as the tokenizer spells it', () => {
  assert.equal(count('to be or not to be', null), 6)
})

test('with ids it counts as it was made, within what a model may spell in its own way', () => {
  assert.equal(count('to be', [1000, 1001]), 2)
  assert.equal(count('to be', [116, 111, 32, 98, 101]), 5)
})

test('a text is not worth one token a letter', () => {
  const text = 'to be or not to be'
  assert.equal(count(text, [...Buffer.from(text)]), 6)
})

test('ids that spell something else count as the text', () => {
  assert.equal(
    count(
      'to be',
      Array.from({ length: 100 }, () => 1000),
    ),
    2,
  )
})

test('an embedding has no prompt to count, nor has a chat that the template refuses', () => {
  const embedding: EngineRequest = { kind: 'embedding', requestId: 'r', model: 'm', inputs: ['a'] }
  assert.equal(countTokens({ request: embedding, text: '', tokenIds: null }, words).promptTokens, null)
  const sampling = { temperature: 0, topP: 1, stop: [], frequencyPenalty: 0, presencePenalty: 0 }
  const request: EngineRequest = {
    kind: 'chat',
    requestId: 'r',
    model: 'm',
    messages: [],
    maxTokens: 1,
    sampling,
  }
  assert.equal(countTokens({ request, text: '', tokenIds: null }, words).promptTokens, null)
})

/** Words are tokens from 1000 on, bytes are themselves. */
const words: Vocabulary = {
  tokenizer: {
    tokenize: (text) => text.split(/(?= )/).map((_, index) => 1000 + index),
    firstToken: null,
    renderChat: null,
  },
  pieces: {
    bytesOf: (id) => (id < 256 ? Uint8Array.of(id) : Buffer.from(id === 1000 ? 'to' : ' be')),
    hasLeadingSpace: false,
  },
}

const count = (text: string, tokenIds: readonly number[] | null): number =>
  countTokens({ request: null, text, tokenIds }, words).completionTokens
