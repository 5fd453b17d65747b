/** How far forecasts were from what was paid. Errors are shares of what was paid. */
import type { ForecastOutcome } from './forecast-run.ts'

/** A forecast may be so far from what was paid, in the median of all nodes. */
export const MEDIAN_MAX = 0.15

export interface ForecastScore {
  /** Nodes that made a forecast; only they are scored. */
  readonly nodes: number
  readonly withoutRecord: number
  readonly median: number
  readonly p90: number
  readonly naiveMedian: number
  readonly naiveP90: number
  /** Share of nodes that were paid no less than P5 and no more than P95. */
  readonly withinRange: number
  /** Signed, of the sums of all nodes. */
  readonly ofAll: number
}

export function scoreOf(outcomes: readonly ForecastOutcome[]): ForecastScore {
  const told = outcomes.flatMap(({ forecast, ...rest }) => (forecast ? [{ ...rest, forecast }] : []))
  const errors = told.map(({ forecast, ledgerUsd }) => errorOf(forecast.usd.p50, ledgerUsd))
  const naive = told.map(({ naiveUsd, ledgerUsd }) => errorOf(naiveUsd, ledgerUsd))
  const within = told.filter(
    ({ forecast, ledgerUsd }) => ledgerUsd >= forecast.usd.p5 && ledgerUsd <= forecast.usd.p95,
  )
  const paid = told.reduce((sum, { ledgerUsd }) => sum + ledgerUsd, 0)
  const forecasts = told.reduce((sum, { forecast }) => sum + forecast.usd.p50, 0)
  return {
    nodes: told.length,
    withoutRecord: outcomes.length - told.length,
    median: quantile(errors, 0.5),
    p90: quantile(errors, 0.9),
    naiveMedian: quantile(naive, 0.5),
    naiveP90: quantile(naive, 0.9),
    withinRange: within.length / told.length,
    ofAll: forecasts / paid - 1,
  }
}

/** A node that was paid nothing, and had forecast anything else, is wrong without limit. */
const errorOf = (forecast: number, paid: number): number =>
  paid > 0 ? Math.abs(forecast - paid) / paid : forecast === 0 ? 0 : Number.POSITIVE_INFINITY

/** The least value that the share `share` of all does not exceed. */
function quantile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? Number.NaN
}
