/** Where a process of the network is reached: its public door, and where needed a plain one for this machine. */
import type { BatchApi } from '#gateway/batches/batch-api.ts'
import type { BlobApi } from '#gateway/blobs/blob-api.ts'
import type { Gateway } from '#gateway/gateway.ts'
import { createIdempotentReplies } from '#gateway/idempotent-replies.ts'
import { serveOpenAi } from '#gateway/openai-http.ts'
import type { PeerCalls } from '#gateway/worker-calls.ts'
import { type FetchHandler, serveFetch } from '#host/exchange-fetch.ts'
import type { CertificateFacts, Exchange, Host, ServerHandlers } from '#host/host.ts'
import { respondProblem } from '#host/respond-problem.ts'
import { assert } from '#kernel/assert.ts'
import { QUOTE_BODY_BYTES_MAX } from '#protocol/job-routes.ts'
import { Problem } from '#protocol/problem.ts'
import type { CellConfig } from './cell-config.ts'
import type { CellTelemetry } from './cell-telemetry.ts'
import { createFrontGuard, type FrontGuard } from './front-guard.ts'
import { isLoopback, isWildcard, type ListenConfig, LOOPBACK, namesOf, urlOf } from './listen-config.ts'
import { isMetrics } from './metrics-door.ts'
import { openWorkerDoor, type WorkerDoor } from './worker-door.ts'

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
  /** From now on what is not for the gateway is answered by `fetch`; what came before has waited for it, a while. */
  serveApi(fetch: FetchHandler): void
  /** From now on files and batches are served. */
  serveBatches(api: BatchApi): void
  /** From now on files of jobs are served. */
  serveBlobs(api: BlobApi): void
  /** From now on calls go to other workers of this machine, and come from them. */
  joinWorkers(worker: NonNullable<CellConfig['worker']>): Promise<void>
  close(graceMs: number): Promise<void>
}

const CONTROL_BODY_BYTES_MAX = 1024 * 1024
/** A process that starts takes connections a moment before it can answer: calls to the API wait for that, so many and so long. */
const EARLY_MAX = 256
const EARLY_MS_MAX = 10_000

export interface Behind {
  /** Null where none is in this process. */
  readonly gateway: Gateway | null
  /** Whose word counts for where a client is, as in `ListenAddress`; null: nobody's. */
  readonly proxies: readonly string[] | null
  /** Who watches it; null: nobody. */
  readonly telemetry: FrontTelemetry | null
}
export type FrontTelemetry = Pick<CellTelemetry, 'watch' | 'metrics'>

export async function openFront(
  host: Host,
  listen: ListenConfig,
  { gateway, proxies, telemetry }: Behind,
): Promise<Front> {
  const { clock, network } = host
  const { hostname, port: wantedPort, pageOrigins, tls } = listen
  let certificates = (): readonly CertificateFacts[] => []
  const names = () => namesOf(listen, certificates()[0] ?? null)
  const guard = createFrontGuard(clock, { names, pageOrigins })
  const door = createDoor(host, { gateway, telemetry }, guard)
  const scheme = tls ? 'https' : 'http'
  const main = await network.listen(
    {
      hostname,
      port: wantedPort,
      ...(tls ? { tls } : {}),
      ...(proxies ? { proxies } : {}),
      ...(listen.isShared && { isShared: true }),
    },
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
  let workers: WorkerDoor | null = null
  return {
    url,
    publicUrl: listen.publicUrl ?? (tls ? urlOf(scheme, certifiedName(certificates()) ?? near, port) : url),
    ownUrl,
    port,
    localPort: local?.port ?? 0,
    certificates: () => certificates(),
    serveApi(fetch) {
      door.api = fetch
      for (const exchange of door.early.splice(0)) door.handlers.onExchange(exchange)
    },
    serveBatches(api) {
      door.batches = api
    },
    serveBlobs(api) {
      door.blobs = api
    },
    async joinWorkers(worker) {
      assert(gateway, 'workers are gateways')
      workers = await openWorkerDoor(host, worker, { gateway, handlers: door.handlers })
      door.peers = workers.calls
    },
    async close(graceMs) {
      await Promise.all([main.close(graceMs), local?.close(graceMs)])
      await workers?.close(graceMs)
    },
  }
}

interface Door {
  origin: string
  api: FetchHandler | null
  /** Calls that came before there was an API. */
  readonly early: Exchange[]
  batches: BatchApi | null
  blobs: BlobApi | null
  peers: PeerCalls | null
  readonly handlers: ServerHandlers
}

function createDoor(
  host: Host,
  { gateway, telemetry }: Pick<Behind, 'gateway' | 'telemetry'>,
  guard: FrontGuard,
): Door {
  const { clock, crypto, log, secrets } = host
  const replies = createIdempotentReplies({ clock, crypto })
  const openAi = gateway && {
    gateway,
    clock,
    log,
    secrets,
    replies,
    judgeCall: guard.judgeCall,
    batches: () => door.batches,
    peers: () => door.peers,
    watch: telemetry?.watch,
  }
  function waitForApi(exchange: Exchange): void {
    if (door.early.length >= EARLY_MAX) return exchange.abort()
    door.early.push(exchange)
    const forget = (): boolean => {
      const at = door.early.indexOf(exchange)
      if (at >= 0) door.early.splice(at, 1)
      return at >= 0
    }
    exchange.onClose(forget)
    clock.after(EARLY_MS_MAX, () => forget() && exchange.abort())
  }
  function onExchange(exchange: Exchange): void {
    if (openAi && exchange.target.startsWith('/v1/')) return serveOpenAi(openAi, exchange)
    if (telemetry && isMetrics(exchange)) {
      // As strict as for calls, but no page of another origin reads them, whatever is allowed to call.
      const judged = guard.judgeCall(exchange.headers)
      if (judged === null) return telemetry.metrics.serve(exchange)
      return respondProblem(exchange, typeof judged === 'string' ? forbiddenOrigin(judged) : judged)
    }
    if (door.blobs && exchange.target.startsWith('/api/blobs')) {
      // Pages of other origins have no business with files.
      const judged = guard.judgeCall(exchange.headers)
      if (judged !== null)
        return respondProblem(exchange, typeof judged === 'string' ? forbiddenOrigin(judged) : judged)
      if (door.blobs.serve(exchange)) return
    }
    if (door.api === null) return waitForApi(exchange)
    const options = { bytesMax: bodyBytesMax(exchange), origin: door.origin, log }
    serveFetch(exchange, door.api, options)
  }
  const door: Door = {
    origin: 'http://localhost',
    api: null,
    early: [],
    batches: null,
    blobs: null,
    peers: null,
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

/** Only who shows a key may say so much. */
const bodyBytesMax = ({ target, headers }: Exchange): number =>
  target === '/api/quotes' && headers['authorization'] !== undefined
    ? QUOTE_BODY_BYTES_MAX
    : CONTROL_BODY_BYTES_MAX

const forbiddenOrigin = (origin: string): Problem =>
  new Problem('forbidden_origin', `Pages of ${origin} may not call this.`)

/** The first name that others could type: no pattern, and no address of this machine alone. */
const certifiedName = ([newest]: readonly CertificateFacts[]): string | undefined =>
  newest?.names.find((name) => !name.includes('*') && !isLoopback(name))
