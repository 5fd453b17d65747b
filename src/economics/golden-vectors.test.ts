/** Six worked examples, to every digit that they were published with. Watts are measured at the wall. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { breakEvenUsdPerKwh, breakEvenUtilisation } from './break-even.ts'
import { accountOf } from './daily-account.ts'
import { straightLineUsdPerDay } from './depreciation.ts'
import { paybackOf } from './payback.ts'
import { netPresentValueUsd } from './present-value.ts'
import { g1 } from './test-terms.ts'

/** Everything as text, with the digits of the publication. */
interface Vector {
  readonly id: string
  readonly terms: Partial<typeof g1.terms>
  readonly capital?: Partial<typeof g1.capital>
  readonly energy: string
  readonly revenue: string
  readonly electricity: string
  readonly cash: string
  readonly depreciation: string
  readonly net: string
  readonly cashKwh: string
  readonly fullKwh: string
  readonly paybackDays: string
  readonly paybackWithResaleDays: string
  readonly presentValue: string
}

// biome-ignore format: one line a vector, as published
const vectors: readonly Vector[] = [
  { id: 'G1', terms: {}, energy: '8.2829', revenue: '3.0294', electricity: '0.8283', cash: '1.9511', depreciation: '1.3534', net: '0.5977', cashKwh: '0.3356', fullKwh: '0.1722', paybackDays: '1265.9', paybackWithResaleDays: '759.6', presentValue: '101.26' },
  { id: 'G2', terms: { electricityUsdPerKwh: 0.1872 }, energy: '8.2829', revenue: '3.0294', electricity: '1.5506', cash: '1.2288', depreciation: '1.3534', net: '-0.1246', cashKwh: '0.3356', fullKwh: '0.1722', paybackDays: '2010.0', paybackWithResaleDays: '1206.0', presentValue: '-575.79' },
  { id: 'G3', terms: { electricityUsdPerKwh: 0.4495 }, energy: '8.2829', revenue: '3.0294', electricity: '3.7232', cash: '-0.9438', depreciation: '1.3534', net: '-2.2972', cashKwh: '0.3356', fullKwh: '0.1722', paybackDays: 'never', paybackWithResaleDays: 'never', presentValue: '-2612.37' },
  { id: 'G4', terms: { utilisation: 0.8, loadWatts: 435, pue: 1.05 }, capital: { purchaseUsd: 1599, resaleUsd: 639.6 }, energy: '9.1809', revenue: '4.8470', electricity: '0.9181', cash: '3.6790', depreciation: '0.8762', net: '2.8028', cashKwh: '0.5007', fullKwh: '0.4053', paybackDays: '434.6', paybackWithResaleDays: '260.8', presentValue: '2330.16' },
  { id: 'G5', terms: { priceUsdPerGpuHour: 0.1348 }, energy: '8.2829', revenue: '1.2011', electricity: '0.8283', cash: '0.1228', depreciation: '1.3534', net: '-1.2306', cashKwh: '0.1148', fullKwh: '-0.0486', paybackDays: '20117', paybackWithResaleDays: '12070', presentValue: '-1612.61' },
  { id: 'G6', terms: { priceUsdPerGpuHour: 2.69, utilisation: 0.7, availability: 0.99, electricityUsdPerKwh: 0.0813, loadWatts: 1000, idleWatts: 210, pue: 1.4, fixedUsdPerDay: 4 }, capital: { purchaseUsd: 29200, resaleUsd: 11680, lifeYears: 4 }, energy: '25.5662', revenue: '33.5551', electricity: '2.0785', cash: '27.4765', depreciation: '12.0000', net: '15.4765', cashKwh: '1.1560', fullKwh: '0.6867', paybackDays: '1062.7', paybackWithResaleDays: '637.6', presentValue: '12188.45' },
]

for (const vector of vectors) {
  test(`${vector.id} to every published digit`, () => {
    const terms = { ...g1.terms, ...vector.terms }
    const capital = { ...g1.capital, ...vector.capital }
    const depreciation = straightLineUsdPerDay(capital)
    const account = accountOf(terms, depreciation)
    const payback = paybackOf(account.cashUsdPerDay, capital)
    /** With as many decimals as `like` has. */
    const as = (like: string, value: number | null): string =>
      value === null ? 'never' : value.toFixed((like.split('.')[1] ?? '').length)
    const actual = {
      energy: as(vector.energy, account.energyKwhPerDay),
      revenue: as(vector.revenue, account.revenueUsdPerDay),
      electricity: as(vector.electricity, account.electricityUsdPerDay),
      cash: as(vector.cash, account.cashUsdPerDay),
      depreciation: as(vector.depreciation, account.depreciationUsdPerDay),
      net: as(vector.net, account.netUsdPerDay),
      cashKwh: as(vector.cashKwh, breakEvenUsdPerKwh(terms)),
      fullKwh: as(vector.fullKwh, breakEvenUsdPerKwh(terms, depreciation)),
      paybackDays: as(vector.paybackDays, payback.days),
      paybackWithResaleDays: as(vector.paybackWithResaleDays, payback.withResaleDays),
      presentValue: as(vector.presentValue, netPresentValueUsd(account.cashUsdPerDay, capital)),
    }
    const { id: _id, terms: _terms, capital: _capital, ...expected } = vector
    assert.deepEqual(actual, expected)
  })
}

test('the utilisation at which G1 gains nothing is the published one', () => {
  const utilisation = breakEvenUtilisation(g1.terms, straightLineUsdPerDay(g1.capital))
  // Published as 0.37674, from a depreciation of four decimals.
  assert.ok(Math.abs((utilisation ?? 0) - 0.37674) < 1e-5, `${utilisation}`)
})
