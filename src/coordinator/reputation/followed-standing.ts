/** What gateways are told of how well a node works, and when it is told anew. */
import { scoreOf } from '#fleet/reputation/score.ts'
import type { TimestampMs } from '#kernel/time.ts'
import type { FollowedNode } from '#protocol/cell.ts'
import type { CoordinatorEvent } from '../coordinator-events.ts'
import type { CoordinatorState } from '../coordinator-state.ts'

type FollowedStanding = Pick<FollowedNode, 'standing' | 'successLcb' | 'upSinceMs' | 'network' | 'isHalted'>

export function followedStanding(
  { fleet, reputation }: CoordinatorState,
  nodeId: string,
  nowMs: TimestampMs,
): FollowedStanding {
  const record = reputation.nodes.get(nodeId)
  if (!record) return {}
  const version = fleet.nodes.get(nodeId)?.capability?.agentVersion
  const isHalted = version !== undefined && reputation.halted.has(version)
  const { network } = record
  const { successLcb } = scoreOf(record, nowMs, isHalted)
  return {
    standing: record.standing / 100,
    successLcb: Math.round(successLcb * 1_000) / 1_000,
    ...(network !== undefined && { network }),
    ...(record.isUp && { upSinceMs: record.sinceMs }),
    ...(isHalted && { isHalted }),
  }
}

/** The nodes of which `event` changes that. */
export function restanding({ fleet }: CoordinatorState, event: CoordinatorEvent): readonly string[] {
  switch (event.type) {
    case 'reputation.graded':
      return event.grades.map(({ nodeId }) => nodeId)
    case 'reputation.version_halted':
    case 'reputation.version_cleared':
      return [...fleet.nodes.values()].flatMap(({ id, capability }) =>
        capability?.agentVersion === event.agentVersion ? id : [],
      )
    default:
      return []
  }
}
