/**
 * The life of one accepted request, from admission to its one outcome.
 *
 *   waiting → running → settling → over
 *      ↑         │
 *      └─────────┘  its node failed: another one begins, or goes on behind what was delivered
 *
 * *Waiting* is for a node with a free slot and for money to be reserved. *Settling* is for the meter reading to be
 * durable; only then does the caller see the end. A client that leaves cancels the engine at once and pays for what
 * was delivered. A request that fails costs its caller nothing.
 */
import { assert } from '#kernel/assert.ts'
import { formatUsd, type NanoUsd } from '#kernel/money.ts'
import type { TimestampMs } from '#kernel/time.ts'
import { costOf } from '#ledger/price.ts'
import type { StreamEnd } from '#protocol/agent-link.ts'
import type { DeltaDetail } from '#protocol/delta-detail.ts'
import { hasFeatures } from '#protocol/engine-features.ts'
import type { EngineRequest } from '#protocol/engine-request.ts'
import type { DataPayload } from '#protocol/frame.ts'
import { Problem } from '#protocol/problem.ts'
import type { RequestOutcome, UsagePart, UsageRecord } from '#protocol/usage.ts'
import { AnswerSoFar } from './answer-so-far.ts'
import type { RequestBudget } from './key-budgets.ts'
import type { NodeConnection, NodeStream, Offer } from './node-connection.ts'
import type { Reservation } from './slices.ts'
import { StreamPace } from './stream-pace.ts'

/** What the caller's side of a request hears. After `onFinish` or `onProblem` nothing more comes. */
export interface RunSink {
  /** The node that answers, before its first text. */
  onNode(nodeId: string): void
  /** The next piece: text, and with what else the same tokens are; the text may then be empty. */
  onText(text: string, detail?: DeltaDetail): void
  onEmbedding(vectors: readonly (readonly number[])[]): void
  onFinish(result: RunResult): void
  onProblem(problem: Problem): void
  /** The reader was given up: its connection must not look finished. */
  onCut(): void
}

export interface RunResult {
  readonly nodeId: string
  readonly finishReason: 'stop' | 'length'
  readonly promptTokens: number
  readonly completionTokens: number
  /** How often a node failed in the middle of it and another went on. */
  readonly continuations: number
  readonly cost: NanoUsd
  readonly firstTokenMs: number | null
  readonly totalMs: number
}

export interface RunRequest {
  readonly requestId: string
  readonly organisationId: string
  readonly keyId: string
  /** What its key's limits leave to it; absent for a key without. */
  readonly budget?: Pick<RequestBudget, 'budgetId' | 'reserve' | 'release'>
  readonly engine: EngineRequest
  /** Never less than what the prompt can turn out to have. */
  readonly promptTokensMax: number
  readonly completionTokensMax: number
}

/** What a run needs of its gateway. */
export interface RunHost {
  nowMs(): TimestampMs
  elapsedMs(): number
  reserve(
    organisationId: string,
    amount: NanoUsd,
    done: (result: Reservation | 'funds_insufficient' | 'unavailable') => void,
  ): void
  settle(reservation: Reservation, cost: NanoUsd, sequence: number): void
  meter(record: UsageRecord, done: (sequence: number) => void): void
  /** The run left its node, or was over: its slot is free. */
  onFreed(run: RequestRun): void
  onOver(run: RequestRun, outcome: RequestOutcome): void
  /** Puts the run back in front of the queue. */
  requeue(run: RequestRun): void
}

/** Nodes in a row that may fail without a single token; and in all, so that nothing goes round for ever. */
const ATTEMPTS_MAX = 4
const CONTINUATIONS_MAX = 16
/** Text bytes taken from the agent before they are credited again. */
const CREDIT_STEP_BYTES = 64 * 1024

