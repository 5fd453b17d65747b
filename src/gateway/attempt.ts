/** One node's try at a request: its stream, what it counted so far, and what is told of it to routing. */
import { costOf } from '#ledger/price.ts'
import type { StreamEnd } from '#protocol/agent-link.ts'
import type { EngineRequest } from '#protocol/engine-request.ts'
import type { DataPayload } from '#protocol/frame.ts'
import { Problem } from '#protocol/problem.ts'
import type { AttemptAudit } from './audits/audited.ts'
import type { NodeConnection, NodeStream, Offer } from './node-connection.ts'
import type { StreamSink } from './node-streams.ts'
import type { MeteredPart, PartEvidence, StreamEvidence } from './receipts/node-chain.ts'
import { AnswerBounds } from './recount/answer-bounds.ts'
import type { KeptAnswer } from './recount/kept-answer.ts'
import type { Placement, PlacementEnd, Verdict } from './routing/placement.ts'

/** A node that was chosen for a request. */
export interface Place {
  readonly node: NodeConnection
  readonly offer: Offer
  /** From now on the request counts as work of the node. */
  begin(): Placement<NodeConnection>
}

/** Whose try it is. After `onEnd` or `onProblem` nothing more comes of it. */
export interface AttemptOwner {
  elapsedMs(): number
  /** The caller held it up: how fast it came says nothing. */
  wasPaused(): boolean
  onStarted(attempt: Attempt): void
  onData(attempt: Attempt, data: DataPayload): void
  onEmbedding(vectors: readonly (readonly number[])[]): void
  onEnd(attempt: Attempt, end: StreamEnd): void
  onProblem(attempt: Attempt, problem: Problem, isNodeFault: boolean): void
  onVerdict(attempt: Attempt, verdict: NonNullable<Verdict>): void
}

const PACE_MAX = 50_000
/** Text bytes taken from the agent before they are credited again. */
const CREDIT_STEP_BYTES = 16 * 1024

export class Attempt {
  readonly node: NodeConnection
  readonly offer: Offer
  /** It races another, before either has delivered. */
  readonly isHedge: boolean
  readonly placement: Placement<NodeConnection>
  /** Of the prompt, as the node counted it; 0 until it has read it. */
  promptTokens = 0
  /** Of those, what it says to have read before; `null` while it says nothing. */
  #cachedPromptTokens: number | null = null
  /** What this node delivered. */
  completionTokens = 0
  readonly #owner: AttemptOwner
  readonly #promptTokensMax: number
  readonly #bounds: AnswerBounds
  readonly #kept: KeptAnswer | null
  #audit: AttemptAudit | null
  #finishReason: StreamEnd['finishReason'] | null = null
  readonly #openedMs: number
  #firstTokenMs: number | null = null
  #lastTokenMs: number | null = null
  #counted: number | null = null
  /** How it ended for the node; `null` while it has not. */
  ending: PlacementEnd | null = null
  /** Its tokens by the node's own benchmark, in thousandths, as of when it ended. */
  #pace: number | null = null
  #stream: NodeStream | null
  readonly #evidence: StreamEvidence | null
  /** What its node delivered, where that is signed for. */
  #text = ''
  #uncredited = 0
  #hasStarted = false

  constructor(
    owner: AttemptOwner,
    { node, offer, begin }: Place,
    asked: {
      request: EngineRequest
      promptTokensMax: number
      isHedge: boolean
      kept: KeptAnswer | null
      audit: AttemptAudit | null
    },
  ) {
    this.node = node
    this.offer = offer
    this.isHedge = asked.isHedge
    this.#owner = owner
    this.#promptTokensMax = asked.promptTokensMax
    this.#bounds = new AnswerBounds(asked.request)
    this.#kept = asked.kept
    this.#audit = asked.audit
    this.#openedMs = owner.elapsedMs()
    this.placement = begin()
    try {
      this.#stream = node.open(asked.request, this.#sink)
    } catch (error) {
      // It was never asked: its slot is free again, and nothing is known of it.
      this.#close('left')
      throw error
    }
    this.#evidence = this.#stream.evidence ?? null
  }

  readonly #sink: StreamSink = {
    onStarted: (promptTokens, cachedPromptTokens) => {
      // Said again it would keep alive what does not move.
      if (this.#hasStarted) return
      this.#hasStarted = true
      this.#takePrompt(promptTokens, cachedPromptTokens)
      this.#owner.onStarted(this)
    },
    onData: (data) => this.#onData(data),
    onEmbedding: (vectors) => {
      const strange = this.#bounds.takeVectors(vectors)
      if (strange) return this.#refuse(strange)
      this.#audit?.addVectors(vectors)
      this.#owner.onEmbedding(vectors)
    },
    onEnd: (end) => {
      const strange = this.#bounds.end()
      if (strange) return this.#refuse(strange)
      this.#stream = null
      this.#owner.onEnd(this, end)
    },
    onProblem: (problem, callersIsNot) => {
      // Of a request that it answers already, a node cannot say that it is at fault.
      const isNodeFault = callersIsNot || this.placement.hasBegun
      this.#stream = null
      this.#close(endOf(problem, isNodeFault))
      this.#owner.onProblem(this, problem, isNodeFault)
    },
  }

  #onData(data: DataPayload): void {
    if (!hasContent(data)) return
    const { placement } = this
    this.#uncredited += data.text.length + (data.detailBytes ?? 0)
    const strange = this.#bounds.take(data, this.#uncredited)
    if (strange) return this.#refuse(strange)
    if (!placement.hasBegun) this.#judge(placement.begin(this.#owner.elapsedMs()))
    placement.progress(data.tokenCount)
    this.#kept?.add(data)
    if (this.#evidence) this.#text += data.text
    this.#audit?.add(data)
    if (this.#audit) this.#noteTime()
    this.#owner.onData(this, this.#audit?.hidesLogprobs ? withoutLogprobs(data) : data)
  }

  /** No honest node sends that: it is left, and another one asked. */
  #refuse(strange: string): void {
    this.stop('failed')
    const details = { how: 'wrong' }
    this.#owner.onProblem(this, new Problem('node_failed', `The node sent ${strange}.`, { details }), true)
  }

