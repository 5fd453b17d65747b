/** What a node's own history says of it, in place of what was assumed. Pure, over the hours that its store keeps. */
import type { EnergyStore, HourRecord, LoadFit, Period } from '#host/energy-store.ts'
import { NANO_PER_USD } from '#kernel/money.ts'
import { DAY_MS, HOUR_MS, MINUTE_MS, type TimestampMs } from '#kernel/time.ts'
import { sumOfFits } from './hour-book.ts'
import { machineHour } from './machine-hour.ts'

/** A figure, and the hours of the node's own record that it rests on. */
export interface Figure {
  /** `null` when the record does not say. */
  readonly value: number | null
  readonly hours: number
}

export interface OwnFigures {
  /** From the first hour on record, or the period's beginning, to its end, in hours; 0 without a record in it. */
  readonly calendarHours: number
  /** The first hour on record, or the period's beginning where it is older. */
  readonly sinceMs: TimestampMs | null
  /** What measured the watts and the energy: `parts` is a lower bound of the machine at the wall. */
  readonly basis: LoadFit['basis'] | null
  /** The whole machine without a request, and with at least one under way. */
  readonly idleWatts: Figure
  readonly loadWatts: Figure
  /** Share of all hours with a request under way, and share in which it took work, both within 0..1. */
  readonly utilisation: Figure
  readonly availability: Figure
  /** Extra energy of the work, per GPU-hour sold. */
  readonly extraKwhPerGpuHour: Figure
  readonly kwhPerDay: Figure
  /** What callers are expected to have paid, in USD a day; the network's bill is what counts. */
  readonly expectedGrossUsdPerDay: Figure
  /** … less the network's part: what the node expects to get. */
  readonly expectedNetUsdPerDay: Figure
  /** The network's part of it. */
  readonly feeShare: Figure
  /** What an hour with a request under way brought, of all GPUs together, before the network's part. */
  readonly usdPerBusyHour: Figure
  /** What a GPU-hour sold for, in USD, before the network's part. */
  readonly usdPerGpuHour: Figure
  /** Mean over the energy at a known price. */
  readonly usdPerKwh: Figure
  readonly electricityUsdPerDay: Figure
}

const JOULES_PER_KWH = 3_600_000
const HOURS_PER_DAY = DAY_MS / HOUR_MS

/** What the figures are made of. */
export type OwnRecord = Pick<EnergyStore, 'hours' | 'firstHourMs'>

/** The figures of the hours within `period`. Hours before the first one on record do not count against the node. */
export function ownFigures(store: OwnRecord, period: Period): OwnFigures {
  const hours = store.hours(period)
  const first = hours[0]
  // One that was there before the period was away at its beginning, as at any other time of it.
  const isOlder = first !== undefined && (store.firstHourMs() ?? first.hourMs) < period.fromMs
  const beganMs = isOlder ? period.fromMs : first ? beginningOf(first, period.toMs) : period.toMs
  const calendarHours = Math.max(0, period.toMs - beganMs) / HOUR_MS
  const fit = chooseFit(hours)
  const { idle, load } = fit ? endsOf(fit) : UNKNOWN_ENDS
  const sum = (of: (hour: HourRecord) => number): number => hours.reduce((total, hour) => total + of(hour), 0)
  const machine = hours.map(machineHour)
  const coveredHours = machine.reduce((total, hour) => total + hour.coveredMs, 0) / HOUR_MS
  const kwh = machine.reduce((total, hour) => total + hour.joules, 0) / JOULES_PER_KWH
  const costedKwh = sum((hour) => hour.costedJoules) / JOULES_PER_KWH
  const costUsd = sum((hour) => toUsd(hour.electricityCost))
  const kwhPerDay = ratio(kwh * HOURS_PER_DAY, coveredHours)
  const pricedMs = sum((hour) => hour.pricedMs)
  // By the energy where it is metered; else by the time, for the price is known all the same.
  const usdPerKwh =
    ratio(costUsd, costedKwh) ??
    ratio(
      sum((hour) => hour.usdPerKwhMs),
      pricedMs,
    )
  const pricedHours = kwh > 0 ? coveredHours * Math.min(1, costedKwh / kwh) : pricedMs / HOUR_MS
  const grossUsd = sum((hour) => toUsd(hour.expectedGross))
  const feeUsd = sum((hour) => toUsd(hour.expectedFee))
  const soldGpuHours = sum((hour) => hour.soldGpuHours)
  const busyHours = sum((hour) => hour.busyMs) / HOUR_MS
  const extraKwh =
    load.value === null || idle.value === null ? null : ((load.value - idle.value) / 1_000) * busyHours
  const calendar = (value: number): Figure => ({ value: ratio(value, calendarHours), hours: calendarHours })
  return {
    calendarHours,
    sinceMs: isOlder ? period.fromMs : (first?.hourMs ?? null),
    basis: fit?.basis ?? null,
    idleWatts: idle,
    loadWatts: load,
    utilisation: calendar(busyHours),
    availability: calendar(sum((hour) => hour.servingMs) / HOUR_MS),
    extraKwhPerGpuHour: {
      value: extraKwh === null || soldGpuHours < SOLD_GPU_HOURS_MIN ? null : extraKwh / soldGpuHours,
      hours: busyHours,
    },
    kwhPerDay: { value: kwhPerDay, hours: coveredHours },
    expectedGrossUsdPerDay: calendar(grossUsd * HOURS_PER_DAY),
    expectedNetUsdPerDay: calendar((grossUsd - feeUsd) * HOURS_PER_DAY),
    feeShare: { value: ratio(feeUsd, grossUsd), hours: soldGpuHours },
    usdPerBusyHour: { value: busyHours < BUSY_HOURS_MIN ? null : grossUsd / busyHours, hours: busyHours },
    usdPerGpuHour: {
      value: soldGpuHours < SOLD_GPU_HOURS_MIN ? null : grossUsd / soldGpuHours,
      hours: soldGpuHours,
    },
    usdPerKwh: { value: usdPerKwh, hours: pricedHours },
    electricityUsdPerDay: {
      value: kwhPerDay === null || usdPerKwh === null ? null : kwhPerDay * usdPerKwh,
      hours: pricedHours,
    },
  }
}

