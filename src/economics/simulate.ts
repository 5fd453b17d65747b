/**
 * Many possible futures of one machine, and what they have in common. Pure and deterministic: the same input and seed
 * give the same summary everywhere, so it may run in a thread, a browser or a test alike.
 */
import { assert } from '#kernel/assert.ts'
import { createRandom } from '#kernel/random.ts'
import { createPaths, DAYS_PER_MONTH, type MarketPath, type PathInput } from './market-path.ts'
import {
  type Bar,
  histogramOf,
  lossShare,
  meanOf,
  type Percentiles,
  percentilesOf,
  worstMean,
} from './percentiles.ts'

export interface SimulationInput extends PathInput {
  /** What totals are of, from 1 to 60. */
  readonly months: number
  readonly paths: number
}

/** Totals over the months of the forecast, in USD. */
export interface Outlook {
  readonly netUsd: Percentiles
  readonly meanUsd: number
  /** Share of the futures that end below zero. */
  readonly lossShare: number
  /** Mean of the worst 5 % of the futures: the expected shortfall. */
  readonly worstMeanUsd: number
  readonly histogramUsd: readonly Bar[]
}

export interface MonthOutlook {
  /** From 1. */
  readonly month: number
  readonly cashUsd: Percentiles
  /** Cash since the start. */
  readonly totalCashUsd: Percentiles
}

export interface PaybackChance {
  readonly months: number
  /** Share of the futures in which cash alone has paid for the purchase by then. */
  readonly byCashShare: number
  /** … in which cash and what the machine fetches then have. */
  readonly withResaleShare: number
}

export interface Simulation {
  readonly seed: number
  readonly paths: number
  readonly months: number
  /** For who owns the machine. */
  readonly cash: Outlook
  /** For who buys it today and counts what it then fetches; `null` where the purchase price is not known. */
  readonly economic: Outlook | null
  /** The price of electricity at which a future ends with nothing, USD/kWh. Repairs are not part of it. */
  readonly cashBreakEvenUsdPerKwh: Percentiles
  readonly fullBreakEvenUsdPerKwh: Percentiles | null
  readonly byMonth: readonly MonthOutlook[]
  readonly payback: readonly PaybackChance[]
}

const PAYBACK_MONTHS = [12, 24, 36]
const MONTHS_MAX = 60
/** Shocks come by the year. */
const MONTHS_MIN = 12
const WORST = 0.05
const BARS = 40

export function simulate(input: SimulationInput, seed: number): Simulation {
  const { months, paths, purchaseUsd } = input
  assert(Number.isInteger(months) && months >= 1 && months <= MONTHS_MAX, `from 1 to ${MONTHS_MAX} months`)
  assert(Number.isInteger(paths) && paths >= 1, 'at least one path')
  const monthsFollowed = Math.max(months, MONTHS_MIN, purchaseUsd === null ? 0 : Math.max(...PAYBACK_MONTHS))
  const next = createPaths(createRandom(seed), monthsFollowed, input)
  const outcomes = createOutcomes(input)
  for (let path = 0; path < paths; path++) outcomes.add(path, next())
  return outcomes.summarise(seed)
}

interface Outcomes {
  add(path: number, future: MarketPath): void
  summarise(seed: number): Simulation
}

function createOutcomes({ months, paths, purchaseUsd, terms }: SimulationInput): Outcomes {
  const column = (): Float64Array => new Float64Array(paths)
  const columns = { cash: column(), economic: column(), cashPerKwh: column(), fullPerKwh: column() }
  const byMonth = Array.from({ length: months }, () => ({ cash: column(), total: column() }))
  const fixedUsdPerMonth = (terms.fixedUsdPerDay + terms.maintenanceUsdPerDay) * DAYS_PER_MONTH
  const paybacks: PaybackCount[] = PAYBACK_MONTHS.map((each) => ({ months: each, byCash: 0, withResale: 0 }))

  const add = (path: number, future: MarketPath): void => {
    let [total, revenue, energy] = [0, 0, 0]
    for (let month = 0; month < months; month++) {
      const cash = cashOf(future, month) - fixedUsdPerMonth
      total += cash
      revenue += future.revenueUsd[month] ?? 0
      energy += future.energyKwh[month] ?? 0
      const columnsOfMonth = byMonth[month]
      if (columnsOfMonth) [columnsOfMonth.cash[path], columnsOfMonth.total[path]] = [cash, total]
    }
    const lossOfValue = (purchaseUsd ?? 0) - (future.resaleUsd[months - 1] ?? 0)
    const left = revenue - fixedUsdPerMonth * months
    columns.cash[path] = total
    columns.economic[path] = total - lossOfValue
    columns.cashPerKwh[path] = left / energy
    columns.fullPerKwh[path] = (left - lossOfValue) / energy
    if (purchaseUsd !== null) countPaybacks(paybacks, future, { purchaseUsd, fixedUsdPerMonth })
  }

  return {
    add,
    summarise: (seed) => ({
      seed,
      paths,
      months,
      cash: outlookOf(columns.cash),
      economic: purchaseUsd === null ? null : outlookOf(columns.economic),
      cashBreakEvenUsdPerKwh: percentilesOf(columns.cashPerKwh.sort()),
      fullBreakEvenUsdPerKwh: purchaseUsd === null ? null : percentilesOf(columns.fullPerKwh.sort()),
      byMonth: byMonth.map(({ cash, total }, month) => ({
        month: month + 1,
        cashUsd: percentilesOf(cash.sort()),
        totalCashUsd: percentilesOf(total.sort()),
      })),
      payback:
        purchaseUsd === null
          ? []
          : paybacks.map((count) => ({
              months: count.months,
              byCashShare: count.byCash / paths,
              withResaleShare: count.withResale / paths,
            })),
    }),
  }
}

const cashOf = (future: MarketPath, month: number): number =>
  (future.revenueUsd[month] ?? 0) -
  (future.energyKwh[month] ?? 0) * (future.usdPerKwh[month] ?? 0) -
  (future.repairUsd[month] ?? 0)

/** Counts of the futures that have paid back by then. */
interface PaybackCount {
  readonly months: number
  byCash: number
  withResale: number
}

/** A payback is final: a later loss does not undo it. */
function countPaybacks(
  counts: readonly PaybackCount[],
  future: MarketPath,
  { purchaseUsd, fixedUsdPerMonth }: { purchaseUsd: number; fixedUsdPerMonth: number },
): void {
  let [total, byCash, withResale] = [0, Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY]
  for (let month = 0; month < future.revenueUsd.length; month++) {
    total += cashOf(future, month) - fixedUsdPerMonth
    if (total >= purchaseUsd) byCash = Math.min(byCash, month + 1)
    if (total >= purchaseUsd - (future.resaleUsd[month] ?? 0)) withResale = Math.min(withResale, month + 1)
  }
  for (const count of counts) {
    if (byCash <= count.months) count.byCash++
    if (withResale <= count.months) count.withResale++
  }
}

/** Sorts `values`. */
function outlookOf(values: Float64Array): Outlook {
  const meanUsd = meanOf(values)
  values.sort()
  return {
    netUsd: percentilesOf(values),
    meanUsd,
    lossShare: lossShare(values),
    worstMeanUsd: worstMean(values, WORST),
    histogramUsd: histogramOf(values, BARS),
  }
}
