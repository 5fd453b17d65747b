/**
 * What of an answer was delivered, and whom it is owed to. When a node fails in the middle, another with the same
 * weights goes on behind the token ids that were delivered; each node is paid for the tokens that it brought, and the
 * prompt is paid once, to the node that delivers the last of them.
 */
import { assert } from '#kernel/assert.ts'
import type { NanoUsd } from '#kernel/money.ts'
import { costOf, type TokenPrice } from '#ledger/price.ts'
import type { EngineRequest } from '#protocol/engine-request.ts'
import type { DataPayload } from '#protocol/frame.ts'
import type { UsagePart } from '#protocol/usage.ts'
import type { Offer } from './node-connection.ts'
import type { MeteredPart } from './receipts/node-chain.ts'

/** What a frame has room for beside the longest request. */
const RESUMED_IDS_MAX = 131_072

export class AnswerSoFar {
  readonly #tokenIds: number[] = []
  /** Of nodes that failed after they had delivered something. */
  readonly #left: MeteredPart[] = []
  #areIdsKnown = true
  #fingerprint: string | null = null
  #canResume = false
  /** How many of the tokens are of nodes that failed; and of those, how many are paid. */
  #tokensLeft = 0
  #tokensPaid = 0

  /** Tokens of nodes that failed, as they were delivered. */
  get tokensBefore(): number {
    return this.#tokensLeft
  }

  /** Of `tokensBefore`, what the nodes are owed: silent ones beyond a few are not paid, and yet there. */
  get paidBefore(): number {
    return this.#tokensPaid
  }

  /** Nodes that failed in the middle of it. */
  get continuations(): number {
    return this.#left.length
  }

  add({ tokenIds, tokenCount, idsKnown }: DataPayload, offer: Offer): void {
    if (this.#fingerprint === null) {
      this.#fingerprint = offer.model.fingerprint
      this.#canResume = offer.model.resumes === true
    }
    this.#areIdsKnown &&= idsKnown || tokenCount === 0
    if (this.#areIdsKnown) for (const id of tokenIds) this.#tokenIds.push(id)
  }

  /** False where only the node that began it could end it: nobody else has, or takes, the ids of its tokens. */
  canGoOn({ kind }: EngineRequest): boolean {
    const areSendable = this.#areIdsKnown && this.#tokenIds.length <= RESUMED_IDS_MAX
    return kind !== 'embedding' && areSendable && this.#canResume
  }

  /** Whether a node that offers this may deliver the rest; any may that serves the model, while nothing was delivered. */
  fits({ model }: Offer): boolean {
    return this.#fingerprint === null || (model.resumes === true && model.fingerprint === this.#fingerprint)
  }

  /** The node failed after `delivered` tokens, and keeps what it is owed of them. */
  leave(part: MeteredPart, delivered: number): void {
    this.#tokensLeft += delivered
    const { nodeId, completionTokens, promptPerMillion, completionPerMillion, evidence, pace } = part
    if (completionTokens === 0) return
    this.#tokensPaid += completionTokens
    this.#left.push({
      ...{ nodeId, promptTokens: 0, completionTokens, promptPerMillion, completionPerMillion },
      ...(evidence && { evidence }),
      ...(pace !== undefined && { pace }),
    })
  }

  /** What the next node is asked for: all of it, or the rest. */
  rest(request: EngineRequest): EngineRequest {
    if (request.kind === 'embedding' || this.#tokensLeft === 0) return request
    const maxTokens = request.maxTokens - this.#tokensLeft
    assert(maxTokens > 0, 'what is complete is not continued')
    return { ...request, maxTokens, resumedIds: [...this.#tokenIds] }
  }

  /** What the failed nodes are owed, prompt not included. */
  costBefore(): NanoUsd {
    return this.#left.reduce((sum, part) => sum + costOf(part, part), 0n)
  }

  /** What the whole can cost when a node of this price delivers the rest. */
  costMax(
    { promptTokensMax, completionTokensMax }: { promptTokensMax: number; completionTokensMax: number },
    price: TokenPrice,
  ): NanoUsd {
    const completionTokens = completionTokensMax - this.#tokensLeft
    return this.costBefore() + costOf({ promptTokens: promptTokensMax, completionTokens }, price)
  }

  /** Whom the whole is owed to. Without `last` the prompt is owed to the node that delivered most recently. */
  parts(promptTokens: number, last: UsagePart | null): UsagePart[] {
    if (last) return [...this.#left, last]
    return this.#left.map((part, index) =>
      index === this.#left.length - 1 ? { ...part, promptTokens } : part,
    )
  }
}