/** When the node began within its first hour: before that it was not there to be counted. */
function beginningOf({ hourMs, servingMs, parkedMs }: HourRecord, toMs: TimestampMs): TimestampMs {
  const thereMs = servingMs + parkedMs
  return thereMs === 0 ? hourMs : Math.max(hourMs, Math.min(hourMs + HOUR_MS, toMs) - thereMs)
}

/** Below these the quotient of two small sums is noise. */
const SOLD_GPU_HOURS_MIN = 1
const BUSY_HOURS_MIN = 1

const toUsd = (amount: bigint): number => Number(amount) / Number(NANO_PER_USD)
const ratio = (part: number, whole: number): number | null => (whole > 0 ? part / whole : null)

/** A day of the plug is worth more than any time of the parts. */
const PLUG_MS_ENOUGH = DAY_MS
/** So much time of both kinds is enough to do without the intervals that were busy in part. */
const PURE_MS_ENOUGH = 15 * MINUTE_MS

function chooseFit(hours: readonly HourRecord[]): LoadFit | null {
  const fits = hours.flatMap((hour) => hour.fits)
  const sumOf = (wanted: (fit: LoadFit) => boolean): LoadFit | null => {
    const found = fits.filter(wanted)
    return found.length === 0 ? null : found.reduce(sumOfFits)
  }
  const [plug, parts] = [sumOf((fit) => fit.basis === 'plug'), sumOf((fit) => fit.basis === 'parts')]
  const isEnough = plug && (plug.timeMs >= PLUG_MS_ENOUGH || plug.timeMs >= (parts?.timeMs ?? 0))
  const all = isEnough ? plug : (parts ?? plug)
  const pure = all && sumOf((fit) => fit.basis === all.basis && fit.isPure)
  return pure && Math.min(pure.busyMs, pure.timeMs - pure.busyMs) >= PURE_MS_ENOUGH ? pure : all
}

interface Ends {
  readonly idle: Figure
  readonly load: Figure
}
const UNKNOWN: Figure = { value: null, hours: 0 }
const UNKNOWN_ENDS: Ends = { idle: UNKNOWN, load: UNKNOWN }

/** Less variance of the busy share than this cannot tell load from idle. */
const VARIANCE_MIN = 0.001
const NEARLY = 0.05

/** The ends of the least-squares line through (busy share, watts): idle at 0, load at 1. */
export function endsOf({ timeMs, busyMs, busySquareMs, joules, busyJoules }: LoadFit): Ends {
  if (timeMs <= 0) return UNKNOWN_ENDS
  const seconds = timeMs / 1_000
  const share = busyMs / timeMs
  const watts = joules / seconds
  const [idleHours, loadHours] = [(timeMs - busyMs) / HOUR_MS, busyMs / HOUR_MS]
  const variance = busySquareMs / timeMs - share ** 2
  if (variance < VARIANCE_MIN) {
    const one = { value: watts, hours: timeMs / HOUR_MS }
    return {
      idle: share < NEARLY ? one : { value: null, hours: idleHours },
      load: share > 1 - NEARLY ? one : { value: null, hours: loadHours },
    }
  }
  const extraWatts = (busyJoules / seconds - watts * share) / variance
  const idleWatts = watts - extraWatts * share
  // Work that draws less than idling, or an idle draw below zero, is something else that moved.
  const isSound = extraWatts >= 0 && idleWatts >= 0
  return {
    idle: { value: isSound ? idleWatts : null, hours: idleHours },
    load: { value: isSound ? idleWatts + extraWatts : null, hours: loadHours },
  }
}
