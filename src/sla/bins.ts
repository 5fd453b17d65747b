/**
 * Availability by bins of five minutes of cell time, which is UTC: no summer time, no leap second, and no clock of a
 * node or a caller has a say. Shares are whole parts per billion, always rounded against the network.
 */
import { assert } from '#kernel/assert.ts'
import { MINUTE_MS, type TimestampMs } from '#kernel/time.ts'
import { PPB } from './tiers.ts'

export const BIN_MS = 5 * MINUTE_MS

/** What was counted in one bin. */
export interface Bin {
  readonly startMs: TimestampMs
  /** Requests that were answered or failed; those that a caller gave up are not among them. */
  valid: number
  /** Of those, the failed ones. */
  errors: number
  /**
   * Given up by their callers. They are neither good nor bad, but failures are divided by them, too: else a caller who
   * gives up what goes well would turn a single failure into an outage.
   */
  aborted: number
}

export interface Span {
  readonly fromMs: TimestampMs
  readonly toMs: TimestampMs
}

/** All that the uptime of one month is made of. A bin that is not among `bins` had no failure. */
export interface MonthBins {
  /** As `2026-11`. */
  readonly month: string
  readonly bins: readonly Readonly<Bin>[]
  /** Announced ahead: bins that they touch are left out. */
  readonly maintenance?: readonly Span[]
  /** Nobody could be served: bins that they touch and that no maintenance does are lost. */
  readonly outages?: readonly Span[]
}

export const emptyBin = (startMs: TimestampMs): Bin => ({ startMs, valid: 0, errors: 0, aborted: 0 })

/** Start of the bin that `atMs` is in. */
export const binStartOf = (atMs: TimestampMs): TimestampMs => Math.floor(atMs / BIN_MS) * BIN_MS

/** The UTC month of an instant, as `2026-11`. */
export const monthOf = (atMs: TimestampMs): string => new Date(atMs).toISOString().slice(0, 7)

/** From its first instant to the next month's. */
export function spanOfMonth(month: string): Span {
  const match = /^(\d{4})-(\d{2})$/.exec(month)
  assert(match, `${month} is no month`)
  const [year, index] = [Number(match[1]), Number(match[2]) - 1]
  return { fromMs: Date.UTC(year, index), toMs: Date.UTC(year, index + 1) }
}

/** What of the bin was lost, rounded up; 0 in a bin without traffic. */
export function lossPpb({ valid, errors, aborted }: Readonly<Bin>): number {
  assert(errors >= 0 && errors <= valid && aborted >= 0, 'a bin fails no more than it was asked')
  if (errors === 0) return 0
  const asked = BigInt(valid + aborted)
  return Number((BigInt(errors) * BigInt(PPB) + asked - 1n) / asked)
}

/** `A = 1 − errors ÷ (valid + aborted)`; 1 in a bin without traffic. */
export const availabilityPpb = (bin: Readonly<Bin>): number => PPB - lossPpb(bin)

export interface Uptime {
  /** The mean of the availability over the bins that count, rounded down. */
  readonly uptimePpb: number
  /** Sum of what their bins lost. */
  readonly lostPpb: number
  readonly binsCounted: number
  readonly binsExcluded: number
}

/** The uptime of a month, or of its part up to `untilMs`. Throws for a bin twice or outside the month. */
export function uptimeOf(
  { month, bins, maintenance = [], outages = [] }: MonthBins,
  untilMs?: TimestampMs,
): Uptime {
  const { fromMs, toMs } = spanOfMonth(month)
  const endMs = untilMs === undefined ? toMs : Math.min(toMs, Math.max(fromMs, binStartOf(untilMs)))
  const excluded = startsWithin(maintenance, { fromMs, toMs: endMs })
  const down = startsWithin(outages, { fromMs, toMs: endMs })
  const seen = new Set<TimestampMs>()
  let lostPpb = 0
  for (const startMs of down) if (!excluded.has(startMs)) lostPpb += PPB
  for (const bin of bins) {
    const { startMs } = bin
    assert(startMs % BIN_MS === 0 && startMs >= fromMs && startMs < toMs, `a bin of ${month} starts in it`)
    assert(!seen.has(startMs), `the bin at ${startMs} is there once`)
    seen.add(startMs)
    if (startMs < endMs && !excluded.has(startMs) && !down.has(startMs)) lostPpb += lossPpb(bin)
  }
  const binsCounted = (endMs - fromMs) / BIN_MS - excluded.size
  const uptimePpb = binsCounted === 0 ? PPB : Math.floor((binsCounted * PPB - lostPpb) / binsCounted)
  return { uptimePpb, lostPpb, binsCounted, binsExcluded: excluded.size }
}

/** How many bins of `whole` these spans touch, each counted once. */
export const binsTouched = (spans: readonly Span[], whole: Span): number => startsWithin(spans, whole).size

/** Starts of the bins in `whole` that a span touches. */
export function startsWithin(spans: readonly Span[], whole: Span): Set<TimestampMs> {
  const starts = new Set<TimestampMs>()
  for (const { fromMs, toMs } of spans) {
    const endMs = Math.min(toMs, whole.toMs)
    for (let startMs = Math.max(binStartOf(fromMs), whole.fromMs); startMs < endMs; startMs += BIN_MS) {
      starts.add(startMs)
    }
  }
  return starts
}
