/** Where a process of the network is reached: its public door, and where needed a plain one for this machine. */
import type { BatchApi } from '#gateway/batches/batch-api.ts'
import type { Gateway } from '#gateway/gateway.ts'
import { createIdempotentReplies } from '#gateway/idempotent-replies.ts'
import { serveOpenAi } from '#gateway/openai-http.ts'
import { type FetchHandler, serveFetch } from '#host/exchange-fetch.ts'
import type { CertificateFacts, Exchange, Host, ServerHandlers } from '#host/host.ts'
import { createFrontGuard, type FrontGuard } from './front-guard.ts'
import { isLoopback, isWildcard, type ListenConfig, LOOPBACK, namesOf, urlOf } from './listen-config.ts'

export interface Front {
  /** For the programs of this machine. */
  readonly url: string
  /** For agents and clients, wherever they are. */
  readonly publicUrl: string
  /** For the other processes of the network. */
  readonly ownUrl: string
  readonly port: number
  readonly localPort: number
  /** What TLS shows; empty where it does not end here. */
  certificates(): readonly CertificateFacts[]
  /** From now on what is not for the gateway is answered by `fetch`; before, connections are cut. */
  serveApi(fetch: FetchHandler): void
  /** From now on files and batches are served. */
  serveBatches(api: BatchApi): void
  close(graceMs: number): Promise<void>
}

const CONTROL_BODY_BYTES_MAX = 1024 * 1024

export interface Behind {
  /** Null where none is in this process. */
  readonly gateway: Gateway | null
  /** Whose word counts for where a client is, as in `ListenAddress`; null: nobody's. */
  readonly proxies: readonly string[] | null
}

export async function openFront(
  host: Host,
  listen: ListenConfig,
  { gateway, proxies }: Behind,
): Promise<Front> {
  const { clock, network } = host
  const { hostname, port: wantedPort, pageOrigins, tls } = listen
  let certificates = (): readonly CertificateFacts[] => []
  const names = () => namesOf(listen, certificates()[0] ?? null)
  const door = createDoor(host, gateway, createFrontGuard(clock, { names, pageOrigins }))
  const scheme = tls ? 'https' : 'http'
  const main = await network.listen(
    { hostname, port: wantedPort, ...(tls ? { tls } : {}), ...(proxies ? { proxies } : {}) },
    door.handlers,
  )
  certificates = () => main.certificates?.() ?? []
  const isForThisMachine = tls === null && (isLoopback(hostname) || isWildcard(hostname))
  const local = isForThisMachine
    ? null
    : await network.listen({ hostname: LOOPBACK, port: listen.localPort }, door.handlers)
  const { port } = main
  const near = isWildcard(hostname) ? LOOPBACK : hostname
  const ownUrl = urlOf(scheme, near, port)
  const url = local ? urlOf('http', LOOPBACK, local.port) : ownUrl
  door.origin = url
  return {
    url,
    publicUrl: listen.publicUrl ?? (tls ? urlOf(scheme, certifiedName(certificates()) ?? near, port) : url),
    ownUrl,
    port,
    localPort: local?.port ?? 0,
    certificates: () => certificates(),
    serveApi(fetch) {
      door.api = fetch
    },
    serveBatches(api) {
      door.batches = api
    },
    async close(graceMs) {
      await Promise.all([main.close(graceMs), local?.close(graceMs)])
    },
  }
}

interface Door {
  origin: string
  api: FetchHandler | null
  batches: BatchApi | null
  readonly handlers: ServerHandlers
}

function createDoor(host: Host, gateway: Gateway | null, guard: FrontGuard): Door {
  const { clock, crypto, log, secrets } = host
  const replies = createIdempotentReplies({ clock, crypto })
  const openAi = gateway && { gateway, clock, log, secrets, replies, judgeCall: guard.judgeCall, batches: () => door.batches }
  function onExchange(exchange: Exchange): void {
    if (openAi && exchange.target.startsWith('/v1/')) return serveOpenAi(openAi, exchange)
    if (door.api === null) return exchange.abort()
    const options = { bytesMax: CONTROL_BODY_BYTES_MAX, origin: door.origin, log }
    serveFetch(exchange, door.api, options)
  }
  const door: Door = {
    origin: 'http://localhost',
    api: null,
    batches: null,
    handlers: {
      onExchange,
      onLink(path, link, headers) {
        const refused = guard.refuseLink(headers)
        if (refused) throw refused
        return gateway && path === '/agent' ? gateway.acceptLink(link) : null
      },
    },
  }
  return door
}

/** The first name that others could type: no pattern, and no address of this machine alone. */
const certifiedName = ([newest]: readonly CertificateFacts[]): string | undefined =>
  newest?.names.find((name) => !name.includes('*') && !isLoopback(name))
