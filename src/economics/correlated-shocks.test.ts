import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createRandom } from '#kernel/random.ts'
import { createShocks, RENTAL, RESALE, TOKEN, UTILISATION } from './correlated-shocks.ts'
import { assumedDrivers } from './drivers.ts'

const MONTHS = 24
const PATHS = 4_000

test('each month of each market is standard normal, in the first year as after it', () => {
  const { shocks } = setup(1)
  for (const market of [RENTAL, UTILISATION, RESALE, TOKEN]) {
    for (const month of [0, 5, 11, 12, 23]) {
      const values = shocks.map((markets) => markets[market * MONTHS + month] ?? Number.NaN)
      const { mean, deviation } = momentsOf(values)
      assert.ok(Math.abs(mean) < 0.06, `mean ${mean}`)
      assert.ok(Math.abs(deviation - 1) < 0.05, `deviation ${deviation}`)
    }
  }
})

test('markets move together as they are told to, and months do not', () => {
  const { shocks } = setup(2)
  const { correlations } = assumedDrivers
  const wanted = [
    [RENTAL, UTILISATION, correlations.rentalUtilisation],
    [RENTAL, RESALE, correlations.rentalResale],
    [UTILISATION, RESALE, correlations.utilisationResale],
    [TOKEN, RENTAL, correlations.tokenRental],
    [TOKEN, UTILISATION, correlations.tokenUtilisation],
    [TOKEN, RESALE, correlations.tokenResale],
  ] as const
  for (const [a, b, correlation] of wanted) {
    const together = productMean(shocks, a * MONTHS + 3, b * MONTHS + 3)
    assert.ok(Math.abs(together - correlation) < 0.06, `${together} instead of ${correlation}`)
    assert.ok(Math.abs(productMean(shocks, a * MONTHS + 3, b * MONTHS + 4)) < 0.06)
  }
})

test('the level of a year is spread so evenly that its mean hardly varies with the seed', () => {
  for (const seed of [1, 2, 3, 4, 5]) {
    const levels = setup(seed).shocks.map(
      (markets) => markets.subarray(0, 12).reduce((a, b) => a + b, 0) / Math.sqrt(12),
    )
    const { mean } = momentsOf(levels)
    // Independent paths would be off by 0.016 in the mean of seeds.
    assert.ok(Math.abs(mean) < 0.003, `${mean}`)
  }
})

test('correlations that contradict each other are a bug', () => {
  const correlations = {
    ...assumedDrivers.correlations,
    rentalUtilisation: 0.99,
    rentalResale: 0.99,
    utilisationResale: -0.9,
  }
  assert.throws(() => createShocks(createRandom(1), MONTHS, correlations), { name: 'AssertionError' })
})

function momentsOf(values: readonly number[]): { mean: number; deviation: number } {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length
  const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length
  return { mean, deviation: Math.sqrt(variance) }
}

const productMean = (shocks: readonly Float64Array[], a: number, b: number): number =>
  shocks.reduce((sum, markets) => sum + (markets[a] ?? 0) * (markets[b] ?? 0), 0) / shocks.length

function setup(seed: number): { shocks: Float64Array[] } {
  const next = createShocks(createRandom(seed), MONTHS, assumedDrivers.correlations)
  return { shocks: Array.from({ length: PATHS }, () => next().markets.slice()) }
}
