import assert from 'node:assert/strict'
import { test } from 'node:test'
import { decimal, duration, usd, wholeNumber } from './arguments.ts'
import {
  formatAge,
  formatCount,
  formatMoney,
  formatMoneyRange,
  formatNoun,
  formatPosting,
  formatTime,
} from './format.ts'

test('amounts have every digit that they need', () => {
  assert.deepEqual([0n, 1n, -1n, 1_500_000_000n, -2_000_000_000n].map(formatMoney), [
    '$0.00',
    '$0.000000001',
    '-$0.000000001',
    '$1.50',
    '-$2.00',
  ])
  assert.deepEqual([5_000_000_000n, -5_000_000_000n].map(formatPosting), ['+$5.00', '-$5.00'])
  assert.equal(formatMoneyRange({ min: 1n, max: 2n }), '$0.000000001 to $0.000000002')
})

test('times, ages and counts are short', () => {
  assert.equal(formatTime(Date.UTC(2026, 10, 22, 13, 4, 5, 678)), '2026-11-22 13:04:05')
  const ages = [-5, 59_999, 60_000, 3_600_000, 47 * 3_600_000, 48 * 3_600_000]
  assert.deepEqual(
    ages.map((ageMs) => formatAge(0, ageMs)),
    ['0 s ago', '59 s ago', '1 min ago', '1 h ago', '47 h ago', '2 days ago'],
  )
  assert.deepEqual([0, 999, 1_000, 1_234_567].map(formatCount), ['0', '999', '1,000', '1,234,567'])
  assert.deepEqual(
    [1, 2].map((count) => formatNoun(count, 'node')),
    ['1 node', '2 nodes'],
  )
})

test('what people type is read strictly', () => {
  assert.deepEqual(['90s', '15m', '2h', '7d'].map(duration), [90_000, 900_000, 7_200_000, 604_800_000])
  assert.deepEqual(['5', '$0.25'].map(usd), [5_000_000_000n, 250_000_000n])
  assert.equal(wholeNumber(1, 10)('10'), 10)
  assert.equal(decimal(0, 2)('0.5'), 0.5)
  const wrong: (() => unknown)[] = [
    ...['', '0s', '1', '1w', '1.5h', '-1s', '1e3s'].map((text) => () => duration(text)),
    ...['', '0', '-1', '1e3', '1.0000000001', 'x'].map((text) => () => usd(text)),
    ...['0', '11', '1.5', '1e1', '', ' 5', '0x5'].map((text) => () => wholeNumber(1, 10)(text)),
    ...['2.1', '-0.1', '', '.5', 'NaN'].map((text) => () => decimal(0, 2)(text)),
  ]
  for (const read of wrong) assert.throws(read, /Expected/)
})
