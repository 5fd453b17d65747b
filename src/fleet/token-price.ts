import { divideUp, type NanoUsd } from '#kernel/money.ts'
import type { Capability, ModelCapability } from '#protocol/capability.ts'
import { askPerMillionTokens } from './ask.ts'

const BPS = 10_000n

/**
 * What a node of last resort states, and of any other node the per-token ask that follows from a node's ask per GPU-hour. A node without a GPU sells its one processor; a
 * node with several sells all of them together, since its speed was measured on all.
 */
export function tokenPrice(
  capability: Pick<Capability, 'gpus' | 'backstop' | 'cachedDiscountBps'>,
  model: Pick<ModelCapability, 'prefillTokensPerSecond' | 'decodeTokensPerSecond'>,
  askPerGpuHour: NanoUsd,
): { promptPerMillion: NanoUsd; completionPerMillion: NanoUsd; cachedPerMillion?: NanoUsd | undefined } {
  if (capability.backstop) {
    const { promptPerMillion, completionPerMillion, cachedPerMillion } = capability.backstop
    // A claim: nobody pays more for what was read before than for what was not.
    const isLess = cachedPerMillion !== undefined && cachedPerMillion < promptPerMillion
    return { promptPerMillion, completionPerMillion, ...(isLess && { cachedPerMillion }) }
  }
  const askPerHour = askPerGpuHour * BigInt(Math.max(1, capability.gpus.length))
  const promptPerMillion = askPerMillionTokens(askPerHour, model.prefillTokensPerSecond)
  const discountBps = BigInt(capability.cachedDiscountBps ?? 0)
  return {
    promptPerMillion,
    completionPerMillion: askPerMillionTokens(askPerHour, model.decodeTokensPerSecond),
    ...(discountBps > 0n && { cachedPerMillion: divideUp(promptPerMillion * (BPS - discountBps), BPS) }),
  }
}
