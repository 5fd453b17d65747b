import { unreachable } from '#kernel/assert.ts'
import { SECOND_MS, type TimestampMs } from '#kernel/time.ts'
import type { UsageRecord } from '#protocol/usage.ts'
import type { FleetEvent } from '../fleet-events.ts'
import { HALF_LIFE_MS, type NodeRecord, newRecord, type Reputation } from './reputation.ts'
import type { ReputationEvent } from './reputation-events.ts'

/** Applies an event that `decideReputation` returned for this same state. */
export function evolveReputation(reputation: Reputation, event: ReputationEvent): void {
  const { nodes, halted } = reputation
  switch (event.type) {
    case 'reputation.graded':
      for (const { nodeId, standing } of event.grades) {
        const record = nodes.get(nodeId)
        if (record) record.standing = standing
      }
      break
    case 'reputation.node_sick': {
      const record = nodes.get(event.nodeId)
      if (!record) break
      const { code, message, atMs } = event
      if (!record.sick) record.sickAtMs = [...record.sickAtMs, atMs].slice(-SICK_TIMES_KEPT)
      record.sick = { code, message, sinceMs: atMs }
      break
    }
    case 'reputation.node_well': {
      const record = nodes.get(event.nodeId)
      if (record) record.sick = null
      break
    }
    case 'reputation.version_halted':
      halted.set(event.agentVersion, { atMs: event.atMs, bad: event.bad, total: event.total })
      break
    case 'reputation.version_cleared':
      halted.delete(event.agentVersion)
      break
    default:
      unreachable(event)
  }
}

const SICK_TIMES_KEPT = 8

/**
 * Counts what a node's coming and going says of it. `joins`: who came in of late, and from which network, which enrolments of
 * older journals do not say themselves.
 */
export function observeFleet(
  { nodes }: Reputation,
  event: FleetEvent,
  joins?: ReadonlyMap<string, { readonly network: string | null }>,
): void {
  switch (event.type) {
    case 'fleet.node_enrolled': {
      const { nodeId, atMs, network } = event
      nodes.set(nodeId, newRecord(atMs, network ?? joins?.get(nodeId)?.network))
      break
    }
    case 'fleet.node_online':
      turn(nodes.get(event.nodeId), { isUp: true, atMs: event.atMs })
      break
    case 'fleet.node_lost':
      turn(nodes.get(event.nodeId), { isUp: false, atMs: event.atMs })
      break
  }
}

/** One that was only suspected has been up all the while. */
function turn(record: NodeRecord | undefined, { isUp, atMs }: { isUp: boolean; atMs: TimestampMs }): void {
  if (!record || record.isUp === isUp) return
  count(record, atMs)
  record.isUp = isUp
  record.sinceMs = atMs
  record.countedMs = atMs
}

/** Failures of one moment are one: a machine that leaves takes all of its answers with it. */
const MOMENT_MS = SECOND_MS
/** How much the newest pace counts: an eighth. */
const PACE_WEIGHT = 8

/** Counts what a meter reading says of the nodes that worked on its request, and of those that failed it. */
export function observeUsage(
  { nodes }: Reputation,
  usage: Pick<UsageRecord, 'parts' | 'failed' | 'outcome'>,
  atMs: TimestampMs,
): void {
  const { parts, failed = [] } = usage
  for (const { nodeId } of failed) {
    const record = nodes.get(nodeId)
    if (!record) continue
    count(record, atMs)
    if (atMs - record.badAtMs < MOMENT_MS) continue
    record.bad++
    record.badAtMs = atMs
  }
  for (const { nodeId, completionTokens, pace } of parts) {
    const record = nodes.get(nodeId)
    if (!record) continue
    count(record, atMs)
    if (pace !== undefined && pace > 0) {
      record.pace = record.paces === 0 ? pace : nearer(record.pace, pace)
      record.paces++
    }
    const didDeliver = completionTokens > 0 || usage.outcome === 'completed'
    if (didDeliver && !failed.some((failure) => failure.nodeId === nodeId)) record.good++
  }
}

const nearer = (mean: number, newest: number): number =>
  Math.max(1, mean + Math.trunc((newest - mean) / PACE_WEIGHT))

/** Brings its counts to `atMs`: the time that it was up or down, and the half-life. */
function count(record: NodeRecord, atMs: TimestampMs): void {
  const passedMs = Math.max(0, atMs - record.countedMs)
  if (record.isUp) record.upMs += passedMs
  else record.downMs += passedMs
  record.countedMs = Math.max(record.countedMs, atMs)
  const week = Math.floor(atMs / HALF_LIFE_MS)
  const weeks = week - record.week
  if (weeks <= 0) return
  record.week = week
  for (const name of ['good', 'bad', 'upMs', 'downMs'] as const)
    record[name] = Math.floor(record[name] / 2 ** Math.min(52, weeks))
}
