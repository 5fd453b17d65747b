/** One node's answer to one request, kept in memory until it was looked at, and nowhere else. */
import type { NanoUsd } from '#kernel/money.ts'
import type { EngineRequest } from '#protocol/engine-request.ts'
import type { DataPayload } from '#protocol/frame.ts'
import type { AnswerFacts } from './seen-faults.ts'

/** Beyond that an answer is not looked at as a whole: its beginning is. */
const TOKENS_MAX = 2_048
const TEXT_LENGTH_MAX = 32 * 1024

export type Answered = Exclude<EngineRequest, { kind: 'embedding' }>

/** What is kept of one node's answer, and what of it is not for the caller. */
export interface AttemptAudit {
  /** The log probabilities were asked for in secret. */
  readonly hidesLogprobs: boolean
  add(data: DataPayload): void
  /** It is over, for what it cost. Once. */
  over(facts: Omit<AnswerFacts, 'request'>, cost: NanoUsd): void
}

export class AuditedAnswer {
  readonly request: Answered
  readonly tokenIds: number[] = []
  readonly claimed: number[] = []
  text = ''
  #areIdsKnown = true
  #isCut = false

  constructor(request: Answered) {
    this.request = request
  }

  add({ text, tokenIds, tokenCount, idsKnown, detail }: DataPayload): void {
    if (this.#isCut) return
    this.#areIdsKnown &&= idsKnown || tokenCount === 0
    this.text += text
    for (const id of tokenIds) this.tokenIds.push(id)
    for (const { logprob } of detail?.logprobs ?? []) this.claimed.push(logprob)
    this.#isCut = this.tokenIds.length >= TOKENS_MAX || this.text.length >= TEXT_LENGTH_MAX
  }

  get areIdsKnown(): boolean {
    return this.#areIdsKnown
  }

  /** It has all of the answer. */
  get isWhole(): boolean {
    return !this.#isCut
  }

  /** Log probabilities were asked of the node, secretly or by the caller: what it claims is held against what others find. */
  get hasClaims(): boolean {
    return this.request.topLogprobs !== undefined && this.#areIdsKnown
  }

  /** There is something to look at. */
  get isEmpty(): boolean {
    return this.#areIdsKnown ? this.tokenIds.length === 0 : this.text.length === 0
  }
}
