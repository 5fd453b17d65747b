import type { RoiReport } from '../../src/economics/economics.ts'
import { quantityText } from './format.ts'

export interface AccountRow {
  readonly what: string
  readonly usdPerDay: number
  readonly kind: 'line' | 'cash' | 'net'
}

/** One mean day, line by line, as `shoal roi` prints it; empty where it cannot be said. */
export function accountRows({ account, terms, cashAfterTaxUsdPerDay }: RoiReport): AccountRow[] {
  if (!account || !terms) return []
  const { rentUsdPerDay: rent, revenueUsdPerDay: revenue, electricityUsdPerDay: electricity } = account
  const { pue, gasUsdPerDay: gas, fixedUsdPerDay: fixed, maintenanceUsdPerDay: maintenance } = terms
  const coolingShare = 1 - 1 / pue
  const kwh = (share: number): string => `${quantityText(account.energyKwhPerDay * share)} kWh/day`
  const costs = [
    ['fees: network, payout, exchange', revenue + gas - rent],
    ['transactions (gas)', -gas],
    [`electricity, ${kwh(1 - coolingShare)}`, -electricity * (1 - coolingShare)],
    [`cooling, ${kwh(coolingShare)}`, -electricity * coolingShare],
    ['fixed costs', -fixed],
    ['maintenance', -maintenance],
  ] as const
  const line = (what: string, usdPerDay: number): AccountRow => ({ what, usdPerDay, kind: 'line' })
  const { cashUsdPerDay: cash, depreciationUsdPerDay: depreciation, netUsdPerDay: net } = account
  const isTaxed = cashAfterTaxUsdPerDay !== null && cashAfterTaxUsdPerDay !== cash
  return [
    line('what renters pay', rent),
    ...costs.filter(([, usd]) => usd !== 0).map(([what, usd]) => line(what, usd)),
    { what: 'cash: what the purse feels', usdPerDay: cash, kind: 'cash' },
    ...(isTaxed ? [{ what: 'cash after tax', usdPerDay: cashAfterTaxUsdPerDay, kind: 'cash' } as const] : []),
    ...(depreciation === null ? [] : [line('fall in value', -depreciation)]),
    ...(net === null
      ? []
      : [{ what: 'net: what is left of the money bound', usdPerDay: net, kind: 'net' } as const]),
  ]
}
