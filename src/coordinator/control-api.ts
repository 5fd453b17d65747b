import type { Handlers } from '#protocol/route.ts'
import { type ControlRoutes, routes } from '#protocol/routes.ts'
import { type ControlServer, createControlServer } from './control-server.ts'
import { accountHandlers } from './handlers/account-handlers.ts'
import { type HandlerParts, hashSecret, newId } from './handlers/handler-parts.ts'
import { networkHandlers } from './handlers/network-handlers.ts'
import { nodeHandlers } from './handlers/node-handlers.ts'
import { organisationHandlers } from './handlers/organisation-handlers.ts'

export interface ControlApiOptions {
  /** Where the OpenAI-compatible API is, with its `/v1`. */
  readonly openAiBaseUrl: string
  readonly onBug: (error: unknown) => void
}

/** The whole control API over this coordinator, as one `fetch` handler. */
export function createControlApi(parts: HandlerParts, options: ControlApiOptions): ControlServer {
  const { organisations } = parts.coordinator.state
  const handlers: Handlers<ControlRoutes> = {
    ...networkHandlers(parts),
    ...organisationHandlers(parts),
    ...accountHandlers(parts),
    ...nodeHandlers(parts),
  }
  return createControlServer(routes, handlers, {
    clock: parts.clock,
    log: parts.log,
    requestId: () => newId('req', parts),
    hostnames: [],
    origins: [],
    openAiBaseUrl: options.openAiBaseUrl,
    onBug: options.onBug,
    authenticate(apiKey) {
      const keyId = organisations.keyIdByHash.get(hashSecret(apiKey, parts))
      const key = keyId === undefined ? undefined : organisations.keys.get(keyId)
      return key ? { keyId: key.id, organisationId: key.organisationId, scopes: key.scopes } : null
    },
  })
}
