/** A mean day and its break-evens as lines of text: for the terminal and for the page alike. */
import type { RoiReport } from '#economics/economics.ts'
import { usdText } from '#economics/usd-text.ts'
import { formatDays, formatQuantity, formatShare } from './figures.ts'

export interface AccountRow {
  readonly what: string
  readonly usd: number
  readonly isSum?: boolean
}
/** From what renters pay to what is left of it, a day; empty while something is missing. */
export function accountRows({ account, terms, cashAfterTaxUsdPerDay }: RoiReport): AccountRow[] {
  if (!account || !terms) return []
  const { rentUsdPerDay: rent, revenueUsdPerDay: revenue, electricityUsdPerDay: electricity } = account
  const { pue, gasUsdPerDay: gas, fixedUsdPerDay: fixed, maintenanceUsdPerDay: maintenance } = terms
  const cooling = electricity * (1 - 1 / pue)
  const depreciation = account.depreciationUsdPerDay
  const costs: AccountRow[] = [
    { what: 'fees: network, payout, exchange', usd: revenue + gas - rent },
    { what: 'transactions (gas)', usd: -gas },
    {
      what: `electricity, ${formatQuantity(account.energyKwhPerDay / pue)} kWh/day`,
      usd: cooling - electricity,
    },
    { what: `cooling, ${formatQuantity(account.energyKwhPerDay * (1 - 1 / pue))} kWh/day`, usd: -cooling },
    { what: 'fixed costs', usd: -fixed },
    { what: 'maintenance', usd: -maintenance },
  ]
  const isTaxed = cashAfterTaxUsdPerDay !== null && cashAfterTaxUsdPerDay !== account.cashUsdPerDay
  return [
    { what: 'what renters pay', usd: rent },
    ...costs.filter(({ usd }) => usd !== 0),
    { what: 'cash: what the purse feels', usd: account.cashUsdPerDay, isSum: true },
    ...(isTaxed ? [{ what: 'cash after tax', usd: cashAfterTaxUsdPerDay, isSum: true }] : []),
    ...(depreciation === null ? [] : [{ what: 'fall in value', usd: -depreciation }]),
    ...(account.netUsdPerDay === null
      ? []
      : [{ what: 'net: what is left of the money bound', usd: account.netUsdPerDay, isSum: true }]),
  ]
}

/** The values at which nothing is gained and nothing lost, each with its unit. */
export function breakEvenFields(report: RoiReport): (readonly [name: string, value: string])[] {
  const { breakEvens: at, payback, netPresentValueUsd: value, internalRateOfReturnPerYear: rate } = report
  const available = report.terms?.availability ?? 1
  const years = report.capital?.lifeYears
  const pays = (days: number | null): string =>
    days === null ? 'never' : days === 0 ? 'at once' : formatDays(days)
  const fields: (readonly [string, string] | null)[] = [
    known('running it pays below', at.cashUsdPerKwh, perKwh),
    known('owning it pays below', at.fullUsdPerKwh, perKwh),
    known('running it pays from', at.cashUtilisationShare, (share) => utilisation(share, available)),
    known('owning it pays from', at.fullUtilisationShare, (share) => utilisation(share, available)),
    known('least list price for cash costs', at.minimumCashPriceUsdPerGpuHour, perHour),
    known('least list price for all costs', at.minimumPriceUsdPerGpuHour, perHour),
    known('cash cost of a rented hour', at.cashCostUsdPerGpuHour, perHour),
    known('whole cost of a rented hour', at.costUsdPerGpuHour, perHour),
    payback && ['paid back by cash in', pays(payback.days)],
    payback && ['… with what it then fetches, in', pays(payback.withResaleDays)],
    known(`net present value, ${years} years`, value, (usd) => `${usdText(usd)}`),
    known('return on the money bound', rate, (share) => `${formatShare(share)} a year`),
  ]
  return fields.filter((field) => field !== null)
}

const known = (
  name: string,
  value: number | null,
  format: (value: number) => string,
): readonly [string, string] | null => (value === null ? null : [name, format(value)])

const perKwh = (usd: number): string =>
  usd > 0 ? `${usdText(usd)}/kWh` : `no price: it would lose even with free electricity`
const perHour = (usd: number): string => `${usdText(usd)}/GPU-hour`

function utilisation(share: number, available: number): string {
  if (share > available)
    return `no share of hours: ${formatShare(share)} would be needed, ${formatShare(available)} are online`
  return share <= 0 ? 'the first hour' : `${formatShare(share)} of all hours rented`
}
