import { type Dispatcher, Pool } from 'undici'
import type { Problem } from '#protocol/problem.ts'
import { networkProblem, placeOf } from './network-problem.ts'

interface Call {
  readonly method: 'GET' | 'POST'
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: string | null
  readonly headMsMax: number
  readonly silenceMsMax: number
}
interface Handlers {
  onHead(status: number, headers: Readonly<Record<string, string>>): void
  onData(bytes: Uint8Array): void
  onEnd(): void
  onFail(problem: Problem): void
}

const CONNECT_MS_MAX = 5_000

/** HTTP to one server through undici's `Pool.dispatch`: no promise and no stream between the socket and the handlers. */
export const undiciUpstreams = {
  openUpstream(origin: URL) {
    const pool = new Pool(origin.origin, { connect: { timeout: CONNECT_MS_MAX }, pipelining: 1 })
    const place = placeOf(origin)
    return {
      request(call: Call, handlers: Handlers) {
        const exchange = new Exchange(handlers, place)
        const { method, path, headers, body } = call
        exchange.dispatch(pool, {
          method,
          path,
          headers,
          body,
          headersTimeout: call.headMsMax,
          bodyTimeout: call.silenceMsMax,
        })
        return exchange
      },
      close: () => pool.destroy(),
    }
  },
}

class Exchange implements Dispatcher.DispatchHandler {
  readonly #handlers: Handlers
  readonly #place: string
  #controller: Dispatcher.DispatchController | null = null
  #isOver = false
  #isPaused = false
  #isDispatching = false

  constructor(handlers: Handlers, place: string) {
    this.#handlers = handlers
    this.#place = place
  }

  dispatch(pool: Pool, options: Dispatcher.DispatchOptions): void {
    this.#isDispatching = true
    pool.dispatch(options, this)
    this.#isDispatching = false
  }

  abort(): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#controller?.abort(new Error('given up'))
  }

  pause(): void {
    this.#isPaused = true
    if (!this.#isOver) this.#controller?.pause()
  }

  resume(): void {
    this.#isPaused = false
    if (!this.#isOver) this.#controller?.resume()
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller
    // Given up while it waited for a connection: nothing was sent yet, and nothing will be.
    if (this.#isOver) controller.abort(new Error('given up'))
  }

  onResponseStart(controller: Dispatcher.DispatchController, status: number, headers: object): void {
    if (this.#isOver || status < 200) return
    this.#tell(() => this.#handlers.onHead(status, flatten(headers)))
    if (this.#isPaused) controller.pause()
  }

  onResponseData(_controller: Dispatcher.DispatchController, chunk: Buffer): void {
    if (!this.#isOver) this.#tell(() => this.#handlers.onData(chunk))
  }

  onResponseEnd(): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#tell(() => this.#handlers.onEnd())
  }

  onResponseError(controller: Dispatcher.DispatchController, error: Error): void {
    // A header that cannot be sent is told within the call; our callers hear nothing before `request` returns.
    if (this.#isDispatching) return queueMicrotask(() => this.onResponseError(controller, error))
    if (this.#isOver) return
    this.#isOver = true
    this.#tell(() => this.#handlers.onFail(networkProblem(error, this.#place)))
  }

  /** undici would take what a handler throws for a failure of the network; it is a bug of this program. */
  #tell(run: () => void): void {
    try {
      run()
    } catch (error) {
      this.abort()
      queueMicrotask(() => {
        throw error
      })
    }
  }
}

function flatten(headers: object): Record<string, string> {
  const entries = Object.entries(headers as Record<string, string | string[] | undefined>)
  return Object.fromEntries(
    entries.map(([name, value]) => [
      name.toLowerCase(),
      Array.isArray(value) ? value.join(', ') : (value ?? ''),
    ]),
  )
}
