/**
 * What is known of how well each node works, as a decider. It is counted from what stands in the journal anyway (the
 * meter readings of requests, the nodes' comings and goings), so that nothing is written for a request; only what follows
 * is an event of its own: a grade that changed, a node that is sick or well again, a version of the agent that fails.
 *
 *   well → sick → well      its devices told of a fault; it is back when they have told none for a while
 *
 * What was seen counts half after a week, so a record can be mended.
 */
import { assert } from '#kernel/assert.ts'
import { DAY_MS, type TimestampMs } from '#kernel/time.ts'
import type { SicknessCode } from '#protocol/node-health.ts'

export interface Reputation {
  readonly nodes: Map<string, NodeRecord>
  /** Versions of the agent that get no work with a promise, by their name. */
  readonly halted: Map<string, VersionHalt>
}

/** Integers all that is counted: a replay must come to the same. */
export interface NodeRecord {
  /** Answers that it delivered its part of, and times that it failed one. */
  good: number
  bad: number
  /** When it failed last: failures of one moment are one. */
  badAtMs: TimestampMs
  /** How fast it was of late by its own benchmark, in thousandths; 0 until it was measured. */
  pace: number
  paces: number
  /** While it could have been here: since it enrolled. */
  upMs: number
  downMs: number
  /** Since when it is up or down, and how much of that is counted. */
  sinceMs: TimestampMs
  countedMs: TimestampMs
  isUp: boolean
  /** Up to which week its counts were halved. */
  week: number
  sick: Sickness | null
  /** When it fell sick before, of late. */
  sickAtMs: TimestampMs[]
  /** In hundredths, as graded last. */
  standing: number
  /** `203.0.113.0/24`, that it came from when it enrolled: who shares it may fail with it. */
  network?: string
}

export interface Sickness {
  readonly code: SicknessCode
  /** For its owner: what was found, and what to do. */
  readonly message: string
  readonly sinceMs: TimestampMs
}

export interface VersionHalt {
  readonly atMs: TimestampMs
  readonly bad: number
  readonly total: number
}

/** What was seen counts half after this. */
export const HALF_LIFE_MS = 7 * DAY_MS
export const STANDING_AT_FIRST = 90

export const emptyReputation = (): Reputation => ({ nodes: new Map(), halted: new Map() })

export const newRecord = (atMs: TimestampMs, network?: string | null): NodeRecord => ({
  good: 0,
  bad: 0,
  badAtMs: Number.MIN_SAFE_INTEGER,
  pace: 0,
  paces: 0,
  upMs: 0,
  downMs: 0,
  sinceMs: atMs,
  countedMs: atMs,
  isUp: false,
  week: Math.floor(atMs / HALF_LIFE_MS),
  sick: null,
  sickAtMs: [],
  standing: STANDING_AT_FIRST,
  ...(network != null && { network }),
})

/** Throws unless every record is one that could have been counted. */
export function checkReputation({ nodes, halted }: Reputation): void {
  for (const [nodeId, record] of nodes) {
    const { good, bad, pace, paces, upMs, downMs, standing, countedMs, sinceMs } = record
    for (const count of [good, bad, pace, paces, upMs, downMs])
      assert(Number.isSafeInteger(count) && count >= 0, `${nodeId} has a count of ${count}`)
    assert(standing >= 0 && standing <= 100, `${nodeId} has a standing of ${standing}`)
    assert(countedMs >= sinceMs, `${nodeId} was counted before it came`)
    assert(paces === 0 || pace > 0, `${nodeId} was measured and has no pace`)
    assert(record.sick === null || record.sickAtMs.length > 0, `${nodeId} is sick and never fell sick`)
  }
  for (const [version, { bad, total }] of halted)
    assert(bad > 0 && bad <= total, `version ${version} is halted for ${bad} of ${total}`)
}
