/**
 * Reads one streamed answer: chunks in, deltas out, and at the end either how it ended or why it did not. A stream that
 * stops without `[DONE]` and without a finish reason was cut, however politely: that is a failure, never an ending.
 */
import type { DeltaDetail } from '#protocol/delta-detail.ts'
import { Problem } from '#protocol/problem.ts'
import type { EngineDelta, EngineEnd } from '../engine.ts'
import { SseParser } from './sse-parser.ts'
import { readLogprobs, UpstreamCalls } from './upstream-detail.ts'
import { parseJson, StreamChunk, type Usage } from './upstream-replies.ts'

type StreamChoice = NonNullable<StreamChunk['choices']>[number]

export interface CompletionStreamOptions {
  readonly maxTokens: number
  /** For the messages: `host:port`. */
  readonly place: string
  /** Before the first delta; an estimate when the upstream has not counted the prompt yet. */
  readonly onStarted: (promptTokens: number) => void
  readonly onDelta: (delta: EngineDelta) => void
  /** How many likeliest tokens were asked for with each; `null` for no log probabilities. */
  readonly topLogprobs?: number | null
  /** What the model thinks was asked for, too. */
  readonly withReasoning?: boolean
  /** Told at the end for an upstream that never counts the prompt. */
  readonly promptTokensEstimated: number
}

/** What one piece may count. */
const PIECE_TOKENS_MAX = 0xffff

export class CompletionStream {
  readonly #options: CompletionStreamOptions
  readonly #parser: SseParser
  #isStarted = false
  #isDone = false
  #finishReason: string | null = null
  #usage: Usage | null = null
  #claimed = 0
  readonly #calls = new UpstreamCalls()

  constructor(options: CompletionStreamOptions) {
    this.#options = options
    this.#parser = new SseParser((data) => this.#onData(data))
  }

  /** Throws `Problem('engine_failed')` for what is no stream of chunks, and for an error that the upstream streams. */
  push(bytes: Uint8Array): void {
    this.#parser.push(bytes)
  }

  /** The answer is over. Throws `Problem('engine_failed')` when it was cut. */
  end(): EngineEnd {
    this.#parser.end()
    if (!this.#isDone && this.#finishReason === null) {
      throw new Problem(
        'engine_failed',
        `The server at ${this.#options.place} ended its answer in the middle. Try again.`,
      )
    }
    this.#correctClaim()
    const cachedPromptTokens = this.#usage?.prompt_tokens_details?.cached_tokens ?? undefined
    return {
      finishReason: this.#finishReason === 'length' ? 'length' : 'stop',
      promptTokens: this.#promptTokens(),
      completionTokens: this.#completionTokens(),
      ...(cachedPromptTokens !== undefined && { cachedPromptTokens }),
    }
  }

  #onData(data: string): void {
    if (this.#isDone) return
    if (data === '[DONE]') {
      this.#isDone = true
      return
    }
    const chunk = StreamChunk.safeParse(parseJson(data)).data
    if (chunk === undefined) throw this.#failure(`sent what is no chunk of an answer: ${data.slice(0, 100)}`)
    if (chunk.error !== undefined && chunk.error !== null)
      throw this.#failure(`broke off: ${data.slice(0, 300)}`)
    this.#onChunk(chunk)
  }

  #onChunk(chunk: StreamChunk): void {
    if (chunk.usage) this.#usage = chunk.usage
    if (!this.#isStarted) {
      this.#isStarted = true
      this.#options.onStarted(this.#promptTokens())
    }
    const choice = chunk.choices?.[0]
    if (choice === undefined) return
    const text = choice.delta?.content ?? choice.text ?? ''
    const detail = this.#detailOf(choice)
    // With probabilities the tokens of a chunk are known; else one is the guess.
    if (text !== '' || detail) this.#tell(text, detail?.logprobs?.length || 1, detail)
    if (choice.finish_reason) this.#finishReason = choice.finish_reason
  }

  #detailOf(choice: StreamChoice): DeltaDetail | undefined {
    const { topLogprobs = null } = this.#options
    const logprobs = topLogprobs === null ? [] : readLogprobs(choice.logprobs, topLogprobs)
    const toolCalls = this.#calls.read(choice.delta?.tool_calls ?? [])
    const reasoning = this.#reasoningOf(choice)
    if (logprobs.length === 0 && toolCalls.length === 0 && reasoning === '') return undefined
    return {
      ...(logprobs.length > 0 && { logprobs }),
      ...(toolCalls.length > 0 && { toolCalls }),
      ...(reasoning !== '' && { reasoning }),
    }
  }

  /** An older gateway did not ask: to it such tokens are counted at the end, as those of which an upstream shows nothing. */
  #reasoningOf({ delta }: StreamChoice): string {
    return this.#options.withReasoning ? (delta?.reasoning_content ?? delta?.reasoning ?? '') : ''
  }

  /** Tokens never exceed the maximum that was asked for: a chunk may also be the rest of a word held back before. */
  #tell(text: string, tokens: number, detail?: DeltaDetail): void {
    const tokenCount = Math.max(0, Math.min(tokens, this.#options.maxTokens - this.#claimed))
    this.#claimed += tokenCount
    this.#options.onDelta({ text, tokenIds: [], tokenCount, ...(detail && { detail }) })
  }

  /** A chunk may hold several tokens: what the upstream counted beyond our guess of one each follows without text. */
  #correctClaim(): void {
    for (let missing = this.#missing(); missing > 0; missing = this.#missing())
      this.#tell('', Math.min(missing, PIECE_TOKENS_MAX))
  }

  #missing = (): number => this.#completionTokens() - this.#claimed

  #promptTokens = (): number => this.#usage?.prompt_tokens ?? this.#options.promptTokensEstimated

  #completionTokens(): number {
    return Math.min(this.#usage?.completion_tokens ?? this.#claimed, this.#options.maxTokens)
  }

  #failure(what: string): Problem {
    return new Problem('engine_failed', `The server at ${this.#options.place} ${what}. Try again.`)
  }
}
