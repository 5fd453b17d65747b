/** What a heap of outcomes says. */
import { assert } from '#kernel/assert.ts'

export interface Percentiles {
  readonly p5: number
  readonly p50: number
  readonly p95: number
}

export interface Bar {
  readonly from: number
  readonly to: number
  readonly count: number
}

/** The value that the share `share` of `sorted` (ascending, not empty) lies below. */
export function percentile(sorted: Float64Array, share: number): number {
  const value = sorted[Math.min(Math.floor(share * sorted.length), sorted.length - 1)]
  assert(value !== undefined, 'a percentile is of one value at least')
  return value
}

export const percentilesOf = (sorted: Float64Array): Percentiles => ({
  p5: percentile(sorted, 0.05),
  p50: percentile(sorted, 0.5),
  p95: percentile(sorted, 0.95),
})

export const meanOf = (values: Float64Array): number =>
  values.reduce((sum, value) => sum + value, 0) / values.length

/** Share of `sorted` below zero. */
export function lossShare(sorted: Float64Array): number {
  const first = sorted.findIndex((value) => value >= 0)
  return first === -1 ? 1 : first / sorted.length
}

/** Mean of the worst `share` of `sorted`: what a bad case costs, given that it is one. */
export const worstMean = (sorted: Float64Array, share: number): number =>
  meanOf(sorted.subarray(0, Math.max(1, Math.floor(share * sorted.length))))

/** Counts over equal ranges from the 0.5th to the 99.5th percentile; what lies beyond is in the first and last bar. */
export function histogramOf(sorted: Float64Array, bars: number): Bar[] {
  const low = percentile(sorted, 0.005)
  const width = (percentile(sorted, 0.995) - low) / bars
  const counts = new Array<number>(bars).fill(0)
  for (const value of sorted) {
    const at = width > 0 ? Math.floor((value - low) / width) : 0
    const bar = Math.min(Math.max(at, 0), bars - 1)
    counts[bar] = (counts[bar] ?? 0) + 1
  }
  return counts.map((count, bar) => ({ from: low + bar * width, to: low + (bar + 1) * width, count }))
}
