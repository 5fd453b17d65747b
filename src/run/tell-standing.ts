/** Says to a node's owner whether it gets work: that it serves only once it does, and until then what is in the way. */
import type { Clock, Timer } from '#host/host.ts'
import type { Bar } from '#protocol/cell.ts'
import type { AgentStep } from './run-agent.ts'

/** A proof takes seconds: after this its owner is told what keeps it. */
export const SLOW_PROOF_MS = 20_000

export interface StandingTeller {
  /** What keeps the node from work; `null`: nothing. */
  told(barred: Bar | null): void
  /** It is not connected. */
  away(): void
}

export function createStandingTeller(
  { clock, onStep, nodeId }: { clock: Clock; onStep: (step: AgentStep) => void; nodeId: string },
  /** It gets work, at first and again. */
  onServing: () => void,
): StandingTeller {
  let slow: Timer | null = null
  let isProving = false
  const note = ({ message }: Bar): void =>
    onStep({ kind: 'note', text: `${nodeId} gets no work yet: ${message}` })
  return {
    told(barred) {
      slow?.cancel()
      if (barred?.code !== 'unproven') isProving = false
      if (!barred) return onServing()
      if (barred.code !== 'unproven') return note(barred)
      if (!isProving) onStep({ kind: 'proving_hardware' })
      isProving = true
      slow = clock.after(SLOW_PROOF_MS, () => note(barred))
    },
    away() {
      slow?.cancel()
    },
  }
}
