import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createRandom } from '#kernel/random.ts'
import { hexOf } from './chunk-list.ts'
import { type ChunkPlace, ChunkTable } from './chunk-table.ts'

test('it says what a map says, however it grew and was emptied', () => {
  for (let seed = 1; seed <= 4; seed++) {
    const random = createRandom(seed)
    const table = new ChunkTable()
    const map = new Map<string, ChunkPlace>()
    for (let step = 0; step < 20_000; step++) {
      const hash = hashOf(random.int(6_000))
      const act = random.int(20)
      if (act < 13) {
        const place = {
          packNumber: random.int(50),
          offset: random.int(1 << 22),
          length: 1 + random.int(9_000),
        }
        table.set(hash, place)
        map.set(hexOf(hash), place)
      } else if (act < 19 || step % 50 > 0) {
        table.delete(hash)
        map.delete(hexOf(hash))
      } else {
        const gone = random.int(50)
        table.deleteWhere((packNumber) => packNumber === gone)
        for (const [name, { packNumber }] of map) if (packNumber === gone) map.delete(name)
      }
      const asked = hashOf(random.int(6_000))
      assert.deepEqual(table.get(asked), map.get(hexOf(asked)) ?? null)
      assert.equal(table.count, map.size)
    }
  }
})

function hashOf(number: number): Uint8Array {
  const random = createRandom(number)
  return Uint8Array.from({ length: 32 }, () => random.int(256))
}
