/** One possible future of a machine and its markets, month by month. */
import { forkRandom, type Random } from '#kernel/random.ts'
import { createShocks, RENTAL, RESALE, type Shocks, TOKEN, UTILISATION } from './correlated-shocks.ts'
import type { Drivers, PayoutRisk } from './drivers.ts'
import { kwhPerHour } from './energy.ts'
import { createBetas, createNormals, uniform } from './normal.ts'
import { keptShare } from './revenue.ts'
import { DAYS_PER_YEAR, HOURS_PER_DAY, type Terms } from './terms.ts'

export interface PathInput {
  /** Today's price, and the median of each other quantity that is uncertain. */
  readonly terms: Terms
  /** How much of `terms.loadWatts` follows the draw of the GPUs, at their full rated power; 0 where it was measured. */
  readonly ratedGpuWatts: number
  /** `null`: the value of the machine is not followed. */
  readonly purchaseUsd: number | null
  readonly payout: PayoutRisk
  readonly drivers: Drivers
}

/** Months of one path; the arrays are reused from path to path. */
export interface MarketPath {
  /** What the month added to the owner's dollars, tokens that are held at their price. */
  readonly revenueUsd: Float64Array
  readonly energyKwh: Float64Array
  readonly usdPerKwh: Float64Array
  /** Of a failure. */
  readonly repairUsd: Float64Array
  /** What the machine fetches at the end of the month; 0 where it is not followed. */
  readonly resaleUsd: Float64Array
}

export const DAYS_PER_MONTH = DAYS_PER_YEAR / 12
const MONTHS_PER_YEAR = 12

interface Machine {
  readonly availability: number
  readonly loadWatts: number
}

/** Source of one future after the other. */
export function createPaths(random: Random, months: number, input: PathInput): () => MarketPath {
  const { terms, drivers } = input
  const shocksOf = createShocks(forkRandom(random), months, drivers.correlations)
  const availabilityOf = createAvailability(
    forkRandom(random),
    terms.availability,
    drivers.availabilityTrials,
  )
  const failures = forkRandom(random)
  const laterYears = createNormals(forkRandom(random))
  const path = emptyPath(months)
  const down = new Float64Array(months)
  return () => {
    const shocks = shocksOf()
    fail(drivers.failure, failures, { down, repairUsd: path.repairUsd })
    fillElectricity(path.usdPerKwh, input, { first: shocks.electricity, later: laterYears })
    fillWork(path, { input, shocks, machine: machineOf(input, shocks, availabilityOf()), down })
    applyPayout(path.revenueUsd, input.payout, shocks.markets.subarray(TOKEN * months))
    fillResale(path.resaleUsd, input, shocks.markets.subarray(RESALE * months))
    return path
  }
}

function emptyPath(months: number): MarketPath {
  const series = (): Float64Array => new Float64Array(months)
  return {
    revenueUsd: series(),
    energyKwh: series(),
    usdPerKwh: series(),
    repairUsd: series(),
    resaleUsd: series(),
  }
}

function createAvailability(random: Random, mean: number, trials: number): () => number {
  if (mean >= 1) return () => 1
  return createBetas(random, { alpha: trials * mean, beta: trials * (1 - mean) })
}

function machineOf(
  { terms, ratedGpuWatts, drivers }: PathInput,
  shocks: Shocks,
  availability: number,
): Machine {
  const { mean, deviation, min, max } = drivers.loadShare
  const share = Math.min(Math.max(mean + deviation * shocks.watts, min), max)
  return { availability, loadWatts: terms.loadWatts + (share - mean) * ratedGpuWatts }
}

/** `down` becomes the share of each month in which the machine is broken. */
function fail(
  failure: Drivers['failure'],
  random: Random,
  { down, repairUsd }: { down: Float64Array; repairUsd: Float64Array },
): void {
  down.fill(0)
  repairUsd.fill(0)
  for (let start = 0; start < down.length; start += MONTHS_PER_YEAR) {
    // Both are drawn whether or not they are used, so that each path takes as many numbers as the next.
    const [chance, month] = [uniform(random), start + random.int(MONTHS_PER_YEAR)]
    if (chance >= failure.chancePerYear || month >= down.length) continue
    down[month] = Math.min(failure.daysDown / DAYS_PER_MONTH, 1)
    repairUsd[month] = failure.usd
  }
}

