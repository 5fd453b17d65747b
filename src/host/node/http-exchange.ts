import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { BodyFlow, BodyReader, Clock, Exchange } from '#host/host.ts'
import { respondProblem } from '#host/respond-problem.ts'
import { assert } from '#kernel/assert.ts'
import type { Problem } from '#protocol/problem.ts'
import { type BodyDone, HttpRequestBody } from './http-request-body.ts'

/** How long a connection that must close waits for a client that is still sending, so that it can read its answer. */
export const LINGER_MS = 2_000

/** From this size on, copying a chunk into one buffer with its frame costs more than two small writes. */
const COPY_BYTES_MAX = 4 * 1024

/** What an exchange needs of its server. */
export interface ExchangeOwner {
  readonly clock: Clock
  /** No further request is wanted on this connection. */
  isClosing(): boolean
  /** Once, before the `onClose` callbacks. */
  onOver(exchange: HttpExchange): void
  /** A callback of the exchange's handler threw `error`. */
  onFault(exchange: HttpExchange, error: unknown): void
}

export interface HttpMessages {
  readonly request: IncomingMessage
  readonly response: ServerResponse
  /** The client waits for `100 Continue` before it sends its body. */
  readonly isHeldBack: boolean
  readonly clientAddress?: string | undefined
}

/** One request and its answer over `node:http`. Starts `awaited`; then `streaming` until `end`, or `answered` at once. */
export class HttpExchange implements Exchange {
  readonly method: string
  readonly target: string
  readonly headers: Readonly<Record<string, string>>
  readonly clientAddress: string | undefined
  readonly startedMs: number
  readonly #request: IncomingMessage
  readonly #response: ServerResponse
  readonly #body: HttpRequestBody
  readonly #owner: ExchangeOwner
  readonly #closers: ((finished: boolean) => void)[] = []
  #answer: 'awaited' | 'streaming' | 'answered' = 'awaited'
  /** How the client tells where the answer ends. */
  #delimiter: 'chunks' | 'length' | 'connection' = 'length'
  #mustClose = false
  #hasWritten = false
  /** Text of this turn of the event loop that is not in a chunk yet. */
  #gathered = ''
  #isDrainAwaited = false
  /** A writer was told to wait before the socket was asked, which may take everything at once after all. */
  #isSlowTold = false
  #isOver = false
  #isFinished = false
  #drained: (() => void) | null = null

  constructor({ request, response, isHeldBack, clientAddress }: HttpMessages, owner: ExchangeOwner) {
    this.method = request.method ?? 'GET'
    this.target = request.url ?? '/'
    // The one header that node gives as a list; it means nothing in a request.
    delete request.headers['set-cookie']
    this.headers = request.headers as Record<string, string>
    this.clientAddress = clientAddress
    this.startedMs = owner.clock.elapsedMs()
    this.#request = request
    this.#response = response
    this.#body = new HttpRequestBody(request, response, isHeldBack)
    this.#owner = owner
    response.on('finish', () => this.#close(true))
  }

  get socket(): Socket {
    return this.#request.socket
  }

  get isAnswered(): boolean {
    return this.#answer !== 'awaited'
  }

  /** Its body is taken as it comes, however slowly. */
  get isStreamed(): boolean {
    return this.#body.isStreaming
  }

  /** The whole request has arrived. */
  get isReceived(): boolean {
    return this.#request.complete
  }

  readBody(bytesMax: number, done: BodyDone): void {
    this.#body.read(bytesMax, (problem, body) => {
      if (!this.#isOver) this.#run(() => done(problem, body))
    })
  }

