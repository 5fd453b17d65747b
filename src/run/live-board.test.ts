import assert from 'node:assert/strict'
import { test } from 'node:test'
import { LIVE_BOUNDS_MS, quantileMs } from '#protocol/live.ts'
import { Tally } from './live-tally.ts'

test('rates are of the last ten seconds', () => {
  const tally = new Tally(0)
  for (let second = 1; second <= 60; second++) {
    tally.tokens += second <= 30 ? 100 : 10
    tally.requests += 1
    tally.tick(second * 1_000)
  }
  assert.equal(tally.rates().tokensPerSecond, 10)
  assert.equal(tally.rates().requestsPerSecond, 1)
})

test('what begins later is measured over the same time as the whole', () => {
  const whole = new Tally(0)
  for (let second = 1; second <= 5; second++) whole.tick(second * 1_000)
  const later = new Tally(5_000, whole.sinceMs)
  for (const tally of [whole, later]) {
    tally.tokens += 60
    tally.tick(6_000)
  }
  assert.equal(later.rates().tokensPerSecond, whole.rates().tokensPerSecond)
})

test('times are forgotten after a minute at most', () => {
  const tally = new Tally(0)
  tally.firstToken(100)
  tally.tick(30_000)
  assert.equal(quantileMs(tally.rates().firstTokens, 0.5) !== null, true)
  tally.tick(60_000)
  assert.equal(quantileMs(tally.rates().firstTokens, 0.5), null)
})

test('what never moves is idle after ten minutes', () => {
  const tally = new Tally(0)
  tally.tick(599_000)
  assert.equal(tally.isIdle(599_000), false)
  assert.equal(tally.isIdle(601_000), true)
  tally.failures++
  tally.tick(601_000)
  assert.equal(tally.isIdle(601_000), false)
})

test('a quantile is within a tenth of the truth, for any time that a request may take', () => {
  for (const ms of [2, 17, 250, 3_333, 60_000]) {
    const tally = new Tally(0)
    for (let count = 0; count < 100; count++) tally.firstToken(ms)
    const found = quantileMs(tally.rates().firstTokens, 0.5) ?? 0
    assert.ok(Math.abs(found - ms) <= 0.11 * ms, `${found} for ${ms}`)
  }
  assert.equal(quantileMs([], 0.5), null)
  const far = new Tally(0)
  far.firstToken(10_000_000)
  assert.equal(quantileMs(far.rates().firstTokens, 0.99), Math.round((LIVE_BOUNDS_MS.at(-1) ?? 0) * 10) / 10)
})