function fillElectricity(
  usdPerKwh: Float64Array,
  { terms, drivers }: PathInput,
  normals: { first: number; later: () => number },
): void {
  const volatility = drivers.electricityVolatilityPerYear
  let price = terms.electricityUsdPerKwh
  for (let month = 0; month < usdPerKwh.length; month++) {
    if (month % MONTHS_PER_YEAR === 0) {
      const normal = month === 0 ? normals.first : normals.later()
      price *= Math.exp(volatility * normal - volatility ** 2 / 2)
    }
    usdPerKwh[month] = price
  }
}

interface Work {
  readonly input: PathInput
  readonly shocks: Shocks
  readonly machine: Machine
  readonly down: Float64Array
}

/** Rent and energy, from the rental price and the rented share of each month. */
function fillWork(path: MarketPath, { input, shocks, machine, down }: Work): void {
  const { terms, drivers } = input
  const months = down.length
  const kept = keptShare(terms)
  const drift = (drivers.rental.driftPerYear - drivers.rental.volatilityPerYear ** 2 / 2) / MONTHS_PER_YEAR
  const step = drivers.rental.volatilityPerYear / Math.sqrt(MONTHS_PER_YEAR)
  const { pullPerMonth, volatilityPerMonth } = drivers.utilisation
  const median = logit(terms.utilisation)
  let [price, level] = [terms.priceUsdPerGpuHour, median]
  for (let month = 0; month < months; month++) {
    price *= Math.exp(drift + step * (shocks.markets[RENTAL * months + month] ?? 0))
    level += pullPerMonth * (median - level)
    level += volatilityPerMonth * (shocks.markets[UTILISATION * months + month] ?? 0)
    const utilisation = Math.min(1 / (1 + Math.exp(-level)), machine.availability)
    const days = DAYS_PER_MONTH * (1 - (down[month] ?? 0))
    const rent = terms.gpuCount * (HOURS_PER_DAY * utilisation * price + terms.extraUsdPerGpuDay) * days
    path.revenueUsd[month] = rent * kept - terms.gasUsdPerDay * DAYS_PER_MONTH
    path.energyKwh[month] = HOURS_PER_DAY * days * kwhPerHour(meanWatts(terms, machine, utilisation), terms)
  }
}

const meanWatts = (terms: Terms, { availability, loadWatts }: Machine, utilisation: number): number =>
  utilisation * loadWatts +
  (availability - utilisation) * terms.idleWatts +
  (1 - availability) * terms.offWatts

/** Neither 0 nor 1 has a logit: a machine is never quite without work, nor quite without a gap. */
const logit = (share: number): number => {
  const inside = Math.min(Math.max(share, 0.001), 0.999)
  return Math.log(inside / (1 - inside))
}

/** Turns dollars of the invoice into dollars of the owner. Each factor but that of a held stock has the mean 1. */
function applyPayout(revenueUsd: Float64Array, payout: PayoutRisk, shocks: Float64Array): void {
  if (payout.kind === 'stable') return
  const { volatilityPerYear: volatility, tie, isHeld } = payout
  const years = payout.lockDays / DAYS_PER_YEAR
  /** The token's price against the start, before and after the month. */
  let before = 1
  let stockUsd = 0
  for (let month = 0; month < revenueUsd.length; month++) {
    const shock = shocks[month] ?? 0
    const growth = Math.exp(
      -(volatility ** 2) / 2 / MONTHS_PER_YEAR + (volatility * shock) / Math.sqrt(MONTHS_PER_YEAR),
    )
    const paid = (revenueUsd[month] ?? 0) * (tie === 'floating' ? before : 1)
    if (isHeld) {
      // What was there moves with the token, then the month's payout is added.
      revenueUsd[month] = stockUsd * (growth - 1) + paid
      stockUsd = stockUsd * growth + paid
    } else {
      revenueUsd[month] =
        paid * Math.exp(-(volatility ** 2 * years) / 2 + volatility * Math.sqrt(years) * shock)
    }
    before *= growth
  }
}

function fillResale(
  resaleUsd: Float64Array,
  { purchaseUsd, drivers }: PathInput,
  shocks: Float64Array,
): void {
  const { medianPerYear, volatilityPerYear } = drivers.resale
  const drift = Math.log(medianPerYear) / MONTHS_PER_YEAR
  const step = volatilityPerYear / Math.sqrt(MONTHS_PER_YEAR)
  let value = purchaseUsd ?? 0
  for (let month = 0; month < resaleUsd.length; month++) {
    value *= Math.exp(drift + step * (shocks[month] ?? 0))
    resaleUsd[month] = value
  }
}
