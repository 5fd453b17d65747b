/** Which node gets a request. Pure: given the candidates and a source of randomness, nothing else decides. */
import type { Random } from '#kernel/random.ts'

/** What the router may know of a node that serves the model. */
export interface Candidate {
  readonly nodeId: string
  /** Requests of this gateway that it works on. */
  readonly outstanding: number
  readonly slots: number
  readonly decodeTokensPerSecond: number
}

/** Two at random, the one that frees up sooner: queue over measured speed. Null when all slots are taken. */
export function chooseNode<T extends Candidate>(candidates: readonly T[], random: Random): T | null {
  const free = candidates.filter((candidate) => candidate.outstanding < candidate.slots)
  const first = free[free.length > 1 ? random.int(free.length) : 0]
  if (!first) return null
  if (free.length === 1) return first
  const second = free[random.int(free.length)] ?? first
  return waitOf(second) < waitOf(first) ? second : first
}

const waitOf = (candidate: Candidate): number =>
  (candidate.outstanding + 1) / Math.max(candidate.decodeTokensPerSecond, 0.001)
