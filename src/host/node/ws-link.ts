import { Socket } from 'node:net'
import { TLSSocket } from 'node:tls'
import type { WebSocket } from 'ws'
import type { Clock, Link, LinkHandlers, Log, Timer } from '#host/host.ts'
import { assert } from '#kernel/assert.ts'
import { hashOfKey } from './certificate.ts'

export interface LinkLimits {
  readonly messageBytesMax: number
  /** A link with more than this waiting to be sent is dropped: its reader is lost or hopelessly slow. */
  readonly bufferedBytesMax: number
  readonly pingEveryMs: number
  /** Not a byte in this time, pongs included, and the peer is taken for gone. Counted in pings. */
  readonly silenceMs: number
  readonly openTimeoutMs: number
  /** For the closing handshake. */
  readonly closeTimeoutMs: number
}

export const defaultLinkLimits: LinkLimits = {
  // The largest body that is forwarded, and room for the frame around it.
  messageBytesMax: 8 * 1024 * 1024 + 64 * 1024,
  bufferedBytesMax: 64 * 1024 * 1024,
  pingEveryMs: 5_000,
  silenceMs: 15_000,
  openTimeoutMs: 5_000,
  closeTimeoutMs: 5_000,
}

export interface LinkPorts {
  readonly clock: Clock
  readonly log: Log
}

/** The connection failed, which no peer can say by a close frame. */
const ABNORMAL = 1006
const TEXT_UNSUPPORTED = 1003
const TOO_LARGE = 1009
const HANDLER_FAILED = 1011
const REASON_BYTES_MAX = 123

const BINARY = { binary: true } as const

/**
 * A `Link` on a WebSocket, for either side. It is `opening` until the handshake is done, with messages waiting, and
 * `open` until anyone closes it; then `closing` until the connection is gone, when `onClose` runs and it is `closed`.
 * What closed the link first is what `onClose` tells: this side's `close`, the peer's frame, or 1006 and the failure.
 */
export class WsLink implements Link {
  readonly #clock: Clock
  readonly #log: Log
  readonly #limits: LinkLimits
  #handlers: LinkHandlers | null = null
  #gone: () => void = () => {}
  #state: 'opening' | 'open' | 'closing' | 'closed' = 'opening'
  #webSocket: WebSocket | null = null
  #socket: Socket | null = null
  #tlsKey: string | null = null
  #waiting: Uint8Array[] = []
  #waitingBytes = 0
  #end: { readonly code: number; readonly reason: string } | null = null
  #timer: Timer | null = null
  #bytesRead = 0
  #silentPings = 0
  #isCorked = false

  constructor({ clock, log }: LinkPorts, limits: LinkLimits) {
    this.#clock = clock
    this.#log = log
    this.#limits = limits
  }

  /** From now on exactly one `onClose` follows, and then one `gone`. */
  handle(handlers: LinkHandlers, gone: () => void): void {
    this.#handlers = handlers
    this.#gone = gone
  }

