import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { type TestContext, test } from 'node:test'
import type { EnergyAdditions, HourRecord, JobRecord } from '../energy-store.ts'
import { mountSmallDisk } from './small-disk.ts'
import { openSqliteEnergyStore, readSqliteEnergyStore } from './sqlite-energy-store.ts'

const ALL = { fromMs: 0, toMs: Number.MAX_SAFE_INTEGER }

test('what is added to an hour adds up, also across openings', (t) => {
  const { open } = setup(t)
  const store = open()
  store.add(additions({ hours: [hour({ busyMs: 10, expectedGross: 2n ** 60n })] }))
  store.add(additions({ hours: [hour({ busyMs: 5.5, expectedGross: 1n, priceSource: 'flat' })] }))
  store.close()
  const [kept, ...others] = open().hours(ALL)
  assert.equal(others.length, 0)
  assert.deepEqual([kept?.busyMs, kept?.expectedGross, kept?.priceSource], [15.5, 2n ** 60n + 1n, 'flat'])
})

test('it can be read while a node writes to it, and after, and nothing in it changes', (t) => {
  const { open, path } = setup(t)
  const store = open()
  store.add(additions({ hours: [hour({ busyMs: 10 })] }))
  const reader = readSqliteEnergyStore(path)
  assert.equal(reader.hours(ALL)[0]?.busyMs, 10)
  store.add(additions({ hours: [hour({ busyMs: 5 })] }))
  assert.equal(reader.hours(ALL)[0]?.busyMs, 15)
  reader.close()
  store.close()
  const before = readFileSync(path)
  const later = readSqliteEnergyStore(path)
  assert.equal(later.hours(ALL)[0]?.busyMs, 15)
  later.close()
  assert.deepEqual(readFileSync(path), before)
})

test('what is no record, or is not there, is refused and not made', (t) => {
  const { path } = setup(t)
  assert.throws(() => readSqliteEnergyStore(path), { code: 'disk_failed' })
  assert.equal(existsSync(path), false)
  writeFileSync(path, 'a diary, and quite a long one at that')
  assert.throws(() => readSqliteEnergyStore(path), { code: 'journal_corrupt' })
})

test('it says when its first hour was, that of one who only reads too', (t) => {
  const { open, path } = setup(t)
  const store = open()
  assert.equal(store.firstHourMs(), null)
  store.add(additions({ hours: [hour({ hourMs: 7_200_000 }), hour({ hourMs: 3_600_000 })] }))
  assert.equal(store.firstHourMs(), 3_600_000)
  const reader = readSqliteEnergyStore(path)
  assert.equal(reader.firstHourMs(), 3_600_000)
  reader.close()
  store.close()
})

test('energy adds up by source, quality and detail, and fits by what measured them', (t) => {
  const store = setup(t).open()
  const sum = { source: 'gpu', quality: 'measured', isDetail: false, coveredMs: 10, joules: 5 } as const
  const fit = {
    basis: 'plug',
    isPure: true,
    timeMs: 1,
    busyMs: 2,
    busySquareMs: 3,
    joules: 4,
    busyJoules: 5,
  } as const
  const added = hour({ energy: [sum, { ...sum, isDetail: true }], fits: [fit] })
  store.add(additions({ hours: [added] }))
  store.add(additions({ hours: [added] }))
  const [kept] = store.hours(ALL)
  assert.deepEqual(kept?.energy, [
    { ...sum, coveredMs: 20, joules: 10 },
    { ...sum, isDetail: true, coveredMs: 20, joules: 10 },
  ])
  assert.deepEqual(kept?.fits, [
    { basis: 'plug', isPure: true, timeMs: 2, busyMs: 4, busySquareMs: 6, joules: 8, busyJoules: 10 },
  ])
})

test('a period holds its beginning and not its end', (t) => {
  const store = setup(t).open()
  store.add(additions({ hours: [100, 200, 300].map((hourMs) => hour({ hourMs })) }))
  assert.deepEqual(
    store.hours({ fromMs: 100, toMs: 300 }).map((kept) => kept.hourMs),
    [100, 200],
  )
})

test('a full disk is called by its name', (t) => {
  const disk = mountSmallDisk(256)
  if (typeof disk === 'string') return t.skip(disk)
  const store = openSqliteEnergyStore(join(disk.folder, 'energy.sqlite'))
  t.after(() => {
    store.close()
    disk.dispose()
  })
  const jobs = Array.from({ length: 3_000 }, (_, index) => job({ endedAtMs: index }))
  assert.throws(() => store.add(additions({ jobs })), { code: 'disk_full' })
  assert.deepEqual(store.jobs(ALL, 10), [])
})

