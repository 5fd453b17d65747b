import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ForecastOutcome } from './forecast-run.ts'
import { scoreOf } from './forecast-score.ts'

test('errors are shares of what was paid; the median and P90 are of the nodes that made a forecast', () => {
  const score = scoreOf([
    ...[1.1, 0.8, 1, 1.5, 1.05].map((usd) => outcome({ usd, naiveUsd: 1.2, ledgerUsd: 1 })),
    outcome({ usd: null, naiveUsd: 0, ledgerUsd: 1 }),
  ])
  assert.deepEqual([score.nodes, score.withoutRecord], [5, 1])
  near(score.median, 0.1)
  near(score.p90, 0.5)
  near(score.naiveMedian, 0.2)
  near(score.ofAll, 0.09)
})

test('a node that was paid nothing against its forecast is wrong without limit, and cannot be left out', () => {
  const score = scoreOf([outcome({ usd: 1, naiveUsd: 0, ledgerUsd: 0 })])
  assert.equal(score.median, Number.POSITIVE_INFINITY)
  assert.equal(score.naiveMedian, 0)
})

test('a range holds a node that was paid its very ends', () => {
  const range = { p5: 0.5, p95: 2 }
  const paid = [0.5, 2, 0.49, 2.01].map((ledgerUsd) => outcome({ usd: 1, naiveUsd: 1, ledgerUsd, ...range }))
  assert.equal(scoreOf(paid).withinRange, 0.5)
})

function outcome(input: {
  usd: number | null
  naiveUsd: number
  ledgerUsd: number
  p5?: number
  p95?: number
}): ForecastOutcome {
  const { usd, naiveUsd, ledgerUsd, p5 = 0, p95 = 9 } = input
  const rest = {
    usdPerDay: 0,
    availability: 1,
    availabilityMeasured: 1,
    usdPerOnlineHour: 0,
    historyHours: 168,
  }
  const forecast = usd === null ? null : { usd: { p5, p50: usd, p95 }, ...rest }
  return { nodeId: 'node', fleet: 'dedicated', forecast, naiveUsd, ledgerUsd }
}

const near = (value: number, expected: number): void =>
  assert.ok(Math.abs(value - expected) < 1e-9, `${value} for ${expected}`)
