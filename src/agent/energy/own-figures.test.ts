import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { HourRecord, LoadFit, Period } from '#host/energy-store.ts'
import { HOUR_MS } from '#kernel/time.ts'
import { createHourBook, sumOfFits } from './hour-book.ts'
import { measuredOf } from './measured-figures.ts'
import { endsOf, ownFigures } from './own-figures.ts'

test('a day of a node that works half of its time', () => {
  const figures = figuresOf(24, ({ book, fromMs, toMs }) => {
    const middleMs = (fromMs + toMs) / 2
    for (const [stretch, watts, busy] of [
      [{ fromMs, toMs: middleMs }, 100, 0],
      [{ fromMs: middleMs, toMs }, 500, 1],
    ] as const) {
      const ms = stretch.toMs - stretch.fromMs
      const work = { elapsedMs: ms, busyMs: ms * busy, slotMs: ms * busy, jobs: [] }
      const power = { watts, basis: 'plug', quality: 'measured' } as const
      book.addTime(stretch, { state: 'serving', work, power })
      const joules = watts * (ms / 1_000)
      book.addEnergy({ ...stretch, source: 'plug', quality: 'measured', isDetail: false, joules })
    }
    book.addJob({
      ...job,
      endedAtMs: fromMs,
      expectedGross: 50_000_000n,
      expectedFee: 0n,
      soldGpuHours: 0.25,
    })
  })
  assert.equal(figures.basis, 'plug')
  near(figures.idleWatts, 100, 12)
  near(figures.loadWatts, 500, 12)
  near(figures.utilisation, 0.5, 24)
  near(figures.availability, 1, 24)
  near(figures.kwhPerDay, 7.2, 24)
  near(figures.expectedGrossUsdPerDay, 1.2, 24)
  near(figures.usdPerKwh, 0.2, 24)
  near(figures.electricityUsdPerDay, 1.44, 24)
  // 400 W more for 12 hours, of which 6 GPU-hours were paid.
  near(figures.extraKwhPerGpuHour, 0.8, 12)
  near(figures.usdPerGpuHour, 0.2, 6)
  const measured = measuredOf(figures, { hoursMin: 24, nowMs: 0 })
  assert.equal(measured?.source, 'this node, 1 day to 1970-01-01')
  assert.ok(Math.abs((measured?.loadWatts ?? 0) - 500) < 1e-6)
  assert.ok(Math.abs((measured?.electricityPerKwh ?? 0) - 0.2) < 1e-6)
  // A day is not enough for one who wants to see three.
  assert.equal(measuredOf(figures, { hoursMin: 72, nowMs: 0 }), null)
  assert.equal(measuredOf({ ...figures, basis: 'parts' }, { hoursMin: 24, nowMs: 0 })?.loadWatts, undefined)
})

test('hours of which nothing is known count against the node, but not hours before its first', () => {
  const figures = figuresOf(10, ({ book, fromMs, toMs, index }) => {
    if (index < 4 || index % 2 === 1) return
    book.addTime({ fromMs, toMs }, { state: 'serving', work: idleWork(HOUR_MS), power: null })
  })
  assert.equal(figures.calendarHours, 6)
  near(figures.availability, 0.5, 6)
  assert.deepEqual(figures.kwhPerDay, { value: null, hours: 0 })
  assert.equal(figures.basis, null)
})

test('the first hour counts from when the node began', () => {
  const figures = figuresOf(3, ({ book, fromMs, toMs, index }) => {
    const beganMs = index === 0 ? toMs - HOUR_MS / 4 : fromMs
    const work = idleWork(toMs - beganMs)
    book.addTime({ fromMs: beganMs, toMs }, { state: 'serving', work, power: null })
  })
  assert.equal(figures.calendarHours, 2.25)
  near(figures.availability, 1, 2.25)
  // Nothing was metered: then the price is a mean over the time.
  near(figures.usdPerKwh, 0.2, 2.25)
})

test('a node that was there before was away at the beginning of the time, as in the middle of it', () => {
  const book = createHourBook(() => null)
  for (const index of [0, 8, 9]) {
    const stretch = { fromMs: index * HOUR_MS, toMs: (index + 1) * HOUR_MS }
    book.addTime(stretch, { state: 'serving', work: idleWork(HOUR_MS), power: null })
  }
  const all = [...(book.take()?.hours ?? [])]
  const store = {
    hours: ({ fromMs, toMs }: Period) => all.filter(({ hourMs }) => hourMs >= fromMs && hourMs < toMs),
    firstHourMs: () => 0,
  }
  const figures = ownFigures(store, { fromMs: 2 * HOUR_MS, toMs: 10 * HOUR_MS })
  assert.deepEqual([figures.calendarHours, figures.sinceMs], [8, 2 * HOUR_MS])
  near(figures.availability, 0.25, 8)
})

