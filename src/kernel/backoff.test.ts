import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { backoffMs } from './backoff.ts'
import { createRandom } from './random.ts'

const policy = { delayMsMin: 100, delayMsMax: 5_000 }

test('a delay is between half of its ceiling and all of it, and the ceiling doubles up to the maximum', () => {
  fc.assert(
    fc.property(fc.integer(), fc.nat(5_000), (seed, attempt) => {
      const ceiling = Math.min(100 * 2 ** attempt, 5_000)
      const delayMs = backoffMs(attempt, policy, createRandom(seed))
      return Number.isInteger(delayMs) && delayMs >= ceiling / 2 && delayMs <= ceiling
    }),
  )
})

test('many that fail together spread out', () => {
  const random = createRandom(1)
  const delays = new Set(Array.from({ length: 100 }, () => backoffMs(10, policy, random)))
  assert.ok(delays.size > 90, `${delays.size} different delays of 100`)
})

test('a policy of one millisecond still waits', () => {
  const tiny = { delayMsMin: 1, delayMsMax: 1 }
  assert.equal(backoffMs(0, tiny, createRandom(1)), 1)
})
