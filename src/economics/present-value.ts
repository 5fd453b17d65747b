/** What a purchase is worth today: cash every 30 days, and the resale at the end of its life. */
import { type Capital, DAYS_PER_YEAR } from './terms.ts'

const PERIOD_DAYS = 30

/** The worth today of buying the machine now, in USD, with cash at the end of each whole period of 30 days. */
export function netPresentValueUsd(cashUsdPerDay: number, capital: Capital): number {
  const perPeriod = (1 + capital.discountPerYear) ** (PERIOD_DAYS / DAYS_PER_YEAR) - 1
  const periods = roundHalfToEven((DAYS_PER_YEAR * capital.lifeYears) / PERIOD_DAYS)
  // The sum of a geometric series; its limit where nothing is discounted.
  const annuity = perPeriod === 0 ? periods : (1 - (1 + perPeriod) ** -periods) / perPeriod
  const resale = capital.resaleUsd / (1 + capital.discountPerYear) ** capital.lifeYears
  return -capital.purchaseUsd + cashUsdPerDay * PERIOD_DAYS * annuity + resale
}

/** Yields searched for, as shares a year: from nearly everything lost to ten times the stake gained. */
const YIELD_MIN = -0.99
const YIELD_MAX = 10

/**
 * The discount at which the purchase is worth nothing, by bisection: its yearly yield. `null` where no yield between
 * -99 % and +1,000 % a year does it, where nothing comes back at all, and where nothing is at stake.
 */
export function internalRateOfReturn(cashUsdPerDay: number, capital: Capital): number | null {
  const valueAt = (discountPerYear: number): number =>
    netPresentValueUsd(cashUsdPerDay, { ...capital, discountPerYear })
  const comesBackUsd = valueAt(0) + capital.purchaseUsd
  if (capital.purchaseUsd <= 0 || comesBackUsd <= 0) return null
  let [low, high] = [YIELD_MIN, YIELD_MAX]
  if (!(valueAt(low) > 0 && valueAt(high) < 0)) return null
  for (let step = 0; step < 100; step++) {
    const middle = (low + high) / 2
    if (valueAt(middle) > 0) low = middle
    else high = middle
  }
  return (low + high) / 2
}

/** As IEEE 754 and Python round, so that 36.5 periods are 36: the convention of the golden vectors. */
function roundHalfToEven(value: number): number {
  const floor = Math.floor(value)
  const rest = value - floor
  if (rest === 0.5) return floor % 2 === 0 ? floor : floor + 1
  return Math.round(value)
}
