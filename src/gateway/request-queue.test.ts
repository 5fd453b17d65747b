import assert from 'node:assert/strict'
import { test } from 'node:test'
import { RequestQueue } from './request-queue.ts'

test('what waits comes in order, what failed a try comes first', () => {
  const queue = new RequestQueue<string>(3)
  queue.push('a')
  queue.push('b')
  queue.unshift('again')
  assert.deepEqual(queue.candidates(), ['again', 'a', 'b'])
})

test('a full queue takes nobody new, but takes back whom it had admitted', () => {
  const queue = new RequestQueue<string>(1)
  assert.equal(queue.push('a'), true)
  assert.equal(queue.push('b'), false)
  queue.unshift('again')
  assert.deepEqual([queue.candidates(), queue.length], [['again', 'a'], 2])
})

test('the queue may change while what waits is walked', () => {
  const queue = new RequestQueue<string>(3)
  for (const item of ['a', 'b', 'c']) queue.push(item)
  const walked: string[] = []
  for (const item of queue.candidates()) {
    walked.push(item)
    queue.remove(item)
    queue.remove(item)
  }
  assert.deepEqual([walked, queue.length], [['a', 'b', 'c'], 0])
})

test('a queue for nobody is a bug', () => {
  assert.throws(() => new RequestQueue(0), { name: 'AssertionError' })
})
