import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { formatIntRange, parseIntRange } from './int-range.ts'

test('any rising numbers survive being written and read', () => {
  const numbers = fc.uniqueArray(fc.integer({ min: -500, max: 500 }), { minLength: 1 })
  fc.assert(
    fc.property(numbers, (some) => {
      const rising = some.toSorted((a, b) => a - b)
      assert.deepEqual(parseIntRange(formatIntRange(rising), 2_000), rising)
    }),
  )
})

test('any text is read as numbers without repeats, or refused, and never more than asked for', () => {
  const text = fc.oneof(fc.string(), fc.stringMatching(/^[-\d,: ]{0,12}$/))
  fc.assert(
    fc.property(text, (some) => {
      const numbers = parseIntRange(some, 1_000)
      if (typeof numbers === 'string') return
      assert.equal(new Set(numbers).size, numbers.length)
      assert(numbers.length >= 1 && numbers.length <= 1_000)
    }),
  )
})

test('elements mean what the specification says', () => {
  const rows: [string, number[]][] = [
    ['5', [5]],
    ['-5', [-5]],
    ['1-3', [1, 2, 3]],
    ['-3--1', [-3, -2, -1]],
    ['1-10:4', [1, 5, 9]],
    ['10-1:-4', [10, 6, 2]],
    [' 3 , 1 - 2 ', [3, 1, 2]],
  ]
  for (const [text, numbers] of rows) assert.deepEqual(parseIntRange(text, 100), numbers, text)
  assert.deepEqual(
    ['1-3:0', '3-1', '1-3,2', '1--', 'a', '1-9999999'].map((text) => typeof parseIntRange(text, 100)),
    Array(6).fill('string'),
  )
  assert.equal(formatIntRange([1, 2, 3, 7, 9, 11, 20, 40, 41]), '1-3,7-11:2,20,40-41')
})
