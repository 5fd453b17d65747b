/** The report of `shoal roi` for people: the verdict first, then what it rests on, then where every number is from. */
import type { RoiReport } from '#economics/economics.ts'
import { usdText } from '#economics/usd-text.ts'
import { formatDays, formatQuantity, formatShare } from './figures.ts'
import { type Page, withTitle } from './report-page.ts'
import { formatForecast } from './roi-forecast.ts'
import { formatInputs } from './roi-inputs.ts'
import { formatTornado } from './roi-tornado.ts'
import { type Column, formatFields, formatTable, printable } from './table.ts'

/** `where` is the sentence on where the machine should work; `null` where that cannot be said. */
export function formatReport(report: RoiReport, page: Page, where: string | null = null): string {
  const parts = [
    formatVerdict(report, page),
    where === null ? '' : withTitle('Where', printable(where), page),
    formatUnknowns(report, page),
    formatAccount(report, page),
    formatBreakEvens(report, page),
    formatForecast(report, page),
    formatTornado(report, page),
    formatInputs(report, page),
    formatNotices(report, page),
  ]
  return parts.filter((part) => part !== '').join('\n\n')
}

function formatVerdict({ account, verdict, gpu, network, place }: RoiReport, { style }: Page): string {
  const tone = account === null ? 'warning' : account.cashUsdPerDay > 0 ? 'good' : 'bad'
  const machine = `${gpu.count} × ${gpu.name}, ${gpu.vramGb} GB each`
  const where = [
    place?.name,
    network ? `on ${network.name} (${network.stability.replaceAll('_', ' ')} payout)` : null,
  ]
  const facts = [machine, ...where.filter((fact) => fact != null)].join(' · ')
  return `${style(tone, printable(verdict))}\n${style('dim', printable(facts))}`
}

function formatUnknowns({ unknowns }: RoiReport, page: Page): string {
  const lines = unknowns.map(
    ({ label, unit, flag, blocks, why }) =>
      `${page.style('warning', '?')} ${label} (${flag}, in ${unit}): without it there is no ${blocks === 'everything' ? 'result' : blocks}. ${printable(why)}`,
  )
  return withTitle('Not known', lines.join('\n'), page)
}

interface AccountRow {
  readonly what: string
  readonly usd: number
  readonly isSum?: boolean
}
const DAYS_PER_MONTH = 365 / 12

const accountColumns: Column<AccountRow>[] = [
  { title: 'A MEAN DAY', text: ({ what }) => what, tone: ({ isSum }) => (isSum ? 'bold' : 'plain') },
  { title: 'USD/DAY', isRight: true, text: ({ usd }) => usdText(usd), tone: toneOf },
  { title: 'USD/MONTH', isRight: true, text: ({ usd }) => usdText(usd * DAYS_PER_MONTH), tone: toneOf },
]

function toneOf({ usd, isSum }: AccountRow): 'good' | 'bad' | 'plain' {
  if (!isSum) return 'plain'
  return usd >= 0 ? 'good' : 'bad'
}

function formatAccount({ account, terms, cashAfterTaxUsdPerDay }: RoiReport, page: Page): string {
  if (!account || !terms) return ''
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
  const rows: AccountRow[] = [
    { what: 'what renters pay', usd: rent },
    ...costs.filter(({ usd }) => usd !== 0),
    { what: 'cash: what the purse feels', usd: account.cashUsdPerDay, isSum: true },
    ...(isTaxed ? [{ what: 'cash after tax', usd: cashAfterTaxUsdPerDay, isSum: true }] : []),
    ...(depreciation === null ? [] : [{ what: 'fall in value', usd: -depreciation }]),
    ...(account.netUsdPerDay === null
      ? []
      : [{ what: 'net: what is left of the money bound', usd: account.netUsdPerDay, isSum: true }]),
  ]
  return formatTable(accountColumns, rows, page.style)
}

function formatBreakEvens(report: RoiReport, page: Page): string {
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
    report.capital && known('least list price for all costs', at.minimumPriceUsdPerGpuHour, perHour),
    known(
      report.capital ? 'cost of a rented hour' : 'cash cost of a rented hour',
      at.costUsdPerGpuHour,
      perHour,
    ),
    payback && ['paid back by cash in', pays(payback.days)],
    payback && ['… with what it then fetches, in', pays(payback.withResaleDays)],
    known(`net present value, ${years} years`, value, (usd) => `${usdText(usd)}`),
    known('return on the money bound', rate, (share) => `${formatShare(share)} a year`),
  ]
  const shown = fields.filter((field) => field !== null)
  return shown.length === 0 ? '' : withTitle('Where it breaks even', formatFields(shown, page.style), page)
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

function formatNotices({ notices, upperBounds }: RoiReport, page: Page): string {
  const lines = [...upperBounds.map((bound) => `Upper bound: ${bound}.`), ...notices]
  const marked = lines.map((line) => `${page.style('warning', '!')} ${printable(line)}`)
  return withTitle('To bear in mind', marked.join('\n'), page)
}
