import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { EnergyAdditions, EnergyStore, HourRecord, JobRecord, ParkEvent } from '#host/energy-store.ts'
import { openSqliteEnergyStore } from '#host/node/sqlite-energy-store.ts'
import { createRandom, type Random } from '#kernel/random.ts'
import { HOUR_MS } from '#kernel/time.ts'
import { createSimEnergyStore } from './sim-energy-store.ts'

const ALL = { fromMs: 0, toMs: Number.MAX_SAFE_INTEGER }

test('the simulated record adds up, orders and forgets as the real one does', () => {
  const random = createRandom(11)
  const stores = [createSimEnergyStore(), openSqliteEnergyStore(':memory:')] as const
  const both = <T>(ask: (store: EnergyStore) => T): void => {
    const [simulated, real] = stores.map(ask)
    assert.deepEqual(simulated, real)
  }
  for (let step = 0; step < 200; step++) {
    const additions = drawAdditions(random, step)
    for (const store of stores) store.add(additions)
  }
  const part = { fromMs: 5 * HOUR_MS, toMs: 12 * HOUR_MS }
  const check = (): void => {
    for (const period of [ALL, part]) {
      both((store) => store.hours(period).map(inOrder))
      both((store) => store.events(period))
      both((store) => store.jobs(period, 50))
    }
  }
  check()
  both((store) => store.read('nothing'))
  for (const store of stores) store.write('note', 'text')
  both((store) => store.read('note'))
  for (const store of stores)
    store.forget({ hoursBeforeMs: 4 * HOUR_MS, jobsBeforeMs: 2 * HOUR_MS, jobsMax: 60 })
  check()
  for (const store of stores) store.close()
})

/** The port leaves open in which order an hour names its meters. */
const inOrder = (hour: HourRecord): HourRecord => ({
  ...hour,
  energy: hour.energy.toSorted((a, b) => compare(JSON.stringify(a), JSON.stringify(b))),
  fits: hour.fits.toSorted((a, b) => compare(JSON.stringify(a), JSON.stringify(b))),
})
const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0)

function drawAdditions(random: Random, step: number): EnergyAdditions {
  const count = (): number => random.int(1_000)
  const pick = <T>(...items: readonly T[]): T => items[random.int(items.length)] as T
  const hour = (hourMs: number): HourRecord => ({
    hourMs,
    energy: [
      {
        source: pick('plug', 'gpu', 'cpu'),
        quality: pick('measured', 'interpolated'),
        isDetail: random.chance(1, 2),
        coveredMs: count(),
        joules: count(),
      },
    ],
    fits: [
      {
        basis: pick('plug', 'parts'),
        isPure: random.chance(1, 2),
        timeMs: count(),
        busyMs: count(),
        busySquareMs: count(),
        joules: count(),
        busyJoules: count(),
      },
    ],
    servingMs: count(),
    parkedMs: count(),
    busyMs: count(),
    slotMs: count(),
    requests: count(),
    promptTokens: count(),
    completionTokens: count(),
    expectedGross: BigInt(count()),
    expectedFee: BigInt(count()),
    soldGpuHours: count(),
    pricedMs: count(),
    usdPerKwhMs: count(),
    electricityCost: BigInt(count()),
    costedJoules: count(),
    priceSource: pick(null, 'flat', 'tariff.json'),
  })
  const endedAtMs = step * 6 * 60_000
  const job: JobRecord = {
    requestId: `request-${step}`,
    model: 'm',
    startedAtMs: endedAtMs - 1_000,
    endedAtMs,
    outcome: pick('completed', 'cancelled', 'failed'),
    promptTokens: count(),
    completionTokens: count(),
    expectedGross: BigInt(count()),
    expectedFee: BigInt(count()),
    joules: pick(null, 5),
    isLowerBound: false,
  }
  const kind = pick<ParkEvent['kind']>('parked', 'resumed', 'ask_changed')
  const event = {
    atMs: endedAtMs,
    kind,
    askPerGpuHour: BigInt(count()),
    usdPerKwh: pick(null, 0.3),
    reason: '',
  }
  return { hours: [hour(random.int(20) * HOUR_MS)], jobs: [job], events: [event] }
}
