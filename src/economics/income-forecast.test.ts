import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { DAY_MS, HOUR_MS } from '#kernel/time.ts'
import { forecastIncome, type IncomeHour, naiveIncome } from './income-forecast.ts'
import { onlineShareOf } from './online-share.ts'
import { HOURS_OF_WEEK, hourOfWeek, weekProfile } from './week-profile.ts'

/** A Monday. */
const MONDAY_MS = Date.UTC(2026, 10, 16)

test('a node that is always there and earns the same each hour will earn that', () => {
  const { history, horizon } = setup({ days: 7, of: () => ({ online: 1, usd: 0.25 }) })
  const forecast = forecastIncome(history, horizon(23))
  near(forecast?.usd.p50, 23 * 24 * 0.25, 1e-9)
  near(forecast?.usdPerDay, 6, 1e-9)
  assert.equal(forecast?.availability, 1)
  assert.equal(forecast?.historyHours, 168)
})

test('days ahead that are working days bring what working days brought, and not the mean of the week', () => {
  const of = (hour: number) => ({ online: 1, usd: isWeekend(hour) ? 0.5 : 1 })
  const { history, horizon } = setup({ days: 7, of })
  const forecast = forecastIncome(history, horizon(2))
  const naive = naiveIncome(history, horizon(2), 7)
  near(naive, 41.14, 0.01)
  near(forecast?.usd.p50, 48, 0.04)
})

test('a machine that is there from eight to six every day is believed', () => {
  const isOpen = (hour: number): boolean => hour % 24 >= 8 && hour % 24 < 18
  const { history, horizon } = setup({ days: 7, of: (hour) => (isOpen(hour) ? { online: 1, usd: 1 } : null) })
  const forecast = forecastIncome(history, horizon(7))
  near(forecast?.availability, 10 / 24, 0.06)
  near(forecast?.usd.p50, 70, 0.07)
})

test('one long absence says little: the share online leans on the prior, and the range is wide', () => {
  const steady = setup({ days: 7, of: () => ({ online: 1, usd: 1 }) })
  const away = setup({ days: 7, of: (hour) => (hour >= 20 && hour < 140 ? null : { online: 1, usd: 1 }) })
  const [sure, unsure] = [steady, away].map(({ history, horizon }) => forecastIncome(history, horizon(23)))
  assert.ok(sure && unsure)
  assert.ok(unsure.availability > unsure.availabilityMeasured + 0.05 && unsure.availability < 0.57)
  assert.ok(unsure.usd.p95 / unsure.usd.p5 > 2 * (sure.usd.p95 / sure.usd.p5))
})

test('a card that parks at the same hours every day is online, and earns nothing in those hours', () => {
  const of = (hour: number) => ({ online: 1, usd: hour % 24 >= 17 && hour % 24 < 21 ? 0 : 1 })
  const { history, horizon } = setup({ days: 7, of })
  const forecast = forecastIncome(history, horizon(7))
  assert.equal(forecast?.availability, 1)
  near(forecast?.usd.p50, 140, 1e-9)
})

test('hours before the first on record do not count against the node', () => {
  const { history, horizon } = setup({ days: 7, of: (hour) => (hour < 72 ? null : { online: 1, usd: 1 }) })
  const forecast = forecastIncome(history, horizon(10))
  assert.equal(forecast?.historyHours, 96)
  near(forecast?.usd.p50, 240, 1e-9)
})

test('less than a day on record, or none of it online, gives no forecast', () => {
  const short = setup({ days: 7, of: (hour) => (hour < 145 ? null : { online: 1, usd: 1 }) })
  assert.equal(forecastIncome(short.history, short.horizon(10)), null)
  const away = setup({ days: 7, of: () => ({ online: 0, usd: 0 }) })
  assert.equal(forecastIncome(away.history, away.horizon(10)), null)
  assert.equal(forecastIncome({ hours: [], toMs: MONDAY_MS }, away.horizon(10)), null)
})

