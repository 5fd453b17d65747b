import { Problem } from '#protocol/problem.ts'
import type { Exchange, Log } from './host.ts'
import { respondProblem } from './respond-problem.ts'

export interface ServeFetchOptions {
  /** The longest request body that is taken. */
  readonly bytesMax: number
  /** Scheme, host and port that the request's URL begins with, whatever the client wrote: `http://127.0.0.1:7420`. */
  readonly origin: string
  /** Told of what the handler threw that is no problem, which the client does not see. */
  readonly log?: Pick<Log, 'error'>
}

/** Of a request that came over `serveFetch`: where the client is, or absent. What a client itself says there is dropped. */
export const SOURCE_HEADER = 'x-shoal-source'

/** A handler in the shape that the control API has. A problem it throws becomes its answer. */
export type FetchHandler = (request: Request) => Promise<Response>

/**
 * Answers `exchange` by `fetch`. JSON leaves whole; anything else streams at the pace of the client. A client that
 * leaves early aborts the request's signal and cancels the answer's body; an answer that fails half-way is cut, never
 * ended. Of a header that an answer carries several times, the last counts.
 */
export function serveFetch(exchange: Exchange, fetch: FetchHandler, options: ServeFetchOptions): void {
  const bridge = new Bridge(exchange, fetch, options)
  if (exchange.method === 'GET' || exchange.method === 'HEAD') bridge.serve(null)
  else exchange.readBody(options.bytesMax, (problem, body) => bridge.serve(problem ?? body))
}

const WHOLE = /^application\/([\w.-]+\+)?json\b/

class Bridge {
  readonly #exchange: Exchange
  readonly #fetch: FetchHandler
  readonly #options: ServeFetchOptions
  readonly #left = new AbortController()
  #hasStarted = false
  #resume: () => void = () => {}

  constructor(exchange: Exchange, fetch: FetchHandler, options: ServeFetchOptions) {
    this.#exchange = exchange
    this.#fetch = fetch
    this.#options = options
    exchange.onDrain(() => this.#resume())
    exchange.onClose((finished) => {
      if (!finished) this.#left.abort()
      this.#resume()
    })
  }

  serve(body: Uint8Array | Problem | null): void {
    const served = body instanceof Problem ? Promise.reject(body) : this.#answer(body)
    served.catch((error: unknown) => this.#fail(error))
  }

  async #answer(body: Uint8Array | null): Promise<void> {
    const response = await this.#fetch(this.#toRequest(body))
    const headers = Object.fromEntries(response.headers)
    if (response.body === null) {
      this.#exchange.respond(response.status, headers, '')
    } else if (WHOLE.test(headers['content-type'] ?? '')) {
      this.#exchange.respond(response.status, headers, await response.bytes())
    } else {
      this.#exchange.start(response.status, headers)
      this.#hasStarted = true
      await this.#stream(response.body.getReader())
    }
  }

  async #stream(reader: ReadableStreamDefaultReader<Uint8Array>): Promise<void> {
    const { signal } = this.#left
    // Also ends the read that waits below; what the body says to being cancelled concerns nobody any more.
    const cancel = (): void => void reader.cancel(signal.reason).catch(() => {})
    signal.addEventListener('abort', cancel, { once: true })
    if (signal.aborted) cancel()
    for (;;) {
      const { done, value } = await reader.read()
      if (done || signal.aborted) break
      if (!this.#exchange.write(value)) await this.#drained()
    }
    this.#exchange.end()
  }

  #drained(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#resume = resolve
    return promise
  }

  #toRequest(body: Uint8Array | null): Request {
    const { method, target, clientAddress } = this.#exchange
    const url = toUrl(this.#options.origin, target)
    if (url === null)
      throw new Problem('invalid_request', 'The target of this request is no path. Begin it with a slash.')
    try {
      const headers = new Headers(this.#exchange.headers)
      headers.delete(SOURCE_HEADER)
      if (clientAddress !== undefined) headers.set(SOURCE_HEADER, clientAddress)
      // A body off a socket lies in memory of its own, never in a shared one.
      const content = body !== null && body.length > 0 ? { body: body as Uint8Array<ArrayBuffer> } : {}
      return new Request(url, { method, headers, signal: this.#left.signal, ...content })
    } catch (error) {
      throw new Problem('method_not_allowed', `${method} with these headers is not taken here.`, {
        cause: error,
      })
    }
  }

  #fail(error: unknown): void {
    if (!(error instanceof Problem) && !this.#left.signal.aborted) this.#report(error)
    if (this.#hasStarted) this.#exchange.abort()
    else respondProblem(this.#exchange, error instanceof Problem ? error : FAILED)
  }

  #report(error: unknown): void {
    const reason = error instanceof Error ? (error.stack ?? error.message) : String(error)
    const [path] = this.#exchange.target.split('?', 1)
    this.#options.log?.error('http.handler_failed', { method: this.#exchange.method, path, reason })
  }
}

const FAILED = new Problem(
  'internal',
  'The server failed on this request; its log says why. Try again later.',
)

/** Only a path and query are taken from the client: `//other.host/path` names a path here, not a host. */
function toUrl(origin: string, target: string): URL | null {
  if (target.startsWith('/')) return URL.parse(origin + target)
  const absolute = URL.parse(target)
  return absolute && /^https?:$/.test(absolute.protocol)
    ? URL.parse(origin + absolute.pathname + absolute.search)
    : null
}
