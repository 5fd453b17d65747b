/** One node's answer in words to one request. */
import type { AnswerTest } from '#protocol/answer-audit.ts'
import type { EngineRequest } from '#protocol/engine-request.ts'
import type { DataPayload } from '#protocol/frame.ts'
import {
  compareClaims,
  countSurprises,
  endEvidenceMilli,
  evidenceMilli,
  type TokenCounts,
} from '#verify/answer-evidence.ts'
import { testOf } from './audit-test.ts'
import type { Audited, Question, Said } from './audited.ts'

/** Beyond that an answer is not looked at as a whole: its beginning is. */
const TOKENS_MAX = 2_048
const TEXT_LENGTH_MAX = 32 * 1024

export type Answered = Exclude<EngineRequest, { kind: 'embedding' }>

export class AuditedAnswer implements Audited {
  readonly request: Answered
  readonly #promptTokensMax: number
  readonly tokenIds: number[] = []
  readonly claimed: number[] = []
  text = ''
  #areIdsKnown = true
  #hasReasoning = false
  #isCut = false

  /** `promptTokensMax`: what its prompt can have. */
  constructor(request: Answered, promptTokensMax: number) {
    this.request = request
    this.#promptTokensMax = promptTokensMax
  }

  add({ text, tokenIds, tokenCount, idsKnown, detail }: DataPayload): void {
    if (this.#isCut) return
    this.#areIdsKnown &&= idsKnown || tokenCount === 0
    // Nothing is what anybody can say: it is no thought.
    this.#hasReasoning ||= (detail?.reasoning ?? '') !== ''
    this.text += text
    for (const id of tokenIds) this.tokenIds.push(id)
    for (const { logprob } of detail?.logprobs ?? []) this.claimed.push(logprob)
    this.#isCut = this.tokenIds.length >= TOKENS_MAX || this.text.length >= TEXT_LENGTH_MAX
  }

  get areIdsKnown(): boolean {
    return this.#areIdsKnown
  }

  /** Log probabilities were asked of the node, secretly or by the caller: what it claims is held against what others find. */
  get hasClaims(): boolean {
    return this.request.topLogprobs !== undefined && this.#areIdsKnown
  }

  get isEmpty(): boolean {
    return this.#areIdsKnown ? this.tokenIds.length === 0 : this.text.length === 0
  }

  /** What follows on thoughts is not what the model finds likely without them, and how they are marked is its engine's own. */
  get test(): AnswerTest | null {
    return this.#hasReasoning && !this.#areIdsKnown ? null : testOf(this)
  }

  question(requestId: string, finishReason: 'stop' | 'length' | null): Question {
    const { traceparent: _trace, topLogprobs: _claims, ...request } = this.request
    const hasEnd = finishReason === 'stop' && !this.#isCut && request.sampling.stop.length === 0
    const scored = this.#areIdsKnown ? { tokenIds: this.tokenIds, hasEnd } : { text: this.text, hasEnd }
    const length = this.#areIdsKnown ? this.tokenIds.length : this.text.length
    // What was delivered before is read with the prompt.
    const promptTokensMax = this.#promptTokensMax + (request.resumedIds?.length ?? 0)
    return { request: { ...request, requestId, scored }, tokensMax: length + 2, promptTokensMax }
  }

  /** Of its tokens, and of its end where that was scored. */
  judge({ logprobs, tails }: Said, isSameFile: boolean): TokenCounts & { evidenceMilli: number } {
    const isClaimed = this.hasClaims
    // Of a text nobody knows how many tokens it is: its end counts as one of them.
    const count = this.#areIdsKnown ? this.tokenIds.length : logprobs.length
    const counts = isClaimed
      ? compareClaims(this.claimed, logprobs.slice(0, count))
      : countSurprises(tails.slice(0, count))
    const end = logprobs[count]
    const ofEnd = end === undefined ? 0 : endEvidenceMilli(end, count)
    const ofTokens = evidenceMilli(isClaimed ? 'claimed' : 'typical', counts, { isSameFile })
    return { ...counts, evidenceMilli: ofTokens + ofEnd }
  }

  facts(): readonly unknown[] {
    return [this.tokenIds, this.claimed]
  }
}
