import type { Node as FleetNode } from '#fleet/fleet.ts'
import { Problem } from '#protocol/problem.ts'
import type { Handlers } from '#protocol/route.ts'
import type { ControlRoutes } from '#protocol/routes.ts'
import { VERSION } from '#protocol/version.ts'
import { act } from './act.ts'
import { execute, type HandlerParts, isOperator } from './handler-parts.ts'
import { workCounts } from './job-parts.ts'
import { isParked, modelOffers } from './model-offers.ts'

type Names = 'getHealth' | 'takeOver' | 'getStatus' | 'rebuildReadModels'

export function networkHandlers(parts: HandlerParts): Pick<Handlers<ControlRoutes>, Names> {
  const { coordinator, clock, networkName, projector, live } = parts
  const startedMs = clock.elapsedMs()
  const { fleet } = coordinator.state
  const { epoch } = coordinator.journal
  const uptimeMs = (): number => Math.floor(clock.elapsedMs() - startedMs)

  return {
    getHealth: () => ({
      status: 'ok',
      role: 'leader',
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
            parked: count((node) => node.presence === 'online' && isParked(node)),
          },
          models: modelOffers(nodes),
          requestsInFlight: live?.requestsOpen() ?? 0,
          ...(live && { requestsUnbilled: live.requestsUnbilled() }),
          ...(parts.jobs && { work: workCounts(parts, parts.jobs) }),
          readModel: { appliedSequence: projector.position(), lagEntries: projector.lag() },
          processes: { coordinator: parts.processId, gateway: live?.processId ?? null },
          certificate: parts.certificate(),
          dataFolder: isOperator(caller) ? parts.dataFolder : null,
        }
      }),

    takeOver() {
      throw new Problem(
        'conflict',
        'This coordinator leads already. Send the order to the address of one that stands by.',
      )
    },

    async rebuildReadModels(_input, caller, context) {
      await act(parts, { caller, context }, { isOutside: true }, () => undefined)
      const beganMs = clock.elapsedMs()
      await projector.rebuild()
      return { appliedSequence: projector.position(), durationMs: Math.round(clock.elapsedMs() - beganMs) }
    },
  }
}
