import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { LineSet } from './line-set.ts'

test('a set of lines has what was added to it, in as few runs as there can be', () => {
  fc.assert(
    fc.property(fc.uniqueArray(fc.integer({ min: 1, max: 60 }), { maxLength: 60 }), (lines) => {
      const set = new LineSet()
      for (const line of lines) set.add(line)
      assert.equal(set.count, lines.length)
      for (let line = 1; line <= 61; line++) assert.equal(set.has(line), lines.includes(line))
      const starts = lines.filter((line) => !lines.includes(line - 1))
      assert.equal(set.runs().length, starts.length)
      assert.deepEqual(LineSet.of(set.runs()).runs(), set.runs())
    }),
  )
})

test('a run touches those that it shares a line with, and no others', () => {
  const set = LineSet.of([
    [3, 5],
    [9, 9],
  ])
  assert.deepEqual(
    [set.hasAny([1, 2]), set.hasAny([5, 6]), set.hasAny([6, 8]), set.hasAny([1, 20])],
    [false, true, false, true],
  )
})

test('a line is added once', () => {
  const set = LineSet.of([[2, 4]])
  assert.throws(() => set.add(3), /added once/)
  assert.throws(() => set.addRun([1, 2]), /added once/)
})
