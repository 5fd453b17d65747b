import type { NanoUsd } from '#kernel/money.ts'
import type { Capability, ModelCapability } from '#protocol/capability.ts'
import { askPerMillionTokens } from './ask.ts'

/**
 * What a node of last resort states, and of any other node the per-token ask that follows from a node's ask per GPU-hour. A node without a GPU sells its one processor; a
 * node with several sells all of them together, since its speed was measured on all.
 */
export function tokenPrice(
  capability: Pick<Capability, 'gpus' | 'backstop'>,
  model: Pick<ModelCapability, 'prefillTokensPerSecond' | 'decodeTokensPerSecond'>,
  askPerGpuHour: NanoUsd,
): { promptPerMillion: NanoUsd; completionPerMillion: NanoUsd } {
  if (capability.backstop) return capability.backstop
  const askPerHour = askPerGpuHour * BigInt(Math.max(1, capability.gpus.length))
  return {
    promptPerMillion: askPerMillionTokens(askPerHour, model.prefillTokensPerSecond),
    completionPerMillion: askPerMillionTokens(askPerHour, model.decodeTokensPerSecond),
  }
}
