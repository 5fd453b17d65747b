/** Where a process of the network is reached: its public door, and where needed a plain one for this machine. */
import type { Gateway } from '#gateway/gateway.ts'
import { createIdempotentReplies } from '#gateway/idempotent-replies.ts'
import { serveOpenAi } from '#gateway/openai-http.ts'
import { type FetchHandler, serveFetch } from '#host/exchange-fetch.ts'
import type { CertificateFacts, Exchange, Host, ServerHandlers } from '#host/host.ts'
import { isLoopback, isWildcard, type ListenConfig, LOOPBACK, urlOf } from './listen-config.ts'

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
  close(graceMs: number): Promise<void>
}

const CONTROL_BODY_BYTES_MAX = 1024 * 1024

export async function openFront(host: Host, listen: ListenConfig, gateway: Gateway | null): Promise<Front> {
  const { network } = host
  const { hostname, port: wantedPort, tls, proxies } = listen
  const door = createDoor(host, gateway)
  const scheme = tls ? 'https' : 'http'
  const main = await network.listen(
    { hostname, port: wantedPort, ...(tls ? { tls } : {}), ...(proxies ? { proxies } : {}) },
    door.handlers,
  )
  const isForThisMachine = tls === null && (isLoopback(hostname) || isWildcard(hostname))
  const local = isForThisMachine
    ? null
    : await network.listen({ hostname: LOOPBACK, port: listen.localPort }, door.handlers)
  const { port } = main
  const near = isWildcard(hostname) ? LOOPBACK : hostname
  const ownUrl = urlOf(scheme, near, port)
  const url = local ? urlOf('http', LOOPBACK, local.port) : ownUrl
  const certificates = (): readonly CertificateFacts[] => main.certificates?.() ?? []
  door.origin = url
  return {
    url,
    publicUrl: listen.publicUrl ?? (tls ? urlOf(scheme, certifiedName(certificates()) ?? near, port) : url),
    ownUrl,
    port,
    localPort: local?.port ?? 0,
    certificates,
    serveApi(fetch) {
      door.api = fetch
    },
    async close(graceMs) {
      await Promise.all([main.close(graceMs), local?.close(graceMs)])
    },
  }
}

interface Door {
  origin: string
  api: FetchHandler | null
  readonly handlers: ServerHandlers
}

function createDoor({ clock, crypto, log, secrets }: Host, gateway: Gateway | null): Door {
  const replies = createIdempotentReplies({ clock, crypto })
  const openAi = gateway && { gateway, clock, log, secrets, replies }
  function onExchange(exchange: Exchange): void {
    if (openAi && exchange.target.startsWith('/v1/')) return serveOpenAi(openAi, exchange)
    if (door.api === null) return exchange.abort()
    const options = { bytesMax: CONTROL_BODY_BYTES_MAX, origin: door.origin, log }
    serveFetch(exchange, door.api, options)
  }
  const door: Door = {
    origin: 'http://localhost',
    api: null,
    handlers: {
      onExchange,
      onLink: (path, link) => (gateway && path === '/agent' ? gateway.acceptLink(link) : null),
    },
  }
  return door
}

/** The first name that others could type: no pattern, and no address of this machine alone. */
const certifiedName = ([newest]: readonly CertificateFacts[]): string | undefined =>
  newest?.names.find((name) => !name.includes('*') && !isLoopback(name))
