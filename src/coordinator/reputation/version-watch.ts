/**
 * Looks for versions of the agent that fail where others do not: what a release broke shows on all who took it at once,
 * and is told from a bad node by there being several. In memory: a coordinator that starts anew looks anew.
 */
import { lowerBound, upperBound } from '#fleet/reputation/beta-bound.ts'
import { MINUTE_MS, SECOND_MS, type TimestampMs } from '#kernel/time.ts'

export interface VersionWatch {
  /** An answer, or a failure, of a node that says that it runs `agentVersion`. */
  saw(agentVersion: string, node: SeenNode, isGood: boolean, nowMs: TimestampMs): void
  /** Versions that fail now, though others do not, with how many of how many answers failed of late. */
  failing(nowMs: TimestampMs): { agentVersion: string; bad: number; total: number }[]
  /** Whether a version that was halted has done well for long enough since. */
  hasRecovered(agentVersion: string, haltedAtMs: TimestampMs, nowMs: TimestampMs): boolean
}

export interface SeenNode {
  readonly nodeId: string
  readonly organisationId: string
}

/** What counts as of late, in parts that are forgotten one by one. */
const PART_MS = 5 * SECOND_MS
const PARTS = 12
/** So many failures, on so many nodes, are no accident. */
const BAD_MIN = 5
const NODES_MIN = 2
/** A version is a node's own word: one owner alone cannot have that of others halted. */
const OWNERS_MIN = 2
/** A version fails when it surely fails so many times as much as others may, and at least this share of all. */
const TIMES_WORSE = 3
const SHARE_MIN = 0.05
/** Of other versions, before one can be held against them. */
const OTHERS_MIN = 10
const RECOVERED_AFTER_MS = 10 * MINUTE_MS
const RECOVERED_PARTS = RECOVERED_AFTER_MS / PART_MS
const RECOVERED_GOOD_MIN = 20

interface Part {
  readonly at: number
  good: number
  bad: number
}
interface Seen {
  parts: Part[]
  /** When each of its nodes failed last, and whose it is: failures of one moment are one. */
  readonly failed: Map<string, { readonly organisationId: string; readonly atMs: TimestampMs }>
  /** When each owner's nodes answered or failed last. */
  readonly ownersAtMs: Map<string, TimestampMs>
}

export function createVersionWatch(): VersionWatch {
  const versions = new Map<string, Seen>()

  const seenOf = (agentVersion: string): Seen => {
    const known = versions.get(agentVersion)
    if (known) return known
    const seen: Seen = { parts: [], failed: new Map(), ownersAtMs: new Map() }
    versions.set(agentVersion, seen)
    return seen
  }

  function totals(seen: Seen, nowMs: TimestampMs, parts: number): { good: number; bad: number } {
    const from = Math.floor(nowMs / PART_MS) - parts
    const sum = { good: 0, bad: 0 }
    for (const { at, good, bad } of seen.parts) {
      if (at <= from) continue
      sum.good += good
      sum.bad += bad
    }
    return sum
  }

  /** Of all versions but one, over as long. */
  function othersOf(agentVersion: string, nowMs: TimestampMs, parts: number): { good: number; bad: number } {
    const sum = { good: 0, bad: 0 }
    for (const [other, seen] of versions) {
      if (other === agentVersion) continue
      const { good, bad } = totals(seen, nowMs, parts)
      sum.good += good
      sum.bad += bad
    }
    return sum
  }

  /** Whether failures are of enough nodes, and of more than one owner where more than one runs the version. */
  function isOfSeveral({ failed, ownersAtMs }: Seen, nowMs: TimestampMs): boolean {
    const isLong = (atMs: TimestampMs): boolean => nowMs - atMs > PART_MS * PARTS
    for (const [nodeId, { atMs }] of failed) if (isLong(atMs)) failed.delete(nodeId)
    for (const [organisationId, atMs] of ownersAtMs) if (isLong(atMs)) ownersAtMs.delete(organisationId)
    const owners = new Set([...failed.values()].map(({ organisationId }) => organisationId))
    return failed.size >= NODES_MIN && owners.size >= Math.min(OWNERS_MIN, ownersAtMs.size)
  }

  return {
    saw(agentVersion, { nodeId, organisationId }, isGood, nowMs) {
      const seen = seenOf(agentVersion)
      seen.ownersAtMs.set(organisationId, nowMs)
      if (!isGood) {
        if (nowMs - (seen.failed.get(nodeId)?.atMs ?? Number.NEGATIVE_INFINITY) < SECOND_MS) return
        seen.failed.set(nodeId, { organisationId, atMs: nowMs })
      }
      const at = Math.floor(nowMs / PART_MS)
      let part = seen.parts.at(-1)
      if (part?.at !== at) {
        part = { at, good: 0, bad: 0 }
        seen.parts.push(part)
        if (seen.parts.length > RECOVERED_PARTS) seen.parts.shift()
      }
      if (isGood) part.good++
      else part.bad++
    },

    failing(nowMs) {
      return [...versions].flatMap(([agentVersion, seen]) => {
        const isSeveral = isOfSeveral(seen, nowMs)
        const { good, bad } = totals(seen, nowMs, PARTS)
        if (bad < BAD_MIN || !isSeveral) return []
        const others = othersOf(agentVersion, nowMs, PARTS)
        if (others.good + others.bad < OTHERS_MIN) return []
        return isWorse({ good, bad }, others) ? [{ agentVersion, bad, total: good + bad }] : []
      })
    },

    // By the rule that halted it, over ten minutes: where many run a version, some answer always fails.
    hasRecovered(agentVersion, haltedAtMs, nowMs) {
      if (nowMs - haltedAtMs < RECOVERED_AFTER_MS) return false
      const sum = totals(seenOf(agentVersion), nowMs, RECOVERED_PARTS)
      if (sum.good < RECOVERED_GOOD_MIN) return false
      const others = othersOf(agentVersion, nowMs, RECOVERED_PARTS)
      return !isWorse(sum, others.good + others.bad < OTHERS_MIN ? null : others)
    },
  }
}

/** With no others to hold against it, by the share alone. */
function isWorse(
  { good, bad }: { good: number; bad: number },
  others: { good: number; bad: number } | null,
): boolean {
  const atMost = others ? TIMES_WORSE * upperBound(others.bad, others.good) : 0
  return lowerBound(bad, good) > Math.max(SHARE_MIN, atMost)
}
