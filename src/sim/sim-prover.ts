/** Proofs of simulated hardware: really computed, of so few numbers that they cost nothing, and late by virtual time. */
import type { KeptProof, ProofSolver } from '#agent/hardware/proof-solver.ts'
import type { Clock } from '#host/host.ts'
import type { ProofSize, ProvableDevice } from '#protocol/hardware-proof.ts'
import { solveProof } from '#verify/hardware/solve-proof.ts'
import { simCrypto } from './sim-host.ts'

/**
 * `forges`: every product but the first few is made up. `lateForges`: it commits to one thing and shows another.
 * `silent`: it never answers.
 */
export type ProverManner = 'honest' | 'forges' | 'lateForges' | 'silent'

export interface SimProverOptions {
  readonly devices?: readonly ProvableDevice[]
  readonly manner?: ProverManner
  /** How long it takes by virtual time. */
  readonly solveMs?: number
}

/** So little that a check is a few microseconds of the simulator. */
export const SIM_PROOF_SIZE: ProofSize = { rows: 16, width: 8, rounds: 2 }
/** For `CoordinatorServiceOptions`. */
export const simNodeProofs = { isRequired: true, sizeOf: () => SIM_PROOF_SIZE } as const

const SOLVE_MS = 300
const processor: ProvableDevice = { deviceId: 'cpu', kind: 'cpu', name: 'simulated', memoryMib: 0 }

export function createSimProver(clock: Pick<Clock, 'after'>, options: SimProverOptions = {}): ProofSolver {
  const { devices = [processor], manner = 'honest', solveMs = SOLVE_MS } = options
  return {
    devices,
    solve({ seed, size }, done) {
      if (manner === 'silent') return
      const made = Buffer.from(seed, 'hex')
      if (manner === 'forges') made.reverse()
      const solution = solveProof({ seed: made, size }, simCrypto.sha256)
      const proof: KeptProof = {
        roots: solution.roots,
        open(rows, shown) {
          const chains = solution.open(rows)
          const [first] = chains[0] ?? []
          if (manner === 'lateForges' && first) first.bytes = Buffer.alloc(size.width, 1).toString('base64')
          shown(chains)
        },
        drop: () => undefined,
      }
      clock.after(solveMs, () => done(proof))
    },
  }
}
