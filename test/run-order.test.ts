import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { inOrder, LONGEST, WAITING } from './run-order.ts'

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
