/** Where the columns and rows of the break-even map lie: round values, and exactly the ones that were put in. */
import { type BreakEvenMap, breakEvenMap } from '../../src/economics/break-even-map.ts'
import type { RoiReport } from '../../src/economics/economics.ts'
import type { View } from './link.ts'

const USD_PER_KWH = [0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5]
const UTILISATION = [0.1, 0.25, 0.4, 0.5, 0.6, 0.75, 0.9]

export interface HeatMap extends BreakEvenMap {
  /** Index of the column and the row of the input itself; `null` where it is beyond the map. */
  readonly column: number | null
  readonly row: number | null
  readonly isNet: boolean
}

/** `null` where an account cannot be made. For a buyer the fall in value is counted, where it is known. */
export function heatMapOf({ terms, account }: RoiReport, view: View): HeatMap | null {
  if (!terms || !account) return null
  const depreciation = view === 'buy' ? account.depreciationUsdPerDay : null
  const columns = withExactly(USD_PER_KWH, terms.electricityUsdPerKwh)
  const rows = withExactly(UTILISATION, terms.utilisation)
  const map = breakEvenMap(terms, depreciation ?? 0, { usdPerKwh: columns, utilisation: rows })
  const at = (values: readonly number[], value: number) => {
    const index = values.indexOf(value)
    return index === -1 ? null : index
  }
  return {
    ...map,
    column: at(map.usdPerKwh, terms.electricityUsdPerKwh),
    row: at(map.utilisation, terms.utilisation),
    isNet: depreciation !== null,
  }
}

/** `values` (ascending) with the one nearest to `value` in its place. */
function withExactly(values: readonly number[], value: number): number[] {
  const nearest = values.reduce((best, one) => (Math.abs(one - value) < Math.abs(best - value) ? one : best))
  return values.map((one) => (one === nearest ? value : one)).toSorted((a, b) => a - b)
}
