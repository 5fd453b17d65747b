import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isPackage, meanWatts } from './rapl.ts'

test('power is energy over time, summed over the packages', () => {
  const before = counters({ 'intel-rapl:0': 1_000_000, 'intel-rapl:1': 5_000_000 })
  const after = counters({ 'intel-rapl:0': 11_000_000, 'intel-rapl:1': 10_000_000 })
  assert.equal(meanWatts(before, after, 250), 60)
})

test('a counter that started again counts from its range', () => {
  assert.equal(
    meanWatts(counters({ 'intel-rapl:0': 99_000_000 }), counters({ 'intel-rapl:0': 1_000_000 }), 1_000),
    2,
  )
})

test('a package seen only once, and no time passed, tell nothing', () => {
  assert.equal(meanWatts(counters({}), counters({ 'intel-rapl:0': 1 }), 250), null)
  assert.equal(meanWatts(counters({ 'intel-rapl:0': 1 }), counters({ 'intel-rapl:0': 2 }), 0), null)
})

test('parts of a package and other zones are not packages', () => {
  assert.deepEqual(['intel-rapl:0', 'intel-rapl:0:0', 'intel-rapl-mmio:0', 'dtpm'].map(isPackage), [
    true,
    false,
    false,
    false,
  ])
})

const counters = (energies: Record<string, number>) =>
  new Map(Object.entries(energies).map(([zone, energyUj]) => [zone, { energyUj, rangeUj: 100_000_000 }]))
