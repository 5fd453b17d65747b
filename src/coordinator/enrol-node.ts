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

/** Enrols a node with a single-use token. A key that is enrolled already keeps its node: the answer may have been lost. */
export function enrolNode(turn: Turn, enrolment: Enrolment): { nodeId: string } | FleetRefusal {
  const known = turn.state.fleet.nodeIdByPublicKey.get(enrolment.publicKey)
  if (known) return { nodeId: known }
  const refusal = turn.fleet({ kind: 'enrol', ...enrolment, nowMs: turn.nowMs })
  return refusal ?? { nodeId: enrolment.nodeId }
}
