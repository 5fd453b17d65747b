/**
 * The published table of one-year outcomes of an RTX 4090, from 20,000 paths of another program with seed 7: reproduced
 * for five seeds that were named before the first run. A figure may be off by 2 % or by 1.5 % of its row's distance
 * from P5 to P95, whichever is more; a chance of loss by two points.
 *
 * The publication leaves some choices open. They are here as they were found to fit, with their effect in
 * `docs/concepts/economics.md`. The last row could not be reproduced by its own words ("never sold for 12 months" at a
 * volatility of 1): the parameters that fit it are those of payouts that float with a token of 0.8.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { assumedDrivers, type PayoutRisk } from './drivers.ts'
import type { Percentiles } from './percentiles.ts'
import { type Simulation, simulate } from './simulate.ts'
import { g1 } from './test-terms.ts'

const SEEDS = [1, 2, 3, 4, 5]
const PATHS = 20_000

type Three = readonly [p5: number, p50: number, p95: number]
interface Row {
  readonly name: string
  readonly change?: Partial<typeof g1.terms>
  readonly resaleMedian?: number
  readonly payout?: PayoutRisk
  readonly own?: Published
  readonly buy?: Published
}
interface Published {
  readonly netUsd: Three
  readonly lossPercent: number
  readonly usdPerKwh?: Three
}

const locked: PayoutRisk = {
  kind: 'token',
  tie: 'usd_indexed',
  volatilityPerYear: 1,
  lockDays: 180,
  isHeld: false,
}
const floating: PayoutRisk = {
  kind: 'token',
  tie: 'floating',
  volatilityPerYear: 0.8,
  lockDays: 0,
  isHeld: false,
}

// biome-ignore format: one line a published row
const rows: readonly Row[] = [
  { name: '$0.05/kWh', change: { electricityUsdPerKwh: 0.05 },
    own: { netUsd: [374, 750, 1345], lossPercent: 0, usdPerKwh: [0.216, 0.347, 0.543] },
    buy: { netUsd: [-821, 159, 1695], lossPercent: 41, usdPerKwh: [-0.306, 0.113, 0.677] } },
  { name: '$0.10/kWh',
    own: { netUsd: [263, 622, 1203], lossPercent: 0 }, buy: { netUsd: [-938, 31, 1556], lossPercent: 48 } },
  { name: '$0.1872/kWh', change: { electricityUsdPerKwh: 0.1872 },
    own: { netUsd: [62, 400, 962], lossPercent: 1.9 }, buy: { netUsd: [-1145, -192, 1320], lossPercent: 60 } },
  { name: '$0.25/kWh', change: { electricityUsdPerKwh: 0.25 }, own: { netUsd: [-88, 241, 790], lossPercent: 13 } },
  { name: '$0.4495/kWh', change: { electricityUsdPerKwh: 0.4495 },
    own: { netUsd: [-595, -259, 258], lossPercent: 82 }, buy: { netUsd: [-1779, -857, 607], lossPercent: 86 } },
  { name: '80 % rented', change: { utilisation: 0.8 },
    buy: { netUsd: [-586, 486, 2137], lossPercent: 25, usdPerKwh: [-0.072, 0.239, 0.696] } },
  { name: 'keeps 90 % of its price', resaleMedian: 0.9,
    buy: { netUsd: [-705, 402, 2113], lossPercent: 30, usdPerKwh: [-0.202, 0.26, 0.887] } },
  { name: 'floor price', change: { priceUsdPerGpuHour: 0.1348 },
    own: { netUsd: [-96, 37, 255], lossPercent: 35, usdPerKwh: [0.062, 0.116, 0.194] } },
  { name: 'token, locked for 180 days', payout: locked,
    own: { netUsd: [163, 627, 1564], lossPercent: 0.4, usdPerKwh: [0.171, 0.35, 0.681] } },
  { name: 'token, never sold', payout: floating, own: { netUsd: [52, 529, 1957], lossPercent: 2.3 } },
]

for (const row of rows) {
  test(`${row.name}: as published, for each of the seeds ${SEEDS.join(', ')}`, () => {
    for (const seed of SEEDS) {
      const simulation = setup(row, seed)
      if (row.own) compare(row.own, simulation.cash, simulation.cashBreakEvenUsdPerKwh)
      if (row.buy) {
        assert.ok(simulation.economic && simulation.fullBreakEvenUsdPerKwh)
        compare(row.buy, simulation.economic, simulation.fullBreakEvenUsdPerKwh)
      }
    }
  })
}

function compare(
  published: Published,
  { netUsd, lossShare }: Simulation['cash'],
  usdPerKwh: Percentiles,
): void {
  assertClose(netUsd, published.netUsd)
  if (published.usdPerKwh) assertClose(usdPerKwh, published.usdPerKwh)
  assert.ok(Math.abs(lossShare * 100 - published.lossPercent) <= 2, `loses in ${lossShare * 100} %`)
}

function assertClose({ p5, p50, p95 }: Percentiles, published: Three): void {
  const spread = published[2] - published[0]
  for (const [index, value] of [p5, p50, p95].entries()) {
    const wanted = published[index] ?? Number.NaN
    const tolerance = Math.max(0.02 * Math.abs(wanted), 0.015 * spread)
    assert.ok(Math.abs(value - wanted) <= tolerance, `${value} is not ${wanted} ± ${tolerance}`)
  }
}

/** In the published runs 600 W is the most the machine draws, and it draws 82 % of it in the middle. */
function setup({ change, resaleMedian, payout, buy }: Row, seed: number): Simulation {
  const wattsMax = 600
  const terms = {
    ...g1.terms,
    availability: 60 / 62,
    loadWatts: assumedDrivers.loadShare.mean * wattsMax,
    ...change,
  }
  const medianPerYear = resaleMedian ?? assumedDrivers.resale.medianPerYear
  const drivers = { ...assumedDrivers, resale: { ...assumedDrivers.resale, medianPerYear } }
  const input = { terms, drivers, ratedGpuWatts: wattsMax, payout: payout ?? ({ kind: 'stable' } as const) }
  return simulate({ ...input, purchaseUsd: buy ? 2_470 : null, months: 12, paths: PATHS }, seed)
}
