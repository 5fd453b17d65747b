import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { BoundedQueue } from './bounded-queue.ts'

const step = fc.oneof(
  { weight: 5, arbitrary: fc.record({ kind: fc.constant('push' as const), item: fc.nat(9) }) },
  { weight: 4, arbitrary: fc.constant({ kind: 'shift' as const }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('drop' as const), item: fc.nat(9) }) },
)

test('a queue does what an array with a maximum does', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 8 }),
      fc.array(step, { maxLength: 60, size: 'max' }),
      (lengthMax, steps) => {
        const queue = new BoundedQueue<number>(lengthMax)
        let model: number[] = []
        for (const next of steps) {
          switch (next.kind) {
            case 'push':
              assert.equal(queue.push(next.item), model.length < lengthMax)
              if (model.length < lengthMax) model.push(next.item)
              break
            case 'shift':
              assert.equal(queue.shift(), model.shift())
              break
            case 'drop':
              queue.drop((item) => item === next.item)
              model = model.filter((item) => item !== next.item)
          }
          assert.equal(queue.length, model.length)
          assert.equal(queue.peek(), model[0])
        }
      },
    ),
  )
})

test('an item that may be undefined still counts as an item', () => {
  const queue = new BoundedQueue<number | undefined>(2)
  queue.push(undefined)
  queue.push(1)
  assert.deepEqual([queue.length, queue.shift(), queue.shift(), queue.length], [2, undefined, 1, 0])
})

test('a queue that could never hold anything is a bug', () => {
  for (const lengthMax of [0, -1, 1.5, Number.POSITIVE_INFINITY]) {
    assert.throws(() => new BoundedQueue(lengthMax), { name: 'AssertionError' })
  }
})
