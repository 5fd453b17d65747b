import type { WebFile } from '#host/web-file.ts'
import type { TimestampMs } from '#kernel/time.ts'
import { isLive } from '#organisations/organisations.ts'
import { isInRanges } from '#protocol/network-range.ts'
import { Problem } from '#protocol/problem.ts'
import type { Caller, Handlers } from '#protocol/route.ts'
import { type ControlRoutes, routes } from '#protocol/routes.ts'
import { type ControlServer, createControlServer } from './control-server.ts'
import type { CoordinatorState } from './coordinator-state.ts'
import type { EconomicsService } from './economics-service.ts'
import { accountHandlers } from './handlers/account-handlers.ts'
import { createRefusals, noteScopeMissing } from './handlers/act.ts'
import { alertHandlers } from './handlers/alert-handlers.ts'
import { auditHandlers } from './handlers/audit-handlers.ts'
import { economicsHandlers } from './handlers/economics-handlers.ts'
import { type HandlerParts, hashSecret, newId } from './handlers/handler-parts.ts'
import { jobHandlers } from './handlers/job-handlers.ts'
import { keyHandlers } from './handlers/key-handlers.ts'
import { liveHandlers } from './handlers/live-handlers.ts'
import { memberHandlers } from './handlers/member-handlers.ts'
import { modelHandlers } from './handlers/model-handlers.ts'
import { networkHandlers } from './handlers/network-handlers.ts'
import { nodeAuditHandlers } from './handlers/node-audit-handlers.ts'
import { nodeHandlers } from './handlers/node-handlers.ts'
import { organisationHandlers } from './handlers/organisation-handlers.ts'
import { payoutHandlers } from './handlers/payout-handlers.ts'
import { quoteHandlers } from './handlers/quote-handlers.ts'
import { receiptHandlers } from './handlers/receipt-handlers.ts'
import { slaHandlers, statusHtml } from './handlers/sla-handlers.ts'

export interface ControlApiOptions {
  /** Where the OpenAI-compatible API is, with its `/v1`. */
  readonly openAiBaseUrl: string
  /** Names that the network goes by besides the loopback ones, and origins whose pages may change things. */
  readonly hostnames: readonly string[]
  readonly origins: readonly string[]
  readonly onBug: (error: unknown) => void
  readonly economics: EconomicsService
  /** The web pages that were built; `null` where they were not. */
  readonly webFiles: readonly WebFile[] | null
}

/** Whose key a call carries, by the keys in `state` and the time of the cell. */
export const authenticatorOf =
  (
    { organisations }: Pick<CoordinatorState, 'organisations'>,
    parts: Parameters<typeof hashSecret>[1],
    nowMs: () => TimestampMs,
  ) =>
  (apiKey: string, sourceAddress: string | null): Caller | null => {
    const keyId = organisations.keyIdByHash.get(hashSecret(apiKey, parts))
    const key = keyId === undefined ? undefined : organisations.keys.get(keyId)
    if (!key || !isLive(key, nowMs())) return null
    const { networks } = key.limits
    if (networks && !isInRanges(sourceAddress ?? '', networks)) {
      throw new Problem('forbidden_source', 'This API key is not good from this address.')
    }
    return key ? { keyId: key.id, organisationId: key.organisationId, scopes: key.scopes } : null
  }

/** The whole control API over this coordinator, as one `fetch` handler. */
export function createControlApi(given: HandlerParts, options: ControlApiOptions): ControlServer {
  const parts = { ...given, refusals: createRefusals(given.clock) }
  const handlers: Handlers<ControlRoutes> = {
    ...networkHandlers(parts),
    ...liveHandlers(parts),
    ...organisationHandlers(parts),
    ...memberHandlers(parts),
    ...keyHandlers(parts),
    ...alertHandlers(parts),
    ...auditHandlers(parts),
    ...receiptHandlers(parts),
    ...payoutHandlers(parts),
    ...accountHandlers(parts),
    ...nodeHandlers(parts),
    ...nodeAuditHandlers(parts),
    ...modelHandlers(parts),
    ...quoteHandlers(parts),
    ...jobHandlers(parts),
    ...slaHandlers(parts),
    ...economicsHandlers(options.economics),
  }
  return createControlServer(routes, handlers, {
    clock: parts.clock,
    log: parts.log,
    requestId: () => newId('req', parts),
    hostnames: options.hostnames,
    origins: options.origins,
    openAiBaseUrl: options.openAiBaseUrl,
    webFiles: options.webFiles,
    livePages: { '/status': () => statusHtml(parts) },
    onBug: options.onBug,
    authenticate: authenticatorOf(parts.coordinator.state, parts, parts.coordinator.nowMs),
    onScopeMissing: (caller, context) => noteScopeMissing(parts, { caller, context }),
    mayAnswer: parts.coordinator.mayAnswer,
  })
}
