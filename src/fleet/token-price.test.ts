import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Gpu, ModelCapability } from '#protocol/capability.ts'
import { tokenPrice } from './token-price.ts'

const model: ModelCapability = {
  id: 'm',
  fingerprint: 'f',
  tasks: ['chat'],
  contextTokens: 4_096,
  slots: 4,
  prefillTokensPerSecond: 1_000,
  decodeTokensPerSecond: 100,
  decodeTokensPerSecondSingle: 30,
}

test('prompt and generated tokens are priced by their own measured speed', () => {
  assert.deepEqual(tokenPrice({ gpus: [] }, model, 360_000_000n), {
    promptPerMillion: 100_000_000n,
    completionPerMillion: 1_000_000_000n,
  })
})

test('a node sells all its GPUs together, and without any its one processor', () => {
  const priceOf = (gpus: number) =>
    tokenPrice({ gpus: Array.from({ length: gpus }, () => ({}) as Gpu) }, model, 360_000_000n)
      .completionPerMillion
  assert.deepEqual([0, 1, 8].map(priceOf), [1_000_000_000n, 1_000_000_000n, 8_000_000_000n])
})
