import assert from 'node:assert/strict'
import { test } from 'node:test'
import { DAY_MS } from '#kernel/time.ts'
import { correlationOf, historyOf, type TokenPrice } from './token-history.ts'
import { lockLossShare } from './token-payout.ts'

test('the risk of a lock-up is the published one, but for 38 % after 30 days where 39 % was printed', () => {
  const percents = [7, 30, 180].map((days) => Math.round(lockLossShare(1.03, days) * 100))
  assert.deepEqual(percents, [21, 38, 70])
  assert.equal(lockLossShare(1.03, 0), 0)
})

test('volatility comes from samples however far apart, drawdown from the peak before the low', () => {
  const history = historyOf(series([1, 2, 1, 4, 1, 2], [0, 7, 14, 28, 35, 365]))
  const squares = Math.log(2) ** 2 * (1 + 1 + 4 + 4 + 1)
  assert.equal(history?.volatilityPerYear.toFixed(9), Math.sqrt(squares).toFixed(9))
  assert.equal(history?.maxDrawdown, -0.75)
  assert.deepEqual([history?.change, history?.count], [1, 6])
})

test('two prices say nothing of a past', () => {
  assert.equal(historyOf(series([1, 2])), null)
  assert.equal(correlationOf(series([1, 2]), series([1, 2])), null)
})

test('tokens that move as one, against each other, and not at all', () => {
  const a = series([1, 2, 1, 3, 2])
  const opposite = a.map(({ atMs, usd }) => ({ atMs, usd: 1 / usd }))
  assert.equal(correlationOf(a, series([2, 4, 2, 6, 4]))?.toFixed(9), '1.000000000')
  assert.equal(correlationOf(a, opposite)?.toFixed(9), '-1.000000000')
  assert.equal(correlationOf(a, series([1, 1, 1, 1, 1])), null)
})

test('only the instants of both series count', () => {
  const a = series([1, 2, 1, 3, 2, 9], [0, 1, 2, 3, 4, 6])
  const b = series([7, 2, 4, 2, 6, 4], [-1, 0, 1, 2, 3, 4])
  assert.equal(correlationOf(a, b)?.toFixed(9), '1.000000000')
})

function series(usd: readonly number[], days = usd.map((_, index) => index)): TokenPrice[] {
  return usd.map((price, index) => ({ atMs: (days[index] ?? 0) * DAY_MS, usd: price }))
}
