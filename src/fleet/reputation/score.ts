/** A node's record as figures, each from 0 to 1 unless said otherwise. Pure: the same record and time give the same. */
import { survival } from '#kernel/survival.ts'
import { HOUR_MS, type TimestampMs } from '#kernel/time.ts'
import { lowerBound } from './beta-bound.ts'
import { HALF_LIFE_MS, type NodeRecord } from './reputation.ts'

export interface Score {
  /** With 95 % certainty it does at least this share of what it is given, each failure counted ten times: 0.05 for a new one. */
  readonly successLcb: number
  /** The chance that it is still here in an hour, by how long it has been; 0 while it is not. */
  readonly survival1h: number
  /** How fast it is of late by its own benchmark, not bounded by 1; `null` until it was measured. */
  readonly speedRatio: number | null
  /** Of the last weeks, the share that it was here; `null` before there was any time to tell. */
  readonly availability: number | null
  /** How much it is worth asking it, with the benefit of the doubt for one that is not known. */
  readonly standing: number
}

/** A failure weighs as much as so many successes. */
export const FAILURE_WEIGHT = 10
/** What a node has to its credit before anything was seen of it. */
const DOUBT = 9
/** A node may be so much slower than it says before that counts against it. */
const SPEED_FREE = 0.8
const SPEED_MIN = 0.05
/** Of a version that fails. */
const HALTED_FACTOR = 0.2

export function scoreOf(record: NodeRecord, nowMs: TimestampMs, isHalted = false): Score {
  const { good, bad, upMs, downMs } = recent(record, nowMs)
  const speedRatio = record.paces === 0 ? null : record.pace / 1_000
  const done = (good + DOUBT) / (good + DOUBT + 1 + FAILURE_WEIGHT * bad)
  const speed = Math.min(1, Math.max(SPEED_MIN, (speedRatio ?? 1) / SPEED_FREE))
  return {
    successLcb: lowerBound(good, FAILURE_WEIGHT * bad),
    survival1h: record.isUp ? survival(nowMs - record.sinceMs, HOUR_MS) : 0,
    speedRatio,
    availability: upMs + downMs === 0 ? null : upMs / (upMs + downMs),
    standing: done * speed * (isHalted ? HALTED_FACTOR : 1),
  }
}

/** The counts as of now; the record itself is brought up to date only by what is seen. */
function recent(
  record: NodeRecord,
  nowMs: TimestampMs,
): Pick<NodeRecord, 'good' | 'bad' | 'upMs' | 'downMs'> {
  const share = 0.5 ** Math.max(0, Math.floor(nowMs / HALF_LIFE_MS) - record.week)
  const openMs = Math.max(0, nowMs - record.countedMs)
  return {
    good: record.good * share,
    bad: record.bad * share,
    upMs: (record.upMs + (record.isUp ? openMs : 0)) * share,
    downMs: (record.downMs + (record.isUp ? 0 : openMs)) * share,
  }
}
