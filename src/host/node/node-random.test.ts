import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createNodeRandom } from './node-random.ts'

test('two sources differ from one another', () => {
  const [a, b] = [createNodeRandom(), createNodeRandom()]
  const draw = (random: typeof a): number[] => Array.from({ length: 8 }, () => random.int(2 ** 32))
  assert.notDeepEqual(draw(a), draw(b))
})
