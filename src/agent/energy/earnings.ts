/** The earnings log: what the node used, worked and earned, by the hour or the day, as an owner's tax return wants it. Pure. */
import type { HourRecord } from '#host/energy-store.ts'
import { formatUsd, type NanoUsd } from '#kernel/money.ts'
import { DAY_MS, HOUR_MS } from '#kernel/time.ts'
import { type MachineHour, machineHour } from './machine-hour.ts'

export interface EarningsRow {
  /** In UTC, up to but not including `toMs`. */
  readonly fromMs: number
  readonly toMs: number
  readonly requests: number
  readonly promptTokens: number
  readonly completionTokens: number
  /** By the node's own reckoning: its ask and the tokens that it made. */
  readonly expectedGross: NanoUsd
  readonly expectedFee: NanoUsd
  readonly expectedNet: NanoUsd
  /** What the network's ledger paid for those requests; `null` when it was not asked, or not for all of them. */
  readonly ledger: LedgerSum | null
  /** `null` when nothing was metered. */
  readonly kwh: number | null
  readonly kwhSource: MachineHour['basis']
  readonly meteredHours: number
  readonly interpolatedHours: number
  readonly missingHours: number
  /** Of the energy at a known price; `null` when none was known. */
  readonly electricityCost: NanoUsd | null
  readonly costedKwh: number
  /** Mean over the time with a known price. */
  readonly usdPerKwh: number | null
  readonly priceSource: string | null
  readonly servingHours: number
  readonly parkedHours: number
}

/** What the ledger paid the provider for the requests of a time, the network's part taken off. */
export interface LedgerSum {
  readonly net: NanoUsd
  readonly requests: number
}

/** Both by the beginning of the hour. */
export interface LedgerAnswer {
  readonly paid: ReadonlyMap<number, LedgerSum>
  /** How many requests of the hour it was asked for: single ones are not kept as long as their sums. */
  readonly asked: ReadonlyMap<number, number>
}

/** One row for each hour or day on record, oldest first. */
export function earningsRows(
  hours: readonly HourRecord[],
  step: 'hour' | 'day',
  ledger: LedgerAnswer | null,
): EarningsRow[] {
  const lengthMs = step === 'hour' ? HOUR_MS : DAY_MS
  const groups = Map.groupBy(hours, (hour) => Math.floor(hour.hourMs / lengthMs) * lengthMs)
  return [...groups].map(([fromMs, group]) => sumUp({ fromMs, toMs: fromMs + lengthMs }, group, ledger))
}

const JOULES_PER_KWH = 3_600_000

function sumUp(
  { fromMs, toMs }: { fromMs: number; toMs: number },
  hours: readonly HourRecord[],
  ledger: LedgerAnswer | null,
): EarningsRow {
  const sum = (of: (hour: HourRecord) => number): number => hours.reduce((all, hour) => all + of(hour), 0)
  const amount = (of: (hour: HourRecord) => NanoUsd): NanoUsd =>
    hours.reduce((all, hour) => all + of(hour), 0n)
  const machine = hours.map(machineHour)
  const total = (of: (hour: MachineHour) => number): number =>
    machine.reduce((all, hour) => all + of(hour), 0)
  const coveredMs = total((hour) => hour.coveredMs)
  const costedJoules = sum((hour) => hour.costedJoules)
  const pricedMs = sum((hour) => hour.pricedMs)
  const bases = new Set(machine.flatMap(({ basis }) => basis ?? []))
  const [basis = null] = bases
  const expectedGross = amount((hour) => hour.expectedGross)
  const expectedFee = amount((hour) => hour.expectedFee)
  return {
    fromMs,
    toMs,
    requests: sum((hour) => hour.requests),
    promptTokens: sum((hour) => hour.promptTokens),
    completionTokens: sum((hour) => hour.completionTokens),
    expectedGross,
    expectedFee,
    expectedNet: expectedGross - expectedFee,
    ledger: ledger && isAskedWhole(hours, ledger) ? paidFor(hours, ledger) : null,
    kwh: coveredMs === 0 ? null : total((hour) => hour.joules) / JOULES_PER_KWH,
    kwhSource: bases.size > 1 ? 'mixed' : basis,
    meteredHours: coveredMs / HOUR_MS,
    interpolatedHours: total((hour) => hour.interpolatedMs) / HOUR_MS,
    missingHours: Math.max(0, (toMs - fromMs - coveredMs) / HOUR_MS),
    electricityCost: costedJoules === 0 ? null : amount((hour) => hour.electricityCost),
    costedKwh: costedJoules / JOULES_PER_KWH,
    usdPerKwh: pricedMs === 0 ? null : sum((hour) => hour.usdPerKwhMs) / pricedMs,
    priceSource: hours.findLast((hour) => hour.priceSource !== null)?.priceSource ?? null,
    servingHours: sum((hour) => hour.servingMs) / HOUR_MS,
    parkedHours: sum((hour) => hour.parkedMs) / HOUR_MS,
  }
}

