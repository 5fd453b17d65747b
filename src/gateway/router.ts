/** Which node gets a request. Pure: given the candidates and a source of randomness, nothing else decides. */
import { askPerMillionTokens } from '#fleet/ask.ts'
import type { NanoUsd } from '#kernel/money.ts'
import type { Random } from '#kernel/random.ts'
import type { TokenPrice } from '#ledger/price.ts'
import type { Capability, ModelCapability } from '#protocol/capability.ts'

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

/**
 * The per-token ask that follows from a node's ask per GPU-hour. A node without a GPU sells its one processor; a
 * node with several sells all of them together, since its speed was measured on all.
 */
export function tokenPrice(
  capability: Pick<Capability, 'gpus'>,
  model: ModelCapability,
  askPerGpuHour: NanoUsd,
): TokenPrice {
  const askPerHour = askPerGpuHour * BigInt(Math.max(1, capability.gpus.length))
  return {
    promptPerMillion: askPerMillionTokens(askPerHour, model.prefillTokensPerSecond),
    completionPerMillion: askPerMillionTokens(askPerHour, model.decodeTokensPerSecond),
  }
}
