/**
 * What the network promises and how it keeps it, as a decider: counts by organisation, class and month, bins, incidents,
 * maintenance, and the month's end.
 *
 *   request ─→ counted in the bin of its arrival ─→ bin closed ─→ month closed ─→ statement, credit
 *
 * Bins are closed `BIN_GRACE_MS` after their end, a month `MONTH_GRACE_MS` after its own: readings come through spools.
 * Of closed bins only those with a failure are kept; the others lost nothing.
 */
import { assert } from '#kernel/assert.ts'
import type { NanoUsd } from '#kernel/money.ts'
import { HOUR_MS, MINUTE_MS, type TimestampMs } from '#kernel/time.ts'
import type { OpenRequest, SlaClass } from '#protocol/sla.ts'
import type { JobFacts, SlaStatement } from '#protocol/sla-statement.ts'
import { BIN_MS, type Bin, type MonthBins, type Span, startsWithin } from './bins.ts'
import type { NotCounted } from './count.ts'

export interface Sla {
  /** The most that an organisation's requests and jobs are promised, where that is anything. */
  readonly classes: Map<string, SlaClass>
  /** By `countKey`, until their month is closed. */
  readonly counts: Map<string, MonthCount>
  /** All requests of the network: the bins of the last two days, and days before. */
  readonly network: { readonly bins: Map<TimestampMs, Bin>; readonly days: Map<TimestampMs, DayCount> }
  /** What gateways told last to be under way, by gateway. */
  readonly open: Map<string, OpenRun>
  /** Requests that were counted as lost, by when: should their reading come after all, they are counted already. */
  readonly lost: Map<string, TimestampMs>
  readonly jobs: Map<string, JobPromise>
  readonly incidents: Map<string, Incident>
  readonly maintenance: Map<string, Maintenance>
  /** By `countKey`, of the last months. */
  readonly statements: Map<string, SlaStatement & { readonly atMs: TimestampMs }>
  /** When it was told last that a budget burns, by organisation, class and window. */
  readonly burning: Map<string, TimestampMs>
  /** Bins that begin before are closed; 0 until something was counted. */
  closedBeforeMs: TimestampMs
  /** A request was counted in a bin that is not closed. */
  hasOpenBins: boolean
  closedMonth: string
}

export interface MonthCount {
  readonly organisationId: string
  readonly slaClass: SlaClass
  readonly month: string
  /** Paid for requests of the class. */
  charges: NanoUsd
  valid: number
  errors: number
  aborted: number
  readonly notCounted: Map<NotCounted, number>
  /** Requests whose first token, and whose speed, was as promised; and of how many. */
  readonly firstToken: Attainment
  readonly speed: Attainment
  readonly bins: Map<TimestampMs, Bin>
  /** Errors that were a node's own fault, by node. */
  readonly faults: Map<string, number>
}

export interface Attainment {
  met: number
  of: number
}

export interface DayCount {
  valid: number
  errors: number
  lostPpb: number
  /** Of that, what bins lost that are known no more: one that was an outage, as may be told later, is not lost twice. */
  readonly gone: Map<TimestampMs, number>
}

export interface OpenRun {
  readonly run: string
  readonly requests: Map<string, OpenRequest>
  readonly toldAtMs: TimestampMs
}

/** A job of somebody who is promised something; `charges` is what was paid for it so far and not given back. */
export interface JobPromise extends Mutable<JobFacts> {
  readonly jobId: string
  readonly organisationId: string
  readonly slaClass: SlaClass
  pausedAtMs: TimestampMs | null
  /** The transfer by which a node of its owner's gave back its pay last: the network's part of it is no charge either. */
  ownRefund?: string
}
type Mutable<Facts> = { -readonly [Name in keyof Facts]: Facts[Name] }

export interface Incident {
  readonly id: string
  readonly title: string
  readonly by: 'network' | 'operator'
  readonly isOutage: boolean
  readonly startedAtMs: TimestampMs
  endedAtMs: TimestampMs | null
  readonly notes: { readonly atMs: TimestampMs; readonly text: string }[]
}

export interface Maintenance extends Span {
  readonly id: string
  readonly title: string
  readonly announcedAtMs: TimestampMs
  cancelledAtMs: TimestampMs | null
}

