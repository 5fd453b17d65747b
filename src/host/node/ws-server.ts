import type { IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import { WebSocketServer } from 'ws'
import type { LinkHandlers, ServerHandlers } from '#host/host.ts'
import { Problem } from '#protocol/problem.ts'
import { rejectSocket } from './http-rejection.ts'
import { type LinkLimits, type LinkPorts, WsLink } from './ws-link.ts'

const GOING_AWAY = 1001
/** 16 random bytes in base 64, and the one version there is: RFC 6455 §4.1. */
const KEY = /^[+/0-9A-Za-z]{22}==$/
const VERSION = '13'

/** The message links of one HTTP server. */
export class LinkServer {
  readonly #ports: LinkPorts
  readonly #server: ServerHandlers
  readonly #limits: LinkLimits
  readonly #acceptor: WebSocketServer
  readonly #links = new Set<WsLink>()
  #emptied: (() => void) | null = null

  constructor(ports: LinkPorts, server: ServerHandlers, limits: LinkLimits) {
    this.#ports = ports
    this.#server = server
    this.#limits = limits
    this.#acceptor = new WebSocketServer({
      noServer: true,
      clientTracking: false,
      perMessageDeflate: false,
      skipUTF8Validation: true,
      maxPayload: limits.messageBytesMax,
    })
  }

  /** Asks the server about an upgrade, and makes it a link or answers why not. */
  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    const link = new WsLink(this.#ports, this.#limits)
    const decision = this.#decide(request, link)
    if (decision instanceof Problem) {
      link.drop('refused')
      rejectSocket(this.#ports.clock, socket, { problem: decision })
      return
    }
    this.#links.add(link)
    link.handle(decision, () => this.#onGone(link))
    let isOpen = false
    this.#acceptor.handleUpgrade(request, socket, head, (webSocket) => {
      isOpen = true
      link.attach(webSocket, (error) => error.message)
      link.open(socket)
    })
    if (!isOpen) link.drop('the connection broke during its handshake')
  }

  /** Says goodbye to every link and gives the peers `graceMs` to say it too. */
  async close(graceMs: number): Promise<void> {
    for (const link of this.#links) link.close(GOING_AWAY, 'the server is stopping')
    if (this.#links.size === 0) return
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#emptied = resolve
    const timer = this.#ports.clock.after(graceMs, resolve)
    await promise
    timer.cancel()
    for (const link of this.#links) link.drop('the server has stopped')
  }

  #decide(request: IncomingMessage, link: WsLink): LinkHandlers | Problem {
    if (!isHandshake(request)) {
      return new Problem('invalid_request', 'This upgrade is no WebSocket handshake of version 13.')
    }
    const [path = '/'] = (request.url ?? '/').split('?', 1)
    // Of a request, all but one that means nothing are single values.
    const headers = request.headers as Record<string, string>
    try {
      return (
        this.#server.onLink(path, link, headers) ??
        new Problem('not_found', `Nothing takes links at ${path}.`)
      )
    } catch (error) {
      if (error instanceof Problem) return error
      const reason = error instanceof Error ? (error.stack ?? error.message) : String(error)
      this.#ports.log.error('link.handler_failed', { path, reason })
      return new Problem('internal', 'The server failed on this link; its log says why. Try again later.')
    }
  }

  #onGone(link: WsLink): void {
    this.#links.delete(link)
    if (this.#links.size === 0) this.#emptied?.()
  }
}

const isHandshake = ({ method, headers }: IncomingMessage): boolean =>
  method === 'GET' &&
  KEY.test(headers['sec-websocket-key'] ?? '') &&
  headers['sec-websocket-version'] === VERSION
