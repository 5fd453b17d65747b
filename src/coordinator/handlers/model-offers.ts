import type { Node as FleetNode } from '#fleet/fleet.ts'
import { tokenPrice } from '#fleet/token-price.ts'
import { maximum, minimum } from '#kernel/money.ts'
import type { Capability, ModelCapability } from '#protocol/capability.ts'
import type { ModelOffer } from '#protocol/network-status.ts'

/** By its own choice: while it is there, it takes no new work. */
export const isParked = ({ capability }: FleetNode): boolean => capability?.parkedReason != null

/** Models of the nodes that are there and let in, by id; what a parked node has is shown as parked, not as offered. */
export function modelOffers(nodes: readonly FleetNode[]): ModelOffer[] {
  const offers = new Map<string, ModelOffer>()
  for (const node of nodes) {
    if (node.presence !== 'online' || node.isDrained || node.bannedReason !== null || !node.capability)
      continue
    for (const model of node.capability.models) {
      offers.set(model.id, widen(offers.get(model.id), offerOf(node, node.capability, model)))
    }
  }
  return [...offers.values()].sort((a, b) => (a.model < b.model ? -1 : 1))
}

function offerOf(node: FleetNode, capability: Capability, model: ModelCapability): ModelOffer {
  const { promptPerMillion, completionPerMillion } = tokenPrice(capability, model, node.askPerGpuHour)
  const speed = model.decodeTokensPerSecond
  return {
    model: model.id,
    nodes: isParked(node) ? 0 : 1,
    parkedNodes: isParked(node) ? 1 : 0,
    promptPerMillion: { min: promptPerMillion, max: promptPerMillion },
    completionPerMillion: { min: completionPerMillion, max: completionPerMillion },
    tokensPerSecond: { min: speed, max: speed },
  }
}

function widen(a: ModelOffer | undefined, b: ModelOffer): ModelOffer {
  if (!a) return b
  const counts = { nodes: a.nodes + b.nodes, parkedNodes: (a.parkedNodes ?? 0) + (b.parkedNodes ?? 0) }
  // What a parked node would ask says nothing of what work costs now, unless there are only such.
  if (a.nodes > 0 !== b.nodes > 0) return { ...(a.nodes > 0 ? a : b), ...counts }
  const span = (x: { min: bigint; max: bigint }, y: { min: bigint; max: bigint }) => ({
    min: minimum(x.min, y.min),
    max: maximum(x.max, y.max),
  })
  return {
    model: a.model,
    ...counts,
    promptPerMillion: span(a.promptPerMillion, b.promptPerMillion),
    completionPerMillion: span(a.completionPerMillion, b.completionPerMillion),
    tokensPerSecond: {
      min: Math.min(a.tokensPerSecond.min, b.tokensPerSecond.min),
      max: Math.max(a.tokensPerSecond.max, b.tokensPerSecond.max),
    },
  }
}
