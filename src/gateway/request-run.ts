/**
 * The life of one accepted request, from admission to its one outcome.
 *
 *   waiting → running → settling → over
 *      ↑         │
 *      └─────────┘  its node failed: another one begins, or goes on behind what was delivered
 *
 * *Waiting* is for a node with a free slot and for money to be reserved. While it is *running* and nothing has come yet,
 * a second node may race the first: the first content decides, and the other is stopped. *Settling* is for the meter
 * reading to be durable; only then does the caller see the end. A client that leaves cancels the engine at once and pays
 * for what was delivered. A request that fails costs its caller nothing.
 */
import { assert } from '#kernel/assert.ts'
import type { TimestampMs } from '#kernel/time.ts'
import { costOf } from '#ledger/price.ts'
import type { StreamEnd } from '#protocol/agent-link.ts'
import type { DataPayload } from '#protocol/frame.ts'
import { Problem } from '#protocol/problem.ts'
import type { RequestOutcome, UsagePart } from '#protocol/usage.ts'
import { AnswerSoFar } from './answer-so-far.ts'
import { Attempt, type AttemptOwner, type Place } from './attempt.ts'
import type { Offer } from './node-connection.ts'
import type { NodeFacts } from './preferences.ts'
import { QueuedRun } from './queued-run.ts'
import type { RunHost } from './run-host.ts'
import { RunMoney } from './run-money.ts'
import { recordOf } from './run-record.ts'
import type { RunRequest, RunSink } from './run-request.ts'
import { type Known, type ResultOf, resultOfRun } from './run-result.ts'
import { RunTelling } from './run-telling.ts'
import { RunTries } from './run-tries.ts'
import { StreamPace } from './stream-pace.ts'

/** Nodes in a row that may fail without a single token; and in all, so that nothing goes round for ever. */
const ATTEMPTS_MAX = 4
const CONTINUATIONS_MAX = 16

export class RequestRun extends QueuedRun {
  readonly startedMs: number
  /** Those that this request was failed on. A node that reports again, as after a restart of its engine, makes new ones. */
  readonly failedOffers = new Set<Offer>()
  /** Its last node's silence, if that is why it was left: others may have fallen silent with it. */
  silence: { readonly beganMs: number; readonly middleMs: number } | null = null
  readonly pace: StreamPace
  /** Since when it waits for a node, or for one to go on. */
  waitingSinceMs: number
  readonly #answer = new AnswerSoFar()
  readonly #host: RunHost
  readonly #sink: RunSink
  readonly #money: RunMoney
  readonly #telling: RunTelling
  readonly #startedAtMs: TimestampMs
  #state: 'waiting' | 'reserving' | 'running' | 'settling' | 'over' = 'waiting'
  readonly #tries = new RunTries()
  #isCancelled = false
  /** Of the prompt, as the last node that failed counted it. */
  #promptTokens = 0
  #firstTokenMs: number | null = null
  #isPaused = false
  #attempts = 0

