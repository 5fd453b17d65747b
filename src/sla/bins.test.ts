import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { availabilityPpb, BIN_MS, type Bin, binStartOf, monthOf, spanOfMonth, uptimeOf } from './bins.ts'
import { creditsOf, jobCreditOf } from './credits.ts'
import { PPB, promisingClasses, tiers } from './tiers.ts'

const NOVEMBER = Date.UTC(2026, 10)

test('a month of UTC has all its bins, whatever clocks of people do', () => {
  for (const [month, days] of [
    ['2026-02', 28],
    ['2028-02', 29],
    ['2026-03', 31],
    ['2026-10', 31],
    ['2026-11', 30],
    ['2026-12', 31],
  ] as const) {
    assert.equal(uptimeOf({ month, bins: [] }).binsCounted, days * 288, month)
  }
  // Summer time ended in Europe at this hour; a leap second was put in at the end of this year.
  for (const atMs of [Date.UTC(2026, 9, 25, 1), Date.UTC(2016, 11, 31, 23, 59, 59, 999)]) {
    assert.equal(binStartOf(atMs) % BIN_MS, 0)
    assert.ok(atMs >= spanOfMonth(monthOf(atMs)).fromMs && atMs < spanOfMonth(monthOf(atMs)).toMs)
  }
  assert.equal(monthOf(spanOfMonth('2026-12').toMs), '2027-01')
  assert.equal(monthOf(spanOfMonth('2026-12').toMs - 1), '2026-12')
})

test('a bin without traffic is available, one that fails is not, and rounding is against the network', () => {
  assert.equal(availabilityPpb(bin(0)), PPB)
  assert.equal(availabilityPpb(bin(0, 4, 1)), 750_000_000)
  assert.equal(availabilityPpb(bin(0, 3, 1)), 666_666_666)
  assert.equal(availabilityPpb(bin(0, 7, 7)), 0)
})

test('the uptime is the mean over the bins of the month', () => {
  const { uptimePpb, binsCounted } = uptimeOf({ month: '2026-11', bins: [bin(0, 10, 10), bin(1, 10, 5)] })
  assert.equal(uptimePpb, Math.floor((8_640 * PPB - 1.5 * PPB) / 8_640))
  assert.equal(binsCounted, 8_640)
})

test('announced maintenance is left out, and an outage is lost for everybody, but not in maintenance', () => {
  const maintenance = [{ fromMs: NOVEMBER, toMs: NOVEMBER + 2 * BIN_MS }]
  const outages = [{ fromMs: NOVEMBER + BIN_MS, toMs: NOVEMBER + 3 * BIN_MS + 1 }]
  const told = uptimeOf({ month: '2026-11', bins: [bin(0, 5, 5), bin(2, 5, 0)], maintenance, outages })
  assert.deepEqual([told.binsExcluded, told.binsCounted, told.lostPpb], [2, 8_638, 2 * PPB])
})

test('a whole month of maintenance promises nothing and owes nothing', () => {
  const maintenance = [spanOfMonth('2026-11')]
  const told = creditsOf({ month: '2026-11', bins: [bin(0, 5, 5)], maintenance }, 1_000n, tiers.enterprise)
  assert.deepEqual([told.uptimePpb, told.credit], [PPB, 0n])
})

test('each step of each class is paid just below its limit, and not at it', () => {
  for (const slaClass of promisingClasses) {
    const tier = tiers[slaClass]
    for (const { belowPpb, creditBps } of tier.credits) {
      // 8,640 bins: so many of them lost bring the uptime to the limit exactly.
      const lost = (8_640 * (PPB - belowPpb)) / PPB
      const whole = Math.floor(lost)
      const at = [...Array(whole).keys()].map((index) => bin(index, 1, 1))
      const part = Math.round((lost - whole) * 1_000)
      if (part > 0) at.push(bin(whole, 1_000, part))
      const next = tier.credits.filter((step) => step.belowPpb > belowPpb).at(0)?.creditBps ?? 0
      assert.equal(creditsOf({ month: '2026-11', bins: at }, 10_000n, tier).creditBps, next, `${slaClass} at`)
      const below = [...at, bin(8_000, 1_000_000, 1)]
      assert.equal(creditsOf({ month: '2026-11', bins: below }, 10_000n, tier).creditBps, creditBps)
    }
  }
})

test('a credit is rounded up, and none promises nothing', () => {
  const bins = [...Array(100).keys()].map((index) => bin(index, 1, 1))
  assert.equal(creditsOf({ month: '2026-11', bins }, 1n, tiers.business).credit, 1n)
  assert.equal(creditsOf({ month: '2026-11', bins }, 1_000n, tiers.none).credit, 0n)
})

test('a bin that is there twice, or of another month, is no evidence', () => {
  assert.throws(() => uptimeOf({ month: '2026-11', bins: [bin(0, 1, 1), bin(0, 1, 1)] }), /once/)
  assert.throws(() => uptimeOf({ month: '2026-12', bins: [bin(0, 1, 1)] }), /2026-12/)
})

test('a caller gains nothing by giving up requests, whichever they are', () => {
  const outcome = fc.constantFrom('good', 'error', 'abort')
  const asked = fc.array(fc.record({ outcome, gaveUp: fc.boolean() }), { maxLength: 40 })
  const binOf = (outcomes: readonly string[]): Bin => ({
    startMs: NOVEMBER,
    valid: outcomes.filter((one) => one !== 'abort').length,
    errors: outcomes.filter((one) => one === 'error').length,
    aborted: outcomes.filter((one) => one === 'abort').length,
  })
  fc.assert(
    fc.property(asked, (requests) => {
      const patient = binOf(requests.map((one) => one.outcome))
      const farming = binOf(requests.map((one) => (one.gaveUp ? 'abort' : one.outcome)))
      return availabilityPpb(farming) >= availabilityPpb(patient)
    }),
  )
})

test('a job that is late gives back a part of what it cost, its pauses not counted', () => {
  const job = {
    submittedAtMs: 0,
    startDueMs: 100,
    finishDueMs: 1_000,
    startedAtMs: 90,
    endedAtMs: 1_000,
    isCancelled: false,
    pausedBeforeStartMs: 0,
    pausedMs: 0,
    charges: 1_001n,
  }
  for (const [told, creditBps, credit] of [
    [{}, 0, 0n],
    [{ startedAtMs: 101 }, 1_000, 101n],
    [{ startedAtMs: 151, pausedBeforeStartMs: 51, pausedMs: 51 }, 0, 0n],
    [{ endedAtMs: 1_001 }, 2_500, 251n],
    [{ endedAtMs: 1_500, pausedMs: 500 }, 0, 0n],
    [{ endedAtMs: 2_001 }, 5_000, 501n],
    [{ endedAtMs: 9_000, isCancelled: true }, 0, 0n],
    [{ endedAtMs: 9_000, isCancelled: true, startedAtMs: null }, 1_000, 101n],
    [{ endedAtMs: 9_000, charges: 0n }, 5_000, 0n],
  ] as const) {
    const paid = jobCreditOf('job_1', { ...job, ...told })
    assert.deepEqual([paid.creditBps, paid.credit], [creditBps, credit], JSON.stringify(Object.keys(told)))
  }
})

const bin = (index: number, valid = 0, errors = 0, aborted = 0): Bin => ({
  startMs: NOVEMBER + index * BIN_MS,
  valid,
  errors,
  aborted,
})
