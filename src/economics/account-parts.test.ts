import assert from 'node:assert/strict'
import { test } from 'node:test'
import { DAY_MS } from '#kernel/time.ts'
import { breakEvenUsdPerKwh, breakEvenUtilisation, minimumPriceUsdPerGpuHour } from './break-even.ts'
import { breakEvenMap } from './break-even-map.ts'
import { accountOf, cashAfterTaxUsdPerDay } from './daily-account.ts'
import { marketLosses } from './depreciation.ts'
import { energyKwhPerDay } from './energy.ts'
import { paybackOf } from './payback.ts'
import { internalRateOfReturn, netPresentValueUsd } from './present-value.ts'
import { tornadoOf } from './sensitivity.ts'
import { g1 } from './test-terms.ts'

test('each hour of a day costs what its state draws: at work, idle, parked', () => {
  const terms = { ...g1.terms, offWatts: 10, pue: 1.2, psuEfficiency: 0.8 }
  const watts = 0.5 * 600 + 0.47 * 96 + 0.03 * 10
  assert.equal(energyKwhPerDay(terms).toFixed(9), ((24 * 1.2 * watts) / 1_000 / 0.8).toFixed(9))
})

test('storage and bandwidth are paid for each GPU, gas once', () => {
  const terms = { ...g1.terms, gpuCount: 2, extraUsdPerGpuDay: 0.5, gasUsdPerDay: 0.2 }
  const rent = 2 * (24 * 0.5 * 0.34 + 0.5)
  assert.equal(accountOf(terms, null).revenueUsdPerDay.toFixed(9), (rent * 0.75 * 0.99 - 0.2).toFixed(9))
})

test('a market that rises is a gain', () => {
  const [fall, rise] = marketLosses([
    { atMs: 0, usd: 2_000 },
    { atMs: 100 * DAY_MS, usd: 1_850 },
    { atMs: 131 * DAY_MS, usd: 2_470 },
  ])
  assert.deepEqual([fall?.lossUsd, fall?.lossUsdPerDay], [150, 1.5])
  assert.deepEqual([rise?.lossUsd, rise?.lossUsdPerDay], [-620, -20])
})

test('no tax is due on a loss, and depreciation is taken off first', () => {
  const of = { taxShare: 0.3, taxDepreciationUsdPerDay: 1 }
  assert.equal(cashAfterTaxUsdPerDay(3, of), 3 - 0.3 * 2)
  assert.equal(cashAfterTaxUsdPerDay(0.5, of), 0.5)
  assert.equal(cashAfterTaxUsdPerDay(-2, of), -2)
})

test('what cannot be reached is told as such', () => {
  const off = { ...g1.terms, loadWatts: 0, idleWatts: 0 }
  assert.equal(breakEvenUsdPerKwh(off), null)
  const dear = { ...g1.terms, electricityUsdPerKwh: 3 }
  assert.equal(breakEvenUtilisation(dear), null, 'each rented hour costs more than it brings')
  assert.equal(minimumPriceUsdPerGpuHour({ ...g1.terms, utilisation: 0 }), null)
  assert.equal(minimumPriceUsdPerGpuHour({ ...g1.terms, takeShare: 1 }), null)
  assert.deepEqual(paybackOf(-1, g1.capital), { days: null, withResaleDays: null })
  assert.deepEqual(paybackOf(1, { ...g1.capital, resaleUsd: 3_000 }), { days: 2_470, withResaleDays: 0 })
})

test('at its yield a purchase is worth nothing, and without a discount it is the plain sum', () => {
  for (const cash of [0.5, 1.9511, 10]) {
    const yearly = internalRateOfReturn(cash, g1.capital)
    assert.ok(yearly !== null)
    assert.ok(Math.abs(netPresentValueUsd(cash, { ...g1.capital, discountPerYear: yearly })) < 1e-6)
  }
  const plain = netPresentValueUsd(2, { ...g1.capital, discountPerYear: 0 })
  assert.ok(Math.abs(plain - (-2_470 + 2 * 30 * 36 + 988)) < 1e-9)
})

test('a machine that never returns anything has no yield', () => {
  assert.equal(internalRateOfReturn(-1, g1.capital), null)
  assert.equal(internalRateOfReturn(1, { ...g1.capital, purchaseUsd: 0 }), null)
})

test('the tornado of G1 is the published one', () => {
  const bars = tornadoOf(g1, [
    { lever: 'price', low: 0.1348, high: 0.74, basis: '' },
    { lever: 'electricity', low: 0.05, high: 0.4495, basis: '' },
    { lever: 'utilisation', low: 0.25, high: 0.85, basis: '' },
    { lever: 'resale', low: 0.1, high: 0.9, basis: '' },
    { lever: 'take', low: 0, high: 0.44, basis: '' },
    { lever: 'purchase', low: 1_599, high: 4_795, basis: '' },
    { lever: 'life', low: 2, high: 5, basis: '' },
    { lever: 'fx_haircut', low: 0, high: 0.25, basis: '' },
    { lever: 'pue', low: 1, high: 1.4, basis: '' },
    { lever: 'watts', low: 435, high: 700, basis: '' },
  ])
  const swings = bars.map(({ lever, swingUsdPerDay }) => `${lever} ${swingUsdPerDay.toFixed(2)}`)
  assert.deepEqual(swings, [
    'price 5.39',
    'electricity 3.31',
    'utilisation 2.91',
    'resale 1.80',
    'take 1.78',
    'purchase 1.75',
    'life 1.22',
    'fx_haircut 0.76',
    'pue 0.33',
    'watts 0.32',
  ])
})

test('without capital the levers of capital are left out', () => {
  const ranges = [
    { lever: 'life', low: 2, high: 5, basis: '' },
    { lever: 'pue', low: 1, high: 1.4, basis: '' },
  ] as const
  const bars = tornadoOf({ terms: g1.terms, capital: null }, ranges)
  assert.deepEqual(
    bars.map(({ lever }) => lever),
    ['pue'],
  )
})

test('the map has a row for each utilisation that can be, and gets worse to the right', () => {
  const axes = { usdPerKwh: [0.05, 0.1, 0.3], utilisation: [0, 0.5, 0.97, 1] }
  const { utilisation, netUsdPerDay } = breakEvenMap(g1.terms, 1.3534246575342466, axes)
  assert.deepEqual(utilisation, [0, 0.5, 0.97])
  assert.equal(netUsdPerDay[1]?.[1]?.toFixed(4), '0.5977')
  for (const row of netUsdPerDay)
    assert.deepEqual(
      [...row].sort((a, b) => b - a),
      row,
    )
})
