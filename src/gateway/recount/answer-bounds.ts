/**
 * What one node may say in answer to one request. Each delta is held against it as it comes, for a few hundred
 * nanoseconds; what no honest engine would send is told, and its node is left. At the end it bounds what is paid.
 */
import type { ToolCallDelta } from '#protocol/delta-detail.ts'
import type { EngineRequest } from '#protocol/engine-request.ts'
import type { DataPayload } from '#protocol/frame.ts'

/** No vocabulary has longer tokens on the average of an answer; and what an answer may have beyond it. */
const TOKEN_BYTES_MAX = 64
const TEXT_BYTES_FREE = 256 * 1024
/** Deltas in a row without text: the name of a tool and what stands around a call are silent, endless padding is too. */
const SILENT_DELTAS_MAX = 512
/** Tokens without text that are paid all the same: control tokens, and what stands around each call of a tool. */
const SILENT_TOKENS_PAID = 16
const SILENT_TOKENS_PAID_A_CALL = 64
/** In one delta. */
const LOGPROBS_MAX = 4_096
/** An agent pauses its engine once its credit is used up, 256 KiB at first in old ones; what is on its way still comes. */
const UNCREDITED_BYTES_MAX = 512 * 1024

type Detail = NonNullable<DataPayload['detail']>

export class AnswerBounds {
  readonly #request: EngineRequest
  readonly #textBytesMax: number
  #textBytes = 0
  #silentDeltas = 0
  /** Tokens that are told with nothing to see and no ids: an upstream's own count, which its node passes on. */
  #unseenTokens = 0
  #calls = 0
  #hasVectors = false

  constructor(request: EngineRequest) {
    this.#request = request
    const tokensMax = request.kind === 'embedding' ? 0 : request.maxTokens
    this.#textBytesMax = tokensMax * TOKEN_BYTES_MAX + TEXT_BYTES_FREE
  }

  /** Takes the next delta. What no honest engine would have sent, in words; `null` when all is well. */
  take({ text, detail, tokenCount, idsKnown }: DataPayload, uncreditedBytes: number): string | null {
    this.#textBytes += utf8Bytes(text)
    if (text.length === 0 && !detail && !idsKnown) this.#unseenTokens += tokenCount
    if (text.length > 0) this.#silentDeltas = 0
    else this.#silentDeltas++
    if (this.#request.kind === 'embedding') return 'text in answer to a request for embeddings'
    if (uncreditedBytes > UNCREDITED_BYTES_MAX) return 'more than it was given credit for'
    if (detail) {
      const strange = this.#takeDetail(detail)
      if (strange) return strange
    }
    if (this.#textBytes > this.#textBytesMax) return 'more text than its tokens can hold'
    if (this.#silentDeltas > SILENT_DELTAS_MAX) return `${this.#silentDeltas} pieces without text`
    return null
  }

  #takeDetail({ logprobs, toolCalls = [], reasoning = '' }: Detail): string | null {
    const request = this.#request
    if (request.kind === 'embedding') return null
    if (logprobs && logprobs.length > LOGPROBS_MAX) return 'more log probabilities than a delta has tokens'
    if (logprobs && request.topLogprobs === undefined) return 'log probabilities that nobody asked for'
    if (toolCalls.length > 0 && !(request.kind === 'chat' && request.tools))
      return 'calls of tools that nobody offered'
    if (reasoning !== '') {
      if (request.kind !== 'chat' || !request.withReasoning) return 'reasoning that nobody asked for'
      this.#textBytes += utf8Bytes(reasoning)
      this.#silentDeltas = 0
    }
    for (const call of toolCalls) {
      if (!this.#isInOrder(call)) return 'calls of tools out of their order'
      this.#textBytes += utf8Bytes(call.name ?? '') + utf8Bytes(call.arguments ?? '')
      this.#silentDeltas = 0
    }
    return null
  }

  /** Each call begins once, with its name, behind those before it. */
  #isInOrder({ index, name }: ToolCallDelta): boolean {
    if (index < this.#calls) return name === undefined
    return index === this.#calls++ && name !== undefined
  }

  /** Takes the answer to a request for embeddings, as `take` does with text. */
  takeVectors(vectors: readonly (readonly number[])[]): string | null {
    if (this.#request.kind !== 'embedding') return 'embeddings in answer to a request for text'
    if (this.#hasVectors) return 'its embeddings twice'
    this.#hasVectors = true
    const { length } = this.#request.inputs
    if (vectors.length !== length) return `${vectors.length} embeddings of ${length} texts`
    const dimensions = vectors[0]?.length ?? 0
    const isEven = dimensions > 0 && vectors.every((vector) => vector.length === dimensions)
    return isEven ? null : 'embeddings of different lengths'
  }

  /** Takes the end of the answer. */
  end(): string | null {
    return this.#request.kind === 'embedding' && !this.#hasVectors ? 'an end before its embeddings' : null
  }

  /** Whether its engine must know better than `tokens`. What an upstream counts and does not show is not paid, and no fault of the node. */
  overclaims(tokens: number): boolean {
    const seen = Math.max(0, tokens - this.#unseenTokens)
    return this.payable(seen) < seen
  }

  /** How many of `tokens` the text can have, with what the model thought: each has a byte at least, but for a few. */
  payable(tokens: number): number {
    const silent = SILENT_TOKENS_PAID + this.#calls * SILENT_TOKENS_PAID_A_CALL
    return Math.min(tokens, this.#textBytes + silent)
  }
}

function utf8Bytes(text: string): number {
  let bytes = text.length
  for (let at = 0; at < text.length; at++) {
    const unit = text.charCodeAt(at)
    // Each half of a pair counts two of the pair's four bytes.
    if (unit > 0x7f) bytes += unit > 0x7ff && (unit < 0xd800 || unit > 0xdfff) ? 2 : 1
  }
  return bytes
}