test('parked time is not available, and energy at no known price costs nothing that is known', () => {
  const figures = figuresOf(
    2,
    ({ book, fromMs, toMs }) => {
      book.addTime({ fromMs, toMs }, { state: 'parked', work: idleWork(HOUR_MS), power: null })
      book.addEnergy({ fromMs, toMs, source: 'gpu', quality: 'measured', isDetail: false, joules: 36_000 })
    },
    () => null,
  )
  near(figures.availability, 0, 2)
  near(figures.kwhPerDay, 0.24, 2)
  assert.equal(figures.usdPerKwh.value, null)
  assert.equal(figures.electricityUsdPerDay.value, null)
})

test('without a record there are no figures', () => {
  const figures = ownFigures({ hours: () => [], firstHourMs: () => null }, { fromMs: 0, toMs: HOUR_MS })
  assert.equal(figures.calendarHours, 0)
  for (const figure of [figures.idleWatts, figures.utilisation, figures.kwhPerDay])
    assert.deepEqual(figure, { value: null, hours: 0 })
})

test('idle and load watts are found from intervals that are only partly busy', () => {
  const share = fc.double({ min: 0, max: 1, noNaN: true })
  const watts = fc.double({ min: 1, max: 1_000, noNaN: true })
  fc.assert(
    fc.property(fc.array(share, { minLength: 2, maxLength: 50 }), watts, watts, (shares, idle, extra) => {
      const fit = [0, 1, ...shares]
        .map((busy) => fitOf({ busy, watts: idle + extra * busy, hours: 1 }))
        .reduce(sumOfFits)
      const ends = endsOf(fit)
      assert.ok(Math.abs((ends.idle.value ?? 0) - idle) < 1e-3)
      assert.ok(Math.abs((ends.load.value ?? 0) - idle - extra) < 1e-3)
    }),
  )
})

test('a node that only idled, or only worked, tells one end', () => {
  assert.deepEqual(endsOf(fitOf({ busy: 0, watts: 90, hours: 2 })), {
    idle: { value: 90, hours: 2 },
    load: { value: null, hours: 0 },
  })
  assert.deepEqual(endsOf(fitOf({ busy: 1, watts: 400, hours: 2 })), {
    idle: { value: null, hours: 0 },
    load: { value: 400, hours: 2 },
  })
  assert.equal(endsOf(fitOf({ busy: 0.5, watts: 400, hours: 2 })).load.value, null)
})

test('work that seems to save energy tells nothing', () => {
  const fit = sumOfFits(fitOf({ busy: 0, watts: 400, hours: 1 }), fitOf({ busy: 1, watts: 100, hours: 1 }))
  assert.deepEqual([endsOf(fit).idle.value, endsOf(fit).load.value], [null, null])
})

const job = {
  requestId: 'req_1',
  model: 'guide',
  startedAtMs: 0,
  outcome: 'completed',
  promptTokens: 1,
  completionTokens: 1,
  joules: null,
  isLowerBound: false,
} as const

const idleWork = (elapsedMs: number) => ({ elapsedMs, busyMs: 0, slotMs: 0, jobs: [] })

const fitOf = ({ busy, watts, hours }: { busy: number; watts: number; hours: number }): LoadFit => {
  const timeMs = hours * HOUR_MS
  const joules = watts * hours * 3_600
  return {
    basis: 'plug',
    isPure: busy === 0 || busy === 1,
    timeMs,
    busyMs: timeMs * busy,
    busySquareMs: timeMs * busy ** 2,
    joules,
    busyJoules: joules * busy,
  }
}

function near(figure: { value: number | null; hours: number }, value: number, hours: number): void {
  assert.ok(Math.abs((figure.value ?? Number.NaN) - value) < 1e-6, `${figure.value} is not ${value}`)
  assert.ok(Math.abs(figure.hours - hours) < 1e-6, `rests on ${figure.hours} h, not ${hours} h`)
}

/** The figures of so many hours, each filled by `fill`, at $0.20 a kWh. */
function figuresOf(
  count: number,
  fill: (hour: {
    book: ReturnType<typeof createHourBook>
    fromMs: number
    toMs: number
    index: number
  }) => void,
  priceAt: Parameters<typeof createHourBook>[0] = () => ({ usdPerKwh: 0.2, source: 'test' }),
) {
  const book = createHourBook(priceAt)
  for (let index = 0; index < count; index++)
    fill({ book, fromMs: index * HOUR_MS, toMs: (index + 1) * HOUR_MS, index })
  const hours: HourRecord[] = [...(book.take()?.hours ?? [])]
  return ownFigures({ hours: () => hours, firstHourMs: () => 0 }, { fromMs: 0, toMs: count * HOUR_MS })
}
