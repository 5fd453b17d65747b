import type { Capital } from './terms.ts'

export interface Payback {
  /** Until the cash has paid for the purchase; `null` is never. */
  readonly days: number | null
  /** Until the cash and the resale at the end of its life have; `null` is never. */
  readonly withResaleDays: number | null
}

/** One mean day repeated: no wear, no falling prices. The forecast says how likely a payback is. */
export function paybackOf(cashUsdPerDay: number, { purchaseUsd, resaleUsd }: Capital): Payback {
  const daysUntil = (owedUsd: number): number | null => {
    if (owedUsd <= 0) return 0
    return cashUsdPerDay > 0 ? owedUsd / cashUsdPerDay : null
  }
  return { days: daysUntil(purchaseUsd), withResaleDays: daysUntil(purchaseUsd - resaleUsd) }
}
