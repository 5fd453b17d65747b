import type { EngineRequest } from '#protocol/engine-request.ts'
import { Problem } from '#protocol/problem.ts'
import { formatTraceparent, parseTraceparent } from '#protocol/trace-context.ts'
import type { EngineRun, EngineSink } from '../engine.ts'
import { CompletionStream } from './completion-stream.ts'
import type { UpstreamExchange, UpstreamHttp } from './upstream-http.ts'
import { EmbeddingReply, parseJson, problemOfStatus } from './upstream-replies.ts'
import { estimatePromptTokens, toUpstreamBody } from './upstream-request.ts'

export interface UpstreamAddress {
  /** Path of the base URL, without a slash at its end. */
  readonly basePath: string
  readonly headers: Readonly<Record<string, string>>
  readonly silenceMsMax: number
}

export interface OpenAiRunOptions {
  readonly place: string
  /** The run is over, with its problem if it had one; not called for a cancelled run's silence. */
  readonly onOver: (problem: Problem | null) => void
}

/** Errors are short and vectors are bounded by the request; what is longer is no answer to it. */
const ERROR_BYTES_MAX = 64 * 1024
const EMBEDDING_BYTES_MAX = 64 * 1024 * 1024

/** One request on its way through the upstream. It ends once: by its answer, by a problem or by `cancel`. */
export class OpenAiRun implements EngineRun {
  readonly #request: EngineRequest
  readonly #sink: EngineSink
  readonly #options: OpenAiRunOptions
  readonly #stream: CompletionStream | null
  #exchange: UpstreamExchange | null = null
  #isOver = false
  #status = 0
  /** The body of an error or of embeddings. */
  #chunks: Uint8Array[] = []
  #chunkBytes = 0

  constructor(request: EngineRequest, sink: EngineSink, options: OpenAiRunOptions) {
    this.#request = request
    this.#sink = sink
    this.#options = options
    this.#stream = request.kind === 'embedding' ? null : this.#createStream(request)
  }

  open(upstream: UpstreamHttp, address: UpstreamAddress): void {
    const { path, body } = toUpstreamBody(this.#request)
    this.#exchange = upstream.request(
      {
        method: 'POST',
        path: address.basePath + path,
        headers: {
          ...address.headers,
          ...traceOf(this.#request),
          'content-type': 'application/json',
          accept: 'text/event-stream, application/json',
        },
        body: JSON.stringify(body),
        headMsMax: address.silenceMsMax,
        silenceMsMax: address.silenceMsMax,
      },
      {
        onHead: (status) => {
          this.#status = status
        },
        onData: (bytes) => this.#guard(() => this.#onData(bytes)),
        onEnd: () => this.#guard(() => this.#onEnd()),
        onFail: (problem) => this.fail(toEngineFailure(problem)),
      },
    )
  }

  cancel(): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#exchange?.abort()
    this.#options.onOver(null)
  }

  pause(): void {
    this.#exchange?.pause()
  }

  resume(): void {
    this.#exchange?.resume()
  }

  fail(problem: Problem): void {
    this.#finish(problem, () => this.#sink.onProblem(problem))
  }

  #createStream(request: Exclude<EngineRequest, { kind: 'embedding' }>): CompletionStream {
    return new CompletionStream({
      maxTokens: request.maxTokens,
      place: this.#options.place,
      topLogprobs: request.topLogprobs ?? null,
      withReasoning: request.kind === 'chat' && request.withReasoning === true,
      promptTokensEstimated: estimatePromptTokens(request),
      onStarted: (promptTokens) => this.#sink.onStarted(promptTokens),
      onDelta: (delta) => {
        // One piece of the body may hold many events: a sink that cancels in the middle hears no more.
        if (!this.#isOver) this.#sink.onDelta(delta)
      },
    })
  }

  #onData(bytes: Uint8Array): void {
    if (this.#status === 200 && this.#stream !== null) return this.#stream.push(bytes)
    this.#chunkBytes += bytes.length
    const bytesMax = this.#status === 200 ? EMBEDDING_BYTES_MAX : ERROR_BYTES_MAX
    if (this.#chunkBytes <= bytesMax) this.#chunks.push(bytes)
    else if (this.#status === 200)
      throw new Problem('engine_failed', `The server at ${this.#options.place} answers too much.`)
  }

  #onEnd(): void {
    if (this.#status !== 200) throw problemOfStatus(this.#status, this.#body(), this.#options.place)
    if (this.#stream !== null) {
      const end = this.#stream.end()
      this.#finish(null, () => this.#sink.onEnd(end))
    } else if (this.#request.kind === 'embedding') {
      this.#onEmbedding(this.#request.inputs.length)
    }
  }

  #onEmbedding(count: number): void {
    const reply = EmbeddingReply.safeParse(parseJson(this.#body())).data
    const vectors = reply?.data
      .toSorted((a, b) => a.index - b.index)
      .map(({ embedding }) => Float32Array.from(embedding))
    if (reply === undefined || vectors?.length !== count) {
      throw new Problem('engine_failed', `The server at ${this.#options.place} sent no ${count} embeddings.`)
    }
    const promptTokens = reply.usage?.prompt_tokens ?? estimatePromptTokens(this.#request)
    this.#sink.onStarted(promptTokens)
    if (!this.#isOver) this.#sink.onEmbedding(vectors)
    this.#finish(null, () => this.#sink.onEnd({ finishReason: 'stop', promptTokens, completionTokens: 0 }))
  }

  #body(): string {
    return Buffer.concat(this.#chunks).toString()
  }

  /** What the upstream sends is outside input: a problem in it ends the run, and the connection with it. */
  #guard(act: () => void): void {
    try {
      act()
    } catch (error) {
      if (!(error instanceof Problem)) throw error
      this.fail(error)
    }
  }

  #finish(problem: Problem | null, tell: () => void): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#exchange?.abort()
    this.#options.onOver(problem)
    tell()
  }
}

/** Whatever a gateway said of a trace, as a header that W3C would have. */
function traceOf({ traceparent }: EngineRequest): Record<string, string> {
  const trace = parseTraceparent(traceparent)
  return trace ? { traceparent: formatTraceparent(trace) } : {}
}

function toEngineFailure(problem: Problem): Problem {
  return new Problem('engine_failed', problem.message, { cause: problem, details: problem.details })
}
