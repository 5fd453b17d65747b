import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { after, test } from 'node:test'
import { getLlama, LlamaLogLevel, type Token } from 'node-llama-cpp'
import { createRandom } from '#kernel/random.ts'
import { type Gguf, type GgufValue, readGguf } from './gguf.ts'
import { chat, completion, embedding, finishRun, openTinyEngine } from './tiny-engine.ts'
import { boundsOf } from './vocabulary-bounds.ts'

const guide = new URL('../../../models/guide/guide.gguf', import.meta.url)
const opened = await openTinyEngine()
after(() => opened.close())

/** What texts are made of here: whole control tokens and their beginnings, all kinds of white space, halves of characters. */
const SHREDS = [
  ...['<s>', '</s>', '<unk>', '<|end|>', '<|im_start|>', '<|im_end|>', '<|', '|>', '<0x0A>', '▁', 'Ġ', '<'],
  ...[' ', '\n', '\t', '\r\n', '\u00a0', '\u2003', '\0', 'é', '漢', '🐟', '\ud83d', '\udc1f', '\ufffd'],
  ...['the', ' fish', ' documentation', 'documentation', '.', '1234', 'ﬁ', 'e\u0301', '\u0000a'],
]

for (const [name, path] of [
  ['SentencePiece', opened.modelPath],
  ['byte-level', guide.pathname],
] as const) {
  const skip = existsSync(path) ? false : `the model ${path} is not there`
  test(`no text has fewer tokens than is said, nor a control token that is not (${name})`, {
    skip,
  }, async () => {
    const { model, bounds } = await openVocabulary(path)
    const random = createRandom(7)
    for (let round = 0; round < 4_000; round++) {
      const text = Array.from({ length: 1 + random.int(12) }, () => SHREDS[random.int(SHREDS.length)]).join(
        '',
      )
      const shown = JSON.stringify(text)
      for (const isTrusted of [true, false]) {
        const count = model.tokenize(text, isTrusted).length
        assert.ok(bounds.tokensAtLeast(text) <= count, `${shown} has ${count} tokens`)
      }
      const spells = model.tokenize(text, true).some((token) => model.isSpecialToken(token))
      assert.ok(bounds.maySpellControlTokens(text) || !spells, `${shown} spells a control token`)
    }
    for (const text of ['A fish swims.', '1 < 2 | 3 > 2', 'a▁b', ' '.repeat(100)])
      assert.equal(bounds.maySpellControlTokens(text), false, text)
    await model.dispose()
  })
}

test('nothing is said of vocabularies that may leave out a part of a text', () => {
  const vocabulary = (model: string, tokens: string[]) =>
    new Map<string, GgufValue>([
      ['tokenizer.ggml.model', model],
      ['tokenizer.ggml.tokens', tokens],
      ['tokenizer.ggml.token_type', tokens.map(() => 1)],
    ])
  for (const model of ['llama', 'gpt2', 'bert', 't5'])
    assert.equal(
      boundsOf(vocabulary(model, ['a', 'b']), () => false),
      null,
      model,
    )
})

test('a prompt of a megabyte is refused by its bytes, and what may fit is counted', async () => {
  const { engine } = opened
  await engine.ready()
  const long = 'the fish swims in the sea, '.repeat(40_000)
  const found = async (request: ReturnType<typeof completion>) => {
    const { problem } = await finishRun(engine, request)
    assert.equal(problem?.code, 'context_length_exceeded')
    return /(?:resulted in|has) ((?:at least )?\d+)/.exec(problem.message)?.[1]
  }
  assert.match((await found(completion(long))) ?? '', /^at least \d+$/)
  assert.match((await found(chat([{ role: 'user', content: long }]))) ?? '', /^at least \d+$/)
  assert.match((await found(chat([{ role: 'user', content: `${long}<|end|>` }]))) ?? '', /^at least \d+$/)
  assert.match((await found(embedding([long]))) ?? '', /^at least \d+$/)
  assert.match((await found(completion(long.slice(0, 8_000)))) ?? '', /^\d+$/)
  // The template leaves white space at the ends out.
  const spaces = await finishRun(engine, chat([{ role: 'user', content: `hi${' '.repeat(1_000_000)}` }]))
  assert.equal(spaces.end?.finishReason, 'length')
})

async function openVocabulary(path: string) {
  const file = readFileSync(path)
  const gguf: Gguf = readGguf(
    { sizeBytes: file.length, read: (offset, length) => file.subarray(offset, offset + length) },
    path,
  )
  const llama = await getLlama({ gpu: false, build: 'never', logLevel: LlamaLogLevel.disabled })
  const model = await llama.loadModel({ modelPath: path, vocabOnly: true })
  const bounds = boundsOf(gguf.metadata, (token) => model.isSpecialToken(token as Token))
  assert.ok(bounds)
  return { model, bounds }
}
