import { decideSla, type SlaCommand, type SlaRefusal } from '#sla/decide-sla.ts'
import type { Turn } from '../turn.ts'

/** Carries a command of the decider out, as part of `turn`. */
export function slaIn(turn: Turn, command: SlaCommand): SlaRefusal | null {
  const decision = decideSla(turn.state.sla, command)
  if (!Array.isArray(decision)) return decision
  turn.record(decision)
  return null
}

/**
 * Closes bins that are over: asked every second, and nearly always nothing is due. `heardSinceMs`: since when gateways can
 * be heard at all, which is since the coordinator's start.
 */
export const stepSla = (turn: Turn, heardSinceMs = 0): void =>
  void slaIn(turn, { kind: 'step', nowMs: turn.nowMs, heardSinceMs })
