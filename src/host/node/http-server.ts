/**
 * One `node:http` server for exchanges and message links. It keeps what node does not: which exchanges are open on
 * which connection, so that every handler learns the end of its exchange, also behind another one in a pipeline.
 */
import {
  createServer,
  type IncomingMessage,
  type Server,
  type ServerOptions,
  type ServerResponse,
} from 'node:http'
import { type AddressInfo, Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import type { CertificateFacts, Clock, ListenAddress, Listener, Log, ServerHandlers } from '#host/host.ts'
import { respondProblem } from '#host/respond-problem.ts'
import { assert } from '#kernel/assert.ts'
import { Problem } from '#protocol/problem.ts'
import { type ClientAddresses, peerAddresses, proxiedAddresses } from './client-address.ts'
import { type ExchangeOwner, HttpExchange } from './http-exchange.ts'
import { rejectSocket, toRejection } from './http-rejection.ts'
import { listenProblem } from './network-problem.ts'
import { createTlsServer, type TlsServer } from './tls-server.ts'
import type { LinkLimits, LinkPorts } from './ws-link.ts'
import { LinkServer } from './ws-server.ts'

export interface HttpLimits {
  /** Open connections; more are closed as they come. */
  readonly connectionsMax: number
  readonly headerBytesMax: number
  readonly headersTimeoutMs: number
  /** For a whole request with its body. Answers may take for ever. */
  readonly requestTimeoutMs: number
  /** For one whose body is taken as it comes: a large file over a slow line. */
  readonly uploadTimeoutMs: number
  /** How often the two limits above are looked at. */
  readonly timeoutCheckMs: number
  /** How long a connection without a request stays open. Longer than what proxies in front of it use (60 s). */
  readonly idleTimeoutMs: number
}

export const defaultHttpLimits: HttpLimits = {
  connectionsMax: 20_000,
  headerBytesMax: 16 * 1024,
  headersTimeoutMs: 10_000,
  requestTimeoutMs: 60_000,
  uploadTimeoutMs: 60 * 60_000,
  timeoutCheckMs: 2_000,
  idleTimeoutMs: 75_000,
}

/** Bytes waiting on a socket from which on its reader counts as slow. */
const SLOW_READER_BYTES = 64 * 1024
/** A peer that vanished while nothing is sent to it is found out by TCP from here on. */
const TCP_KEEP_ALIVE_MS = 15_000
/** Time for the closing handshakes of message links when the server stops. */
const LINKS_CLOSE_MS = 1_000

export interface ServerLimits {
  readonly http: HttpLimits
  readonly link: LinkLimits
}

/** Serves on `address`. Rejects with `Problem('port_taken' | 'address_unavailable' | 'config_invalid')`. */
export async function serveHttp(
  ports: LinkPorts,
  address: ListenAddress,
  handlers: ServerHandlers,
  limits: ServerLimits,
): Promise<Listener> {
  const server = new HttpServer(ports, address, { handlers, limits })
  await server.listen(address)
  return server
}

interface Connection {
  readonly open: Set<HttpExchange>
  /** Answered before its request had come whole. */
  early: HttpExchange | null
  isRejected: boolean
  isLink: boolean
}

class HttpServer implements Listener, ExchangeOwner {
  readonly clock: Clock
  readonly #log: Log
  readonly #handlers: ServerHandlers
  readonly #limits: HttpLimits
  readonly #server: Server
  readonly #tls: TlsServer | null
  readonly #addresses: ClientAddresses
  readonly #links: LinkServer
  readonly #connections = new Map<Socket, Connection>()
  #port = 0
  #openCount = 0
  #refusedCount = 0
  #closed: Promise<void> | null = null
  #settled: (() => void) | null = null

  constructor(
    { clock, log }: LinkPorts,
    { tls, proxies }: ListenAddress,
    { handlers, limits }: { handlers: ServerHandlers; limits: ServerLimits },
  ) {
    this.clock = clock
    this.#log = log
    this.#handlers = handlers
    this.#limits = limits.http
    this.#links = new LinkServer({ clock, log }, handlers, limits.link)
    this.#tls = tls ? createTlsServer({ clock, log }, tls, serverOptions(limits.http)) : null
    this.#server = this.#tls?.server ?? createServer(serverOptions(limits.http))
    this.#addresses = proxies ? proxiedAddresses(proxies) : peerAddresses
    this.#server.maxConnections = limits.http.connectionsMax
    this.#server.on(tls ? 'secureConnection' : 'connection', (socket: Socket) => this.#onConnection(socket))
    this.#server.on('request', (request, response) => this.#onRequest(request, response, false))
    this.#server.on('checkContinue', (request, response) => this.#onRequest(request, response, true))
    this.#server.on('upgrade', (request, socket, head) => this.#onUpgrade(request, socket, head))
    this.#server.on('clientError', (error, socket) => this.#onClientError(error, socket))
    this.#server.on('drop', () => this.#onRefused())
  }

  get port(): number {
    return this.#port
  }

  certificates(): readonly CertificateFacts[] {
    return this.#tls?.certificates() ?? []
  }

  async listen(address: ListenAddress): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    this.#server.once('error', reject)
    const { hostname: host, port, isShared = false } = address
    this.#server.listen({ host, port, reusePort: isShared }, resolve)
    try {
      await promise
    } catch (error) {
      throw listenProblem(error, address)
    }
    // A server on a TCP port, not on a pipe, has an address of this form.
    this.#port = (this.#server.address() as AddressInfo).port
    this.clock.after(this.#limits.timeoutCheckMs, () => this.#checkTimes())
    this.#server.off('error', reject)
    this.#server.on('error', (error) => this.#log.error('http.accept_failed', { reason: error.message }))
  }

  close(graceMs: number): Promise<void> {
    this.#closed ??= this.#stop(graceMs)
    return this.#closed
  }

  isClosing(): boolean {
    return this.#closed !== null
  }

  onOver(exchange: HttpExchange): void {
    const connection = this.#connections.get(exchange.socket)
    connection?.open.delete(exchange)
    if (connection && !exchange.isReceived) connection.early = exchange
    this.#openCount--
    if (!this.isClosing()) return
    if (connection?.open.size === 0) exchange.socket.destroySoon()
    if (this.#openCount === 0) this.#settled?.()
  }

  onFault(exchange: HttpExchange, error: unknown): void {
    if (!(error instanceof Problem) || exchange.isAnswered) {
      const [path] = exchange.target.split('?', 1)
      const reason = error instanceof Error ? (error.stack ?? error.message) : String(error)
      this.#log.error('http.handler_failed', { method: exchange.method, path, reason })
    }
    exchange.fail(error instanceof Problem ? error : FAILED)
  }

  /** Node itself allows every request the time of an upload. */
  #checkTimes(): void {
    if (this.isClosing()) return
    const beforeMs = this.clock.elapsedMs() - this.#limits.requestTimeoutMs
    const isLate = (exchange: HttpExchange): boolean =>
      exchange.startedMs < beforeMs && !exchange.isReceived && !exchange.isStreamed
    for (const [socket, { open, early }] of this.#connections) {
      if (early && isLate(early)) socket.destroy()
      for (const exchange of open) if (isLate(exchange)) this.#onClientError(TOO_SLOW, socket)
    }
    this.clock.after(this.#limits.timeoutCheckMs, () => this.#checkTimes())
  }

  #onConnection(socket: Socket): void {
    const connection: Connection = { open: new Set(), early: null, isRejected: false, isLink: false }
    this.#connections.set(socket, connection)
    socket.once('close', () => {
      this.#connections.delete(socket)
      for (const exchange of connection.open) exchange.lose()
    })
  }

  #onRequest(request: IncomingMessage, response: ServerResponse, isHeldBack: boolean): void {
    const connection = this.#connections.get(request.socket)
    assert(connection, 'a request comes on a connection')
    const client = this.#clientOf(request)
    const clientAddress = client instanceof Problem ? undefined : client
    const exchange = new HttpExchange({ request, response, isHeldBack, clientAddress }, this)
    connection.open.add(exchange)
    this.#openCount++
    try {
      if (this.isClosing()) respondProblem(exchange, STOPPING)
      else if (lacksHost(request)) respondProblem(exchange, HOST_MISSING)
      else if (client instanceof Problem) respondProblem(exchange, client)
      else this.#handlers.onExchange(exchange)
    } catch (error) {
      this.onFault(exchange, error)
    }
  }

  #onUpgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    assert(socket instanceof Socket, 'an upgrade comes on a TCP connection')
    const connection = this.#connections.get(socket)
    // Behind an open exchange in a pipeline, what that one answers would end up among the link's messages.
    if (connection === undefined || connection.open.size > 0) {
      socket.destroy()
      return
    }
    connection.isLink = true
    const client = this.#clientOf(request)
    if (this.isClosing()) rejectSocket(this.clock, socket, { problem: STOPPING })
    else if (client instanceof Problem) rejectSocket(this.clock, socket, { problem: client })
    else this.#links.upgrade(request, socket, head)
  }

  #clientOf({ socket, headers }: IncomingMessage): string | Problem | undefined {
    const forwardedFor = headers['x-forwarded-for']
    return this.#addresses.of(socket.remoteAddress, forwardedFor?.toString())
  }

  /** Bytes that are no request, a request that takes too long, or an error of the socket. */
  #onClientError(error: NodeJS.ErrnoException, socket: Duplex): void {
    assert(socket instanceof Socket, 'a request comes on a TCP connection')
    const connection = this.#connections.get(socket)
    // What follows a rejected request is read and dropped: its parser reports each piece of it again.
    if (connection?.isRejected) return
    const [first, ...others] = connection?.open ?? []
    // An answer here could be taken for the answer to an open request, unless it is that request which is broken.
    const isBlank = others.length === 0 && (first === undefined || !(first.isAnswered || first.isReceived))
    if (connection === undefined || !socket.writable || error.code === 'ECONNRESET' || !isBlank) {
      socket.destroy()
      return
    }
    connection.isRejected = true
    rejectSocket(this.clock, socket, toRejection(error, this.#limits.headerBytesMax))
  }

  /** Logged at the first and then at each doubling: a flood must not become a flood of lines. */
  #onRefused(): void {
    this.#refusedCount++
    if ((this.#refusedCount & (this.#refusedCount - 1)) !== 0) return
    const { connectionsMax } = this.#limits
    this.#log.warn('http.connection_refused', { connectionsMax, refusedCount: this.#refusedCount })
  }

  /** Links last as long as the exchanges do: what an exchange waits for may come over one. */
  async #stop(graceMs: number): Promise<void> {
    this.#tls?.close()
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()))
    for (const [socket, { open, isLink }] of this.#connections) {
      if (open.size === 0 && !isLink) socket.destroySoon()
    }
    await this.#exchangesOver(graceMs)
    await this.#links.close(LINKS_CLOSE_MS)
    for (const socket of this.#connections.keys()) socket.destroy()
    this.#tls?.destroyConnections()
    await closed
  }

  #exchangesOver(graceMs: number): Promise<void> {
    if (this.#openCount === 0) return Promise.resolve()
    const { promise, resolve } = Promise.withResolvers<void>()
    const timer = this.clock.after(graceMs, resolve)
    this.#settled = resolve
    return promise.finally(() => timer.cancel())
  }
}

