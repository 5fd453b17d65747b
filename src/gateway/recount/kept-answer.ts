/** One node's answer to one request, kept until it is counted. */
import type { CountAsk, TokenCounter } from '#host/token-counter.ts'
import type { EngineRequest } from '#protocol/engine-request.ts'
import type { DataPayload } from '#protocol/frame.ts'

/** Tokens that a node wants to be paid. */
export interface Claim {
  readonly promptTokens: number
  readonly completionTokens: number
}

export interface AnswerJudge {
  readonly counter: TokenCounter
  /** The node claimed too much before, again and again. */
  isSuspect(): boolean
  judge(claim: Claim, counted: Claim): void
}

/** Characters of an answer beyond which only its bounds hold. */
const TEXT_LENGTH_MAX = 1024 * 1024
/** Of a prompt: a larger one is not sent to another process at the end of its answer, for that takes time, too. */
const PROMPT_LENGTH_MAX = 64 * 1024

export class KeptAnswer {
  readonly #request: EngineRequest
  readonly #judge: AnswerJudge
  readonly #tokenIds: number[] = []
  #text = ''
  #areIdsKnown = true
  /** It holds what is no plain text: its tokens cannot be told from what they say. */
  #isOpaque = false

  constructor(request: EngineRequest, judge: AnswerJudge) {
    this.#request = request
    this.#judge = judge
    this.#isOpaque = request.kind === 'chat' && request.tools !== undefined
  }

  get isSuspect(): boolean {
    return this.#judge.isSuspect()
  }

  add({ text, tokenIds, tokenCount, idsKnown, detail }: DataPayload): void {
    // What the model thought counts among its tokens.
    const said = (detail?.reasoning ?? '') + text
    if (this.#text.length + said.length > TEXT_LENGTH_MAX) this.#isOpaque = true
    if (this.#isOpaque) return
    this.#text += said
    this.#areIdsKnown &&= idsKnown || tokenCount === 0
    if (this.#areIdsKnown) for (const id of tokenIds) this.#tokenIds.push(id)
  }

  /** `then` runs once, later, with what is paid of `claim`: all of it where nobody can count. */
  count(claim: Claim, then: (paid: Claim) => void): void {
    this.#judge.counter.count(this.#ask(), (count) => {
      if (!count) return then(claim)
      const counted = {
        promptTokens: count.promptTokens ?? claim.promptTokens,
        completionTokens: this.#isOpaque ? claim.completionTokens : count.completionTokens,
      }
      this.#judge.judge(claim, counted)
      then({
        promptTokens: Math.min(claim.promptTokens, counted.promptTokens),
        completionTokens: Math.min(claim.completionTokens, counted.completionTokens),
      })
    })
  }

  #ask(): CountAsk {
    const isLarge = promptLength(this.#request) > PROMPT_LENGTH_MAX
    return {
      request: isLarge ? null : this.#request,
      text: this.#text,
      tokenIds: this.#areIdsKnown ? this.#tokenIds : null,
    }
  }
}

function promptLength(request: EngineRequest): number {
  if (request.kind !== 'chat') return request.kind === 'completion' ? request.prompt.length : 0
  return request.messages.reduce((sum, { content }) => sum + content.length, 0)
}
