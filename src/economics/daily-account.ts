/** One mean day of the machine, in the owner's two views: what the purse feels, and what is left of the capital. */
import { energyKwhPerDay } from './energy.ts'
import { rentUsdPerDay, revenueUsdPerDay } from './revenue.ts'
import type { Terms } from './terms.ts'

export interface DailyAccount {
  /** What renters pay, before anybody takes a part. */
  readonly rentUsdPerDay: number
  readonly revenueUsdPerDay: number
  readonly energyKwhPerDay: number
  readonly electricityUsdPerDay: number
  /** Fixed costs and maintenance. */
  readonly fixedUsdPerDay: number
  /** The cash view: what the purse feels. Decides whether to run a card that is there. */
  readonly cashUsdPerDay: number
  /** `null` where the value of the machine is not known. */
  readonly depreciationUsdPerDay: number | null
  /** The economic view: cash less what the machine loses in value. Decides whether to buy one. */
  readonly netUsdPerDay: number | null
}

export function accountOf(terms: Terms, depreciationUsdPerDay: number | null): DailyAccount {
  const revenue = revenueUsdPerDay(terms)
  const energy = energyKwhPerDay(terms)
  const electricity = energy * terms.electricityUsdPerKwh
  const fixed = terms.fixedUsdPerDay + terms.maintenanceUsdPerDay
  const cash = revenue - electricity - fixed
  return {
    rentUsdPerDay: rentUsdPerDay(terms),
    revenueUsdPerDay: revenue,
    energyKwhPerDay: energy,
    electricityUsdPerDay: electricity,
    fixedUsdPerDay: fixed,
    cashUsdPerDay: cash,
    depreciationUsdPerDay,
    netUsdPerDay: depreciationUsdPerDay === null ? null : cash - depreciationUsdPerDay,
  }
}

/** Cash after income tax. The tax office counts its own depreciation, and gives nothing back for a day of loss. */
export const cashAfterTaxUsdPerDay = (
  cashUsdPerDay: number,
  { taxShare, taxDepreciationUsdPerDay }: { taxShare: number; taxDepreciationUsdPerDay: number },
): number => cashUsdPerDay - taxShare * Math.max(0, cashUsdPerDay - taxDepreciationUsdPerDay)
