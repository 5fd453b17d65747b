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

test('what was read before costs less by the owner’s discount, rounded up, and at a backstop what it states, never more', () => {
  const cachedOf = (capability: Parameters<typeof tokenPrice>[0]): bigint | undefined =>
    tokenPrice(capability, model, 360_000_000n).cachedPerMillion
  assert.equal(cachedOf({ gpus: [] }), undefined)
  assert.equal(cachedOf({ gpus: [], cachedDiscountBps: 7_500 }), 25_000_000n)
  assert.equal(cachedOf({ gpus: [], cachedDiscountBps: 10_000 }), 0n)
  const backstop = { promptPerMillion: 9n, completionPerMillion: 9n }
  assert.equal(cachedOf({ gpus: [], cachedDiscountBps: 7_500, backstop }), undefined)
  assert.equal(cachedOf({ gpus: [], backstop: { ...backstop, cachedPerMillion: 3n } }), 3n)
  assert.equal(cachedOf({ gpus: [], backstop: { ...backstop, cachedPerMillion: 10n } }), undefined)
})

test('a node sells all its GPUs together, and without any its one processor', () => {
  const priceOf = (gpus: number) =>
    tokenPrice({ gpus: Array.from({ length: gpus }, () => ({}) as Gpu) }, model, 360_000_000n)
      .completionPerMillion
  assert.deepEqual([0, 1, 8].map(priceOf), [1_000_000_000n, 1_000_000_000n, 8_000_000_000n])
})
