/** All nodes that serve one model, as a dense list, with what is known of the model over all of them. */

import { DecayedSum } from './decayed-sum.ts'
import { FirstTokenTimes } from './first-token-times.ts'
import { OrganisationShares } from './organisation-shares.ts'
import { PrefixIndex } from './prefix-index.ts'
import { LOAD_WINDOW_MS, type Seat, type SeatNode } from './seat.ts'

/** At most this share of the nodes is put out at once: with all of them bad, bad is the best there is. */
const OUT_SHARE_MAX = 0.5
const WEIGHT = 0.05
const MEDIAN_STALE_MS = 1_000

export class ModelSeats<N extends SeatNode = SeatNode> {
  readonly model: string
  readonly prefixes = new PrefixIndex<Seat<N>>()
  readonly times = new FirstTokenTimes()
  readonly shares = new OrganisationShares()
  /** Of all nodes: what each has in its own. */
  load = new DecayedSum(LOAD_WINDOW_MS)
  seats: readonly Seat<N>[] = []
  slots = 0
  busy = 0
  /** How many of its nodes are put out or on trial. */
  out = 0
  contextTokensMax = 0
  /** Tokens that an answer has, and how long a request keeps its slot; null until one ended. */
  completionTokens: number | null = null
  holdMs: number | null = null
  #slownessMedian = 1
  #firstTokenMedian = 0
  #known = 0
  #medianAtMs = Number.NEGATIVE_INFINITY

  constructor(model: string) {
    this.model = model
  }

  /** These are its nodes from now on. */
  setSeats(seats: readonly Seat<N>[], nowMs: number): void {
    for (const seat of this.seats) seat.isListed = false
    this.seats = seats
    this.slots = 0
    this.busy = 0
    this.out = 0
    this.contextTokensMax = 0
    this.load = new DecayedSum(LOAD_WINDOW_MS)
    for (const seat of seats) {
      const { offer, busy, load } = seat
      seat.isListed = true
      this.slots += offer.model.slots
      this.busy += busy
      if (!seat.health.isIn) this.out++
      this.load.add(load.at(nowMs), nowMs)
      this.contextTokensMax = Math.max(this.contextTokensMax, offer.model.contextTokens)
    }
    this.prefixes.sizeFor(seats.length)
    this.#medianAtMs = Number.NEGATIVE_INFINITY
  }

  /** Mean share of their time that nodes were given work for. */
  busyShareMean = (nowMs: number): number => this.load.rate(nowMs) / Math.max(1, this.seats.length)

  mayPutOut = (): boolean => this.out + 1 <= Math.floor(this.seats.length * OUT_SHARE_MAX)

  /** An answer of `tokens` ended after it had kept its slot for `heldMs`. */
  ended(tokens: number, heldMs: number): void {
    this.completionTokens =
      this.completionTokens === null
        ? tokens
        : this.completionTokens + WEIGHT * (tokens - this.completionTokens)
    this.holdMs = this.holdMs === null ? heldMs : this.holdMs + WEIGHT * (heldMs - this.holdMs)
  }

  /** How fast answers of nodes but this one come, by their own benchmarks: the middle one; 1 where nothing is known. */
  paceOfOthers(seat: Seat<N>): number {
    const paces = this.seats.flatMap((other) => (other === seat ? [] : (other.speed.pace ?? [])))
    return medianOf(paces) ?? 1
  }

  /** Of all nodes, the middle one: what is ordinary here. */
  medians(nowMs: number): { slowness: number; firstTokenMs: number; known: number } {
    if (nowMs - this.#medianAtMs > MEDIAN_STALE_MS) {
      const known = this.seats.filter(({ speed }) => speed.samples > 0)
      this.#medianAtMs = nowMs
      this.#known = known.length
      this.#slownessMedian = medianOf(known.map(({ speed }) => speed.slowness)) ?? 1
      this.#firstTokenMedian = medianOf(known.map(({ speed }) => speed.firstTokenMs)) ?? 0
    }
    return { slowness: this.#slownessMedian, firstTokenMs: this.#firstTokenMedian, known: this.#known }
  }
}

/** Of two in the middle the lesser: of two nodes one may be slow. */
const medianOf = (values: number[]): number | undefined =>
  values.sort((a, b) => a - b)[(values.length - 1) >> 1]