test('jobs and events come back as they were, oldest first', (t) => {
  const store = setup(t).open()
  const jobs = [job({ endedAtMs: 20, joules: null }), job({ endedAtMs: 10 })]
  const event = { atMs: 5, kind: 'parked', askPerGpuHour: 7n, usdPerKwh: null, reason: 'dear' } as const
  store.add(additions({ jobs, events: [event] }))
  assert.deepEqual(store.jobs(ALL, 10), jobs.toReversed())
  assert.deepEqual(store.jobs(ALL, 1), jobs.slice(1))
  assert.deepEqual(store.events(ALL), [event])
})

test('an addition that fails leaves nothing of itself', (t) => {
  const store = setup(t).open()
  const broken = job({ joules: 1n as unknown as number })
  assert.throws(() => store.add(additions({ hours: [hour()], jobs: [broken] })))
  assert.deepEqual(store.hours(ALL), [])
})

test('what is older than its limit is forgotten, and the oldest of too many jobs', (t) => {
  const store = setup(t).open()
  const jobs = [10, 20, 30, 40].map((endedAtMs) => job({ endedAtMs }))
  const energy = [{ source: 'gpu', quality: 'measured', isDetail: false, coveredMs: 1, joules: 1 }] as const
  store.add(additions({ hours: [hour({ hourMs: 100, energy }), hour({ hourMs: 200, energy })], jobs }))
  store.forget({ hoursBeforeMs: 200, jobsBeforeMs: 20, jobsMax: 2 })
  assert.deepEqual(
    store.hours(ALL).map((kept) => [kept.hourMs, kept.energy.length]),
    [[200, 1]],
  )
  assert.deepEqual(
    store.jobs(ALL, 10).map((kept) => kept.endedAtMs),
    [30, 40],
  )
})

test('a note is kept under its name until another takes its place', (t) => {
  const { open } = setup(t)
  const store = open()
  assert.equal(store.read('ask'), null)
  store.write('ask', '1')
  store.write('ask', '2')
  assert.equal(open().read('ask'), '2')
})

test('another file in its place is refused, and left alone', (t) => {
  const { open, path } = setup(t)
  writeFileSync(path, 'not a database, but long enough to be looked at as one '.repeat(20))
  assert.throws(open, { code: 'journal_corrupt', message: /energy\.sqlite/ })
  rmSync(path)
  const other = new DatabaseSync(path)
  other.exec('CREATE TABLE mine (x)')
  other.close()
  assert.throws(open, { code: 'disk_failed', message: /not an energy record/ })
})

const additions = (some: Partial<EnergyAdditions>): EnergyAdditions => ({
  hours: [],
  jobs: [],
  events: [],
  ...some,
})

const hour = (some: Partial<HourRecord> = {}): HourRecord => ({
  hourMs: 0,
  energy: [],
  fits: [],
  servingMs: 0,
  parkedMs: 0,
  busyMs: 0,
  slotMs: 0,
  requests: 0,
  promptTokens: 0,
  completionTokens: 0,
  expectedGross: 0n,
  expectedFee: 0n,
  soldGpuHours: 0,
  pricedMs: 0,
  usdPerKwhMs: 0,
  electricityCost: 0n,
  costedJoules: 0,
  priceSource: null,
  ...some,
})

const job = (some: Partial<JobRecord> = {}): JobRecord => ({
  requestId: 'req_1',
  model: 'guide',
  startedAtMs: 0,
  endedAtMs: 1,
  outcome: 'completed',
  promptTokens: 3,
  completionTokens: 4,
  expectedGross: 12_345n,
  expectedFee: 617n,
  joules: 99.5,
  isLowerBound: false,
  ...some,
})

function setup(t: TestContext) {
  const folder = mkdtempSync(join(tmpdir(), 'shoal-energy-'))
  const path = join(folder, 'energy.sqlite')
  const opened: { close(): void }[] = []
  t.after(() => {
    for (const store of opened) store.close()
    rmSync(folder, { recursive: true, force: true })
  })
  return {
    path,
    open() {
      const store = openSqliteEnergyStore(path)
      opened.push({ close: () => closeOnce(store) })
      return store
    },
  }
}

const closeOnce = (store: { close(): void }): void => {
  try {
    store.close()
  } catch {
    // It was closed by its test.
  }
}
