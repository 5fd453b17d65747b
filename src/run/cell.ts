/** One cell in one process: coordinator and gateway on an in-process bus, behind one port. */
import { join } from 'node:path'
import { createControlApi } from '#coordinator/control-api.ts'
import { openCoordinatorService } from '#coordinator/coordinator-service.ts'
import { foundNetwork } from '#coordinator/found-network.ts'
import { execute, type HandlerParts, hashSecret, newId } from '#coordinator/handlers/handler-parts.ts'
import { mintKey } from '#coordinator/mint-key.ts'
import { openProjector } from '#coordinator/read-models/projector.ts'
import { createQueries } from '#coordinator/read-models/queries.ts'
import { openGateway } from '#gateway/gateway.ts'
import { serveOpenAi } from '#gateway/openai-http.ts'
import { serveFetch } from '#host/exchange-fetch.ts'
import type { Exchange, Host, ServerHandlers } from '#host/host.ts'
import type { SqlStore } from '#host/sql-store.ts'
import { base32, formatId, ID_BYTES } from '#kernel/id.ts'
import type { Problem } from '#protocol/problem.ts'
import type { Scope } from '#protocol/scope.ts'
import type { CellConfig } from './cell-config.ts'

export interface Cell {
  readonly apiUrl: string
  readonly openaiBaseUrl: string
  readonly port: number
  readonly apiKey: string
  readonly operatorKey: string
  /** A fresh single-use token for a node of the founding organisation. */
  enrolmentToken(): Promise<string>
  /** Lets what runs end for `graceMs`, then closes everything in order. */
  close(graceMs: number): Promise<void>
}

export interface CellParts {
  readonly host: Host
  readonly openStore: () => SqlStore
  /** Keeps the keys that the command line on this machine uses; null when there are none yet. */
  readonly credentials: { read(): KeptKeys | null; write(kept: KeptCredentials): void }
  readonly processId: number
  /** The process must die at once. */
  readonly onFatal: (problem: Problem) => void
  readonly onBug: (error: unknown) => void
}
export interface KeptKeys {
  readonly apiKey: string
  readonly operatorKey: string
}
export type KeptCredentials = KeptKeys & { readonly apiUrl: string; readonly openaiBaseUrl: string }

const SNAPSHOT_EVERY = 20_000
const CONTROL_BODY_BYTES_MAX = 1024 * 1024
const KEY_SECRET_BYTES = 32
const LOCAL_TOKEN_TTL_MS = 10 * 60_000

export async function openCell(parts: CellParts, config: CellConfig): Promise<Cell> {
  const { host, onFatal, onBug } = parts
  const { clock, crypto, secrets, log } = host
  const keySecret = keepSecret(host)
  const { feeBps, networkName, dataFolder } = config
  // Both journals open at once: a restart is as long as the slower of them.
  const spool = host.journals.open('spool')
  spool.catch(() => undefined) // Whoever awaits it below hears of its failure.
  const service = await openCoordinatorService(host, { feeBps, snapshotEvery: SNAPSHOT_EVERY, onFatal })
  const { coordinator } = service
  const journals = { open: () => spool }
  const gateway = await openGateway(
    { ...host, journals },
    { gatewayId: gatewayIdOf(host), keySecret, onFatal },
  )
  await new Promise<void>((resolve) => gateway.onReady(resolve))

  const store = parts.openStore()
  const projector = openProjector({ journal: coordinator.journal, store, clock, log })
  coordinator.onDurable((sequence) => projector.notify(sequence))

  let serve: (exchange: Exchange) => void = (exchange) => exchange.abort()
  const handlers: ServerHandlers = {
    onExchange: (exchange) => serve(exchange),
    onLink: (path, link) => (path === '/agent' ? gateway.acceptLink(link) : null),
  }
  const listener = await host.network.listen({ hostname: config.hostname, port: config.port }, handlers)
  const { port } = listener
  const apiUrl = `http://${config.hostname.includes(':') ? `[${config.hostname}]` : config.hostname}:${port}`
  const openaiBaseUrl = `${apiUrl}/v1`

  const handlerParts: HandlerParts = {
    coordinator,
    clock,
    crypto,
    secrets,
    log,
    projector,
    queries: createQueries(store),
    networkName,
    feeBps,
    keySecret,
    apiUrl,
    dataFolder,
    processId: parts.processId,
    live: { processId: parts.processId, requestsOpen: gateway.requestsOpen },
  }
  const api = createControlApi(handlerParts, { openAiBaseUrl: openaiBaseUrl, onBug })
  const openAi = { gateway, clock, log, secrets }
  serve = (exchange) => {
    if (exchange.target.startsWith('/v1/')) serveOpenAi(openAi, exchange)
    else
      serveFetch(exchange, async (request) => api.fetch(request), {
        bytesMax: CONTROL_BODY_BYTES_MAX,
        origin: apiUrl,
        log,
      })
  }

  const organisationId = await execute(handlerParts, (turn) =>
    foundNetwork(turn, {
      organisationId: newId('org', handlerParts),
      name: networkName,
      testBalance: config.testBalance,
    }),
  )
  const keys = await keepKeys(handlerParts, parts.credentials.read(), organisationId)
  parts.credentials.write({ apiUrl, openaiBaseUrl, ...keys })

  return {
    apiUrl,
    openaiBaseUrl,
    port,
    ...keys,
    enrolmentToken: () => issueToken(handlerParts, organisationId),
    async close(graceMs) {
      await listener.close(graceMs)
      await gateway.close()
      projector.close()
      await store.close()
      await service.close()
    },
  }
}

/** The secret under which keys are hashed: made once, with the network. */
function keepSecret({ secrets }: Host): string {
  const kept = secrets.read('key-secret')
  if (kept !== null) return kept
  const made = base32(secrets.randomBytes(KEY_SECRET_BYTES))
  secrets.write('key-secret', made)
  return made
}

function gatewayIdOf({ secrets }: Host): string {
  const kept = secrets.read('gateway-id')
  if (kept !== null) return kept
  const made = formatId('gateway', secrets.randomBytes(ID_BYTES))
  secrets.write('gateway-id', made)
  return made
}

/** The founder's keys as they were kept, as far as they still open what they should; new ones in place of the others. */
async function keepKeys(
  parts: HandlerParts,
  kept: KeptKeys | null,
  organisationId: string,
): Promise<KeptKeys> {
  const { organisations } = parts.coordinator.state
  const works = (key: string | undefined): key is string =>
    key !== undefined && organisations.keyIdByHash.has(hashSecret(key, parts))
  const keyFor = (key: string | undefined, name: string, scopes: Scope[]): Promise<string> =>
    works(key)
      ? Promise.resolve(key)
      : execute(parts, (turn) => mintKey(turn, parts, { organisationId, name, scopes }).key)
  return {
    apiKey: await keyFor(kept?.apiKey, 'first key', ['developer']),
    operatorKey: await keyFor(kept?.operatorKey, 'operator', ['operator']),
  }
}

function issueToken(parts: HandlerParts, organisationId: string): Promise<string> {
  const token = `join-${base32(parts.secrets.randomBytes(20))}`
  return execute(parts, (turn) => {
    const { nowMs } = turn
    const tokenHash = hashSecret(token, parts)
    turn.fleet({
      kind: 'issue_token',
      tokenHash,
      organisationId,
      expiresAtMs: nowMs + LOCAL_TOKEN_TTL_MS,
      nowMs,
    })
    return token
  })
}

/** Where a cell keeps what its machine's command line needs. */
export const credentialsFile = (dataFolder: string): string => join(dataFolder, 'credentials.json')
