/**
 * What a node will earn, from its own record alone: the hours that it was online, and what each of them brought.
 *
 *   expected = Σ over the hours of the horizon of   a(w) · r(w)          w: the hour of the week
 *
 * `r(w)` is what an online hour brings at that hour of the week, and `a(w)` the share of it that the node is online.
 * One week has each hour of the week once, so each leans on its hour of the day and its kind of day, and those on the
 * mean of all (`week-profile.ts`). The share of all hours online leans on what published traces of machines that come and go had,
 * the more so the less the node's days are alike (`online-share.ts`). No trend is carried on: one week cannot tell it
 * from a weekend.
 *
 * The range is that of a log-normal around it. Its variance is the sum of three: of the share online (how well the
 * record tells it, and how it will fall out), of what an online hour brings (from day to day on the record), and of a
 * market that moves (an assumption).
 */
import { assert } from '#kernel/assert.ts'
import { DAY_MS, HOUR_MS } from '#kernel/time.ts'
import { normalQuantile } from './normal.ts'
import { type OnlineShare, onlineShareOf, varianceOf } from './online-share.ts'
import type { Percentiles } from './percentiles.ts'
import { HOURS_OF_WEEK, hourOfWeek, weekProfile } from './week-profile.ts'

/** One hour of the record. */
export interface IncomeHour {
  /** When it begins: a whole hour in UTC. */
  readonly hourMs: number
  /** Connected to the network, at work, waiting or parked; at most an hour. */
  readonly onlineMs: number
  /** What it brought, the network's part taken off. */
  readonly netUsd: number
}

/** From `fromMs` up to, but not including, `toMs`. */
export interface Span {
  readonly fromMs: number
  readonly toMs: number
}

export interface IncomeHistory {
  /** Oldest first, each once. Hours in which the node was away may be left out; those before the first do not count. */
  readonly hours: readonly IncomeHour[]
  /** How far the record reaches. */
  readonly toMs: number
}

export interface IncomeForecast {
  /** Of the whole horizon; `p50` is the forecast. */
  readonly usd: Percentiles
  readonly usdPerDay: number
  /** Share of the horizon that the node is reckoned to be online, and the share of the record that it was. */
  readonly availability: number
  readonly availabilityMeasured: number
  readonly usdPerOnlineHour: number
  /** From the first hour on record to its end. */
  readonly historyHours: number
}

/** Less than a day does not tell of days. */
export const HISTORY_HOURS_MIN = 24
const HOURS_OF_DAY = DAY_MS / HOUR_MS
/** Good days follow good ones: so many count as one. */
const DAYS_ALIKE = 2
/** Assumption: by so much a market's level moves in 30 days (one standard deviation). */
const MARKET_SIGMA = 0.15
/** Day-to-day variation where the record has no two days to tell. */
const DAY_SIGMA_UNKNOWN = 0.5

/** `null` where the record is shorter than `HISTORY_HOURS_MIN`, or the node never was online. */
export function forecastIncome(history: IncomeHistory, horizon: Span): IncomeForecast | null {
  assert(horizon.fromMs <= horizon.toMs, 'a horizon ends after it begins')
  const record = readRecord(history)
  if (!record || record.hours.length < HISTORY_HOURS_MIN) return null
  const online = sumOf(record.hours, ({ online }) => online)
  if (online === 0) return null
  const share = onlineShareOf(
    online / record.hours.length,
    daysOf(record.hours).map((day) => sumOf(day, ({ online }) => online) / HOURS_OF_DAY),
  )
  const rates = weekProfile(cellsOf(record.hours, ({ online, usd }) => ({ sum: usd, weight: online })))
  const shares = scaled(
    weekProfile(cellsOf(record.hours, ({ online }) => ({ sum: online, weight: 1 }))),
    share.expected,
  )
  const expected = overHours(horizon, (hour) => (shares[hour] ?? 0) * (rates[hour] ?? 0))
  const days = (horizon.toMs - horizon.fromMs) / DAY_MS
  const sigma = Math.sqrt(
    shareVariance(share, days) + rateVariance(record.hours, rates, days) + marketVariance(record, horizon),
  )
  const at = (quantile: number): number => expected * Math.exp(normalQuantile(quantile) * sigma)
  const onlineAhead = overHours(horizon, (hour) => shares[hour] ?? 0)
  return {
    usd: { p5: at(0.05), p50: expected, p95: at(0.95) },
    usdPerDay: days > 0 ? expected / days : 0,
    availability: share.expected,
    availabilityMeasured: share.measured,
    usdPerOnlineHour: onlineAhead > 0 ? expected / onlineAhead : 0,
    historyHours: record.hours.length,
  }
}

