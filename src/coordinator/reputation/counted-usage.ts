import type { UsageRecord } from '#protocol/usage.ts'
import { isOperators } from '../answers/operator.ts'
import type { CoordinatorState } from '../coordinator-state.ts'

export type CountedUsage = Pick<UsageRecord, 'parts' | 'failed' | 'outcome'>

/**
 * Of a reading what counts for its nodes: nothing of those that the caller owns, good or bad. Asking one's own node costs next to
 * nothing, and would make up for what it failed others. To the operator its own nodes are the network.
 */
export function countedUsage(
  state: Pick<CoordinatorState, 'fleet' | 'organisations' | 'verify'>,
  record: UsageRecord,
): CountedUsage {
  const { organisationId, parts, failed = [], outcome } = record
  const isOwn = (nodeId: string): boolean => state.fleet.nodes.get(nodeId)?.organisationId === organisationId
  const hasOwn = [...parts, ...failed].some(({ nodeId }) => isOwn(nodeId))
  if (!hasOwn || isOperators(state, organisationId)) return record
  return {
    outcome,
    parts: parts.filter(({ nodeId }) => !isOwn(nodeId)),
    failed: failed.filter(({ nodeId }) => !isOwn(nodeId)),
  }
}
