/** A node's own record as `shoal roi --live` shows it. Pure, over the hours that its store keeps. */
import type { DayFigures, ForecastCheck, OwnHistory } from '#economics/own-history.ts'
import type { EnergyStore, HourRecord } from '#host/energy-store.ts'
import { DAY_MS, HOUR_MS, type TimestampMs } from '#kernel/time.ts'
import { measuredFigures, measuredOf } from './measured-figures.ts'
import { type OwnFigures, ownFigures } from './own-figures.ts'

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

export function ownHistoryOf(store: Pick<EnergyStore, 'hours'>, options: HistoryOptions): OwnHistory {
  const { place, nowMs, historyDays, gpuCount } = options
  const period = { fromMs: nowMs - HISTORY_MS, toMs: nowMs }
  const hours = store.hours(period)
  const figures = figuresOf(hours, period)
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
    checks: checksOf(hours, { firstMs: figures.sinceMs, nowMs, historyDays }),
  }
}

/** A forecast is held against a whole day at least. */
function checksOf(
  hours: readonly HourRecord[],
  { firstMs, nowMs, historyDays }: { firstMs: TimestampMs | null; nowMs: TimestampMs; historyDays: number },
): ForecastCheck[] {
  if (firstMs === null) return []
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
      actual: dayFigures(figuresSince(later, { fromMs: madeAtMs, toMs: nowMs })),
    }
  })
}

const figuresOf = (hours: readonly HourRecord[], period: { fromMs: number; toMs: number }): OwnFigures =>
  ownFigures({ hours: () => [...hours] }, period)

/** Hours at the beginning in which the node was away count here: the forecast was for them too. */
function figuresSince(hours: readonly HourRecord[], period: { fromMs: number; toMs: number }): OwnFigures {
  const [first] = hours
  if (!first) return figuresOf(hours, period)
  const figures = figuresOf(hours, period)
  const calendarHours = (period.toMs - period.fromMs) / HOUR_MS
  const share = calendarHours > 0 ? figures.calendarHours / calendarHours : 1
  const { expectedNetUsdPerDay: net } = figures
  return {
    ...figures,
    expectedNetUsdPerDay: { ...net, value: net.value === null ? null : net.value * share },
  }
}

const dayFigures = (figures: OwnFigures): DayFigures => ({
  incomeUsd: figures.expectedNetUsdPerDay.value,
  energyKwh: figures.kwhPerDay.value,
  electricityUsd: figures.electricityUsdPerDay.value,
})
