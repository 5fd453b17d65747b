import type { FleetRefusal } from '#fleet/decide-fleet.ts'
import type { NanoUsd } from '#kernel/money.ts'
import type { Turn } from './turn.ts'

export interface Enrolment {
  readonly nodeId: string
  readonly publicKey: string
  readonly name: string
  readonly tokenHash: string
  readonly askPerGpuHour: NanoUsd
}

/** Enrols a node with a single-use token; one of the operator's own for checking is vetted from the start. A key that is enrolled already keeps its node: the answer may have been lost. */
export function enrolNode(turn: Turn, enrolment: Enrolment): { nodeId: string } | FleetRefusal {
  const known = turn.state.fleet.nodeIdByPublicKey.get(enrolment.publicKey)
  if (known) return { nodeId: known }
  const { nowMs, state } = turn
  const { nodeId } = enrolment
  const refusal = turn.fleet({ kind: 'enrol', ...enrolment, nowMs })
  if (refusal) return refusal
  // The operator knows whose it is: its own. So it may check what is for vetted nodes alone.
  if (state.fleet.nodes.get(nodeId)?.organisationId === state.verify.referenceId)
    turn.fleet({ kind: 'class', nodeId, nodeClass: 'vetted', nowMs })
  return { nodeId }
}
