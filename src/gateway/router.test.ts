import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { createRandom, type Random } from '#kernel/random.ts'
import { type Candidate, chooseNode } from './router.ts'

const candidates = fc.array(
  fc.record({
    nodeId: fc.uuid(),
    outstanding: fc.nat(6),
    slots: fc.integer({ min: 1, max: 6 }),
    decodeTokensPerSecond: fc.double({ min: 0, max: 500, noNaN: true }),
  }),
  { maxLength: 8 },
)

test('a node without a free slot is never chosen, and nobody only when all are full', () => {
  fc.assert(
    fc.property(candidates, fc.integer(), (nodes, seed) => {
      const chosen = chooseNode(nodes, createRandom(seed))
      if (chosen === null) return nodes.every((node) => node.outstanding >= node.slots)
      return nodes.includes(chosen) && chosen.outstanding < chosen.slots
    }),
  )
})

test('of the two that are drawn the one that frees up sooner is chosen', () => {
  fc.assert(
    fc.property(candidates, fc.nat(7), fc.nat(7), (nodes, a, b) => {
      const free = nodes.filter((node) => node.outstanding < node.slots)
      if (free.length < 2) return
      const drawn = [a % free.length, b % free.length]
      const chosen = chooseNode(nodes, drawing(drawn))
      const waits = drawn.map((index) => waitOf(free[index]))
      assert.equal(waitOf(chosen ?? undefined), Math.min(...waits))
    }),
  )
})

test('over all draws the choice is that of two: the best is taken most often, the worst least, none never', () => {
  const nodes = [1, 2, 3, 4].map((speed) => candidate(String(speed), { decodeTokensPerSecond: speed }))
  const counts = new Map<string, number>()
  for (const [a] of nodes.entries()) {
    for (const [b] of nodes.entries()) {
      const { nodeId } = chooseNode(nodes, drawing([a, b])) ?? assert.fail('all are free')
      counts.set(nodeId, (counts.get(nodeId) ?? 0) + 1)
    }
  }
  // The k-th of n from the worst wins 2k - 1 of n² draws.
  assert.deepEqual(Object.fromEntries(counts), { 1: 1, 2: 3, 3: 5, 4: 7 })
})

test('a busy fast node may still free up sooner than an idle slow one', () => {
  const slow = candidate('slow', { decodeTokensPerSecond: 5 })
  const fast = candidate('fast', { decodeTokensPerSecond: 100, outstanding: 3 })
  assert.equal(chooseNode([slow, fast], drawing([0, 1])), fast)
  assert.equal(chooseNode([slow, fast], drawing([1, 0])), fast)
})

test('a single free node is taken without a draw', () => {
  const only = candidate('only', {})
  const full = candidate('full', { outstanding: 4 })
  assert.equal(chooseNode([full, only], drawing([])), only)
  assert.equal(chooseNode([full], drawing([])), null)
  assert.equal(chooseNode([], drawing([])), null)
})

const candidate = (nodeId: string, part: Partial<Candidate>): Candidate => ({
  nodeId,
  outstanding: 0,
  slots: 4,
  decodeTokensPerSecond: 50,
  ...part,
})

const waitOf = (node: Candidate | undefined): number => {
  assert.ok(node)
  return (node.outstanding + 1) / Math.max(node.decodeTokensPerSecond, 0.001)
}

/** Draws exactly `values`; any further draw is a failure. */
function drawing(values: readonly number[]): Random {
  const left = [...values]
  return {
    int: (bound) => {
      const value = left.shift()
      assert.ok(value !== undefined && value < bound, 'a draw that was foreseen')
      return value
    },
    chance: () => assert.fail('nothing is left to chance'),
  }
}
