import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { GgufValue } from './gguf.ts'
import { createTokenPieces } from './token-pieces.ts'

test('a SentencePiece vocabulary spells words, bytes and nothing for control tokens', () => {
  const spell = setup({
    model: 'llama',
    tokens: ['<s>', '\u2581the', '<0x0A>', '<0xFF>', '<think>'],
    types: [3, 1, 6, 6, 4],
  })
  assert.deepEqual(spell, ['', ' the', '\n', 'ff', '<think>'])
})

test('a byte-level vocabulary spells every byte, also those that are no character alone', () => {
  const spell = setup({
    model: 'gpt2',
    tokens: ['Ġthe', 'Ċ', 'Ã©', 'Ð', '<|im_end|>'],
    types: [1, 1, 1, 1, 3],
  })
  assert.deepEqual(spell, [' the', '\n', 'é', 'd0', ''])
})

test('only a SentencePiece vocabulary that adds spaces has a leading space', () => {
  const hasLeadingSpace = (entries: readonly (readonly [string, GgufValue])[]) =>
    createTokenPieces(new Map<string, GgufValue>([['tokenizer.ggml.tokens', []], ...entries]))
      ?.hasLeadingSpace
  assert.equal(hasLeadingSpace([['tokenizer.ggml.model', 'llama']]), true)
  assert.equal(hasLeadingSpace([['tokenizer.ggml.model', 'gpt2']]), false)
  assert.equal(
    hasLeadingSpace([
      ['tokenizer.ggml.model', 'llama'],
      ['tokenizer.ggml.add_space_prefix', false],
    ]),
    false,
  )
})

test('a vocabulary of an unknown kind is not guessed at', () => {
  assert.equal(
    createTokenPieces(
      new Map<string, GgufValue>([
        ['tokenizer.ggml.model', 'rwkv'],
        ['tokenizer.ggml.tokens', ['a']],
      ]),
    ),
    null,
  )
  assert.equal(createTokenPieces(new Map()), null)
})

/** Text of each token, or hex where it is not valid UTF-8. */
function setup(input: {
  model: string
  tokens: readonly string[]
  types: readonly number[]
}): readonly string[] {
  const pieces = createTokenPieces(
    new Map<string, GgufValue>([
      ['tokenizer.ggml.model', input.model],
      ['tokenizer.ggml.tokens', input.tokens],
      ['tokenizer.ggml.token_type', input.types],
    ]),
  )
  assert.ok(pieces)
  return input.tokens.map((_, token) => {
    const bytes = Buffer.from(pieces.bytesOf(token))
    return bytes.toString().includes('\uFFFD') ? bytes.toString('hex') : bytes.toString()
  })
}
