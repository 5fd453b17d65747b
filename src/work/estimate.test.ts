import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { estimateTask, fitCost, type Probe, rangeOf } from './estimate.ts'

test('two shares of three frames tell what does not grow from what does', () => {
  const model = fitCost(probesOf([1, 24, 48], () => ({ fixedMs: 300, growingMs: 5_000 })))
  for (const at of [-5, 1, 12, 48, 90])
    assertNear(estimateTask(model, { at, share: 1 }).referenceMs, 5_300, 1)
  assertNear(estimateTask(model, { at: 1, share: 0.5 }).referenceMs, 2_800, 1)
})

test('the first frame of a node is told from the others, and its surplus is known', () => {
  const probes = probesOf([1, 24, 48], () => ({ fixedMs: 300, growingMs: 5_000 })).map(
    (probe, index): Probe =>
      index === 0 ? { ...probe, referenceMs: probe.referenceMs + 700, isCold: true } : probe,
  )
  const model = fitCost(probes)
  assertNear(estimateTask(model, { at: 1, share: 1 }).referenceMs, 5_300, 1)
  assertNear(model.coldMs, 700, 1)
})

test('one probe alone is taken for what grows', () => {
  const model = fitCost([{ at: 1, share: 1 / 64, referenceMs: 100, isCold: true }])
  assert.equal(estimateTask(model, { at: 1, share: 1 }).referenceMs, 6_400)
})

test('noise that has the smaller share take longer makes nothing negative', () => {
  const model = fitCost([
    { at: 1, share: 1 / 64, referenceMs: 900, isCold: false },
    { at: 1, share: 1 / 4, referenceMs: 850, isCold: false },
  ])
  assertNear(estimateTask(model, { at: 1, share: 1 }).referenceMs, 875, 30)
})

const someMs = fc.double({ min: 0, max: 1e7, noNaN: true })
const someProbes = fc.array(
  fc.record({
    at: fc.integer({ min: -100, max: 300 }),
    share: fc.constantFrom(1 / 1_024, 1 / 64, 1 / 16, 1 / 8, 1 / 4),
    referenceMs: someMs,
    isCold: fc.boolean(),
  }),
  { minLength: 1, maxLength: 12 },
)

test('law: whatever the probes say, an estimate is a number of at least 1, and its high one is no lower', () => {
  fc.assert(
    fc.property(someProbes, fc.integer(), fc.double({ min: 0, max: 1, noNaN: true }), (probes, at, share) => {
      const { referenceMs, referenceMsP90 } = estimateTask(fitCost(probes), { at, share })
      assert(Number.isSafeInteger(referenceMs) && referenceMs >= 1, `${referenceMs}`)
      assert(Number.isSafeInteger(referenceMsP90) && referenceMsP90 >= referenceMs)
    }),
  )
})

test('law: more of a task takes no less', () => {
  fc.assert(
    fc.property(someProbes, fc.integer({ min: -200, max: 400 }), (probes, at) => {
      const model = fitCost(probes)
      const times = [0, 0.1, 0.5, 1].map((share) => estimateTask(model, { at, share }).referenceMs)
      assert.deepEqual(
        times,
        times.toSorted((a, b) => a - b),
      )
    }),
  )
})

test('law: what takes twice as long is estimated at twice as much', () => {
  fc.assert(
    fc.property(exactProbes, fc.integer({ min: 0, max: 100 }), (probes, at) => {
      const double = probes.map((probe) => ({ ...probe, referenceMs: 2 * probe.referenceMs }))
      const [one, two] = [probes, double].map((those) => estimateTask(fitCost(those), { at, share: 1 }))
      assert(one && two)
      assert(Math.abs(two.referenceMs - 2 * one.referenceMs) <= 2)
    }),
  )
})

test('law: between two frames that were probed, an estimate is between theirs', () => {
  fc.assert(
    fc.property(exactProbes, fc.integer({ min: 0, max: 100 }), (probes, at) => {
      const model = fitCost(probes)
      const all = probes.map((probe) => estimateTask(model, { at: probe.at, share: 1 }).referenceMs)
      const { referenceMs } = estimateTask(model, { at, share: 1 })
      assert(referenceMs >= Math.min(...all) - 1 && referenceMs <= Math.max(...all) + 1)
    }),
  )
})

/** Frames 0, 50 and 100 of a sequence, each on its own line. */
const exactProbes = fc
  .array(fc.tuple(fc.integer({ min: 0, max: 10_000 }), fc.integer({ min: 1, max: 1e6 })), {
    minLength: 3,
    maxLength: 3,
  })
  .map((lines) =>
    probesOf([0, 50, 100], (_, index) => {
      const [fixedMs, growingMs] = lines[index] ?? [0, 0]
      return { fixedMs, growingMs }
    }),
  )

test('law: low, middle and high are in order, and many tasks are surer than one', () => {
  const error = fc.double({ min: 0, max: 1, noNaN: true })
  fc.assert(
    fc.property(
      someMs,
      error,
      error,
      fc.integer({ min: 1, max: 1e5 }),
      (ms, commonError, ownError, count) => {
        const { p10, p50, p90 } = rangeOf(ms, { commonError, ownError, count })
        const one = rangeOf(ms, { commonError, ownError, count: 1 })
        assert(p10 <= p50 && p50 <= p90)
        assert(p90 - p10 <= one.p90 - one.p10 + 1e-6)
      },
    ),
  )
})

function probesOf(
  ats: readonly number[],
  lineOf: (at: number, index: number) => { fixedMs: number; growingMs: number },
): Probe[] {
  return ats.flatMap((at, index) => {
    const { fixedMs, growingMs } = lineOf(at, index)
    return [1 / 64, 1 / 4].map((share) => ({
      at,
      share,
      referenceMs: fixedMs + growingMs * share,
      isCold: false,
    }))
  })
}

function assertNear(actual: number, expected: number, within: number): void {
  assert(Math.abs(actual - expected) <= within, `${actual} is not within ${within} of ${expected}`)
}
