import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { nodeChildren } from '#host/node/node-children.ts'
import { nodeClock } from '#host/node/node-clock.ts'
import type { CountAsk, TokenCount, TokenCounter } from '#host/token-counter.ts'
import { chat, finishRun, openTinyEngine } from './tiny-engine.ts'
import { tinyTokens } from './tiny-gguf-head.ts'
import { createTokenCounter } from './token-counter.ts'

const tiny = await openTinyEngine()
await tiny.engine.ready()
const { counter } = setup(tiny.modelPath)
after(async () => {
  counter.close()
  await tiny.close()
})

const request = chat([{ role: 'user', content: 'hello there' }], { maxTokens: 64 })
const answer = await finishRun(tiny.engine, request)

test('what an honest engine says counts as it says it, prompt and answer', async () => {
  const { text, tokenIds, startedWith } = answer
  assert.deepEqual(await count({ request, text, tokenIds }), {
    promptTokens: startedWith,
    completionTokens: tokenIds.length,
  })
})

test('an answer that ends at a stop text has ids that spell more than it', async () => {
  const { text, tokenIds } = answer
  const counted = await count({ request: null, text: text.slice(0, -3), tokenIds })
  assert.deepEqual(counted, { promptTokens: null, completionTokens: tokenIds.length })
})

test('padding without text counts for nothing, but for a few', async () => {
  const padded = answer.tokenIds.flatMap((id) => [id, tinyTokens.user, tinyTokens.user])
  const counted = await count({ request: null, text: answer.text, tokenIds: padded })
  assert.ok((counted?.completionTokens ?? Number.POSITIVE_INFINITY) <= answer.tokenIds.length + 16)
})

test('ids that spell another text count as the text', async () => {
  const plain = await count({ request: null, text: 'hello you', tokenIds: null })
  const other = await count({ request: null, text: 'hello you', tokenIds: answer.tokenIds })
  assert.deepEqual(other, plain)
})

test('ids beyond the vocabulary are no tokens', async () => {
  const tokenIds = [...answer.tokenIds, ...Array.from({ length: 99 }, (_, index) => 4e9 - index)]
  const counted = await count({ request: null, text: answer.text, tokenIds })
  assert.ok((counted?.completionTokens ?? Number.POSITIVE_INFINITY) <= answer.tokenIds.length + 16)
})

test('what cannot be counted is told so: a file that is no model, a child that is gone', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'shoal-counter-'))
  after(() => rm(folder, { recursive: true }))
  const path = join(folder, 'none.gguf')
  await writeFile(path, 'no model')
  const broken = setup(path).counter
  assert.equal(await ask(broken, { request: null, text: 'a', tokenIds: null }), null)
  assert.equal(await ask(broken, { request: null, text: 'a', tokenIds: null }), null)
  broken.close()
})

const count = (what: CountAsk): Promise<TokenCount | null> => ask(counter, what)

const ask = (one: TokenCounter, what: CountAsk): Promise<TokenCount | null> =>
  new Promise((resolve) => one.count(what, resolve))

function setup(modelPath: string): { counter: TokenCounter } {
  const nothing = (): void => undefined
  const log = { info: nothing, warn: nothing, error: nothing }
  return { counter: createTokenCounter(modelPath, { children: nodeChildren, clock: nodeClock, log }) }
}
