/** The control API of a coordinator that stands by: its health, the order to take over, and where to turn otherwise. */
import { Problem } from '#protocol/problem.ts'
import type { Handlers } from '#protocol/route.ts'
import { type ControlRoutes, routes } from '#protocol/routes.ts'
import { VERSION } from '#protocol/version.ts'
import { authenticatorOf } from './control-api.ts'
import { type ControlServer, type ControlServerOptions, createControlServer } from './control-server.ts'
import { type HandlerParts, newId } from './handlers/handler-parts.ts'
import type { Standby } from './standby.ts'

export type StandbyApiParts = Pick<
  HandlerParts,
  'clock' | 'crypto' | 'secrets' | 'log' | 'networkName' | 'keySecret'
> & { readonly standby: Standby }

/** Keys are checked against the state as far as it was followed: the newest may still be unknown here. */
export function createStandbyApi(
  parts: StandbyApiParts,
  options: Pick<ControlServerOptions, 'openAiBaseUrl' | 'onBug' | 'hostnames' | 'origins'>,
): ControlServer {
  const { standby, clock, networkName } = parts
  const startedMs = clock.elapsedMs()
  const authenticate = authenticatorOf(standby.state, parts, clock.nowMs)
  const refuse = (): never => {
    const { holder } = standby.leader()
    throw new Problem(
      'unavailable',
      `This coordinator stands by${holder === '' ? '' : ` for ${holder}`} and answers nothing yet. Call a gateway of the network, which knows the one that leads.`,
    )
  }
  const health = () => {
    const { epoch, lastSequence } = standby.leader()
    return {
      status: 'ok' as const,
      role: 'standby' as const,
      lagEntries: Math.max(0, lastSequence - standby.sequence()),
      version: VERSION,
      networkName,
      epoch,
      uptimeMs: Math.floor(clock.elapsedMs() - startedMs),
    }
  }
  const handlers = {
    // One for each name of the table.
    ...(Object.fromEntries(
      Object.keys(routes).map((name) => [name, refuse]),
    ) as unknown as Handlers<ControlRoutes>),
    getHealth: health,
    takeOver(_input, caller, context) {
      parts.log.warn('standby.ordered', { keyId: caller.keyId })
      standby.takeOver({ caller, context })
      return health()
    },
  } satisfies Handlers<ControlRoutes>
  return createControlServer(routes, handlers, {
    ...options,
    clock,
    log: parts.log,
    requestId: () => newId('req', parts),
    // A key that is not known here may be younger than what was followed: only the leader can say that there is none.
    authenticate: (key, sourceAddress) => authenticate(key, sourceAddress) ?? refuse(),
    mayAnswer: () => true,
  })
}
