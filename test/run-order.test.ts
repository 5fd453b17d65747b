import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { inOrder, LONGEST, takeNext, WAITING } from './run-order.ts'

test('every file that the order names is there, and stands in it once', () => {
  const named = [...LONGEST, ...WAITING]
  assert.deepEqual(
    named.filter((file) => !existsSync(join(import.meta.dirname, '..', file))),
    [],
  )
  assert.equal(new Set(named).size, named.length)
})

test('the longest begin first, then those that often take long, then the others by name, and none is left out', () => {
  const [longest = '', next = ''] = LONGEST
  const [waiting = ''] = WAITING
  const others = ['src/sim/new.test.ts', 'test/e2e/new.test.ts', 'src/a.test.ts', 'src/z.test.ts']
  const files = [longest, next, waiting, ...others]
  assert.deepEqual(inOrder(files.toReversed()), files)
})

test('as many run at once as the cores take, the first that fits first', () => {
  const [waiting = '', another = ''] = WAITING
  const files = ['src/sim/a.test.ts', 'src/sim/b.test.ts', 'test/e2e/a.test.ts', waiting, another]
  const queue = [...files]
  const running: string[] = []
  const fill = (cores: number): void => {
    for (let next = takeNext(queue, running, cores); next; next = takeNext(queue, running, cores))
      running.push(next)
  }
  fill(2)
  assert.deepEqual(running, files.slice(0, 2))
  running.shift()
  fill(2)
  assert.deepEqual(running, ['src/sim/b.test.ts', 'test/e2e/a.test.ts', waiting])
  running.splice(0)
  // What is more than one core takes runs alone.
  fill(0.1)
  assert.deepEqual(running, [another])
  assert.equal(takeNext([], [], 2), undefined)
})
