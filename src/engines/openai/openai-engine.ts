/**
 * Any OpenAI-compatible server (vLLM, SGLang, Ollama, llama-server) as an engine. Its models are looked up when the
 * engine starts and every 30 s, every 2 s while that fails. What goes wrong there is this node's failure, except for a
 * request that the server itself calls wrong. It schedules its requests itself, so all go there at once.
 */
import type { Clock, Log, Timer } from '#host/host.ts'
import type { EngineRequest } from '#protocol/engine-request.ts'
import { Problem } from '#protocol/problem.ts'
import type { EngineModel, EngineRun, EngineSink, SupervisedEngine } from '../engine.ts'
import { lookUpModels, type ModelLookup } from './model-lookup.ts'
import { OpenAiRun } from './openai-run.ts'
import type { UpstreamHttp, Upstreams } from './upstream-http.ts'

export interface OpenAiOptions {
  /** Up to where `/models` and `/chat/completions` follow: `http://127.0.0.1:8000/v1`. */
  readonly baseUrl: URL
  /** Sent as a bearer token. */
  readonly apiKey?: string
  /** Offers these alone; default: all that the server lists. */
  readonly models?: readonly string[]
  /** Requests that the server computes at once, default 16: it is never asked, so tell it. */
  readonly slots?: number
  /** For models whose context the server does not tell, default 4096. */
  readonly contextTokens?: number
  /** Open requests beyond `slots` after which new ones are refused with `queue_full`, default 256. */
  readonly queueMax?: number
  /** Longest wait for the head of an answer and between two pieces of it, default 120 s. */
  readonly silenceMsMax?: number
}

export interface OpenAiPorts {
  readonly upstreams: Upstreams
  readonly clock: Clock
  readonly log: Log
}

const REFRESH_MS = 30_000
const RETRY_MS = 2_000
/** A busy server may miss a look-up; one that is gone misses several. */
const FAILURES_MAX = 3

/** Starts looking at once; `ready()` tells when it serves. */
export function createOpenAiEngine(options: OpenAiOptions, ports: OpenAiPorts): SupervisedEngine {
  return new OpenAiEngine(options, ports)
}

class OpenAiEngine implements SupervisedEngine {
  readonly #options: OpenAiOptions
  readonly #ports: OpenAiPorts
  readonly #upstream: UpstreamHttp
  readonly #runs = new Set<OpenAiRun>()
  readonly #listeners: (() => void)[] = []
  readonly #ready = Promise.withResolvers<void>()
  #models: readonly EngineModel[] = []
  #failure: Problem | null = null
  #failures = 0
  #lookup: ModelLookup | null = null
  #timer: Timer | null = null
  #isClosed = false

  constructor(options: OpenAiOptions, ports: OpenAiPorts) {
    this.#options = options
    this.#ports = ports
    this.#upstream = ports.upstreams.openUpstream(options.baseUrl)
    // Whoever never asks for `ready()` learns of a failure by `failure()`.
    this.#ready.promise.catch(() => undefined)
    this.#refresh()
  }

  models(): readonly EngineModel[] {
    return this.#models
  }

  onChange(run: () => void): void {
    this.#listeners.push(run)
  }

  ready(): Promise<void> {
    return this.#ready.promise
  }

  failure(): Problem | null {
    return this.#models.length > 0 ? null : this.#failure
  }

  start(request: EngineRequest, sink: EngineSink): EngineRun {
    const run = new OpenAiRun(request, sink, {
      place: this.#options.baseUrl.host,
      onOver: (problem) => this.#onRunOver(run, problem),
    })
    this.#runs.add(run)
    const refusal = this.#refusalOf(request)
    if (refusal === null) run.open(this.#upstream, this.#address())
    // Callbacks never run inside `start`.
    else this.#ports.clock.after(0, () => run.fail(refusal))
    return run
  }

  async close(): Promise<void> {
    this.#isClosed = true
    this.#timer?.cancel()
    this.#lookup?.abort()
    const closed = new Problem('cancelled', 'The engine was closed.')
    this.#ready.reject(closed)
    this.#setModels([], closed)
    for (const run of [...this.#runs]) run.fail(closed)
    await this.#upstream.close()
  }

  #address() {
    const { apiKey, baseUrl, silenceMsMax = 120_000 } = this.#options
    const authorization = apiKey === undefined ? {} : { authorization: `Bearer ${apiKey}` }
    return { basePath: baseUrl.pathname.replace(/\/+$/, ''), headers: authorization, silenceMsMax }
  }

  #refusalOf(request: EngineRequest): Problem | null {
    if (this.#isClosed) return new Problem('cancelled', 'The engine was closed.')
    if (!this.#models.some(({ id }) => id === request.model)) {
      if (this.#models.length > 0)
        return new Problem('model_not_found', `This engine does not serve ${request.model}.`)
      const why = this.#failure?.message ?? 'Its models are not known yet.'
      return new Problem(
        'engine_failed',
        `The engine at ${this.#options.baseUrl.host} serves nothing now. ${why}`,
      )
    }
    const { slots = 16, queueMax = 256 } = this.#options
    if (this.#runs.size <= slots + queueMax) return null
    return new Problem(
      'queue_full',
      `The engine has ${this.#runs.size - 1} requests open. Try again shortly.`,
    )
  }

  #onRunOver(run: OpenAiRun, problem: Problem | null): void {
    this.#runs.delete(run)
    // Its server may be gone: look now instead of offering models that nobody serves for half a minute more.
    if (problem?.code === 'engine_failed' && this.#lookup === null && !this.#isClosed) this.#refresh()
  }

  #refresh(): void {
    this.#timer?.cancel()
    const { slots = 16, contextTokens = 4096, models: wanted } = this.#options
    this.#lookup = lookUpModels(
      this.#upstream,
      { ...this.#address(), place: this.#options.baseUrl.host, slots, contextTokens, wanted },
      (result) => {
        this.#lookup = null
        if (result instanceof Problem) this.#onLookupFailed(result)
        else this.#onLookedUp(result)
        const delayMs = result instanceof Problem ? RETRY_MS : REFRESH_MS
        this.#timer = this.#ports.clock.after(delayMs, () => this.#refresh())
      },
    )
  }

  #onLookedUp(models: readonly EngineModel[]): void {
    this.#failures = 0
    this.#setModels(models, null)
    this.#ready.resolve()
  }

  #onLookupFailed(problem: Problem): void {
    this.#failures++
    const isGone = problem.details['isGone'] === true
    if (this.#models.length > 0 && !isGone && this.#failures < FAILURES_MAX) return
    // A key or an address that the server refuses stays wrong until the owner mends it.
    const status = problem.details['upstreamStatus']
    if (status === 401 || status === 403 || status === 404) this.#ready.reject(problem)
    this.#setModels([], problem)
  }

  #setModels(models: readonly EngineModel[], failure: Problem | null): void {
    const isSame =
      JSON.stringify(models) === JSON.stringify(this.#models) && failure?.message === this.#failure?.message
    this.#models = models
    this.#failure = failure
    if (isSame) return
    const fields = { place: this.#options.baseUrl.host, models: models.map(({ id }) => id).join(' ') }
    if (failure === null) this.#ports.log.info('engine.ready', fields)
    else this.#ports.log.warn('engine.failed', { ...fields, code: failure.code, message: failure.message })
    for (const listener of this.#listeners) listener()
  }
}
