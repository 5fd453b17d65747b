import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isPackage, joulesBetween, meanWatts } from './rapl.ts'

test('power is energy over time, summed over the packages', () => {
  const before = counters({ 'intel-rapl:0': 1_000_000, 'intel-rapl:1': 5_000_000 })
  const after = counters({ 'intel-rapl:0': 11_000_000, 'intel-rapl:1': 10_000_000 })
  assert.equal(meanWatts(before, after, 250), 60)
})

test('a counter that started again counts from its range', () => {
  assert.equal(
    meanWatts(
      counters({ 'intel-rapl:0': RANGE_UJ - 1_000_000 }),
      counters({ 'intel-rapl:0': 1_000_000 }),
      1_000,
    ),
    2,
  )
})

test('a package seen only once, and no time passed, tell nothing', () => {
  assert.equal(meanWatts(counters({}), counters({ 'intel-rapl:0': 1 }), 250), null)
  assert.equal(meanWatts(counters({ 'intel-rapl:0': 1 }), counters({ 'intel-rapl:0': 2 }), 0), null)
})

test('a counter that was set back, and one that may have wrapped twice, tell nothing', () => {
  // After a suspend it starts from 0: taken for a wrap, it would be 56 kJ in 10 s.
  const tenSeconds = 10_000
  assert.equal(
    joulesBetween(counters({ 'intel-rapl:0': 9_000_000_000 }), counters({ 'intel-rapl:0': 100 }), tenSeconds),
    null,
  )
  const [before, after] = [counters({ 'intel-rapl:0': 1 }), counters({ 'intel-rapl:0': 5_000_000_001 })]
  assert.equal(joulesBetween(before, after, 65_000), 5_000)
  assert.equal(joulesBetween(before, after, 66_000), null)
})

test('a counter that is no number tells nothing', () => {
  assert.equal(
    joulesBetween(counters({ 'intel-rapl:0': 1 }), counters({ 'intel-rapl:0': Number.NaN }), 50),
    null,
  )
})

test('parts of a package and other zones are not packages', () => {
  assert.deepEqual(['intel-rapl:0', 'intel-rapl:0:0', 'intel-rapl-mmio:0', 'dtpm'].map(isPackage), [
    true,
    false,
    false,
    false,
  ])
})

/** Of an AMD Ryzen: at 1 kW it lasts 65 s. */
const RANGE_UJ = 65_532_610_987
const counters = (energies: Record<string, number>) =>
  new Map(Object.entries(energies).map(([zone, energyUj]) => [zone, { energyUj, rangeUj: RANGE_UJ }]))
