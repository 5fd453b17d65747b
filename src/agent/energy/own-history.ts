/** A node's own record as `shoal roi --live` shows it. Pure, over the hours that its store keeps. */
import type { DayFigures, ForecastCheck, OwnHistory } from '#economics/own-history.ts'
import type { HourRecord, Period } from '#host/energy-store.ts'
import { DAY_MS, HOUR_MS, type TimestampMs } from '#kernel/time.ts'
import { measuredFigures, measuredOf } from './measured-figures.ts'
import { type OwnFigures, type OwnRecord, ownFigures } from './own-figures.ts'

export interface HistoryOptions {
  readonly place: string
  readonly nowMs: TimestampMs
  /** Of its own record, after which the node believes it. */
  readonly historyDays: number
  readonly gpuCount: number
}

/** How far back figures are taken from: what a machine did a year ago says little of it now. */
const HISTORY_MS = 30 * DAY_MS
/** Besides the first day on which the record is believed. */
const CHECKED_DAYS = [7, 14]

export function ownHistoryOf(store: OwnRecord, options: HistoryOptions): OwnHistory {
  const { place, nowMs, historyDays, gpuCount } = options
  const period = { fromMs: nowMs - HISTORY_MS, toMs: nowMs }
  const figures = ownFigures(store, period)
  const hoursMin = (historyDays * DAY_MS) / HOUR_MS
  return {
    place,
    sinceMs: figures.sinceMs,
    untilMs: nowMs,
    calendarHours: figures.calendarHours,
    hoursMin,
    basis: figures.basis,
    measured: measuredOf(figures, { hoursMin, nowMs, gpuCount }),
    figures: measuredFigures(figures, { hoursMin, gpuCount }),
    actual: dayFigures(figures),
    checks: checksOf(store, { nowMs, historyDays }),
  }
}

/** A forecast is held against a whole day at least. */
function checksOf(
  store: OwnRecord,
  { nowMs, historyDays }: { nowMs: TimestampMs; historyDays: number },
): ForecastCheck[] {
  const firstMs = store.firstHourMs()
  if (firstMs === null) return []
  const hours = store.hours({ fromMs: firstMs, toMs: nowMs })
  const figuresOf = (some: readonly HourRecord[], period: Period): OwnFigures =>
    ownFigures({ hours: () => [...some], firstHourMs: () => firstMs }, period)
  const days = [...new Set([Math.max(1, Math.ceil(historyDays)), ...CHECKED_DAYS])].sort((a, b) => a - b)
  return days.flatMap((day) => {
    const madeAtMs = firstMs + day * DAY_MS
    if (day < historyDays || nowMs - madeAtMs < DAY_MS) return []
    const known = hours.filter(({ hourMs }) => hourMs < madeAtMs)
    const later = hours.filter(({ hourMs }) => hourMs >= madeAtMs)
    return {
      day,
      madeAtMs,
      forecast: dayFigures(figuresOf(known, { fromMs: firstMs, toMs: madeAtMs })),
      actual: dayFigures(figuresOf(later, { fromMs: madeAtMs, toMs: nowMs })),
    }
  })
}

const dayFigures = (figures: OwnFigures): DayFigures => ({
  incomeUsd: figures.expectedNetUsdPerDay.value,
  energyKwh: figures.kwhPerDay.value,
  electricityUsd: figures.electricityUsdPerDay.value,
})