/** What the mean of the record's days would give, to measure the forecast by; `days` of the record count as so many. */
export function naiveIncome({ hours }: IncomeHistory, horizon: Span, days: number): number {
  const usd = sumOf(hours, ({ netUsd }) => netUsd)
  return days > 0 ? (usd / days) * ((horizon.toMs - horizon.fromMs) / DAY_MS) : 0
}

interface RecordHour {
  readonly ofWeek: number
  /** Within 0..1. */
  readonly online: number
  readonly usd: number
}
interface Record {
  readonly fromMs: number
  readonly toMs: number
  /** Every hour from the first on record to its end, those without an entry too. */
  readonly hours: readonly RecordHour[]
}

function readRecord({ hours, toMs }: IncomeHistory): Record | null {
  const first = hours.find(({ onlineMs }) => onlineMs > 0)
  if (!first) return null
  const byHour = new Map(hours.map((hour) => [hour.hourMs, hour]))
  const all: RecordHour[] = []
  for (let atMs = first.hourMs; atMs + HOUR_MS <= toMs; atMs += HOUR_MS) {
    const hour = byHour.get(atMs)
    const online = Math.min(1, (hour?.onlineMs ?? 0) / HOUR_MS)
    all.push({ ofWeek: hourOfWeek(atMs), online, usd: hour?.netUsd ?? 0 })
  }
  return { fromMs: first.hourMs, toMs, hours: all }
}

/** Whole days, counted back from the end of the record. */
function daysOf(hours: readonly RecordHour[]): RecordHour[][] {
  const days: RecordHour[][] = []
  for (let end = hours.length; end >= HOURS_OF_DAY; end -= HOURS_OF_DAY)
    days.push(hours.slice(end - HOURS_OF_DAY, end))
  return days
}

function cellsOf(
  hours: readonly RecordHour[],
  of: (hour: RecordHour) => { sum: number; weight: number },
): { sum: number; weight: number }[] {
  const cells = Array.from({ length: HOURS_OF_WEEK }, () => ({ sum: 0, weight: 0 }))
  for (const hour of hours) {
    const cell = cells[hour.ofWeek]
    assert(cell, 'a week has an hour for each')
    const { sum, weight } = of(hour)
    cell.sum += sum
    cell.weight += weight
  }
  return cells
}

/** A profile of shares with the mean `mean`; none above 1. */
function scaled(profile: readonly number[], mean: number): number[] {
  const before = sumOf(profile, (share) => share) / profile.length
  return profile.map((share) => Math.min(1, before > 0 ? (share * mean) / before : mean))
}

/** Σ over the hours of `span`, those that are in it in part by that part. */
function overHours({ fromMs, toMs }: Span, of: (hourOfWeek: number) => number): number {
  let sum = 0
  for (let atMs = fromMs; atMs < toMs; ) {
    const endMs = Math.min(toMs, (Math.floor(atMs / HOUR_MS) + 1) * HOUR_MS)
    sum += of(hourOfWeek(atMs)) * ((endMs - atMs) / HOUR_MS)
    atMs = endMs
  }
  return sum
}

/** Relative: of how well the share is known, and of how the days ahead will fall out. */
const shareVariance = ({ expected, variance, varianceOfDay }: OnlineShare, days: number): number =>
  (variance + varianceOfDay / Math.max(1, days)) / expected ** 2

/** Relative: of what an online hour brings, by the days on record against what their hours should have brought. */
function rateVariance(hours: readonly RecordHour[], rates: readonly number[], days: number): number {
  const ratios = daysOf(hours).flatMap((day) => {
    const due = sumOf(day, ({ online, ofWeek }) => online * (rates[ofWeek] ?? 0))
    return due > 0 ? [sumOf(day, ({ usd }) => usd) / due] : []
  })
  const ofDay = ratios.length < 2 ? DAY_SIGMA_UNKNOWN ** 2 : varianceOf(ratios)
  return DAYS_ALIKE * ofDay * (1 / Math.max(1, ratios.length) + 1 / Math.max(1, days))
}

/** Relative, by the time between the middles of the record and of the horizon. */
function marketVariance(record: Span, horizon: Span): number {
  const middle = ({ fromMs, toMs }: Span): number => (fromMs + toMs) / 2
  const apartMs = Math.abs(middle(horizon) - middle(record))
  return (MARKET_SIGMA ** 2 * apartMs) / (30 * DAY_MS)
}

const sumOf = <T>(items: readonly T[], of: (item: T) => number): number =>
  items.reduce((sum, item) => sum + of(item), 0)