test('hours that are in the horizon in part count by that part, and an empty horizon brings nothing', () => {
  const { history } = setup({ days: 7, of: () => ({ online: 1, usd: 1 }) })
  const fromMs = history.toMs + 0.25 * HOUR_MS
  near(forecastIncome(history, { fromMs, toMs: fromMs + 1.5 * HOUR_MS })?.usd.p50, 1.5, 1e-9)
  assert.equal(forecastIncome(history, { fromMs, toMs: fromMs })?.usd.p50, 0)
})

test('whatever the record: amounts are finite, in order, and scale with what was earned', () => {
  const hour = fc.option(
    fc.record({
      online: fc.integer({ min: 0, max: 60 }).map((minutes) => minutes / 60),
      usd: fc.integer({ min: 0, max: 5_000 }).map((cents) => cents / 100),
    }),
  )
  fc.assert(
    fc.property(
      fc.array(hour, { minLength: 24, maxLength: 400 }),
      fc.integer({ min: 1, max: 60 }),
      (hours, ahead) => {
        const days = hours.length / 24
        const of = (at: number) => hours[at] ?? null
        const once = setup({ days, of })
        const double = setup({
          days,
          of: (at) => {
            const of = hours[at]
            return of ? { ...of, usd: 2 * of.usd } : null
          },
        })
        const forecast = forecastIncome(once.history, once.horizon(ahead))
        if (!forecast) return
        const { p5, p50, p95 } = forecast.usd
        assert.ok(Number.isFinite(p95) && 0 <= p5 && p5 <= p50 && p50 <= p95, JSON.stringify(forecast))
        assert.ok(forecast.availability > 0 && forecast.availability <= 1)
        near(forecastIncome(double.history, double.horizon(ahead))?.usd.p50, 2 * p50, 1e-9)
      },
    ),
    { numRuns: 200 },
  )
})

test('a day of the week begins at midnight in UTC, on Sunday', () => {
  assert.equal(hourOfWeek(MONDAY_MS), 24)
  assert.equal(hourOfWeek(MONDAY_MS - 1), 23)
  assert.equal(hourOfWeek(MONDAY_MS + 6 * DAY_MS + 5.5 * HOUR_MS), 5)
})

test('an hour of the week that was never seen takes after the same hour of like days', () => {
  const cells = Array.from({ length: HOURS_OF_WEEK }, (_, hour) =>
    hour === 50 ? { sum: 0, weight: 0 } : { sum: hour % 24 === 2 ? 30 : 10, weight: 10 },
  )
  const profile = weekProfile(cells)
  assert.ok((profile[50] ?? 0) > 2 && (profile[50] ?? 0) < 3)
  assert.ok((profile[51] ?? 0) < 1.2)
})

test('days that are all alike leave the prior without a say, and days of which there are none give it most', () => {
  near(onlineShareOf(0.9, [0.9, 0.9, 0.9]).expected, 0.9, 1e-9)
  assert.ok(onlineShareOf(0.9, []).expected < 0.71)
})

type HourOf = (hour: number) => { online: number; usd: number } | null

/** A record of `days` from a Monday on; the horizon begins where it ends. */
function setup({ days, of }: { days: number; of: HourOf }) {
  const hours: IncomeHour[] = []
  for (let at = 0; at < days * 24; at++) {
    const hour = of(at)
    if (hour)
      hours.push({ hourMs: MONDAY_MS + at * HOUR_MS, onlineMs: hour.online * HOUR_MS, netUsd: hour.usd })
  }
  const toMs = MONDAY_MS + days * DAY_MS
  return {
    history: { hours, toMs },
    horizon: (ahead: number) => ({ fromMs: toMs, toMs: toMs + ahead * DAY_MS }),
  }
}

const isWeekend = (hour: number): boolean => Math.floor(hour / 24) % 7 >= 5

function near(value: number | undefined, expected: number, share: number): void {
  const distance = Math.abs((value ?? Number.NaN) - expected)
  assert.ok(distance <= share * Math.abs(expected), `${value} is not within ${share} of ${expected}`)
}
