/** What computes proofs of this machine's hardware. */

import type { z } from 'zod'
import type { OpenedRow, ProofBegin, ProofFailed, ProvableDevice } from '#protocol/hardware-proof.ts'

export interface ProofSolver {
  /** What it can prove; never changes. */
  readonly devices: readonly ProvableDevice[]
  /** Computes, and calls `done` once. What it keeps then, it keeps until `drop`. */
  solve(task: ProofBegin, done: (result: KeptProof | ProofFailure) => void): void
}

export interface KeptProof {
  /** Of each round. */
  readonly roots: readonly string[]
  /** Shows these rows of the last round, and what they are made of. */
  open(rows: readonly number[], done: (result: OpenedRow[][] | ProofFailure) => void): void
  drop(): void
}

export type ProofFailure = Pick<z.output<typeof ProofFailed>, 'reason' | 'message'>

export const isFailure = (result: object): result is ProofFailure => 'reason' in result
