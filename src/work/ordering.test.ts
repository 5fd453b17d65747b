import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { dropRank, findRank, popRank, pushRank } from './rank-heap.ts'
import { taskOrder } from './task-order.ts'

test('the first, the last and the middle are first, then the middles between, then one after the other', () => {
  assert.deepEqual(taskOrder(100).slice(0, 9), [0, 99, 49, 24, 74, 1, 2, 3, 4])
  const known = [
    [1, [0]],
    [2, [0, 1]],
    [3, [0, 2, 1]],
    [5, [0, 4, 2, 1, 3]],
  ] as const
  for (const [count, order] of known) assert.deepEqual(taskOrder(count), order)
})

test('every task stands in the order once, and a twentieth of them are spread out', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 3_000 }), (count) => {
      const order = taskOrder(count)
      assert.deepEqual(
        order.toSorted((a, b) => a - b),
        Array.from({ length: count }, (_, place) => place),
      )
      const rest = order.slice(Math.max(3, Math.ceil(count / 20)))
      assert.deepEqual(
        rest,
        rest.toSorted((a, b) => a - b),
      )
    }),
  )
})

const step = fc.record({
  act: fc.constantFrom('push' as const, 'pop' as const, 'drop' as const, 'find' as const),
  rank: fc.nat(40),
})

test('a heap of ranks does what a sorted list does', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 80 }), (steps) => {
      const heap: number[] = []
      let model: number[] = []
      for (const { act, rank } of steps) {
        if (act === 'push' && !model.includes(rank)) {
          pushRank(heap, rank)
          model = [...model, rank].toSorted((a, b) => a - b)
        }
        if (act === 'pop') assert.equal(popRank(heap), model.shift())
        if (act === 'drop') {
          dropRank(heap, rank)
          model = model.filter((other) => other !== rank)
        }
        if (act === 'find') {
          const isEven = (other: number): boolean => other % 2 === 0
          assert.equal(findRank(heap, 100, isEven), model.find(isEven) ?? null)
          assert.equal(findRank(heap, 3, isEven), model.slice(0, 3).find(isEven) ?? null)
        }
        assert.deepEqual(
          heap.toSorted((a, b) => a - b),
          model,
        )
      }
    }),
  )
})
