import { decideFleet, type FleetRefusal } from '#fleet/decide-fleet.ts'
import type { NanoUsd } from '#kernel/money.ts'
import { isOpen } from '#organisations/organisations.ts'
import { type JoinLimits, type JoinRefusal, networkOf } from '#verify/hardware/join-limits.ts'
import { recordOf } from '#verify/verify.ts'
import type { Turn } from './turn.ts'

export interface Enrolment {
  readonly nodeId: string
  readonly publicKey: string
  readonly name: string
  readonly tokenHash: string
  readonly askPerGpuHour: NanoUsd
}

/** How fast strangers come in: `limits` by owner and network, and where this one comes from. */
export interface JoinFrom {
  readonly limits: JoinLimits
  /** As far as it is known. */
  readonly sourceAddress: string | null
}

/** Enrols a node with a single-use token; one of the operator's own for checking is vetted from the start. A key that is enrolled already keeps its node: the answer may have been lost. */
export function enrolNode(
  turn: Turn,
  enrolment: Enrolment,
  from?: JoinFrom,
): { nodeId: string } | FleetRefusal | JoinRefusal {
  const known = turn.state.fleet.nodeIdByPublicKey.get(enrolment.publicKey)
  if (known) return { nodeId: known }
  const { nowMs, state } = turn
  const { nodeId } = enrolment
  // Asked first, for a refusal must leave the token as it was.
  const asked = decideFleet(state.fleet, { kind: 'enrol', ...enrolment, nowMs })
  if (!Array.isArray(asked)) return asked
  const organisationId = state.fleet.tokens.get(enrolment.tokenHash)?.organisationId
  const network = networkOf(from?.sourceAddress ?? undefined)
  if (from && organisationId !== undefined && !isOperators(turn, organisationId)) {
    const hasWorked = (id: string): boolean => recordOf(state.verify, id).passed > 0
    const join = { nodeId, organisationId, network, limits: from.limits, hasWorked, nowMs }
    const refusal = turn.hardware({ kind: 'join', ...join })
    if (refusal === 'owner_joins_too_many' || refusal === 'network_joins_too_many') return refusal
  }
  const refusal = turn.fleet({ kind: 'enrol', ...enrolment, ...(network !== null && { network }), nowMs })
  if (refusal) return refusal
  // The operator knows whose it is: its own. So it may check what is for vetted nodes alone.
  if (state.fleet.nodes.get(nodeId)?.organisationId === state.verify.referenceId)
    turn.fleet({ kind: 'class', nodeId, nodeClass: 'vetted', nowMs })
  return { nodeId }
}

/** What the operator brings in himself is no stranger's: his own organisation, and the one that checks. */
function isOperators({ state }: Turn, organisationId: string): boolean {
  if (organisationId === state.verify.referenceId) return true
  for (const key of state.organisations.keys.values())
    if (key.organisationId === organisationId && key.scopes.includes('operator') && isOpen(key)) return true
  return false
}