/** A gateway that says nothing of its open requests for so long is gone, and they with it. */
export const OPEN_SILENT_MS = 15 * MINUTE_MS
/** Readings that come later still count, in a bin that is closed. */
export const BIN_GRACE_MS = 1 * MINUTE_MS
/** A month is closed half a day after its end: credits are there within the day. */
export const MONTH_GRACE_MS = 12 * HOUR_MS
/** A reading that comes later counts as of when it comes. Less than `MONTH_GRACE_MS`: no closed month is changed. */
export const LATE_MS = 6 * HOUR_MS
/** A closed bin without a failure is kept for so long, for rates and for what comes late. */
export const BIN_KEPT_MS = LATE_MS + 3 * BIN_MS
export const NETWORK_BINS_KEPT_MS = 48 * HOUR_MS
export const STATEMENTS_KEPT_MONTHS = 13

export const emptySla = (): Sla => ({
  classes: new Map(),
  counts: new Map(),
  network: { bins: new Map(), days: new Map() },
  open: new Map(),
  lost: new Map(),
  jobs: new Map(),
  incidents: new Map(),
  maintenance: new Map(),
  statements: new Map(),
  burning: new Map(),
  closedBeforeMs: 0,
  hasOpenBins: false,
  closedMonth: '',
})

export const countKey = (of: { organisationId: string; slaClass: SlaClass; month: string }): string =>
  `${of.organisationId} ${of.slaClass} ${of.month}`

export const classOf = ({ classes }: Pick<Sla, 'classes'>, organisationId: string): SlaClass =>
  classes.get(organisationId) ?? 'none'

/** All that the uptime of one count is made of. */
export const monthBinsOf = (
  sla: Sla,
  { month, bins }: Pick<MonthCount, 'month' | 'bins'>,
  nowMs: TimestampMs,
): MonthBins => ({
  month,
  bins: [...bins.values()].sort((a, b) => a.startMs - b.startMs),
  maintenance: maintenanceOf(sla),
  outages: outagesOf(sla, nowMs),
})

export const maintenanceOf = ({ maintenance }: Pick<Sla, 'maintenance'>): Span[] =>
  [...maintenance.values()]
    .filter(({ cancelledAtMs }) => cancelledAtMs === null)
    .map(({ fromMs, toMs }) => ({ fromMs, toMs }))

/** Of the bin that begins at `startMs` some part or all is announced maintenance. */
export const isMaintained = (sla: Pick<Sla, 'maintenance'>, startMs: TimestampMs): boolean =>
  maintenanceOf(sla).some(({ fromMs, toMs }) => fromMs < startMs + BIN_MS && toMs > startMs)

/** One that is not over yet counts up to now. */
export const outagesOf = ({ incidents }: Pick<Sla, 'incidents'>, nowMs: TimestampMs): Span[] =>
  [...incidents.values()]
    .filter(({ isOutage }) => isOutage)
    .map(({ startedAtMs, endedAtMs }) => ({ fromMs: startedAtMs, toMs: endedAtMs ?? nowMs }))

/** Starts of the bins in `whole` that an outage touches and no maintenance does: they are lost, whatever was asked in them. */
export function downStartsOf(sla: Sla, whole: Span, nowMs: TimestampMs): Set<TimestampMs> {
  const starts = startsWithin(outagesOf(sla, nowMs), whole)
  for (const startMs of startsWithin(maintenanceOf(sla), whole)) starts.delete(startMs)
  return starts
}

/** Throws unless every count adds up and is found by its name. */
export function checkSla(sla: Sla): void {
  for (const [key, count] of sla.counts) {
    assert(key === countKey(count), `the count ${key} is found by its name`)
    assert(count.month > sla.closedMonth, `${key} is of a month that is closed`)
    assert(count.charges >= 0n && count.errors <= count.valid, `${key} failed no more than it was asked`)
    let errors = 0
    for (const [startMs, bin] of count.bins) {
      assert(startMs === bin.startMs && startMs % BIN_MS === 0, `a bin of ${key} is where it begins`)
      assert(bin.errors <= bin.valid, `a bin of ${key} failed no more than it was asked`)
      errors += bin.errors
    }
    assert(errors === count.errors, `the bins of ${key} have all ${count.errors} errors, not ${errors}`)
    let blamed = 0
    for (const one of count.faults.values()) blamed += one
    assert(blamed <= count.errors, `nodes are blamed for ${blamed} of the ${count.errors} errors of ${key}`)
  }
  for (const [key, statement] of sla.statements) {
    assert(key === countKey(statement), `the statement ${key} is found by its name`)
    let shared = 0n
    for (const { amount } of statement.shares) shared += amount
    assert(shared <= statement.posted, `nodes pay no more than the credit of ${key}`)
  }
}
