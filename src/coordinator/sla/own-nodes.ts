/** Who answers his own requests could fail them to be paid for it. */
import type { NanoUsd } from '#kernel/money.ts'
import { costOf } from '#ledger/price.ts'
import type { SlaExemption, SlaTally } from '#protocol/sla.ts'
import type { UsageRecord } from '#protocol/usage.ts'
import { countOf } from '#sla/count.ts'
import { isOperators } from '../answers/operator.ts'
import type { CoordinatorState } from '../coordinator-state.ts'

type State = Pick<CoordinatorState, 'fleet' | 'organisations' | 'verify'>

/** Answers that the class promises nothing for: what they cost is no part of what is given back where it is broken. */
const UNPROMISED: readonly (SlaExemption | undefined)[] = ['batch', 'restricted']

/**
 * The reading as it counts for what its caller is promised: one that its own node failed, or kept waiting for too long, does
 * not, and what its own nodes were paid is no charge that a credit is a part of. The operator owes credits to nobody but
 * itself, and is not looked at.
 */
export function countedFor(
  state: State,
  record: UsageRecord,
  cost: NanoUsd,
): { record: UsageRecord; slaCharge?: NanoUsd } {
  const { organisationId, slaClass, parts } = record
  if (isOperators(state, organisationId)) return { record: countedForOperator(record) }
  if (slaClass === undefined) return { record }
  const isOwn = (nodeId: string | undefined): boolean =>
    nodeId !== undefined && state.fleet.nodes.get(nodeId)?.organisationId === organisationId
  const isOwnFault = countOf(record, cost).kind === 'error' && faultNodeIds(record).some(isOwn)
  const own = parts.reduce((sum, part) => (isOwn(part.nodeId) ? sum + costOf(part, part) : sum), 0n)
  const isPromised = !UNPROMISED.includes(record.exempt)
  return {
    record: isOwnFault ? { ...record, exempt: 'own_node' } : record,
    ...(!isPromised ? { slaCharge: 0n } : own > 0n && { slaCharge: cost - own }),
  }
}

/**
 * The nodes that an error came of: of a failure the one that it ended on. Of a caller that left as its first token was
 * overdue all that it waited for: those that failed it took of that time, and the one that was asked last stands among the
 * parts, though it delivered nothing.
 */
function faultNodeIds({ outcome, failed = [], parts }: UsageRecord): readonly (string | undefined)[] {
  if (outcome === 'failed') return [failed.at(-1)?.nodeId]
  return [...failed, ...parts].map(({ nodeId }) => nodeId)
}

/** To the operator its own nodes are the network: what they fail is shown to everybody. */
function countedForOperator<T extends { readonly exempt?: SlaExemption | undefined }>(told: T): T {
  if (told.exempt !== 'own_node') return told
  const { exempt: _, ...counted } = told
  return counted as T
}

/** A gateway's tally, as `countedFor` has a reading. */
export const tallyFor = (state: State, tally: SlaTally): SlaTally => ({
  ...tally,
  refused: tally.refused.map((one) =>
    isOperators(state, one.organisationId) ? countedForOperator(one) : one,
  ),
})
