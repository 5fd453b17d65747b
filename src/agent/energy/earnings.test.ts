import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { HourRecord } from '#host/energy-store.ts'
import { DAY_MS, HOUR_MS } from '#kernel/time.ts'
import { type EarningsRow, earningsCsv, earningsRows } from './earnings.ts'
import { createHourBook } from './hour-book.ts'

const START_MS = Date.parse('2026-11-22T00:00:00Z')

test('a day is the sum of its hours, and says how much of it was metered', () => {
  const [day, ...others] = earningsRows([hour(0), hour(1), hour(2, { kwh: null })], 'day', null)
  assert.equal(others.length, 0)
  assert.deepEqual([day?.fromMs, day?.toMs], [START_MS, START_MS + DAY_MS])
  assert.deepEqual([day?.expectedGross, day?.expectedFee, day?.expectedNet], [300n, 15n, 285n])
  assert.deepEqual([day?.kwh, day?.kwhSource, day?.meteredHours, day?.missingHours], [1, 'plug', 2, 22])
  assert.equal(day?.electricityCost, 200_000_000n)
  assert.equal(day?.usdPerKwh, 0.2)
  assert.equal(day?.ledger, null)
})

test('hours stand alone, and what is not known is not zero', () => {
  const rows = earningsRows([hour(0), hour(5, { kwh: null })], 'hour', null)
  assert.deepEqual(
    rows.map((row) => [row.fromMs, row.kwh, row.electricityCost, row.kwhSource]),
    [
      [START_MS, 0.5, 100_000_000n, 'plug'],
      [START_MS + 5 * HOUR_MS, null, null, null],
    ],
  )
})

test('what the ledger paid stands beside what was expected', () => {
  const paid = new Map([[START_MS, { net: 90n, requests: 1 }]])
  const asked = new Map([START_MS, START_MS + HOUR_MS].map((hourMs) => [hourMs, 1]))
  const [first, second] = earningsRows([hour(0), hour(1)], 'hour', { paid, asked })
  assert.deepEqual(
    [first?.ledger, second?.ledger],
    [
      { net: 90n, requests: 1 },
      { net: 0n, requests: 0 },
    ],
  )
})

test('what was paid for requests that are no longer kept singly is unknown, not zero', () => {
  const paid = new Map([[START_MS, { net: 90n, requests: 1 }]])
  const asked = new Map([[START_MS, 1]])
  const [first, second] = earningsRows([hour(0), hour(1)], 'hour', { paid, asked })
  assert.deepEqual([first?.ledger?.net, second?.ledger], [90n, null])
  const [day] = earningsRows([hour(0), hour(1)], 'day', { paid, asked })
  assert.equal(day?.ledger, null)
  const [header = '', line = ''] = earningsCsv([day]).split('\r\n')
  const cell = (name: string) => line.split(',')[header.split(',').indexOf(name)]
  assert.deepEqual([cell('net_ledger'), cell('requests_ledger'), cell('income_source')], ['', '', 'expected'])
})

test('the CSV has a header, a line for each row, its units in the names and empty cells for the unknown', () => {
  const csv = earningsCsv(earningsRows([hour(0), hour(1, { kwh: null })], 'hour', null))
  const [header = '', first = '', second = '', end] = csv.split('\r\n')
  assert.equal(end, '')
  const names = header.split(',')
  const cell = (line: string, name: string) => line.split(',')[names.indexOf(name)]
  assert.equal(cell(first, 'period_start_utc'), '2026-11-22T00:00:00Z')
  assert.deepEqual(
    ['currency', 'gross_expected', 'fee_expected', 'net_expected', 'net_ledger', 'income_source'].map(
      (name) => cell(first, name),
    ),
    ['USD', '0.0000001', '0.000000005', '0.000000095', '', 'expected'],
  )
  assert.deepEqual(
    ['kwh', 'kwh_source', 'electricity_price_per_kwh', 'electricity_cost', 'price_source'].map((name) =>
      cell(first, name),
    ),
    ['0.500000', 'plug', '0.200000', '0.10', 'test'],
  )
  assert.deepEqual(
    ['kwh', 'kwh_source', 'electricity_cost', 'missing_hours'].map((name) => cell(second, name)),
    ['', 'not metered', '', '1.000'],
  )
})

test('a name that a spreadsheet would take for a formula, or for several cells, is harmless', () => {
  const rows = earningsRows([hour(0)], 'hour', null)
  const named = (priceSource: string): string =>
    earningsCsv(rows.map((row): EarningsRow => ({ ...row, priceSource }))).split('\r\n')[1] ?? ''
  assert.match(named('=1+1'), /,'=1\+1,/)
  assert.match(named('a,"b"'), /,"a,""b""",/)
})

/** A busy hour at a plug, of half a kilowatt-hour at $0.20. */
function hour(index: number, { kwh = 0.5 }: { kwh?: number | null } = {}): HourRecord {
  const book = createHourBook(() => ({ usdPerKwh: 0.2, source: 'test' }))
  const stretch = { fromMs: START_MS + index * HOUR_MS, toMs: START_MS + (index + 1) * HOUR_MS }
  const work = { elapsedMs: HOUR_MS, busyMs: 0, slotMs: 0, jobs: [] }
  book.addTime(stretch, { state: 'serving', work, power: null })
  if (kwh !== null)
    book.addEnergy({ ...stretch, source: 'plug', quality: 'measured', isDetail: false, joules: kwh * 3.6e6 })
  book.addJob({
    requestId: `req_${index}`,
    model: 'guide',
    startedAtMs: stretch.fromMs,
    endedAtMs: stretch.fromMs,
    outcome: 'completed',
    promptTokens: 1,
    completionTokens: 2,
    expectedGross: 100n,
    expectedFee: 5n,
    soldGpuHours: 0,
    joules: null,
    isLowerBound: false,
  })
  const [record] = book.take()?.hours ?? []
  assert.ok(record)
  return record
}