const isAskedWhole = (hours: readonly HourRecord[], { asked }: LedgerAnswer): boolean =>
  hours.every(({ hourMs, requests }) => requests <= (asked.get(hourMs) ?? 0))

const paidFor = (hours: readonly HourRecord[], { paid }: LedgerAnswer): LedgerSum => ({
  net: hours.reduce((sum, { hourMs }) => sum + (paid.get(hourMs)?.net ?? 0n), 0n),
  requests: hours.reduce((sum, { hourMs }) => sum + (paid.get(hourMs)?.requests ?? 0), 0),
})

const hoursText = (hours: number): string => hours.toFixed(3)
const timeText = (atMs: number): string => new Date(atMs).toISOString().slice(0, 19).concat('Z')

/** The columns, in order. An empty cell is something that is not known. */
const columns: readonly (readonly [name: string, text: (row: EarningsRow) => string])[] = [
  ['period_start_utc', (row) => timeText(row.fromMs)],
  ['period_end_utc', (row) => timeText(row.toMs)],
  ['currency', () => 'USD'],
  ['requests', (row) => String(row.requests)],
  ['prompt_tokens', (row) => String(row.promptTokens)],
  ['completion_tokens', (row) => String(row.completionTokens)],
  ['gross_expected', (row) => formatUsd(row.expectedGross)],
  ['fee_expected', (row) => formatUsd(row.expectedFee)],
  ['net_expected', (row) => formatUsd(row.expectedNet)],
  ['net_ledger', (row) => (row.ledger ? formatUsd(row.ledger.net) : '')],
  ['requests_ledger', (row) => (row.ledger ? String(row.ledger.requests) : '')],
  ['income_source', (row) => (row.ledger ? 'ledger' : 'expected')],
  ['kwh', (row) => row.kwh?.toFixed(6) ?? ''],
  ['kwh_source', (row) => sourceNames[row.kwhSource ?? 'none']],
  ['metered_hours', (row) => hoursText(row.meteredHours)],
  ['interpolated_hours', (row) => hoursText(row.interpolatedHours)],
  ['missing_hours', (row) => hoursText(row.missingHours)],
  ['electricity_price_per_kwh', (row) => row.usdPerKwh?.toFixed(6) ?? ''],
  ['electricity_cost', (row) => (row.electricityCost === null ? '' : formatUsd(row.electricityCost))],
  ['kwh_with_price', (row) => row.costedKwh.toFixed(6)],
  ['price_source', (row) => row.priceSource ?? ''],
  ['serving_hours', (row) => hoursText(row.servingHours)],
  ['parked_hours', (row) => hoursText(row.parkedHours)],
]

const sourceNames = {
  plug: 'plug',
  parts: 'gpu and cpu (lower bound)',
  mixed: 'mixed (lower bound)',
  none: 'not metered',
} as const

/** As spreadsheets read it (RFC 4180): a header, one line for each row, lines that end in CRLF. */
export const earningsCsv = (rows: readonly EarningsRow[]): string =>
  [columns.map(([name]) => name), ...rows.map((row) => columns.map(([, text]) => text(row)))]
    .map((cells) => `${cells.map(quoteCell).join(',')}\r\n`)
    .join('')

/** A spreadsheet would run a cell that begins like a formula; a path or a host that somebody chose may. */
const quoteCell = (text: string): string => {
  const safe = /^[=+@\t\r]|^-(?!\d)/.test(text) ? `'${text}` : text
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe
}