export class RequestRun {
  readonly request: RunRequest
  readonly startedMs: number
  /** Those that this request was failed on. A node that reports again, as after a restart of its engine, makes new ones. */
  readonly failedOffers = new Set<Offer>()
  readonly pace: StreamPace
  /** Since when it waits for a node, or for one to go on. */
  waitingSinceMs: number
  readonly #answer = new AnswerSoFar()
  #host: RunHost
  #sink: RunSink
  #startedAtMs: TimestampMs
  #state: 'waiting' | 'reserving' | 'running' | 'settling' | 'over' = 'waiting'
  #node: NodeConnection | null = null
  #offer: Offer | null = null
  #stream: NodeStream | null = null
  #reservation: Reservation | null = null
  #isCancelled = false
  #promptTokens = 0
  #completionTokens = 0
  #firstTokenMs: number | null = null
  #uncredited = 0
  #isPaused = false
  #attempts = 0

  constructor(host: RunHost, request: RunRequest, sink: RunSink) {
    this.#host = host
    this.request = request
    this.#sink = sink
    this.startedMs = host.elapsedMs()
    this.pace = new StreamPace(this.startedMs)
    this.waitingSinceMs = this.startedMs
    this.#startedAtMs = host.nowMs()
  }

  get state(): 'waiting' | 'reserving' | 'running' | 'settling' | 'over' {
    return this.#state
  }

  get hasFirstToken(): boolean {
    return this.#firstTokenMs !== null
  }

  /** Whether a node with this offer may take it, or take it over. */
  accepts(offer: Offer): boolean {
    const { engine } = this.request
    const { tasks, features } = offer.model
    if (this.failedOffers.has(offer) || !tasks.includes(engine.kind) || !hasFeatures(engine, features))
      return false
    return this.#answer.fits(offer)
  }

  /** It was begun by a node that failed, and waits for one to go on. */
  get isContinuing(): boolean {
    return this.#answer.continuations > 0
  }

  get nodeId(): string | null {
    return this.#node?.nodeId ?? null
  }

  /** Sends the request to `node`, once its maximal cost there is reserved. */
  assign(node: NodeConnection, offer: Offer): void {
    assert(this.#state === 'waiting', 'only a waiting request is assigned')
    const { organisationId, promptTokensMax, completionTokensMax } = this.request
    const completionTokens = completionTokensMax - this.#answer.tokensBefore
    const amount =
      this.#answer.costBefore() + costOf({ promptTokens: promptTokensMax, completionTokens }, offer.price)
    const limited = this.request.budget?.reserve(amount)
    if (limited) return this.fail(limited)
    const isCovered = amount === 0n || (this.#reservation && this.#reservation.amount >= amount)
    if (isCovered) return this.#send(node, offer)
    this.#release(0n, 0)
    this.#state = 'reserving'
    let isAtOnce = true
    this.#host.reserve(organisationId, amount, (result) => {
      this.#reserved(result, amount)
      // A reservation that is there at once is for this very node; a later one has to look for a node again.
      if (!isAtOnce && this.#state === 'waiting') this.#host.requeue(this)
    })
    isAtOnce = false
    if (this.#reservation && this.#stateNow() === 'waiting') this.#send(node, offer)
  }

  #reserved(result: Reservation | 'funds_insufficient' | 'unavailable', amount: NanoUsd): void {
    if (this.#stateNow() !== 'reserving') {
      if (typeof result !== 'string') this.#host.settle(result, 0n, 0)
      return
    }
    this.#state = 'waiting'
    if (result === 'funds_insufficient') return this.fail(fundsInsufficient(amount))
    if (typeof result !== 'string') this.#reservation = result
  }

  /** TypeScript narrows `#state` across calls that change it; this reads it anew. */
  #stateNow(): RequestRun['state'] {
    return this.#state
  }

