/**
 * One request on one node, as routing sees it: from when the node is asked until it is through with it. What the node
 * is expected to do weighs on it meanwhile; what it did, and how fast, is learned from.
 */
import { expectedMs, type SeatAsk, serviceMs } from './choose-seat.ts'
import { isShort } from './first-token-times.ts'
import type { ModelSeats } from './model-seats.ts'
import { answerMark, type PrefixCuts } from './prefix-cuts.ts'
import type { Seat, SeatNode } from './seat.ts'

/** How it ended for the node. `slow`: it was given up for its pace. `beaten`: it was so late that another was asked, which delivered first. `left`: the caller went away, was wrong, or another node was quicker. */
export type PlacementEnd = 'completed' | 'failed' | 'slow' | 'beaten' | 'full' | 'left'

/** What the end of a request meant for the node. */
export type Verdict = { kind: 'out'; reason: 'failures' | 'slow'; forMs: number } | { kind: 'in' } | null

/** A node is slow when its first tokens take so many times longer than is ordinary, by its own promise and by time. */
const SLOW_FACTOR = 4
const SLOW_FIRST_TOKEN_FACTOR = 3
const SLOW_SAMPLES_MIN = 4
const PEERS_MIN = 2
/** A node of which so many are known is late by its own mean, and at most so many times as late as any. */
const OWN_SAMPLES_MIN = 4
const LATE_TIMES_MAX = 1.5
/** A first token that did not come says something from so many times as long as was foreseen. */
const LATE_FACTOR = 2
/** An answer tells its node's pace once so many tokens were due, and so long after its first. */
const PACE_TOKENS_MIN = 16
const PACE_MS_MIN = 500
/** A node at less than this share of its own benchmark, and of what is ordinary here, is slow. */
const SLOW_PACE = 0.2
const SLOW_PACE_OF_PEERS = 0.4
const SLOW_PACE_MS_MIN = 4_000
const SLOW_TOKENS_DUE_MIN = 32

export class Placement<N extends SeatNode = SeatNode> {
  readonly seat: Seat<N>
  readonly startedMs: number
  readonly #table: ModelSeats<N>
  readonly #organisationId: string
  readonly #prompt: PrefixCuts
  readonly #coldTokens: number
  readonly #expectedMs: number
  readonly #promisedMs: number
  readonly #prefillMs: number
  readonly #isAlone: boolean
  #serviceMs: number
  #decodeMs: number
  #firstMs: number | null = null
  #isOver = false

