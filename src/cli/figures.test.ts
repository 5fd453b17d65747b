import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  formatDays,
  formatQuantity,
  formatShare,
  formatWithUnit,
  rangeBar,
  sparkline,
  wrapText,
} from './figures.ts'

test('quantities have the digits that matter, in groups of three', () => {
  const cases: [number, string][] = [
    [0, '0'],
    [0.12, '0.12'],
    [0.00004, '0.00004'],
    [521.111, '521'],
    [88.889, '88.9'],
    [4791.8, '4,792'],
    [-1650, '-1,650'],
  ]
  for (const [value, text] of cases) assert.equal(formatQuantity(value), text)
})

test('a number is never without its unit', () => {
  assert.equal(formatWithUnit(0.12, 'USD/kWh'), '0.12 USD/kWh')
  assert.equal(formatWithUnit(0.5, 'share'), '50 %')
  assert.equal(formatWithUnit(0.1, 'share/year'), '10 %/year')
  assert.equal(formatWithUnit(1.2, 'ratio'), '× 1.2')
  assert.equal(formatWithUnit(1, 'GPUs'), '1 GPU')
  assert.equal(formatWithUnit(8, 'GPUs'), '8 GPUs')
})

test('shares and times are rounded to what can be known', () => {
  assert.equal(formatShare(0.51737), '51.7 %')
  assert.deepEqual([12.2, 90, 1_300].map(formatDays), ['13 days', '3 months', '3.6 years'])
})

test('a sparkline is as high as its counts, and blank where there are none', () => {
  assert.equal(sparkline([0, 1, 4, 8]), ' ▁▄█')
  assert.equal(sparkline([]), '')
  assert.equal(sparkline([0, 0]), '  ')
})

test('a bar spans its range and marks the base', () => {
  const scale = { low: 0, high: 9, width: 10 }
  assert.equal(rangeBar({ from: 2, to: 6, base: 4 }, scale), '  ██│██   ')
  assert.equal(rangeBar({ from: 6, to: 2, base: 4 }, scale), '  ██│██   ')
  assert.equal(rangeBar({ from: 1, to: 1, base: 1 }, { low: 1, high: 1, width: 3 }), '│  ')
})

test('lines are cut between words, and a long word stays whole', () => {
  assert.deepEqual(wrapText('one two three', 7), ['one two', 'three'])
  assert.deepEqual(wrapText('a incomprehensible b', 5), ['a', 'incomprehensible', 'b'])
})