  #send(node: NodeConnection, offer: Offer): void {
    this.#state = 'running'
    this.#node = node
    this.#offer = offer
    this.#attempts++
    this.#promptTokens = 0
    this.#completionTokens = 0
    this.#uncredited = 0
    this.pace.begin(this.#host.elapsedMs())
    this.#stream = node.open(this.#answer.rest(this.request.engine), {
      onStarted: (promptTokens) => {
        this.pace.move(this.#host.elapsedMs())
        this.#promptTokens = Math.min(promptTokens, this.request.promptTokensMax)
      },
      onData: (data) => this.#onData(data),
      onEmbedding: (vectors) => this.#sink.onEmbedding(vectors),
      onEnd: (end) => this.#onEnd(end),
      onProblem: (problem, isNodeFault) => this.#onNodeProblem(problem, isNodeFault),
    })
    this.#sink.onNode(node.nodeId)
  }

  #onData(data: DataPayload): void {
    const nowMs = this.#host.elapsedMs()
    const offer = this.#offer
    assert(offer, 'data comes from a node')
    this.pace.deliver(nowMs)
    this.#firstTokenMs ??= nowMs - this.startedMs
    const tokens = this.#completionTokens + data.tokenCount
    if (tokens + this.#answer.tokensBefore > this.request.completionTokensMax) {
      return this.#abandon(new Problem('node_failed', 'The node sent more tokens than it was asked for.'))
    }
    this.#completionTokens = tokens
    this.#attempts = 1
    this.#answer.add(data, offer)
    this.#uncredited += data.text.length + (data.detailBytes ?? 0)
    if (data.text.length > 0 || data.detail) this.#sink.onText(data.text, data.detail)
    this.#creditWhenDue()
  }

  /** The reader is slow: the engine gets no more credit until `resume`. */
  pause(): void {
    if (!this.#isPaused) this.pace.move(this.#host.elapsedMs())
    this.#isPaused = true
  }

  /** The caller has read nothing for too long. It pays for what was sent to it. */
  cutReader(): void {
    this.cancel()
    this.#sink.onCut()
  }

  resume(): void {
    this.#isPaused = false
    this.pace.move(this.#host.elapsedMs())
    this.#creditWhenDue()
  }

  get isPaused(): boolean {
    return this.#isPaused
  }

  #creditWhenDue(): void {
    if (this.#isPaused || this.#uncredited < CREDIT_STEP_BYTES || !this.#stream) return
    this.#stream.credit(this.#uncredited)
    this.#uncredited = 0
  }

  #onEnd(end: StreamEnd): void {
    // The gateway's own count is the meter; a node that claims otherwise is paid the smaller of the two.
    this.#completionTokens = Math.min(this.#completionTokens, end.completionTokens)
    this.#promptTokens = Math.min(end.promptTokens, this.request.promptTokensMax)
    this.#stream = null
    this.#settle('completed', (cost, nodeId, totalMs) => {
      this.#sink.onFinish({
        nodeId,
        finishReason: end.finishReason,
        promptTokens: this.#promptTokens,
        completionTokens: this.#answer.tokensBefore + this.#completionTokens,
        continuations: this.#answer.continuations,
        cost,
        firstTokenMs: this.#firstTokenMs,
        totalMs,
      })
    })
  }

  #onNodeProblem(problem: Problem, isNodeFault: boolean): void {
    this.#stream = null
    const node = this.#node
    assert(node, 'a problem comes from a node')
    const offer = this.#offer
    assert(offer, 'a problem comes from a node')
    if (!isNodeFault) return this.fail(problem)
    this.failedOffers.add(offer)
    if (!this.#mayGoOn()) {
      return this.fail(
        new Problem('node_failed', `The node failed while it answered: ${problem.message}`, {
          cause: problem,
        }),
      )
    }
    if (this.#isComplete()) {
      const { kind } = this.request.engine
      assert(kind !== 'embedding', 'an embedding has no tokens')
      const completionTokens = this.#completionTokens
      return this.#onEnd({ finishReason: 'length', promptTokens: this.#promptTokens, completionTokens })
    }
    this.#answer.leave(node.nodeId, this.#completionTokens, offer.price)
    this.#completionTokens = 0
    this.#node = null
    this.#state = 'waiting'
    this.waitingSinceMs = this.#host.elapsedMs()
    this.#host.onFreed(this)
    this.#host.requeue(this)
  }

  #mayGoOn(): boolean {
    if (this.#attempts >= ATTEMPTS_MAX || this.#answer.continuations >= CONTINUATIONS_MAX) return false
    return !this.hasFirstToken || this.#answer.canGoOn(this.request.engine)
  }

  /** All that was asked for was delivered, and only the node's word for it is missing. */
  #isComplete(): boolean {
    const { engine } = this.request
    const delivered = this.#answer.tokensBefore + this.#completionTokens
    return engine.kind !== 'embedding' && delivered >= engine.maxTokens
  }

  /** Gives up on the node, because of what it did or did not do. */
  #abandon(problem: Problem): void {
    this.#stream?.cancel()
    this.#onNodeProblem(problem, true)
  }

  /** The engine has not moved for too long. */
  stall(silenceMs: number): void {
    if (this.#state !== 'running') return
    this.#abandon(new Problem('node_timeout', `The node sent nothing for ${Math.round(silenceMs / 1000)} s.`))
  }

  /** The caller left. What was delivered is billed; the engine stops at once. */
  cancel(): void {
    if (this.#isCancelled || this.#state === 'settling' || this.#state === 'over') return
    this.#isCancelled = true
    this.#stream?.cancel()
    this.#stream = null
    this.#settle('cancelled', () => {})
  }

  /** Ends the request with `problem`. It costs nothing. */
  fail(problem: Problem): void {
    if (this.#state === 'settling' || this.#state === 'over') return
    this.#stream?.cancel()
    this.#stream = null
    this.#settle('failed', () => this.#sink.onProblem(problem))
  }

  #settle(outcome: RequestOutcome, then: (cost: NanoUsd, nodeId: string, totalMs: number) => void): void {
    const totalMs = this.#host.elapsedMs() - this.startedMs
    const nodeId = this.#node?.nodeId ?? ''
    const parts = outcome === 'failed' ? [] : this.#parts()
    const cost = parts.reduce((sum, part) => sum + costOf(part, part), 0n)
    this.#state = 'settling'
    this.#host.onFreed(this)
    const { requestId, organisationId, keyId, engine, budget } = this.request
    const record: UsageRecord = {
      requestId,
      organisationId,
      keyId,
      ...(budget && { budgetId: budget.budgetId }),
      holdId: this.#reservation?.holdId ?? '',
      model: engine.model,
      kind: engine.kind,
      outcome,
      parts,
      startedAtMs: this.#startedAtMs,
      firstTokenMs: this.#firstTokenMs === null ? null : Math.round(this.#firstTokenMs),
      totalMs: Math.round(totalMs),
    }
    this.#host.meter(record, (sequence) => {
      this.#release(cost, sequence)
      // The reading waits for the ledger by now, and counts there.
      budget?.release()
      this.#state = 'over'
      then(cost, nodeId, totalMs)
      this.#host.onOver(this, outcome)
    })
  }

  /** Whom the request is owed to. */
  #parts(): UsagePart[] {
    const [node, offer] = [this.#node, this.#offer]
    if (!node || !offer) return this.#answer.parts(this.#promptTokens, null)
    const { promptPerMillion, completionPerMillion } = offer.price
    const last = { nodeId: node.nodeId, promptTokens: 0, completionTokens: this.#completionTokens }
    return this.#answer.parts(this.#promptTokens, { ...last, promptPerMillion, completionPerMillion })
  }

  #release(cost: NanoUsd, sequence: number): void {
    if (this.#reservation) this.#host.settle(this.#reservation, cost, sequence)
    this.#reservation = null
  }
}

const fundsInsufficient = (amount: NanoUsd): Problem =>
  new Problem(
    'funds_insufficient',
    `This request may cost up to $${formatUsd(amount)}, which the account cannot cover. Deposit more, or lower max_tokens.`,
  )
