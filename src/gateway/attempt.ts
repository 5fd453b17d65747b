/** One node's try at a request: its stream, what it counted so far, and what is told of it to routing. */
import type { StreamEnd } from '#protocol/agent-link.ts'
import type { EngineRequest } from '#protocol/engine-request.ts'
import type { DataPayload } from '#protocol/frame.ts'
import type { Problem } from '#protocol/problem.ts'
import type { NodeConnection, NodeStream, Offer } from './node-connection.ts'
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
  onStarted(attempt: Attempt): void
  onData(attempt: Attempt, data: DataPayload): void
  onEmbedding(vectors: readonly (readonly number[])[]): void
  onEnd(attempt: Attempt, end: StreamEnd): void
  onProblem(attempt: Attempt, problem: Problem, isNodeFault: boolean): void
  onVerdict(attempt: Attempt, verdict: NonNullable<Verdict>): void
}

/** Text bytes taken from the agent before they are credited again. */
const CREDIT_STEP_BYTES = 64 * 1024

export class Attempt {
  readonly node: NodeConnection
  readonly offer: Offer
  /** It races another, before either has delivered. */
  readonly isHedge: boolean
  readonly placement: Placement<NodeConnection>
  /** Of the prompt, as the node counted it; 0 until it has read it. */
  promptTokens = 0
  /** What this node delivered. */
  completionTokens = 0
  readonly #owner: AttemptOwner
  #stream: NodeStream | null
  #uncredited = 0

  constructor(
    owner: AttemptOwner,
    { node, offer, begin }: Place,
    asked: { request: EngineRequest; promptTokensMax: number; isHedge: boolean },
  ) {
    this.node = node
    this.offer = offer
    this.isHedge = asked.isHedge
    this.#owner = owner
    this.placement = begin()
    this.#stream = node.open(asked.request, {
      onStarted: (promptTokens) => {
        this.promptTokens = Math.min(promptTokens, asked.promptTokensMax)
        owner.onStarted(this)
      },
      onData: (data) => this.#onData(data),
      onEmbedding: (vectors) => owner.onEmbedding(vectors),
      onEnd: (end) => {
        this.#stream = null
        owner.onEnd(this, end)
      },
      onProblem: (problem, isNodeFault) => {
        this.#stream = null
        this.#close(endOf(problem, isNodeFault))
        owner.onProblem(this, problem, isNodeFault)
      },
    })
  }

  #onData(data: DataPayload): void {
    const { placement } = this
    if (!placement.hasBegun && hasContent(data)) this.#judge(placement.begin(this.#owner.elapsedMs()))
    placement.progress(data.tokenCount)
    this.#uncredited += data.text.length + (data.detailBytes ?? 0)
    this.#owner.onData(this, data)
  }

  /** The reader is ready for more: what was taken is credited, once it is worth a frame. */
  creditWhenDue(): void {
    if (this.#uncredited < CREDIT_STEP_BYTES || !this.#stream) return
    this.#stream.credit(this.#uncredited)
    this.#uncredited = 0
  }

  /** Stops the node, if it still works on it. `how`: what that says of the node. */
  stop(how: 'failed' | 'left'): void {
    this.#stream?.cancel()
    this.#stream = null
    this.#close(how)
  }

  /** The node is through with it, and all is well. */
  complete(): void {
    this.#close('completed')
  }

  #close(how: PlacementEnd): void {
    this.#judge(this.placement.end(how, this.completionTokens, this.#owner.elapsedMs()))
  }

  #judge(verdict: Verdict): void {
    if (verdict) this.#owner.onVerdict(this, verdict)
  }
}

/** Something that a caller would see, or that counts. */
export const hasContent = ({ text, tokenCount, detail }: DataPayload): boolean =>
  tokenCount > 0 || text.length > 0 || detail !== undefined

function endOf({ code }: Problem, isNodeFault: boolean): PlacementEnd {
  if (!isNodeFault) return 'left'
  return code === 'queue_full' || code === 'rate_limited' || code === 'overloaded' ? 'full' : 'failed'
}
