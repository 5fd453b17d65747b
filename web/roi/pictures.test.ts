import assert from 'node:assert/strict'
import { test } from 'node:test'
import { assess, type RoiReport } from '../../src/economics/economics.ts'
import { shippedCatalogue } from '../../src/economics/test-catalogue.ts'
import { accountRows } from './account-rows.ts'
import { daysText, plainNumber, quantityText, withoutFlags, withUnit } from './format.ts'
import { headlineOf } from './headline.ts'
import { heatMapOf } from './heat-axes.ts'
import { shortUsd, ticksOf } from './scale.ts'

const catalogue = shippedCatalogue()

test('the cell of the input in the break-even map is the day of the account, in both views', () => {
  for (const kwh of [0.03, 0.12, 0.4495, 2.9]) {
    const report = assessed({ electricityPerKwh: kwh, utilisation: 0.37 })
    for (const view of ['own', 'buy'] as const) {
      const map = heatMapOf(report, view)
      assert.ok(map && map.row !== null && map.column !== null)
      const expected = view === 'own' ? report.account?.cashUsdPerDay : report.account?.netUsdPerDay
      assert.equal(map.netUsdPerDay[map.row]?.[map.column], expected)
      assert.deepEqual([map.usdPerKwh.length, new Set(map.usdPerKwh).size], [7, 7])
    }
  }
})

test('the lines of a day add up to its cash, and its cash less the fall in value to its net', () => {
  const report = assessed({ electricityPerKwh: 0.2, pue: 1.3, gasPerDay: 0.05, maintenancePerDay: 0.4 })
  const rows = accountRows(report)
  const cashAt = rows.findIndex(({ kind }) => kind === 'cash')
  const sum = (until: number) => rows.slice(0, until).reduce((total, { usdPerDay }) => total + usdPerDay, 0)
  const cash = rows[cashAt]?.usdPerDay ?? Number.NaN
  assert.ok(Math.abs(sum(cashAt) - cash) < 1e-9)
  const [fall, net] = [rows.at(-2)?.usdPerDay ?? 0, rows.at(-1)?.usdPerDay ?? 0]
  assert.ok(Math.abs(cash + fall - net) < 1e-9)
  assert.ok(rows.some(({ what }) => what.startsWith('cooling')))
})

test('the headline says what the verdict says, for either side', () => {
  assert.equal(headlineOf(assessed({ electricityPerKwh: 0.05 }), 'own').text, 'Run it')
  assert.equal(headlineOf(assessed({ electricityPerKwh: 1 }), 'own').tone, 'bad')
  assert.equal(headlineOf(assessed({ electricityPerKwh: 1 }), 'buy').text, 'Do not buy one for this')
  assert.equal(headlineOf(assessed({}), 'own').text, 'What does your electricity cost?')
})

test('what pays today and loses in many futures is not called good, as in the verdict', () => {
  const report = assessed({ electricityPerKwh: 0.3393 })
  const at = (lossShare: number): RoiReport => ({
    ...report,
    forecast: report.forecast && { ...report.forecast, cash: { ...report.forecast.cash, lossShare } },
  })
  assert.match(report.verdict, /pays today, but not by much/)
  assert.deepEqual(
    [report, at(0.34), at(0.35), at(0.65)].map((one) => headlineOf(one, 'own')),
    [
      { text: 'It pays today, but not by much', tone: 'even' },
      { text: 'Run it', tone: 'good' },
      { text: 'It pays today, but not by much', tone: 'even' },
      { text: 'It pays today, but not by much', tone: 'bad' },
    ],
  )
})

test('marks of an axis are round, within it, and have zero where it is in sight', () => {
  assert.deepEqual(ticksOf(-930, 2_400, 4), [0, 1_000, 2_000])
  assert.ok(ticksOf(-1_930, 2_400, 4).includes(0))
  assert.deepEqual(ticksOf(5, 5, 4), [5])
  for (const [low, high] of [
    [0.001, 0.002],
    [-1e6, 3e6],
  ] as const)
    for (const mark of ticksOf(low, high, 5)) assert.ok(mark >= low && mark <= high)
  assert.deepEqual([0, 4.5, -350, 12_500, 2_300_000].map(shortUsd), [
    '$0',
    '$4.50',
    '-$350',
    '$12.5k',
    '$2.3M',
  ])
})

test('numbers have their units, and sentences no options', () => {
  assert.deepEqual(
    [withUnit(0.5, 'share'), withUnit(0.1, 'share/year'), withUnit(1, 'GPUs'), withUnit(1.2, 'ratio')],
    ['50 %', '10 %/year', '1 GPU', '× 1.2'],
  )
  assert.deepEqual(
    [quantityText(1_650.4), quantityText(-0.0123), plainNumber(0.1 + 0.2)],
    ['1,650', '-0.012', '0.3'],
  )
  assert.deepEqual([daysText(12.1), daysText(200), daysText(1_000)], ['13 days', '7 months', '2.7 years'])
  assert.equal(
    withoutFlags('Say the price (--purchase), as --usd-per EUR=1.17; re-read it -- twice.'),
    'Say the price, as usd-per EUR=1.17; re-read it -- twice.',
  )
})

function assessed(change: object): RoiReport {
  const report = assess(catalogue, { gpu: 'RTX 4090', ...change }, { paths: 300 })
  assert.equal(report.kind, 'report', JSON.stringify(report))
  return report as RoiReport
}
