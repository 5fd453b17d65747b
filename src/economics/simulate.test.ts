import assert from 'node:assert/strict'
import { test } from 'node:test'
import { accountOf } from './daily-account.ts'
import { assumedDrivers, type Drivers } from './drivers.ts'
import { type SimulationInput, simulate } from './simulate.ts'
import { g1 } from './test-terms.ts'

test('one seed gives one forecast, another seed another', () => {
  const input = setup({})
  assert.deepEqual(simulate(input, 3), simulate(input, 3))
  assert.notDeepEqual(simulate(input, 3).cash, simulate(input, 4).cash)
})

test('where nothing is uncertain, every future is twelve months of the mean day', () => {
  const input = setup({ drivers: certain })
  const { cash, economic } = simulate(input, 1)
  const year = 365 * accountOf(input.terms, null).cashUsdPerDay
  for (const value of Object.values(cash.netUsd)) assert.ok(Math.abs(value - year) < 1e-3, `${value} ${year}`)
  const lossOfValue = 2_470 * 0.25
  assert.ok(Math.abs((economic?.netUsd.p50 ?? 0) - (year - lossOfValue)) < 1e-3)
})

test('the months of a year add up to the year', () => {
  const { byMonth, cash } = simulate(setup({}), 1)
  assert.equal(byMonth.length, 12)
  assert.deepEqual(byMonth.at(-1)?.totalCashUsd, cash.netUsd)
})

test('the first year of a longer forecast is the forecast of a year', () => {
  const long = simulate(setup({ months: 36 }), 1)
  const short = simulate(setup({ months: 12 }), 1)
  assert.deepEqual(long.byMonth.slice(0, 12), short.byMonth)
})

test('a bad case is worse than the fifth percentile, and the histogram has every path', () => {
  const { cash, paths } = simulate(setup({}), 1)
  assert.ok(cash.worstMeanUsd < cash.netUsd.p5)
  assert.equal(
    cash.histogramUsd.reduce((sum, { count }) => sum + count, 0),
    paths,
  )
})

test('payback grows likelier with time, and resale makes it likelier still', () => {
  const { payback } = simulate(setup({ purchaseUsd: 700 }), 1)
  assert.deepEqual(
    payback.map(({ months }) => months),
    [12, 24, 36],
  )
  const [first, second, third] = payback.map(({ byCashShare }) => byCashShare)
  assert.ok(first !== undefined && second !== undefined && third !== undefined)
  assert.ok(first < second && second < third, `${first} ${second} ${third}`)
  for (const { byCashShare, withResaleShare } of payback) assert.ok(withResaleShare >= byCashShare)
})

test('without a purchase price there is no economic view and no payback', () => {
  const { economic, fullBreakEvenUsdPerKwh, payback } = simulate(setup({ purchaseUsd: null }), 1)
  assert.deepEqual([economic, fullBreakEvenUsdPerKwh, payback], [null, null, []])
})

test('a token that is sold late or held spreads what a year brings and leaves its mean', () => {
  const stable = simulate(setup({}), 1).cash
  const ways = [
    { tie: 'usd_indexed', lockDays: 180, isHeld: false },
    { tie: 'usd_indexed', lockDays: 0, isHeld: true },
    { tie: 'floating', lockDays: 0, isHeld: false },
  ] as const
  // What moves with the rental price and the utilisation has a mean of its own: without that, tokens are fair.
  const correlations = { ...assumedDrivers.correlations, tokenRental: 0, tokenUtilisation: 0 }
  for (const way of ways) {
    const payout = { kind: 'token', volatilityPerYear: 0.6, ...way } as const
    const { cash } = simulate(setup({ payout, drivers: { ...assumedDrivers, correlations } }), 1)
    assert.ok(cash.netUsd.p95 - cash.netUsd.p5 > stable.netUsd.p95 - stable.netUsd.p5)
    assert.ok(Math.abs(cash.meanUsd / stable.meanUsd - 1) < 0.05, `${cash.meanUsd} ${stable.meanUsd}`)
  }
})

test('a token that is sold on the day it is paid in dollars is dollars', () => {
  const payout = {
    kind: 'token',
    tie: 'usd_indexed',
    volatilityPerYear: 1,
    lockDays: 0,
    isHeld: false,
  } as const
  assert.deepEqual(simulate(setup({ payout }), 1).cash, simulate(setup({}), 1).cash)
})

test('every number is finite at the ends of what may be put in', () => {
  const ends: Partial<SimulationInput['terms']>[] = [
    { utilisation: 0 },
    { utilisation: 1, availability: 1 },
    { utilisation: 0.01, availability: 0.01 },
    { electricityUsdPerKwh: 0 },
    { takeShare: 1 },
    { gpuCount: 1_000 },
  ]
  for (const change of ends) {
    const text = JSON.stringify(simulate({ ...setup({ paths: 300 }), terms: { ...g1.terms, ...change } }, 1))
    // JSON writes null for what is no number.
    assert.doesNotMatch(text, /null/, JSON.stringify(change))
  }
})

/** The same drivers, with nothing left to chance. */
const certain: Drivers = {
  ...assumedDrivers,
  rental: { driftPerYear: 0, volatilityPerYear: 0 },
  utilisation: { pullPerMonth: 0.35, volatilityPerMonth: 0 },
  availabilityTrials: 1e12,
  loadShare: { mean: 0.82, deviation: 0, min: 0, max: 1 },
  electricityVolatilityPerYear: 0,
  resale: { medianPerYear: 0.75, volatilityPerYear: 0 },
  failure: { chancePerYear: 0, daysDown: 0, usd: 0 },
}

function setup(change: Partial<SimulationInput>): SimulationInput {
  return {
    terms: g1.terms,
    ratedGpuWatts: 500,
    purchaseUsd: 2_470,
    payout: { kind: 'stable' },
    drivers: assumedDrivers,
    months: 12,
    paths: 4_000,
    ...change,
  }
}