  /** Takes over `webSocket`, open or about to be. `explain` says what a failure before it opens means. */
  attach(webSocket: WebSocket, explain: (error: Error) => string): void {
    this.#webSocket = webSocket
    // `ws` gives one buffer a message unless told otherwise.
    webSocket.on('message', (data, isBinary) => this.#receive(data as Buffer, isBinary))
    webSocket.on('error', (error) => this.#fail(error, explain))
    webSocket.on('close', (code, reason) => this.#closed(code, reason.toString()))
  }

  /** The handshake is done, on `socket`. */
  open(socket: unknown): void {
    assert(socket instanceof Socket, 'a WebSocket runs on a TCP connection')
    assert(this.#webSocket !== null, 'a link is opened with its WebSocket')
    this.#socket = socket
    // Asked once: Node has the certificate for the first who asks, and none from then on.
    const certificate = socket instanceof TLSSocket ? socket.getPeerX509Certificate() : undefined
    if (certificate) this.#tlsKey = hashOfKey(certificate.publicKey)
    this.#timer?.cancel()
    if (this.#state === 'closing') {
      this.#sayClose(this.#webSocket)
      return
    }
    this.#state = 'open'
    this.#bytesRead = socket.bytesRead
    this.#beatLater()
    const waiting = this.#waiting
    this.#forgetWaiting()
    for (const message of waiting) this.send(message)
    this.#run(() => this.#handlers?.onOpen?.())
  }

  /** Gives up unless `open` comes within the limit. */
  expectOpen(failure: string): void {
    this.#timer = this.#clock.after(this.#limits.openTimeoutMs, () => this.drop(failure))
  }

  send(message: Uint8Array): void {
    if (this.#state === 'opening') {
      this.#waiting.push(message)
      this.#waitingBytes += message.length
    } else if (this.#state === 'open') {
      this.#cork()
      this.#webSocket?.send(message, BINARY)
    } else return
    const bufferedBytes = this.bufferedBytes()
    if (bufferedBytes > this.#limits.bufferedBytesMax) this.drop(`${bufferedBytes} bytes wait to be sent`)
  }

  tlsKey(): string | null {
    return this.#tlsKey
  }

  bufferedBytes(): number {
    return this.#waitingBytes + (this.#webSocket?.bufferedAmount ?? 0)
  }

  close(code: number, reason: string): void {
    assert(isSendable(code), `a close frame cannot carry the code ${code}`)
    if (this.#state === 'closing' || this.#state === 'closed') return
    this.#state = 'closing'
    this.#end = { code, reason }
    // Without a WebSocket this runs inside the server's decision about it, and `open` says it.
    if (this.#webSocket !== null) this.#sayClose(this.#webSocket)
  }

  /** Ends the link at once, without a word to a peer that is not there or does not listen. */
  drop(reason: string): void {
    this.#end ??= { code: ABNORMAL, reason }
    if (this.#webSocket === null) this.#closed(ABNORMAL, reason)
    if (this.#state !== 'closed') this.#state = 'closing'
    this.#webSocket?.terminate()
  }

  #receive(data: Buffer, isBinary: boolean): void {
    if (this.#state !== 'open') return
    if (!isBinary) {
      this.close(TEXT_UNSUPPORTED, 'binary messages only')
      return
    }
    try {
      this.#handlers?.onMessage(data)
    } catch (error) {
      this.#failHandler(error)
    }
  }

  #sayClose(webSocket: WebSocket): void {
    const { code, reason } = this.#end ?? { code: ABNORMAL, reason: '' }
    this.#timer?.cancel()
    this.#timer = this.#clock.after(this.#limits.closeTimeoutMs, () => webSocket.terminate())
    webSocket.close(code, cutReason(reason))
  }

  #fail(error: Error & { code?: string }, explain: (error: Error) => string): void {
    const code = error.code === 'WS_ERR_UNSUPPORTED_MESSAGE_LENGTH' ? TOO_LARGE : ABNORMAL
    this.#end ??= { code, reason: this.#state === 'opening' ? explain(error) : error.message }
  }

  #closed(code: number, reason: string): void {
    if (this.#state === 'closed') return
    const end = this.#end ?? { code, reason: reason || (code === ABNORMAL ? 'the connection broke' : '') }
    const handlers = this.#handlers
    this.#state = 'closed'
    this.#timer?.cancel()
    this.#handlers = null
    this.#forgetWaiting()
    this.#run(() => handlers?.onClose(end.code, end.reason))
    this.#gone()
  }

  #forgetWaiting(): void {
    this.#waiting = []
    this.#waitingBytes = 0
  }

  /** All that is sent in one turn of the event loop leaves in one call to the system. */
  #cork(): void {
    if (this.#isCorked) return
    this.#isCorked = true
    this.#socket?.cork()
    process.nextTick(uncork, this)
  }

  uncork(): void {
    this.#isCorked = false
    this.#socket?.uncork()
  }

  #beatLater(): void {
    this.#timer = this.#clock.after(this.#limits.pingEveryMs, () => this.#beat())
  }

  /**
   * Silence is counted in pings, not in time: a process that was itself stopped for a minute has heard nothing
   * either. Bytes rather than messages, since one large message may take longer than the limit.
   */
  #beat(): void {
    if (this.#state !== 'open') return
    const bytesRead = this.#socket?.bytesRead ?? 0
    this.#silentPings = bytesRead === this.#bytesRead ? this.#silentPings + 1 : 0
    this.#bytesRead = bytesRead
    const { pingEveryMs, silenceMs } = this.#limits
    if (this.#silentPings * pingEveryMs >= silenceMs) {
      this.drop(`nothing was heard for ${silenceMs} ms`)
    } else {
      this.#webSocket?.ping()
      this.#beatLater()
    }
  }

  #run(run: () => void): void {
    try {
      run()
    } catch (error) {
      this.#failHandler(error)
    }
  }

  #failHandler(error: unknown): void {
    const reason = error instanceof Error ? (error.stack ?? error.message) : String(error)
    this.#log.error('link.handler_failed', { reason })
    this.close(HANDLER_FAILED, 'internal error')
  }
}

const uncork = (link: WsLink): void => link.uncork()

/** RFC 6455 §7.4: 1004 to 1006 and 1015 are for telling, not for sending. */
const isSendable = (code: number): boolean =>
  (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014) || (code >= 3000 && code <= 4999)

/** The longest start of `reason` that fits into a close frame. */
function cutReason(reason: string): string {
  let cut = reason.slice(0, REASON_BYTES_MAX)
  while (Buffer.byteLength(cut) > REASON_BYTES_MAX) cut = cut.slice(0, -1)
  return cut
}
