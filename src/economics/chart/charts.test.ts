import assert from 'node:assert/strict'
import { test } from 'node:test'
import { breakEvenMap } from '../break-even-map.ts'
import { assess } from '../economics.ts'
import { mapAxesOf } from '../map-axes.ts'
import { shippedCatalogue } from '../test-catalogue.ts'
import { g1 } from '../test-terms.ts'
import { breakEvenChart } from './break-even-chart.ts'
import { cashChart } from './cash-chart.ts'
import { distributionChart } from './distribution-chart.ts'
import { moneyTick } from './money-tick.ts'
import { linearScale } from './scale.ts'
import { tokenChart } from './token-chart.ts'
import { tornadoChart } from './tornado-chart.ts'

const DAY_MS = 86_400_000

test('every GPU that has a forecast has charts that are whole and stay within their frame', () => {
  const catalogue = shippedCatalogue()
  for (const { id } of catalogue.gpus) {
    const report = assess(catalogue, { gpu: id, electricityPerKwh: 0.2 }, { paths: 40 })
    assert.ok(report.kind === 'report')
    const { forecast, terms, account, tornado } = report
    if (!forecast || !terms || !account) continue
    const map = breakEvenMap(terms, account.depreciationUsdPerDay ?? 0, mapAxesOf(terms))
    const own = { usdPerKwh: 0.2, utilisation: terms.utilisation }
    const rows = tornado.map((row) => ({ ...row, range: 'a to b' }))
    const charts = [
      distributionChart(forecast.cash, 'x'),
      ...(forecast.economic ? [distributionChart(forecast.economic, 'x')] : []),
      cashChart(forecast.byMonth, 'x'),
      tornadoChart(rows, account.cashUsdPerDay, 'x'),
      breakEvenChart(map, own, 'x'),
    ]
    for (const svg of charts) assertWhole(svg, id)
  }
})

test('bars that lose are told from those that gain, and the percentiles stand above them', () => {
  const bar = (from: number, count: number) => ({ from, to: from + 10, count })
  const svg = distributionChart(
    {
      netUsd: { p5: -8, p50: 3, p95: 19 },
      meanUsd: 3,
      lossShare: 0.4,
      worstMeanUsd: -9,
      histogramUsd: [bar(-10, 4), bar(0, 5), bar(10, 1)],
    },
    'Cash',
  )
  assert.deepEqual(svg.match(/class="(good|bad)"/g), ['class="bad"', 'class="good"', 'class="good"'])
  assert.match(
    svg,
    /aria-label="Cash: -\$8\.00 or less in one of twenty futures, \$3\.00 in the middle.* 40 % lose\."/,
  )
  for (const name of ['P5', 'P50', 'P95']) assert.ok(svg.includes(`>${name}<`))
})

test('the map marks the owner, draws the line between gain and loss, and says it in words', () => {
  const map = breakEvenMap(g1.terms, 0, mapAxesOf(g1.terms))
  const svg = breakEvenChart(map, { usdPerKwh: 0.1, utilisation: 0.5 }, 'Cash of a day')
  assert.match(svg, />you</)
  assert.match(svg, /class="border"/)
  assert.match(svg, /50 % rented: up to \$0\.30\/kWh/)
  assert.doesNotMatch(breakEvenChart(map, { usdPerKwh: 2, utilisation: 0.5 }, 'x'), />you</)
  const dear = mapAxesOf({ electricityUsdPerKwh: 1.2, availability: 0.97 })
  assert.ok((dear.usdPerKwh.at(-1) ?? 0) >= 1.2, 'the owner is on the map at any price')
  assert.deepEqual(mapAxesOf({ electricityUsdPerKwh: 0.1, availability: 0.05 }).utilisation, [0.1])
})

test('no line is drawn where a token has no prices', () => {
  const prices = [0, 1, 2, 3, 10, 11, 12].map((day) => ({ atMs: day * DAY_MS, usd: 1 + day }))
  const svg = tokenChart({ token: 'AKT', source: 'akt.csv', prices })
  assert.equal(svg.match(/class="line"/g)?.length, 2)
  assert.match(svg, /AKT from 1970-01-01 to 1970-01-13 \(akt\.csv\)/)
})

test('what others wrote cannot break out of a chart', () => {
  const prices = [1, 2, 3].map((usd, day) => ({ atMs: day * DAY_MS, usd }))
  const svg = tokenChart({ token: 'A', source: '"><script>alert(1)</script>', prices })
  assert.doesNotMatch(svg, /<script|="">/)
})

test('axes have round values within their ends', () => {
  const scale = linearScale({ low: -37, high: 1_160 }, { from: 0, to: 100, tickCount: 5 })
  assert.deepEqual(scale.ticks, [0, 250, 500, 750, 1_000])
  assert.deepEqual([scale.at(-37), scale.at(1_160)], [0, 100])
  const flat = linearScale({ low: 5, high: 5 }, { from: 0, to: 10, tickCount: 2 })
  assert.ok(Number.isFinite(flat.at(5)) && flat.ticks.length > 0)
  assert.deepEqual([1_000, 12_500, -0.05, 0, 2_500_000].map(moneyTick), [
    '$1000',
    '$12.5k',
    '-$0.05',
    '$0',
    '$2.5M',
  ])
})

function assertWhole(svg: string, of: string): void {
  assert.doesNotMatch(svg, /NaN|Infinity|undefined|null/, of)
  const [, width, height] = /viewBox="0 0 (\d+) (\d+)"/.exec(svg) ?? []
  for (const [, x] of svg.matchAll(/ (?:x|x1|x2|cx)="(-?[\d.]+)"/g))
    assert.ok(Number(x) >= -1 && Number(x) <= Number(width), `${of}: x ${x}`)
  for (const [, y] of svg.matchAll(/ (?:y|y1|y2|cy)="(-?[\d.]+)"/g))
    assert.ok(Number(y) >= -1 && Number(y) <= Number(height) + 1, `${of}: y ${y}`)
}
