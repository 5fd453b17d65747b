import assert from 'node:assert/strict'
import { test } from 'node:test'
import { VectorParts } from './vector-parts.ts'

const zeros = (numbers: number): string => Buffer.alloc(4 * numbers).toString('base64')

test('the most texts with 1,024 numbers each are taken, and not one number more', () => {
  const half = Array(1_024).fill(zeros(1_024))
  const whole = new VectorParts(2_048)
  assert.equal(whole.take(half), null)
  const vectors = whole.take(half)
  assert.ok(Array.isArray(vectors))
  assert.deepEqual([vectors.length, vectors.at(-1)?.length], [2_048, 1_024])
  const more = new VectorParts(3_000)
  assert.equal(more.take(half), null)
  assert.equal(more.take([...half, zeros(1)]), 'more numbers than a request for embeddings has')
})
