/** A node's record as the forecast of its income reads it. Pure. */
import type { IncomeHistory } from '#economics/income-forecast.ts'
import type { EnergyStore, Period } from '#host/energy-store.ts'
import { NANO_PER_USD } from '#kernel/money.ts'
import type { LedgerSum } from './earnings.ts'

/**
 * The hours within `period`: what the ledger paid where `ledger` (by the beginning of the hour) is given, else what the
 * node expects to have earned.
 */
export function incomeHistory(
  store: Pick<EnergyStore, 'hours'>,
  period: Period,
  ledger: ReadonlyMap<number, LedgerSum> | null = null,
): IncomeHistory {
  const hours = store.hours(period).map((hour) => {
    const net = ledger ? (ledger.get(hour.hourMs)?.net ?? 0n) : hour.expectedGross - hour.expectedFee
    const onlineMs = hour.servingMs + hour.parkedMs
    return { hourMs: hour.hourMs, onlineMs, netUsd: Number(net) / Number(NANO_PER_USD) }
  })
  return { hours, toMs: period.toMs }
}
