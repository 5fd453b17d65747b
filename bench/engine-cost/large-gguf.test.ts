import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { chat, completion, finishRun, openTinyEngine } from '#engines/llama-cpp/tiny-engine.ts'
import { largeShape, writeLargeGguf } from './large-gguf.ts'

const small = { ...largeShape, dimension: 64, feedForward: 96, layers: 2, heads: 4 }

test('equal seeds give equal bytes, and others give others', (t) => {
  const path = setup(t)
  const hashOf = (seed: number): string => {
    const size = writeLargeGguf(path, small, seed)
    assert.equal(size, statSync(path).size)
    return createHash('sha256').update(readFileSync(path)).digest('hex')
  }
  const first = hashOf(1)
  assert.equal(hashOf(1), first)
  assert.notEqual(hashOf(2), first)
})

test('the engine says one token at a time with it, each a text, until the limit', async (t) => {
  const path = setup(t)
  writeLargeGguf(path, small)
  const tiny = await openTinyEngine({ file: readFileSync(path) })
  t.after(() => tiny.close())
  await tiny.engine.ready()
  for (const request of [
    completion('the node', { maxTokens: 40 }),
    chat([{ role: 'user', content: 'hello' }], { maxTokens: 40 }),
  ]) {
    const { deltas, end } = await finishRun(tiny.engine, request)
    assert.equal(end?.finishReason, 'length')
    assert.deepEqual(
      deltas.map(({ tokenCount }) => tokenCount),
      Array.from({ length: 40 }, () => 1),
    )
    assert.ok(deltas.every(({ text }) => text !== '' && !text.includes('\ufffd')))
    assert.ok(new Set(deltas.map(({ text }) => text)).size > 3, 'and not the same again and again')
  }
})

test('whole, it is larger than 90 MiB', () => {
  const { dimension, feedForward, layers } = largeShape
  const weights = layers * (4 * dimension ** 2 + 3 * dimension * feedForward)
  assert.ok((weights * 34) / 32 > 90 * 2 ** 20)
})

function setup(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'shoal-large-gguf-'))
  t.after(() => rmSync(folder, { recursive: true }))
  return join(folder, 'large.gguf')
}
