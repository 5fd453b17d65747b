/**
 * Looks for versions of the agent that fail where others do not: what a release broke shows on all who took it at once,
 * and is told from a bad node by there being several. In memory: a coordinator that starts anew looks anew.
 */
import { lowerBound, upperBound } from '#fleet/reputation/beta-bound.ts'
import { MINUTE_MS, SECOND_MS, type TimestampMs } from '#kernel/time.ts'

export interface VersionWatch {
  /** An answer, or a failure, of a node that runs `agentVersion`. */
  saw(agentVersion: string, nodeId: string, isGood: boolean, nowMs: TimestampMs): void
  /** Versions that fail now, though others do not, with how many of how many answers failed of late. */
  failing(nowMs: TimestampMs): { agentVersion: string; bad: number; total: number }[]
  /** Whether a version that was halted has done well for long enough since. */
  hasRecovered(agentVersion: string, haltedAtMs: TimestampMs, nowMs: TimestampMs): boolean
}

/** What counts as of late, in parts that are forgotten one by one. */
const PART_MS = 5 * SECOND_MS
const PARTS = 12
/** So many failures, on so many nodes, are no accident. */
const BAD_MIN = 5
const NODES_MIN = 2
/** A version fails when it surely fails so many times as much as others may, and at least this share of all. */
const TIMES_WORSE = 3
const SHARE_MIN = 0.05
/** Of other versions, before one can be held against them. */
const OTHERS_MIN = 10
const RECOVERED_AFTER_MS = 10 * MINUTE_MS
const RECOVERED_GOOD_MIN = 20

interface Part {
  readonly at: number
  good: number
  bad: number
}
interface Seen {
  parts: Part[]
  /** When each of its nodes failed last: failures of one moment are one. */
  readonly failedAtMs: Map<string, TimestampMs>
  badAtMs: TimestampMs
  goodSince: number
}

export function createVersionWatch(): VersionWatch {
  const versions = new Map<string, Seen>()

  const seenOf = (agentVersion: string): Seen => {
    const known = versions.get(agentVersion)
    if (known) return known
    const seen: Seen = { parts: [], failedAtMs: new Map(), badAtMs: Number.MIN_SAFE_INTEGER, goodSince: 0 }
    versions.set(agentVersion, seen)
    return seen
  }

  function totals(seen: Seen, nowMs: TimestampMs): { good: number; bad: number } {
    const from = Math.floor(nowMs / PART_MS) - PARTS
    if (seen.parts.some(({ at }) => at <= from)) seen.parts = seen.parts.filter(({ at }) => at > from)
    const sum = { good: 0, bad: 0 }
    for (const { good, bad } of seen.parts) {
      sum.good += good
      sum.bad += bad
    }
    return sum
  }

  return {
    saw(agentVersion, nodeId, isGood, nowMs) {
      const seen = seenOf(agentVersion)
      if (!isGood) {
        if (nowMs - (seen.failedAtMs.get(nodeId) ?? Number.NEGATIVE_INFINITY) < SECOND_MS) return
        seen.failedAtMs.set(nodeId, nowMs)
        seen.badAtMs = nowMs
        seen.goodSince = 0
      } else seen.goodSince++
      const at = Math.floor(nowMs / PART_MS)
      let part = seen.parts.at(-1)
      if (part?.at !== at) {
        part = { at, good: 0, bad: 0 }
        seen.parts.push(part)
        if (seen.parts.length > 2 * PARTS) seen.parts.shift()
      }
      if (isGood) part.good++
      else part.bad++
    },

    failing(nowMs) {
      const sums = [...versions].map(([agentVersion, seen]) => ({
        agentVersion,
        seen,
        ...totals(seen, nowMs),
      }))
      return sums.flatMap(({ agentVersion, seen, good, bad }) => {
        for (const [nodeId, atMs] of seen.failedAtMs)
          if (nowMs - atMs > PART_MS * PARTS) seen.failedAtMs.delete(nodeId)
        if (bad < BAD_MIN || seen.failedAtMs.size < NODES_MIN) return []
        const others = sums.filter((other) => other.agentVersion !== agentVersion)
        const othersGood = others.reduce((sum, other) => sum + other.good, 0)
        const othersBad = others.reduce((sum, other) => sum + other.bad, 0)
        if (othersGood + othersBad < OTHERS_MIN) return []
        const atLeast = lowerBound(bad, good)
        const isWorse = atLeast > Math.max(SHARE_MIN, TIMES_WORSE * upperBound(othersBad, othersGood))
        return isWorse ? [{ agentVersion, bad, total: good + bad }] : []
      })
    },

    hasRecovered(agentVersion, haltedAtMs, nowMs) {
      const seen = seenOf(agentVersion)
      const lastBadMs = Math.max(haltedAtMs, seen.badAtMs)
      return nowMs - lastBadMs >= RECOVERED_AFTER_MS && seen.goodSince >= RECOVERED_GOOD_MIN
    },
  }
}