  streamBody(bytesMax: number, { onChunk, onEnd }: BodyReader): BodyFlow {
    return this.#body.stream(bytesMax, {
      onChunk: (chunk) => {
        let takesMore = true
        if (!this.#isOver) {
          this.#run(() => {
            takesMore = onChunk(chunk)
          })
        }
        return takesMore
      },
      onEnd: (problem) => {
        if (!this.#isOver) this.#run(() => onEnd(problem))
      },
    })
  }

  respond(status: number, headers: Record<string, string>, body: Uint8Array | string): void {
    assert(this.#answer === 'awaited', 'an exchange is answered once')
    if (!this.#isOver) this.#writeHead(status, this.#withLength(status, headers, body))
    this.#answer = 'answered'
    if (!this.#isOver) this.#finish(body)
  }

  start(status: number, headers: Record<string, string>): void {
    assert(this.#answer === 'awaited', 'an exchange is answered once')
    if (!this.#isOver) this.#writeHead(status, headers)
    this.#answer = 'streaming'
    // With a first chunk in this tick the head leaves in the same packet, and by itself otherwise.
    if (!this.#isOver) process.nextTick(flushHead, this)
  }

  write(chunk: Uint8Array | string): boolean {
    assert(this.#answer === 'streaming', 'only a started answer can be added to')
    if (this.#isOver || chunk.length === 0) return true
    if (this.#delimiter === 'chunks' && typeof chunk === 'string') return this.#gather(chunk)
    this.#sendGathered()
    this.#hasWritten = true
    return this.#delimiter === 'chunks' && typeof chunk !== 'string'
      ? this.#writeChunk(chunk)
      : this.#response.write(chunk)
  }

  end(): void {
    assert(this.#answer === 'streaming', 'only a started answer can end')
    this.#answer = 'answered'
    if (!this.#isOver) this.#finish(this.#delimiter === 'chunks' ? `${this.#takeGathered()}0\r\n\r\n` : '')
  }

  abort(): void {
    this.#answer = 'answered'
    if (this.#isOver) return
    // Not `response.socket`: behind an earlier answer of the same connection there is none yet. That one is cut as well.
    const { socket } = this
    this.#sendGathered()
    while (socket.writableCorked > 0) socket.uncork()
    if (this.#delimiter === 'connection') socket.resetAndDestroy()
    else socket.destroy()
  }

  /** The latest `run` counts. */
  onDrain(run: () => void): void {
    if (this.#drained === null) this.#response.on('drain', () => this.#drain())
    this.#drained = run
  }

  /** The turn is over: what was gathered in it leaves as one chunk, in one call to the system. */
  flushGathered(): void {
    if (!this.#isOver && this.#answer === 'streaming') this.#sendGathered()
  }

  onClose(run: (finished: boolean) => void): void {
    if (!this.#isOver) this.#closers.push(run)
    else process.nextTick(() => this.#run(() => run(this.#isFinished)))
  }

  /** Ends the exchange as badly as it has to: `problem` is the answer, or a stream is cut. A whole answer stands. */
  fail(problem: Problem): void {
    if (this.#answer === 'awaited') respondProblem(this, problem)
    else if (this.#answer === 'streaming') this.abort()
  }

  /** The connection is gone. */
  lose(): void {
    this.#close(false)
  }

  flushHead(): void {
    if (!this.#hasWritten && this.#gathered === '' && !this.#isOver && this.#answer === 'streaming')
      this.#response.flushHeaders()
  }

  #writeHead(status: number, headers: Record<string, string>): void {
    this.#mustClose = this.#body.discard()
    const isLast = this.#mustClose || this.#owner.isClosing()
    const response = this.#response.writeHead(status, isLast ? { ...headers, connection: 'close' } : headers)
    if (response.chunkedEncoding) this.#delimiter = 'chunks'
    else this.#delimiter = headers['content-length'] === undefined ? 'connection' : 'length'
    // Chunks are framed here: node writes each as four pieces, which costs about a microsecond more.
    response.chunkedEncoding = false
  }

  #withLength(status: number, headers: Record<string, string>, body: Uint8Array | string) {
    const bytes = typeof body === 'string' ? Buffer.byteLength(body) : body.length
    // What a HEAD leaves out may be longer than what its handler has at hand.
    if (status === 204 || status === 304 || (this.method === 'HEAD' && bytes === 0)) return headers
    return { ...headers, 'content-length': String(bytes) }
  }

  /** False as soon as the chunk that is gathered, on top of what waits, will make the socket say so itself. */
  #gather(text: string): boolean {
    if (this.#gathered === '') process.nextTick(flushGathered, this)
    this.#gathered += text
    const waiting = this.#response.writableLength + this.#gathered.length
    if (waiting < this.#response.writableHighWaterMark) return true
    this.#isSlowTold = true
    return false
  }

  /**
   * Past the head, and with no earlier answer of the same connection before it, a chunk goes straight to the socket: the
   * way through `ServerResponse` costs more than all that is done for a token besides.
   */
  #sendGathered(): void {
    if (this.#gathered === '') return
    const characters = this.#gathered.length
    const bytes = Buffer.byteLength(this.#gathered)
    const chunk = this.#takeGathered(bytes)
    const { socket } = this
    const isHeadOut = this.#hasWritten && this.#response.socket === socket
    this.#hasWritten = true
    // What has a byte for each character is ASCII, and need not be counted and converted once more.
    const isTaken = isHeadOut
      ? socket.write(chunk, bytes === characters ? 'latin1' : 'utf8')
      : this.#response.write(chunk)
    const isSlowTold = this.#isSlowTold
    this.#isSlowTold = false
    // No drain follows what the system took whole.
    if (isTaken && isSlowTold && !this.#isDrainAwaited) process.nextTick(() => this.#drain())
    if (isTaken || !isHeadOut || this.#isDrainAwaited) return
    this.#isDrainAwaited = true
    socket.once('drain', () => {
      this.#isDrainAwaited = false
      this.#drain()
    })
  }

  /** As a chunk with its frame. */
  #takeGathered(bytes = Buffer.byteLength(this.#gathered)): string {
    const text = this.#gathered
    if (text === '') return ''
    this.#gathered = ''
    return `${bytes.toString(16)}\r\n${text}\r\n`
  }

  #writeChunk(chunk: Uint8Array): boolean {
    const response = this.#response
    const head = `${chunk.length.toString(16)}\r\n`
    if (chunk.length <= COPY_BYTES_MAX) {
      const frame = Buffer.allocUnsafe(head.length + chunk.length + 2)
      frame.write(head, 0, 'latin1')
      frame.set(chunk, head.length)
      frame.write('\r\n', head.length + chunk.length, 'latin1')
      return response.write(frame)
    }
    response.write(head)
    response.write(chunk)
    return response.write('\r\n')
  }

  #finish(last: Uint8Array | string): void {
    if (this.#mustClose && this.#delimiter !== 'connection') this.#linger(last)
    else this.#response.end(last)
  }

  /** Sends the rest of the answer, and closes once the client stopped sending or had its time. */
  #linger(last: Uint8Array | string): void {
    this.#response.write(last, (error) => {
      if (!error) this.#close(true)
    })
    const timer = this.#owner.clock.after(LINGER_MS, () => this.#response.end())
    this.#request.once('close', () => {
      timer.cancel()
      this.#response.end()
    })
  }

  #drain(): void {
    const run = this.#drained
    if (run !== null && !this.#isOver) this.#run(run)
  }

  #close(isFinished: boolean): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#isFinished = isFinished
    this.#owner.onOver(this)
    for (const run of this.#closers) this.#run(() => run(isFinished))
  }

  #run(run: () => void): void {
    try {
      run()
    } catch (error) {
      this.#owner.onFault(this, error)
    }
  }
}

const flushHead = (exchange: HttpExchange): void => exchange.flushHead()
const flushGathered = (exchange: HttpExchange): void => exchange.flushGathered()
