import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createRandom } from '#kernel/random.ts'
import { ChunkCutter, COARSE, chunkSizesFor, FINE, MIDDLE, OBJECT_BYTES_MAX } from './chunk-cutter.ts'
import { CHUNKS_MAX } from './chunk-list.ts'

test('the cuts are the same in whatever pieces the bytes come', () => {
  const bytes = someBytes(400_000, 1)
  const whole = cutsOf([bytes])
  for (let seed = 1; seed <= 5; seed++) {
    const random = createRandom(seed)
    const pieces: Uint8Array[] = []
    for (let at = 0; at < bytes.length; ) {
      const length = 1 + random.int(40_000)
      pieces.push(bytes.subarray(at, at + length))
      at += length
    }
    assert.deepEqual(cutsOf(pieces), whole)
  }
})

test('an insertion moves the cuts near it alone', () => {
  const bytes = someBytes(1_000_000, 2)
  const edited = Buffer.concat([bytes.subarray(0, 500_000), Buffer.from('new'), bytes.subarray(500_000)])
  const before = new Set(cutsOf([bytes]))
  const moved = cutsOf([edited]).filter((at) => !before.has(at > 500_000 ? at - 3 : at))
  assert.ok(moved.length <= 3, `${moved.length} cuts moved`)
})

test('chunks have the sizes that they should', () => {
  const cuts = cutsOf([someBytes(4_000_000, 3)])
  const lengths = cuts.map((at, index) => at - (cuts[index - 1] ?? 0))
  assert.ok(lengths.every((length) => length > FINE.bytesMin && length <= FINE.bytesMax))
  const mean = lengths.reduce((sum, length) => sum + length, 0) / lengths.length
  assert.ok(mean > 6_000 && mean < 12_000, `${mean} on average`)
  assert.ok(cutsOf([new Uint8Array(400_000)]).every((at) => at % FINE.bytesMax === 0))
})

// Where the cuts fall is a format: with others nothing of what is stored would be found again.
test('the cuts of known bytes stay where they are', () => {
  assert.deepEqual(cutsOf([someBytes(60_000, 4)]), KNOWN)
})

test('the coarsest chunks are few enough for the largest object', () => {
  assert.deepEqual(chunkSizesFor(1, true), [FINE, MIDDLE, COARSE])
  assert.deepEqual(chunkSizesFor(OBJECT_BYTES_MAX, true), [COARSE])
  assert.ok(OBJECT_BYTES_MAX / COARSE.bytesMin <= CHUNKS_MAX)
})

const KNOWN = [8_893, 17_238, 30_568, 38_788, 50_782, 59_281]

function someBytes(length: number, seed: number): Uint8Array {
  const random = createRandom(seed)
  return Uint8Array.from({ length }, () => random.int(256))
}

function cutsOf(pieces: readonly Uint8Array[]): number[] {
  const cutter = new ChunkCutter(FINE)
  let at = 0
  return pieces.flatMap((piece) => {
    const cuts = cutter.push(piece).map((end) => at + end)
    at += piece.length
    return cuts
  })
}
