import { reasonsOf } from '#fleet/reputation/reasons.ts'
import { scoreOf } from '#fleet/reputation/score.ts'
import type { TimestampMs } from '#kernel/time.ts'
import type { NodeReputation } from '#protocol/node.ts'
import type { CoordinatorState } from '../coordinator-state.ts'

/** What is known of the node's work, for its owner; undefined for one that nothing can be known of. */
export function reputationView(
  { fleet, reputation }: CoordinatorState,
  nodeId: string,
  nowMs: TimestampMs,
): NodeReputation | undefined {
  const record = reputation.nodes.get(nodeId)
  if (!record) return undefined
  const version = fleet.nodes.get(nodeId)?.capability?.agentVersion
  const haltedVersion = version !== undefined && reputation.halted.has(version) ? version : null
  const score = scoreOf(record, nowMs, haltedVersion !== null)
  return {
    standing: rounded(score.standing),
    successLcb: rounded(score.successLcb),
    survival1h: rounded(score.survival1h),
    speedRatio: score.speedRatio,
    availability: score.availability === null ? null : rounded(score.availability),
    answers: record.good,
    failures: record.bad,
    reasons: reasonsOf(record, { nowMs, haltedVersion }),
  }
}

const rounded = (share: number): number => Math.round(share * 1_000) / 1_000
