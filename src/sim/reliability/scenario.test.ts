import assert from 'node:assert/strict'
import { test } from 'node:test'
import { shareFigures, wilson } from './scenario.ts'

test("Wilson's interval is the one of the tables, and never leaves what a share can be", () => {
  const [low, high] = wilson(8, 10)
  assert.ok(Math.abs(low - 0.4902) < 1e-4 && Math.abs(high - 0.9433) < 1e-4, `${low} to ${high}`)
  assert.deepEqual(wilson(0, 0), [0, 1])
  assert.equal(wilson(100_000, 100_000)[1], 1)
  assert.equal(wilson(0, 50)[0], 0)
})

test('a share comes with its interval, in percent', () => {
  const figures = shareFigures('succeeded', 99_990, 100_000)
  assert.equal(figures['succeededPercent'], 99.99)
  assert.ok(Number(figures['succeededWilsonLowPercent']) > 99.98)
})
