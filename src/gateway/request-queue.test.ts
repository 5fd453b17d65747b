import assert from 'node:assert/strict'
import { test } from 'node:test'
import { RequestQueue } from './request-queue.ts'

const [a, b, c, d] = ['a', 'b', 'c', 'd'].map((name) => ({ name })) as [Item, Item, Item, Item]
interface Item {
  readonly name: string
}

test('what waits comes in order, and what failed a try takes its old place', () => {
  const queue = new RequestQueue<Item>(4)
  for (const item of [a, b, c, d]) queue.push(item)
  for (const item of [a, b, c]) queue.remove(item)
  for (const item of [b, c, a]) queue.putBack(item)
  assert.deepEqual(queue.candidates(), [a, b, c, d])
})

test('a full queue takes nobody new, but takes back whom it had admitted', () => {
  const queue = new RequestQueue<Item>(1)
  assert.equal(queue.push(a), true)
  assert.equal(queue.push(b), false)
  queue.remove(a)
  queue.push(c)
  queue.putBack(a)
  assert.deepEqual([queue.candidates(), queue.length], [[a, c], 2])
})

test('the queue may change while what waits is walked', () => {
  const queue = new RequestQueue<Item>(3)
  for (const item of [a, b, c]) queue.push(item)
  const walked: Item[] = []
  for (const item of queue.candidates()) {
    walked.push(item)
    queue.remove(item)
    queue.remove(item)
  }
  assert.deepEqual([walked, queue.length], [[a, b, c], 0])
})

test('putting back what was never admitted, and a queue for nobody, are bugs', () => {
  assert.throws(() => new RequestQueue<Item>(1).putBack(a), { name: 'AssertionError' })
  assert.throws(() => new RequestQueue<Item>(0), { name: 'AssertionError' })
})
