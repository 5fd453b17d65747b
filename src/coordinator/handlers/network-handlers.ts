import type { Node as FleetNode } from '#fleet/fleet.ts'
import { tokenPrice } from '#fleet/token-price.ts'
import { maximum, minimum } from '#kernel/money.ts'
import type { Capability, ModelCapability } from '#protocol/capability.ts'
import type { ModelOffer } from '#protocol/network-status.ts'
import type { Handlers } from '#protocol/route.ts'
import type { ControlRoutes } from '#protocol/routes.ts'
import { VERSION } from '#protocol/version.ts'
import { execute, type HandlerParts, isOperator } from './handler-parts.ts'

type Names = 'getHealth' | 'getStatus' | 'rebuildReadModels'

export function networkHandlers(parts: HandlerParts): Pick<Handlers<ControlRoutes>, Names> {
  const { coordinator, clock, networkName, projector, live } = parts
  const startedMs = clock.elapsedMs()
  const { fleet } = coordinator.state
  const { epoch } = coordinator.journal
  const uptimeMs = (): number => Math.floor(clock.elapsedMs() - startedMs)

  return {
    getHealth: () => ({
      status: 'ok',
      version: VERSION,
      networkName,
      epoch,
      uptimeMs: uptimeMs(),
      feeBps: parts.feeBps,
    }),

    getStatus: (_input, caller) =>
      execute(parts, () => {
        const nodes = [...fleet.nodes.values()]
        const count = (holds: (node: FleetNode) => boolean): number => nodes.filter(holds).length
        return {
          networkName,
          version: VERSION,
          epoch,
          uptimeMs: uptimeMs(),
          nodes: {
            online: count((node) => node.presence === 'online'),
            suspect: count((node) => node.presence === 'suspect'),
            absent: count((node) => node.presence === 'absent'),
            drained: count((node) => node.isDrained),
            banned: count((node) => node.bannedReason !== null),
          },
          models: modelOffers(nodes),
          requestsInFlight: live?.requestsOpen() ?? 0,
          readModel: { appliedSequence: projector.position(), lagEntries: projector.lag() },
          processes: { coordinator: parts.processId, gateway: live?.processId ?? null },
          dataFolder: isOperator(caller) ? parts.dataFolder : null,
        }
      }),

    async rebuildReadModels() {
      const beganMs = clock.elapsedMs()
      await projector.rebuild()
      return { appliedSequence: projector.position(), durationMs: Math.round(clock.elapsedMs() - beganMs) }
    },
  }
}

/** Models of the nodes that take new work, by id. */
function modelOffers(nodes: readonly FleetNode[]): ModelOffer[] {
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
    nodes: 1,
    promptPerMillion: { min: promptPerMillion, max: promptPerMillion },
    completionPerMillion: { min: completionPerMillion, max: completionPerMillion },
    tokensPerSecond: { min: speed, max: speed },
  }
}

function widen(a: ModelOffer | undefined, b: ModelOffer): ModelOffer {
  if (!a) return b
  const span = (x: { min: bigint; max: bigint }, y: { min: bigint; max: bigint }) => ({
    min: minimum(x.min, y.min),
    max: maximum(x.max, y.max),
  })
  return {
    model: a.model,
    nodes: a.nodes + b.nodes,
    promptPerMillion: span(a.promptPerMillion, b.promptPerMillion),
    completionPerMillion: span(a.completionPerMillion, b.completionPerMillion),
    tokensPerSecond: {
      min: Math.min(a.tokensPerSecond.min, b.tokensPerSecond.min),
      max: Math.max(a.tokensPerSecond.max, b.tokensPerSecond.max),
    },
  }
}