  /** What of its tokens is paid: no more than its text can have. */
  get payableTokens(): number {
    return Math.min(this.#counted ?? this.completionTokens, this.#bounds.payable(this.completionTokens))
  }

  #takePrompt(promptTokens: number, cachedPromptTokens: number | undefined): void {
    this.promptTokens = Math.min(promptTokens, this.#promptTokensMax)
    this.#cachedPromptTokens = cachedPromptTokens ?? this.#cachedPromptTokens
  }

  /** The gateway's own count is the meter: a node that claims otherwise is paid the smaller of the two. */
  takeEnd({ promptTokens, completionTokens, cachedPromptTokens, finishReason }: StreamEnd): void {
    this.#finishReason = finishReason
    this.completionTokens = Math.min(this.completionTokens, completionTokens)
    this.#takePrompt(promptTokens, cachedPromptTokens)
  }

  /** Never more than its prompt has; `undefined` where the node does not tell. */
  get cachedPromptTokens(): number | undefined {
    return this.#cachedPromptTokens === null
      ? undefined
      : Math.min(this.#cachedPromptTokens, this.promptTokens)
  }

  /** What a receipt for it would tell; absent where its node signs none. */
  get evidence(): PartEvidence | undefined {
    return this.#evidence ? { of: this.#evidence, text: this.#text } : undefined
  }

  /** What it is owed. */
  get part(): MeteredPart {
    const { promptPerMillion, completionPerMillion, cachedPerMillion } = this.offer.price
    const { promptTokens, payableTokens: completionTokens, cachedPromptTokens } = this
    const { nodeId } = this.node
    const [pace, evidence] = [this.#pace, this.evidence]
    const part = {
      ...(evidence && { evidence }),
      ...{ nodeId, promptTokens, completionTokens, promptPerMillion, completionPerMillion },
      ...(pace !== null && { pace: Math.min(PACE_MAX, Math.max(1, Math.round(1_000 * pace))) }),
    }
    if (!cachedPromptTokens) return part
    return { ...part, cachedPromptTokens, ...(cachedPerMillion !== undefined && { cachedPerMillion }) }
  }

  /** Counts anew what is to be paid, where that is due; `then` runs once. */
  recount(then: () => void): void {
    if (!this.#kept || this.completionTokens === 0) return then()
    const { promptTokens, payableTokens: completionTokens } = this
    this.#kept.count({ promptTokens, completionTokens }, (paid) => {
      this.promptTokens = paid.promptTokens
      this.#counted = paid.completionTokens
      then()
    })
  }

  /** The reader is ready for more: what was taken is credited, once it is worth a frame. */
  creditWhenDue(): void {
    if (this.#uncredited < CREDIT_STEP_BYTES || !this.#stream) return
    this.#stream.credit(this.#uncredited)
    this.#uncredited = 0
  }

  /** Stops the node, if it still works on it. `how`: what that says of the node. */
  stop(how: 'failed' | 'left' | 'slow' | 'beaten'): void {
    this.#stream?.cancel()
    this.#stream = null
    this.#close(how)
  }

  /** The node is through with it. All is well, unless it claims what its text cannot have. */
  complete(): void {
    const overclaims = this.#bounds.overclaims(this.completionTokens) || this.#kept?.isSuspect === true
    this.#close(overclaims ? 'failed' : 'completed')
  }

  #close(how: PlacementEnd): void {
    this.#audit?.over(this.#facts, costOf(this.part, this.part))
    this.#audit = null
    this.ending ??= how
    const nowMs = this.#owner.elapsedMs()
    const isPaced = !this.#owner.wasPaused()
    if (isPaced) this.#pace = this.placement.pace(this.completionTokens, nowMs)
    this.#judge(this.placement.end(how, this.completionTokens, nowMs, isPaced))
  }

  #noteTime(): void {
    this.#lastTokenMs = this.#owner.elapsedMs() - this.#openedMs
    this.#firstTokenMs ??= this.#lastTokenMs
  }

  /** What is seen of it, where answers of the node are looked at. */
  get #facts() {
    const { promptTokens, completionTokens } = this
    const times = { firstTokenMs: this.#firstTokenMs, lastTokenMs: this.#lastTokenMs }
    return { finishReason: this.#finishReason, promptTokens, completionTokens, ...times }
  }

  #judge(verdict: Verdict): void {
    if (verdict) this.#owner.onVerdict(this, verdict)
  }
}

/** Log probabilities that nobody but the network asked for. */
function withoutLogprobs({ detail, detailBytes: _bytes, ...data }: DataPayload): DataPayload {
  if (!detail?.toolCalls && detail?.reasoning === undefined) return data
  const { toolCalls, reasoning } = detail
  return {
    ...data,
    detail: { ...(toolCalls && { toolCalls }), ...(reasoning !== undefined && { reasoning }) },
  }
}

/** Something that a caller would see, or that counts. */
const hasContent = ({ text, tokenCount, detail }: DataPayload): boolean =>
  tokenCount > 0 || text.length > 0 || detail?.logprobs !== undefined || detail?.toolCalls !== undefined

function endOf({ code }: Problem, isNodeFault: boolean): PlacementEnd {
  if (!isNodeFault) return 'left'
  return code === 'queue_full' || code === 'rate_limited' || code === 'overloaded' ? 'full' : 'failed'
}