  constructor(
    table: ModelSeats<N>,
    { seat, warmTokens }: { seat: Seat<N>; warmTokens: number },
    ask: SeatAsk<N>,
    nowMs: number,
  ) {
    const { machine, speed } = seat
    this.seat = seat
    this.startedMs = nowMs
    this.#table = table
    this.#organisationId = ask.organisationId
    this.#prompt = ask.prompt
    this.#coldTokens = Math.max(1, ask.promptTokens - warmTokens)
    this.#expectedMs = expectedMs(seat, ask.promptTokens, warmTokens)
    this.#promisedMs = machine.prefillMs + speed.promisedMs(this.#coldTokens)
    this.#prefillMs = speed.prefillMs(this.#coldTokens)
    this.#decodeMs = speed.decodeMs(ask.completionTokens)
    this.#serviceMs = serviceMs(seat, {
      coldTokens: this.#coldTokens,
      completionTokens: ask.completionTokens,
    })
    this.#isAlone = machine.prompts === 0
    machine.prompts++
    machine.prefillMs += this.#prefillMs
    machine.decodeMs += this.#decodeMs
    seat.busy++
    if (seat.isListed) table.busy++
    table.shares.changed(ask.organisationId, 1, nowMs)
    this.#addLoad(this.#serviceMs, nowMs)
    seat.health.taken()
    // From now on: its next turn may come before this answer has ended.
    table.prefixes.serve(seat, ask.prompt)
  }

  get hasBegun(): boolean {
    return this.#firstMs !== null
  }

  /** Since the node was asked. */
  get firstTokenMs(): number | null {
    return this.#firstMs === null ? null : this.#firstMs - this.startedMs
  }

  /**
   * How long it may take to its first token before it is late: longer than 19 of 20 requests, by what is usual of this
   * very node where that is known; `null` where nothing is.
   */
  get lateMs(): number | null {
    const { times } = this.#table
    const p95 = times.p95(this.#prompt.tokensTotal)
    if (p95 === null) return null
    const { samples, firstTokenMs } = this.seat.speed
    const ratio = times.ratioP95()
    const isKnown = samples >= OWN_SAMPLES_MIN && this.seat.health.isIn && isShort(this.#prompt.tokensTotal)
    return isKnown && ratio !== null ? Math.min(LATE_TIMES_MAX * p95, ratio * firstTokenMs) : p95
  }

  /** The first token came. */
  begin(nowMs: number): Verdict {
    if (this.#firstMs !== null) return null
    this.#firstMs = nowMs
    this.#promptRead()
    const { speed, health } = this.seat
    const tookMs = nowMs - this.startedMs
    const foreseen = { expectedMs: this.#expectedMs, promisedMs: this.#promisedMs }
    if (speed.samples >= OWN_SAMPLES_MIN) this.#table.times.addRatio(tookMs / Math.max(1, speed.firstTokenMs))
    speed.firstToken({ tookMs, ...foreseen, tokens: this.#coldTokens, isAlone: this.#isAlone }, nowMs)
    this.#table.times.add(tookMs, this.#prompt.tokensTotal)
    if (!health.isIn || !this.#isSlow(nowMs) || !this.#table.mayPutOut()) return null
    return this.#putOut('slow', nowMs)
  }

  /**
   * How fast its answer came, of `tokens` so far, by the node's own benchmark and what it has to do besides: 1 as
   * promised; `null` while too little came to tell.
   */
  pace(tokens: number, nowMs: number): number | null {
    if (this.#firstMs === null) return null
    const tookMs = nowMs - this.#firstMs
    if (tookMs < PACE_MS_MIN || this.#tokensDue(tookMs) < PACE_TOKENS_MIN) return null
    return Math.max(0, tokens - 1) / this.#tokensDue(tookMs)
  }

  /** Far slower than the node says of itself, while others are not: another should go on. */
  isCrawling(tokens: number, nowMs: number): boolean {
    if (this.#firstMs === null) return false
    const tookMs = nowMs - this.#firstMs
    if (tookMs < SLOW_PACE_MS_MIN || this.#tokensDue(tookMs) < SLOW_TOKENS_DUE_MIN) return false
    const pace = Math.max(0, tokens - 1) / this.#tokensDue(tookMs)
    return pace < SLOW_PACE && pace < SLOW_PACE_OF_PEERS * this.#table.paceOfOthers(this.seat)
  }

  #tokensDue = (tookMs: number): number =>
    tookMs * this.seat.speed.promisedPerMs(Math.max(1, this.seat.node.outstanding()))

  /** So many tokens less are still to come. */
  progress(tokens: number): void {
    const doneMs = Math.min(this.#decodeMs, this.seat.speed.decodeMs(tokens))
    this.#decodeMs -= doneMs
    this.seat.machine.decodeMs -= doneMs
  }

  /** The node is through with it, having generated `tokens`. What follows of it for the node. `isPaced`: nobody held it up. */
  end(how: PlacementEnd, tokens: number, nowMs: number, isPaced = true): Verdict {
    if (this.#isOver) return null
    this.#isOver = true
    const { seat } = this
    const { speed, machine, health } = seat
    if (this.#firstMs === null) this.#promptRead()
    machine.decodeMs = Math.max(0, machine.decodeMs - this.#decodeMs)
    const busy = Math.max(1, seat.node.outstanding())
    seat.busy--
    if (seat.isListed) this.#table.busy--
    this.#table.shares.changed(this.#organisationId, -1, nowMs)
    if (how === 'completed' || how === 'slow') {
      if (this.#firstMs !== null && isPaced) speed.decoded(tokens - 1, nowMs - this.#firstMs, busy)
      if (how === 'completed') this.#table.ended(tokens, nowMs - this.startedMs)
    }
    const spentMs = serviceMs(seat, {
      coldTokens: how === 'full' ? 0 : this.#coldTokens,
      completionTokens: tokens,
    })
    this.#addLoad(spentMs - this.#serviceMs, nowMs)
    if (how === 'full') seat.saidFull(nowMs)
    if (how === 'beaten') return this.#beaten(nowMs)
    if (how === 'slow') {
      if (!health.isIn || this.#table.mayPutOut()) return this.#putOut('slow', nowMs)
      health.untried()
      return null
    }
    if (how === 'failed' && health.failed(nowMs) && (!health.isIn || this.#table.mayPutOut())) {
      return this.#putOut('failures', nowMs)
    }
    if (how === 'completed' || (how === 'left' && this.#firstMs !== null)) {
      return health.succeeded(nowMs) ? this.#comeIn() : null
    }
    if (how !== 'failed') health.untried()
    return how === 'left' ? this.#late(nowMs) : null
  }

  /** Another was asked later and was sooner: once may be chance. */
  #beaten(nowMs: number): Verdict {
    const slow = this.#late(nowMs)
    if (slow) return slow
    const { health } = this.seat
    if (health.beaten() && (!health.isIn || this.#table.mayPutOut())) return this.#putOut('slow', nowMs)
    health.untried()
    return null
  }

  /** Somebody else was asked, or left, and nothing had come for far longer than was foreseen. */
  #late(nowMs: number): Verdict {
    const tookMs = nowMs - this.startedMs
    const foreseen = { expectedMs: this.#expectedMs, promisedMs: this.#promisedMs }
    if (tookMs < LATE_FACTOR * Math.max(this.#expectedMs, this.#promisedMs)) return null
    const { speed, health } = this.seat
    speed.firstToken({ tookMs, ...foreseen, tokens: this.#coldTokens, isAlone: false }, nowMs)
    if (!health.isIn || !this.#isSlow(nowMs) || !this.#table.mayPutOut()) return null
    return this.#putOut('slow', nowMs)
  }

  /** The node has this answer in its cache, too: the next turn of the conversation begins with it. */
  answered(answer: PrefixCuts, kind: Parameters<typeof answerMark>[0]): void {
    answer.end(answerMark(kind))
    this.#table.prefixes.serve(this.seat, answer)
  }

  #promptRead(): void {
    const { machine } = this.seat
    machine.prompts--
    machine.prefillMs = machine.prompts === 0 ? 0 : Math.max(0, machine.prefillMs - this.#prefillMs)
  }

  #addLoad(ms: number, nowMs: number): void {
    this.seat.load.add(ms, nowMs)
    if (this.seat.isListed) this.#table.load.add(ms, nowMs)
  }

  #isSlow(nowMs: number): boolean {
    const { speed } = this.seat
    if (speed.samples < SLOW_SAMPLES_MIN) return false
    const { slowness, firstTokenMs, known } = this.#table.medians(nowMs)
    return (
      known >= PEERS_MIN &&
      speed.slowness > SLOW_FACTOR * Math.max(1, slowness) &&
      speed.firstTokenMs > SLOW_FIRST_TOKEN_FACTOR * firstTokenMs
    )
  }

  #putOut(reason: 'failures' | 'slow', nowMs: number): Verdict {
    const { health, speed } = this.seat
    if (health.isIn && this.seat.isListed) this.#table.out++
    // It is judged anew by what it does when it is back.
    if (reason === 'slow') speed.forget()
    return { kind: 'out', reason, forMs: health.putOut(nowMs, reason) }
  }

  #comeIn(): Verdict {
    if (this.seat.isListed) this.#table.out--
    return { kind: 'in' }
  }
}
