/**
 * The body of one request: read whole within a bound, or thrown away. A connection can carry its next request only
 * once this body is off the wire, and a peer that is still sending when its connection is closed may never see the
 * answer. So a small rest is thrown away, and with a large one the answer goes first and the connection after it.
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { BodyFlow, BodyReader } from '#host/host.ts'
import { assert } from '#kernel/assert.ts'
import { Problem } from '#protocol/problem.ts'

/** A rest up to this size is read and dropped rather than paid for with the connection. */
const DISCARD_BYTES_MAX = 1024 * 1024

const NOTHING = new Uint8Array(0)

export type BodyDone = (problem: Problem | null, body: Uint8Array) => void

export class HttpRequestBody {
  readonly #request: IncomingMessage
  readonly #response: ServerResponse
  /** `null` when the length is not announced. */
  readonly #announcedBytes: number | null
  /** The client sends nothing before it is told `100 Continue`. */
  #isHeldBack: boolean
  #state: 'unread' | 'reading' | 'read' | 'discarded' = 'unread'
  #isStreamed = false

  constructor(request: IncomingMessage, response: ServerResponse, isHeldBack: boolean) {
    this.#request = request
    this.#response = response
    this.#isHeldBack = isHeldBack
    this.#announcedBytes = announcedBytes(request)
  }

  /** Never calls `done` inside this call; calls it once, or not at all when the client leaves or `discard` comes first. */
  read(bytesMax: number, done: BodyDone): void {
    assert(this.#state === 'unread', 'the body of an exchange is read once, before its answer')
    this.#state = 'reading'
    if (this.#announcedBytes === 0) {
      process.nextTick(() => this.#settle(done, null, NOTHING))
    } else if (this.#announcedBytes !== null && this.#announcedBytes > bytesMax) {
      const problem = tooLarge(bytesMax, this.#announcedBytes)
      process.nextTick(() => this.#settle(done, problem, NOTHING))
    } else {
      this.#release()
      this.#collect(bytesMax, done)
    }
  }

  get isStreaming(): boolean {
    return this.#isStreamed && this.#state === 'reading'
  }

  /** As `read`, but hands over each piece as it comes. */
  stream(bytesMax: number, reader: BodyReader): BodyFlow {
    assert(this.#state === 'unread', 'the body of an exchange is read once, before its answer')
    this.#state = 'reading'
    this.#isStreamed = true
    const request = this.#request
    const announced = this.#announcedBytes
    if (announced === 0 || (announced !== null && announced > bytesMax)) {
      process.nextTick(() => this.#end(reader, announced === 0 ? null : tooLarge(bytesMax, announced)))
      return { resume() {} }
    }
    this.#release()
    let bytes = 0
    request.on('data', (chunk: Uint8Array) => {
      if (this.#state !== 'reading') return
      bytes += chunk.length
      if (bytes > bytesMax) {
        request.pause()
        this.#end(reader, tooLarge(bytesMax, null))
      } else if (!reader.onChunk(chunk) && this.#state === 'reading') request.pause()
    })
    request.on('end', () => this.#end(reader, null))
    return {
      resume: () => {
        if (this.#state === 'reading') request.resume()
      },
    }
  }

  #end(reader: BodyReader, problem: Problem | null): void {
    if (this.#state !== 'reading') return
    this.#state = 'read'
    reader.onEnd(problem)
  }

  /** Drops what is not read. True when so much is left that the connection has to close after the answer. */
  discard(): boolean {
    if (this.#announcedBytes === 0) return false
    this.#state = 'discarded'
    this.#request.resume()
    if (this.#isHeldBack) return true
    if (this.#request.complete) return false
    if (this.#announcedBytes !== null && this.#announcedBytes <= DISCARD_BYTES_MAX) return false
    let bytesLeft = DISCARD_BYTES_MAX
    this.#request.on('data', (chunk: Uint8Array) => {
      bytesLeft -= chunk.length
      if (bytesLeft < 0) this.#request.pause()
    })
    return true
  }

  #collect(bytesMax: number, done: BodyDone): void {
    const chunks: Uint8Array[] = []
    let bytes = 0
    this.#request.on('data', (chunk: Uint8Array) => {
      if (this.#state !== 'reading') return
      bytes += chunk.length
      chunks.push(chunk)
      if (bytes <= bytesMax) return
      chunks.length = 0
      this.#request.pause()
      this.#settle(done, tooLarge(bytesMax, null), NOTHING)
    })
    this.#request.on('end', () => {
      const [first] = chunks
      this.#settle(done, null, first && chunks.length === 1 ? first : Buffer.concat(chunks, bytes))
    })
  }

  #settle(done: BodyDone, problem: Problem | null, body: Uint8Array): void {
    if (this.#state !== 'reading') return
    this.#state = 'read'
    done(problem, body)
  }

  #release(): void {
    if (this.#isHeldBack) this.#response.writeContinue()
    this.#isHeldBack = false
  }
}

function announcedBytes({ headers }: IncomingMessage): number | null {
  if (headers['transfer-encoding'] !== undefined) return null
  // The parser lets only digits through.
  return Number(headers['content-length'] ?? 0)
}

function tooLarge(bytesMax: number, bytes: number | null): Problem {
  const found = bytes === null ? 'is longer than that' : `has ${bytes}`
  return new Problem(
    'body_too_large',
    `A body of at most ${bytesMax} bytes is taken here, and this one ${found}. Send less at a time.`,
    { details: { bytesMax } },
  )
}
