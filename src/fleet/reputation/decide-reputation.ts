import { unreachable } from '#kernel/assert.ts'
import { DAY_MS, HOUR_MS, MINUTE_MS, type TimestampMs } from '#kernel/time.ts'
import type { DeviceFault, SicknessCode } from '#protocol/node-health.ts'
import type { NodeRecord, Reputation } from './reputation.ts'
import type { ReputationEvent } from './reputation-events.ts'
import { scoreOf } from './score.ts'

export type ReputationCommand =
  /** Looks at these nodes anew. `versionOf`: which version of the agent a node runs, where it has said so. */
  | {
      kind: 'grade'
      nodeIds: Iterable<string>
      versionOf: (nodeId: string) => string | undefined
      nowMs: TimestampMs
    }
  /** What the node says is wrong with its devices: all of it. */
  | { kind: 'tell_health'; nodeId: string; faults: readonly DeviceFault[]; nowMs: TimestampMs }
  | { kind: 'halt_version'; agentVersion: string; bad: number; total: number; nowMs: TimestampMs }
  | {
      kind: 'clear_version'
      agentVersion: string
      by: 'recovered' | 'operator' | 'gone'
      nowMs: TimestampMs
    }

/** Ordered by precedence. */
export type ReputationRefusal = 'node_unknown' | 'version_not_halted' | 'rest_not_over'

/** Standings are told in steps of this many hundredths, so that little of it is written. */
const GRADE_STEP = 5
/** A sick node gets no work for so long, each further time so many times as long. */
const SICK_MS_MIN = 1 * MINUTE_MS
const SICK_TIMES = 4
const SICK_MS_MAX = 1 * HOUR_MS

export function decideReputation(
  reputation: Reputation,
  command: ReputationCommand,
): ReputationRefusal | ReputationEvent[] {
  const { nowMs: atMs } = command
  switch (command.kind) {
    case 'grade':
      return grade(reputation, command)
    case 'tell_health': {
      const record = reputation.nodes.get(command.nodeId)
      return record ? tellHealth(record, command) : 'node_unknown'
    }
    case 'halt_version': {
      const { agentVersion, bad, total } = command
      if (reputation.halted.has(agentVersion)) return []
      return [{ type: 'reputation.version_halted', agentVersion, bad, total, atMs }]
    }
    case 'clear_version': {
      const { agentVersion, by } = command
      if (!reputation.halted.has(agentVersion)) return 'version_not_halted'
      return [{ type: 'reputation.version_cleared', agentVersion, by, atMs }]
    }
    default:
      return unreachable(command)
  }
}

function grade(
  { nodes, halted }: Reputation,
  { nodeIds, versionOf, nowMs }: Extract<ReputationCommand, { kind: 'grade' }>,
): ReputationEvent[] {
  const grades: { nodeId: string; standing: number }[] = []
  for (const nodeId of nodeIds) {
    const record = nodes.get(nodeId)
    if (!record) continue
    const { standing } = scoreOf(record, nowMs, halted.has(versionOf(nodeId) ?? ''))
    const now = GRADE_STEP * Math.round((100 * standing) / GRADE_STEP)
    // Half a step more than the rounding, so that none goes to and fro.
    if (Math.abs(100 * standing - record.standing) < GRADE_STEP - 1) continue
    if (now !== record.standing) grades.push({ nodeId, standing: now })
  }
  return grades.length === 0 ? [] : [{ type: 'reputation.graded', grades, atMs: nowMs }]
}

function tellHealth(
  { sick, sickAtMs }: NodeRecord,
  { nodeId, faults, nowMs: atMs }: Extract<ReputationCommand, { kind: 'tell_health' }>,
): ReputationRefusal | ReputationEvent[] {
  const worst = worstOf(faults)
  if (worst) {
    const { code, device, message } = worst
    if (sick?.code === code) return []
    return [{ type: 'reputation.node_sick', nodeId, code, message: `${device}: ${message}`, atMs }]
  }
  if (!sick) return []
  if (atMs < sick.sinceMs + restMs(sickAtMs, atMs)) return 'rest_not_over'
  return [{ type: 'reputation.node_well', nodeId, atMs }]
}

/** What cannot pass by itself comes first. */
const byWeight: readonly SicknessCode[] = [
  'gpu_lost',
  'gpu_silent',
  'gpu_memory',
  'gpu_fault',
  'gpu_power',
  'gpu_hot',
]

const worstOf = (faults: readonly DeviceFault[]): DeviceFault | undefined =>
  [...faults].sort((a, b) => byWeight.indexOf(a.code) - byWeight.indexOf(b.code))[0]

/** How long a node that fell sick gets no work at least: each further time within a day four times as long. */
export function restMs(sickAtMs: readonly TimestampMs[], nowMs: TimestampMs): number {
  const times = sickAtMs.filter((atMs) => nowMs - atMs < DAY_MS).length
  return Math.min(SICK_MS_MAX, SICK_MS_MIN * SICK_TIMES ** Math.max(0, times - 1))
}
