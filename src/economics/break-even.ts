/**
 * The values at which nothing is gained and nothing lost. Each takes the depreciation to count: 0 for the cash view,
 * the machine's daily loss of value for the economic one. `null`: no value of that quantity gets there.
 */
import { energyKwhPerDay } from './energy.ts'
import { keptShare, revenueUsdPerDay } from './revenue.ts'
import { HOURS_PER_DAY, type Terms } from './terms.ts'

/** The price of a kilowatt-hour; negative where even free electricity leaves a loss; `null` without any use of it. */
export function breakEvenUsdPerKwh(terms: Terms, depreciationUsdPerDay = 0): number | null {
  const energy = energyKwhPerDay(terms)
  if (energy <= 0) return null
  const left = revenueUsdPerDay(terms) - terms.fixedUsdPerDay - terms.maintenanceUsdPerDay
  return (left - depreciationUsdPerDay) / energy
}

/**
 * The rented share of all hours. Net is linear in it, so two points give the line. Below 0: even an idle machine gains;
 * above `availability`: out of reach. `null` when one more rented hour does not pay for its own electricity.
 */
export function breakEvenUtilisation(terms: Terms, depreciationUsdPerDay = 0): number | null {
  const netAt = (utilisation: number): number =>
    netUsdPerDay({ ...terms, utilisation }, depreciationUsdPerDay)
  const [atZero, slope] = [netAt(0), netAt(1) - netAt(0)]
  return slope <= 0 ? null : -atZero / slope
}

/** The lowest list price of a GPU-hour that covers all costs at this utilisation; `null` when nothing is rented or kept. */
export function minimumPriceUsdPerGpuHour(terms: Terms, depreciationUsdPerDay = 0): number | null {
  const keptHours = HOURS_PER_DAY * terms.gpuCount * terms.utilisation * keptShare(terms)
  if (keptHours <= 0) return null
  const withoutRent = netUsdPerDay({ ...terms, priceUsdPerGpuHour: 0 }, depreciationUsdPerDay)
  return Math.max(0, -withoutRent) / keptHours
}

/** What one rented GPU-hour costs the owner, whatever it sells for; `null` when nothing is rented. */
export function costUsdPerGpuHour(terms: Terms, depreciationUsdPerDay = 0): number | null {
  const rentedHours = HOURS_PER_DAY * terms.gpuCount * terms.utilisation
  if (rentedHours <= 0) return null
  const cash =
    energyKwhPerDay(terms) * terms.electricityUsdPerKwh + terms.fixedUsdPerDay + terms.maintenanceUsdPerDay
  return (cash + depreciationUsdPerDay) / rentedHours
}

const netUsdPerDay = (terms: Terms, depreciationUsdPerDay: number): number =>
  revenueUsdPerDay(terms) -
  energyKwhPerDay(terms) * terms.electricityUsdPerKwh -
  terms.fixedUsdPerDay -
  terms.maintenanceUsdPerDay -
  depreciationUsdPerDay
