import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { cutAtSteps, integrateMeter, integratePower, type PowerReading } from './integrate-power.ts'

const limits = { measuredMsMax: 30_000, interpolatedMsMax: 600_000 }
const HOUR_MS = 3_600_000

test('energy is the area under the watts', () => {
  const before = { atMs: 0, watts: 100 }
  assert.deepEqual(integratePower(before, { atMs: 10_000, watts: 300 }, limits), {
    joules: 2_000,
    quality: 'measured',
  })
})

test('readings far apart are interpolated, farther apart missing, and time that stands still is nothing', () => {
  const quality = (atMs: number) =>
    integratePower({ atMs: 0, watts: 100 }, { atMs, watts: 100 }, limits)?.quality ?? null
  assert.deepEqual([30_000, 30_001, 600_000, 600_001, 0, -1].map(quality), [
    'measured',
    'interpolated',
    'interpolated',
    null,
    null,
    null,
  ])
})

test('energy lies between that of the lowest and that of the highest power, however the readings are spaced', () => {
  const gap = fc.integer({ min: 1, max: 600_000 })
  const watts = fc.double({ min: 0, max: 5_000, noNaN: true })
  fc.assert(
    fc.property(fc.array(fc.tuple(gap, watts), { minLength: 2, maxLength: 20 }), (steps) => {
      const readings: PowerReading[] = []
      for (const [gapMs, power] of steps)
        readings.push({ atMs: (readings.at(-1)?.atMs ?? 0) + gapMs, watts: power })
      let joules = 0
      for (const [index, after] of readings.entries()) {
        const before = readings[index - 1]
        if (before) joules += integratePower(before, after, limits)?.joules ?? 0
      }
      const seconds = ((readings.at(-1)?.atMs ?? 0) - (readings[0]?.atMs ?? 0)) / 1_000
      const all = readings.map((reading) => reading.watts)
      assert.ok(joules >= Math.min(...all) * seconds - 1e-6)
      assert.ok(joules <= Math.max(...all) * seconds + 1e-6)
    }),
  )
})

test("a meter's counter goes before its watts, for it misses nothing in between", () => {
  const before = { atMs: 0, watts: 100, wattHours: 500 }
  const after = { atMs: 10_000, watts: 100, wattHours: 501 }
  assert.deepEqual(integrateMeter(before, after, limits), { joules: 3_600, quality: 'measured' })
  const late = { ...after, atMs: 60_000 }
  assert.deepEqual(integrateMeter(before, late, limits), { joules: 3_600, quality: 'interpolated' })
})

test('a counter that was set back, leaps, or is not there, leaves the area under the watts', () => {
  const before = { atMs: 0, watts: 100, wattHours: 500 }
  const area = (wattHours: number | null) =>
    integrateMeter(before, { atMs: 10_000, watts: 100, wattHours }, limits)
  assert.deepEqual(area(0), { joules: 1_000, quality: 'interpolated' })
  assert.deepEqual(area(1e9), { joules: 1_000, quality: 'interpolated' })
  assert.deepEqual(area(null), { joules: 1_000, quality: 'measured' })
})

test('a stretch is cut at the hours, and its pieces are the whole', () => {
  assert.deepEqual(cutAtSteps({ fromMs: HOUR_MS - 10, toMs: HOUR_MS + 30 }, HOUR_MS), [
    { fromMs: HOUR_MS - 10, toMs: HOUR_MS, share: 0.25 },
    { fromMs: HOUR_MS, toMs: HOUR_MS + 30, share: 0.75 },
  ])
  assert.deepEqual(cutAtSteps({ fromMs: 5, toMs: 5 }, HOUR_MS), [])
  const stretch = fc.tuple(
    fc.integer({ min: 0, max: 10 * HOUR_MS }),
    fc.integer({ min: 1, max: HOUR_MS * 3 }),
  )
  fc.assert(
    fc.property(stretch, ([fromMs, lengthMs]) => {
      const pieces = cutAtSteps({ fromMs, toMs: fromMs + lengthMs }, HOUR_MS)
      const total = pieces.reduce((sum, piece) => sum + piece.share, 0)
      assert.ok(Math.abs(total - 1) < 1e-9)
      assert.ok(
        pieces.every((piece) => Math.floor(piece.fromMs / HOUR_MS) === Math.ceil(piece.toMs / HOUR_MS) - 1),
      )
    }),
  )
})
