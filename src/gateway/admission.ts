/**
 * Which requests are let in while nodes are busy, and in which order they get one. Each model has a queue of its own
 * (`routing/fair-queue.ts`); all of them together are bounded.
 *
 * A request is refused at once, and never dropped later without a word, when
 * - all queues together are full (503), or its organisation has taken as much of them as is left for all others (429);
 * - by how fast nodes come free it would wait for longer than it may (503);
 * - for a while more has come than went: then only those are let in that wait shortly, so that the queue is soon empty
 *   again when it is over (503).
 */
import { assert } from '#kernel/assert.ts'
import { Problem } from '#protocol/problem.ts'
import { DecayedSum } from './routing/decayed-sum.ts'
import { FairQueue, type Server, type Waiting } from './routing/fair-queue.ts'
import type { RequestPriority } from './telemetry.ts'

export interface Queued extends Waiting {
  readonly model: string
  /** How long it may wait for a node. */
  readonly waitMsMax: number
}

/** Of all models. One organisation alone gets half of it. */
export const QUEUE_MAX = 2_048
/** How long a request may wait for a node or for money before it is refused. */
export const QUEUE_WAIT_MS = 30_000
export const waitMsOf: Readonly<Record<RequestPriority, number>> = {
  interactive: 10_000,
  default: QUEUE_WAIT_MS,
  bulk: 600_000,
}
/** Overload: more comes than goes, by these factors until it begins and until it ends, somebody has waited all the time, and one would wait so long. */
const RATE_WINDOW_MS = 5_000
const BEGINS_COMES_OVER_GOES = 1.5
const ENDS_COMES_OVER_GOES = 1.1
const BEGINS_STANDING_MS = 3_000
const BEGINS_WAIT_MS = 10_000
const OVERLOADED_WAIT_MS = 1_000
const RETRY_MS_MIN = 1_000
const RETRY_MS_MAX = 60_000

interface ModelQueue<T extends Queued> {
  readonly queue: FairQueue<T>
  readonly came: DecayedSum
  readonly went: DecayedSum
  /** Since when somebody waits without a break; null while nobody does. */
  standingSinceMs: number | null
  isOverloaded: boolean
}

/** How nodes of a model come free now. */
export interface Drain {
  /** Requests that they work on, and how long each mostly takes; null while unknown. */
  readonly busy: number
  readonly holdMs: number | null
}

export class Admission<T extends Queued> {
  readonly #lengthMax: number
  readonly #onLength: (model: string, waiting: number) => void
  readonly #models = new Map<string, ModelQueue<T>>()
  #length = 0

  constructor(lengthMax: number, onLength: (model: string, waiting: number) => void = () => undefined) {
    assert(lengthMax > 0, 'a queue holds at least one request')
    this.#lengthMax = lengthMax
    this.#onLength = onLength
  }

  get length(): number {
    return this.#length
  }

  waitingFor(model: string): number {
    return this.#models.get(model)?.queue.length ?? 0
  }

  /** Models for which something waits. */
  *models(): Iterable<string> {
    for (const [model, { queue }] of this.#models) if (queue.length > 0) yield model
  }

  /** Takes it in, or says why not. */
  push(item: T, drain: Drain, nowMs: number): Problem | null {
    const its = this.#modelOf(item.model)
    its.came.add(1, nowMs)
    const refusal = this.#refuse(its, item, drain, nowMs)
    if (refusal) return refusal
    its.queue.push(item)
    its.standingSinceMs ??= nowMs
    this.#changed(item.model, its, 1)
    return null
  }

  /** For one that was let in before: it is never refused, so there may be more than the maximum by these. */
  putBack(item: T): void {
    const its = this.#modelOf(item.model)
    its.queue.putBack(item)
    this.#changed(item.model, its, 1)
  }

  remove(item: T): void {
    const its = this.#models.get(item.model)
    if (its?.queue.remove(item)) this.#changed(item.model, its, -1)
  }

  serve<C extends object>(model: string, server: Server<T, C>, nowMs: number): void {
    const its = this.#models.get(model)
    if (!its || its.queue.length === 0) return
    its.queue.serve<C>({
      choose: (item) => server.choose(item),
      assign: (item, choice) => {
        its.went.add(1, nowMs)
        this.#changed(model, its, -1)
        server.assign(item, choice)
      },
    })
  }

  /** A request took `work` more, or less, than was thought. */
  correct(item: T, work: number): void {
    this.#models.get(item.model)?.queue.correct(item.organisationId, work)
  }

  #refuse(its: ModelQueue<T>, item: T, drain: Drain, nowMs: number): Problem | null {
    const { organisationId, priority } = item
    const { queue } = its
    const waitMs = expectedWaitMs(queue.ahead(organisationId, priority), drain)
    if (this.#length >= this.#lengthMax) return overloaded(`${this.#length} requests wait`, waitMs)
    if (queue.length === 0) return null
    const own = queue.waitingOf(organisationId)
    if (own >= this.#lengthMax - this.#length) return shareTaken(own, waitMs)
    if (waitMs === null) return null
    const comesOverGoes = its.came.at(nowMs) / Math.max(1, its.went.at(nowMs))
    if (its.isOverloaded) its.isOverloaded = comesOverGoes > ENDS_COMES_OVER_GOES
    else {
      const isStanding = nowMs - (its.standingSinceMs ?? nowMs) > BEGINS_STANDING_MS
      its.isOverloaded = isStanding && waitMs > BEGINS_WAIT_MS && comesOverGoes > BEGINS_COMES_OVER_GOES
    }
    const shortMs = Math.max(OVERLOADED_WAIT_MS, (drain.holdMs ?? 0) / 2)
    const isShort = !its.isOverloaded || waitMs <= shortMs || priority === 'bulk'
    if (isShort && waitMs <= item.waitMsMax) return null
    return overloaded(`a request would wait ${Math.ceil(waitMs / 1_000)} s`, waitMs)
  }

  #modelOf(model: string): ModelQueue<T> {
    let its = this.#models.get(model)
    if (!its) {
      const [came, went] = [new DecayedSum(RATE_WINDOW_MS), new DecayedSum(RATE_WINDOW_MS)]
      its = { queue: new FairQueue<T>(), came, went, standingSinceMs: null, isOverloaded: false }
      this.#models.set(model, its)
    }
    return its
  }

  #changed(model: string, its: ModelQueue<T>, by: 1 | -1): void {
    this.#length += by
    if (its.queue.length === 0) {
      its.isOverloaded = false
      its.standingSinceMs = null
    }
    this.#onLength(model, its.queue.length)
  }
}

/** Null while nobody knows how fast nodes come free. */
function expectedWaitMs(ahead: number, { busy, holdMs }: Drain): number | null {
  return holdMs === null || busy === 0 ? null : (ahead * holdMs) / busy
}

const retryMs = (waitMs: number | null): number =>
  Math.min(RETRY_MS_MAX, Math.max(RETRY_MS_MIN, Math.round((waitMs ?? 0) / 2)))

const overloaded = (what: string, waitMs: number | null): Problem =>
  new Problem('overloaded', `All nodes that serve this model are busy, and ${what}. Try again later.`, {
    details: { retryAfterMs: retryMs(waitMs) },
  })

const shareTaken = (own: number, waitMs: number | null): Problem =>
  new Problem(
    'queue_full',
    `All nodes are busy and ${own} requests of your organisation wait, which is its share of the queue. Try again when some of them are answered.`,
    { details: { code: 'queue_share', retryAfterMs: retryMs(waitMs) } },
  )
