import { accountOf } from './daily-account.ts'
import type { Terms } from './terms.ts'

export interface BreakEvenMap {
  /** Columns, ascending. */
  readonly usdPerKwh: readonly number[]
  /** Rows, ascending; none above the availability. */
  readonly utilisation: readonly number[]
  /** Net of a day (cash, with a depreciation of 0), by row, then column. */
  readonly netUsdPerDay: readonly (readonly number[])[]
}

/** The net of a day over prices of electricity and rented shares: the picture of where a machine is worth running. */
export function breakEvenMap(
  terms: Terms,
  depreciationUsdPerDay: number,
  axes: { readonly usdPerKwh: readonly number[]; readonly utilisation: readonly number[] },
): BreakEvenMap {
  const utilisation = axes.utilisation.filter((share) => share <= terms.availability)
  const netUsdPerDay = utilisation.map((share) =>
    axes.usdPerKwh.map((electricityUsdPerKwh) => {
      const account = accountOf({ ...terms, utilisation: share, electricityUsdPerKwh }, depreciationUsdPerDay)
      return account.netUsdPerDay ?? account.cashUsdPerDay
    }),
  )
  return { usdPerKwh: axes.usdPerKwh, utilisation, netUsdPerDay }
}
