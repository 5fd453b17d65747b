import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { LlamaModel } from 'node-llama-cpp'
import { createEmbedder } from './embedder.ts'

test('a context that could not be made once is made at the next request, and then kept', async () => {
  let tries = 0
  const context = {
    calculateInputLength: () => 3,
    getEmbeddingFor: async () => ({ vector: [3, 4] }),
  }
  const model = {
    tokenize: () => [1, 2, 3],
    async createEmbeddingContext() {
      tries++
      if (tries === 1) throw new Error('no memory left')
      return context
    },
  }
  // What the embedder asks of a model is these two.
  const embedder = createEmbedder({
    model: model as unknown as LlamaModel,
    contextTokens: 100,
    threads: 1,
    tokensAtLeast: undefined,
  })
  await assert.rejects(embedder.prepare(['one']), /no memory left/)
  const [prepared] = await embedder.prepare(['one'])
  assert.deepEqual([...((await prepared?.embed()) ?? [])], [...Float32Array.of(0.6, 0.8)])
  await embedder.prepare(['two', 'three'])
  assert.equal(tries, 2)
})