const FAILED = new Problem(
  'internal',
  'The server failed on this request; its log says why. Try again later.',
)
const HOST_MISSING = new Problem('invalid_request', 'This HTTP/1.1 request has no host header. Add one.')
const STOPPING = new Problem('unavailable', 'The server is stopping. Try again in a moment.')

/** As node reports it of others. */
const TOO_SLOW: NodeJS.ErrnoException = Object.assign(new Error('Request timeout'), {
  code: 'ERR_HTTP_REQUEST_TIMEOUT',
})

const lacksHost = ({ headers, httpVersionMinor }: IncomingMessage): boolean =>
  headers.host === undefined && httpVersionMinor === 1

const serverOptions = (limits: HttpLimits): ServerOptions => ({
  noDelay: true,
  keepAlive: true,
  keepAliveInitialDelay: TCP_KEEP_ALIVE_MS,
  highWaterMark: SLOW_READER_BYTES,
  maxHeaderSize: limits.headerBytesMax,
  headersTimeout: limits.headersTimeoutMs,
  requestTimeout: Math.max(limits.requestTimeoutMs, limits.uploadTimeoutMs),
  connectionsCheckingInterval: limits.timeoutCheckMs,
  keepAliveTimeout: limits.idleTimeoutMs,
  optimizeEmptyRequests: true,
  // Looked for here, so that its lack is answered like everything else.
  requireHostHeader: false,
  // Others offer `h2c` and expect an ordinary answer when it is not taken.
  shouldUpgradeCallback: ({ headers }) => headers.upgrade?.toLowerCase() === 'websocket',
})
