import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { HourRecord } from '#host/energy-store.ts'
import { openSqliteEnergyStore } from '#host/node/sqlite-energy-store.ts'
import { HOUR_MS, MINUTE_MS } from '#kernel/time.ts'
import { incomeHistory } from './income-history.ts'

const PERIOD = { fromMs: 10 * HOUR_MS, toMs: 20 * HOUR_MS }

test('an hour brings what callers pay less what the network keeps, and a parked card is online', () => {
  const store = setup([
    hour(9, { servingMs: HOUR_MS, expectedGross: 9_000_000_000n }),
    hour(12, {
      servingMs: 20 * MINUTE_MS,
      parkedMs: 30 * MINUTE_MS,
      expectedGross: 2_000_000_000n,
      expectedFee: 100_000_000n,
    }),
    hour(20, { servingMs: HOUR_MS }),
  ])
  assert.deepEqual(incomeHistory(store, PERIOD), {
    hours: [{ hourMs: 12 * HOUR_MS, onlineMs: 50 * MINUTE_MS, netUsd: 1.9 }],
    toMs: PERIOD.toMs,
  })
})

test("where the ledger was asked its word counts, not the node's reckoning", () => {
  const store = setup([
    hour(12, { expectedGross: 2_000_000_000n }),
    hour(13, { expectedGross: 2_000_000_000n }),
  ])
  const ledger = new Map([[12 * HOUR_MS, { net: 500_000_000n, requests: 1 }]])
  assert.deepEqual(
    incomeHistory(store, PERIOD, ledger).hours.map(({ netUsd }) => netUsd),
    [0.5, 0],
  )
})

function setup(hours: readonly HourRecord[]) {
  const store = openSqliteEnergyStore(':memory:')
  store.add({ hours, jobs: [], events: [] })
  return store
}

const hour = (at: number, fields: Partial<HourRecord>): HourRecord => ({
  hourMs: at * HOUR_MS,
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
  ...fields,
})