  constructor(host: RunHost, request: RunRequest, sink: RunSink, ticket = 0) {
    super(request, ticket)
    this.#host = host
    this.#sink = sink
    this.startedMs = host.elapsedMs()
    this.pace = new StreamPace(this.startedMs)
    this.#money = new RunMoney(host, request.organisationId)
    this.#telling = new RunTelling(host.telemetry, {
      requestId: request.requestId,
      model: request.engine.model,
    })
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
    return !this.failedOffers.has(offer) && this.needs.fits(offer) && this.#answer.fits(offer)
  }

  override get isPlain(): boolean {
    return this.failedOffers.size === 0 && !this.isContinuing && super.isPlain
  }

  /** No node was asked yet. */
  get isNew(): boolean {
    return this.#tries.current === null && this.failedOffers.size === 0
  }

  /** It was begun by a node that failed, and waits for one to go on. */
  get isContinuing(): boolean {
    return this.#answer.continuations > 0
  }

  get nodeId(): string | null {
    return this.#tries.current?.node.nodeId ?? null
  }

  get attempt(): Attempt | null {
    return this.#tries.current
  }

  /** The nodes that work on it, or failed it. */
  get before(): readonly NodeFacts[] {
    return this.#tries.facts
  }

  /** Whether a second node could still race the first. */
  get mayRace(): boolean {
    const isFresh = !this.hasFirstToken && !this.isContinuing && !this.#tries.isRace
    return this.#state === 'running' && isFresh && this.needs.mayRace
  }

  /** What is reserved is enough for this offer, too. */
  covers({ price }: Offer): boolean {
    return this.#money.covers(this.#answer.costMax(this.request, price))
  }

  /** Sends the request to `place`, once its maximal cost there is reserved. */
  assign(place: Place): void {
    assert(this.#state === 'waiting', 'only a waiting request is assigned')
    const amount = this.#answer.costMax(this.request, place.offer.price)
    const limited = this.request.budget?.reserve(amount)
    if (limited) return this.fail(limited)
    if (this.#money.covers(amount)) return this.#send(place)
    this.#state = 'reserving'
    let isAtOnce = true
    this.#money.reserve(amount, {
      isWanted: () => this.#stateNow() === 'reserving',
      done: (refusal) => {
        this.#state = 'waiting'
        if (refusal) return this.fail(refusal)
        // A reservation that is there at once is for this very node; a later one has to look for a node again.
        if (!isAtOnce) this.#host.requeue(this)
      },
    })
    isAtOnce = false
    if (this.#money.covers(amount) && this.#stateNow() === 'waiting') this.#send(place)
  }

  /** TypeScript narrows `#state` across calls that change it; this reads it anew. */
  #stateNow = (): RequestRun['state'] => this.#state

  #send(place: Place): void {
    this.#state = 'running'
    this.#attempts++
    this.pace.begin(this.#host.elapsedMs())
    const attempt = this.#open(place, false)
    this.#tries.current = attempt
    this.#telling.asked(attempt, this.#host.elapsedMs() - this.waitingSinceMs)
    this.#sink.onNode(place.node.nodeId)
    this.#host.onAsked(this)
  }

  /** Lets a second node race the first; its cost is covered by what is reserved. */
  race(place: Place): void {
    assert(this.mayRace && this.covers(place.offer), 'a race is possible and paid for')
    const rival = this.#open(place, true)
    this.#tries.race(rival)
    this.#telling.hedge(rival, 'started')
  }

  #open(place: Place, isHedge: boolean): Attempt {
    const { engine, promptTokensMax } = this.request
    const traced = this.#telling.traced(this.#answer.rest(engine), place.node, isHedge)
    const prepared = this.#host.prepare(traced, place, this.request)
    const kept = this.#host.keepAnswer(engine, place.node.nodeId)
    return new Attempt(this.#owner, place, { ...prepared, promptTokensMax, isHedge, kept })
  }

  readonly #owner: AttemptOwner = {
    elapsedMs: () => this.#host.elapsedMs(),
    wasPaused: () => this.pace.wasPaused,
    onStarted: () => this.pace.move(this.#host.elapsedMs()),
    onData: (attempt, data) => this.#onData(attempt, data),
    onEmbedding: (vectors) => this.#sink.onEmbedding(vectors),
    onEnd: (attempt, end) => this.#onEnd(attempt, end),
    onProblem: (attempt, problem, isNodeFault) => this.#onNodeProblem(attempt, problem, isNodeFault),
    onVerdict: (attempt, verdict) => this.#telling.verdict(attempt, verdict),
  }

  #onData(attempt: Attempt, data: DataPayload): void {
    const nowMs = this.#host.elapsedMs()
    if (this.#tries.isRace) this.#win(attempt)
    this.#telling.token(attempt, data.tokenCount, this.pace.hasData ? nowMs - this.pace.movedMs : 0)
    this.pace.deliver(nowMs)
    if (this.#firstTokenMs === null) {
      this.#firstTokenMs = nowMs - this.startedMs
      this.#host.onHeard(this)
      this.#telling.firstToken(attempt, this.#firstTokenMs, nowMs)
    }
    const tokens = attempt.completionTokens + data.tokenCount
    if (tokens + this.#answer.tokensBefore > this.request.completionTokensMax) {
      return this.abandon(new Problem('node_failed', 'The node sent more tokens than it was asked for.'))
    }
    attempt.completionTokens = tokens
    this.#attempts = 1
    this.#answer.add(data, attempt.offer)
    this.needs.prompt.add(data.text)
    if (data.text.length > 0 || data.detail) this.#sink.onText(data.text, data.detail)
    if (!this.#isPaused) attempt.creditWhenDue()
  }

  /** One of two has delivered: it is the one, and the other is stopped. */
  #win(winner: Attempt): void {
    const isSecond = winner === this.#tries.rival
    this.#tries.decide(winner)
    this.#telling.hedge(winner, isSecond ? 'won' : 'lost')
    if (isSecond) this.#sink.onNode(winner.node.nodeId)
    this.#host.onLoserStopped(this)
  }

  /** The reader is slow: the engine gets no more credit until `resume`. */
  pause(): void {
    if (!this.#isPaused) this.pace.pause(this.#host.elapsedMs())
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
    this.#tries.current?.creditWhenDue()
  }

  get isPaused(): boolean {
    return this.#isPaused
  }

  #onEnd(attempt: Attempt, end: StreamEnd): void {
    if (this.#tries.isRace) this.#win(attempt)
    attempt.takeEnd(end)
    attempt.complete()
    attempt.placement.answered(this.needs.prompt, this.request.engine.kind)
    const resultOf = resultOfRun(attempt, end, this.#answer, this.#firstTokenMs)
    this.#settle('completed', (...known) => this.#sink.onFinish(resultOf(...known)), resultOf)
  }

  #onNodeProblem(attempt: Attempt, problem: Problem, isNodeFault: boolean): void {
    if (!isNodeFault) return this.fail(problem)
    const { offer, completionTokens, promptTokens } = attempt
    this.failedOffers.add(offer)
    const beganMs = this.pace.movedMs
    const middleMs = (beganMs + this.#host.elapsedMs()) / 2
    this.silence = problem.code === 'node_timeout' ? { beganMs, middleMs } : null
    this.#tries.blame(attempt, problem)
    if (this.#tries.isRace) return this.#goOnAlone(attempt)
    if (!this.#mayGoOn()) {
      return this.fail(
        new Problem('node_failed', `The node failed while it answered: ${problem.message}`, {
          cause: problem,
        }),
      )
    }
    if (this.#isComplete(attempt)) {
      return this.#onEnd(attempt, { finishReason: 'length', promptTokens, completionTokens })
    }
    this.#telling.failover(attempt, problem, this.hasFirstToken)
    this.#answer.leave(attempt.part, completionTokens)
    this.#promptTokens = promptTokens
    this.#tries.current = null
    this.#state = 'waiting'
    this.waitingSinceMs = this.#host.elapsedMs()
    this.#host.onFreed(this)
    this.#host.requeue(this)
  }

  /** One of two has failed before either delivered. */
  #goOnAlone(failed: Attempt): void {
    const isSecond = failed === this.#tries.rival
    const other = this.#tries.leave(failed)
    this.pace.begin(this.#host.elapsedMs())
    this.#telling.hedge(isSecond ? failed : other, isSecond ? 'failed' : 'won')
    if (!isSecond) this.#sink.onNode(other.node.nodeId)
    this.#host.onLoserStopped(this)
  }

  #mayGoOn(): boolean {
    if (this.#attempts >= ATTEMPTS_MAX || this.#answer.continuations >= CONTINUATIONS_MAX) return false
    return !this.hasFirstToken || this.#answer.canGoOn(this.request.engine)
  }

  /** All that was asked for was delivered, and only the node's word for it is missing. */
  #isComplete({ completionTokens }: Attempt): boolean {
    const { engine } = this.request
    const delivered = this.#answer.tokensBefore + completionTokens
    return engine.kind !== 'embedding' && delivered >= engine.maxTokens
  }

  /** Gives up on the node, because of what it did or did not do. */
  abandon(problem: Problem, how: 'failed' | 'slow' = 'failed'): void {
    const attempt = this.#tries.current
    if (this.#state !== 'running' || !attempt) return
    attempt.stop(how)
    this.#onNodeProblem(attempt, problem, true)
  }

  /** The caller left. What was delivered is billed; the engine stops at once. */
  cancel(): void {
    if (this.#isCancelled || this.#state === 'settling' || this.#state === 'over') return
    this.#isCancelled = true
    this.#settle('cancelled', () => {})
  }

  /** Ends the request with `problem`. It costs nothing. */
  fail(problem: Problem): void {
    if (this.#state === 'settling' || this.#state === 'over') return
    this.#telling.failed(problem)
    this.#settle('failed', () => this.#sink.onProblem(problem))
  }

  #settle(outcome: RequestOutcome, then: (...known: Known) => void, resultOf?: ResultOf): void {
    const { rival } = this.#tries
    if (rival) this.#telling.hedge(rival, 'lost')
    this.#tries.stop()
    const totalMs = this.#host.elapsedMs() - this.startedMs
    this.#state = 'settling'
    this.#host.onFreed(this)
    const attempt = outcome === 'failed' ? null : this.#tries.current
    const meter = (): void => this.#meter({ outcome, totalMs }, then, resultOf)
    if (attempt) attempt.recount(meter)
    else meter()
  }

  #meter(
    { outcome, totalMs }: { outcome: RequestOutcome; totalMs: number },
    then: (...known: Known) => void,
    resultOf?: ResultOf,
  ): void {
    const nodeId = this.nodeId ?? ''
    const parts = outcome === 'failed' ? [] : this.#parts()
    const cost = parts.reduce((sum, part) => sum + costOf(part, part), 0n)
    const record = recordOf(this.request, {
      holdId: this.#money.holdId,
      outcome,
      parts,
      losers: this.#tries.losersOf(parts),
      failed: this.#tries.failures,
      startedAtMs: this.#startedAtMs,
      firstTokenMs: this.#firstTokenMs,
      totalMs,
    })
    const kept = resultOf && this.request.batch?.keep(resultOf(cost, nodeId, totalMs))
    const done = (sequence: number): void => {
      this.#money.release(cost, sequence)
      // The reading waits for the ledger by now, and counts there.
      this.request.budget?.release()
      this.#state = 'over'
      then(cost, nodeId, totalMs)
      this.#host.onOver(this, outcome)
    }
    this.#host.meter(record, done, kept)
  }

  /** Whom the request is owed to. */
  #parts(): UsagePart[] {
    const attempt = this.#tries.current
    return this.#answer.parts(attempt?.promptTokens ?? this.#promptTokens, attempt?.part ?? null)
  }

  /** Tokens of its answer so far. */
  get delivered(): number {
    return this.#answer.tokensBefore + (this.#tries.current?.completionTokens ?? 0)
  }

  /** Nodes that were asked so far, and how long it waited for them. */
  effort = (): RunTelling['effort'] => this.#telling.effort

  get continuations(): number {
    return this.#answer.continuations
  }

  /** From its arrival; null while nothing was delivered. */
  get firstTokenMs(): number | null {
    return this.#firstTokenMs
  }

  /** Tokens that it took, prompts that were read in vain among them or not. */
  get workDone(): number {
    return (this.#tries.current?.promptTokens ?? 0) + this.delivered
  }
}
