import assert from 'node:assert/strict'
import { test } from 'node:test'
import { partOf, sizeOf } from './challenge-size.ts'

const MIB = 1024 * 1024

test('what a card has to keep for a proof, with the hashes above its rows, is a quarter of its memory at most', () => {
  for (const memoryMib of [1_024, 8_192, 12_288, 16_384, 24_576, 49_140, 81_559]) {
    const { rows, width, rounds } = sizeOf({ deviceId: 'card', kind: 'cuda', name: 'card', memoryMib })
    const bytes = rows * width * (rounds + 1) + rows * 64 * rounds
    assert.ok(bytes <= (memoryMib * MIB) / 4, `${memoryMib} MiB: ${bytes / MIB} MiB`)
    assert.ok(bytes > (memoryMib * MIB) / 10, `${memoryMib} MiB: ${bytes / MIB} MiB`)
  }
})

test('what does not fit is asked for by quarters, and ends', () => {
  const rows: number[] = []
  let size = partOf(sizeOf({ deviceId: 'card', kind: 'cuda', name: 'card', memoryMib: 16_384 }))
  for (; size; size = partOf(size)) rows.push(size.rows)
  assert.deepEqual(rows, [2 ** 17, 2 ** 15, 2 ** 13, 2 ** 12])
  assert.equal(partOf(sizeOf({ deviceId: 'cpu', kind: 'cpu', name: 'cpu', memoryMib: 0 })), null)
})
