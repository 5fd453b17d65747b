/**
 * Which node gets a request. What is chosen by, in this order:
 *
 * 1. a node on trial that is due gets the next request that is not in the middle of its answer;
 * 2. a caller that puts the price, the latency or the throughput first gets the best by that;
 * 3. a node that has a good part of the prompt warm gets it, unless it had more than its part of the work;
 * 4. else the better of two at random, by the time that its first token is expected to take.
 *
 * Pure: given the nodes, the time and a source of randomness, nothing else decides.
 */
import type { Random } from '#kernel/random.ts'
import type { ModelSeats } from './model-seats.ts'
import type { PrefixCuts } from './prefix-cuts.ts'
import type { Seat, SeatNode } from './seat.ts'

/** What a request asks of the choice. */
export interface SeatAsk<N extends SeatNode = SeatNode> {
  readonly organisationId: string
  readonly prompt: PrefixCuts
  readonly promptTokens: number
  /** Tokens of the answer, estimated. */
  readonly completionTokens: number
  /** Only a request that can still be given to another node may be tried on one that failed. */
  readonly mayTry: boolean
  readonly sort: 'price' | 'latency' | 'throughput' | null
  /** Whether the node may have it, whatever its load. */
  accepts(seat: Seat<N>): boolean
}

export interface Chosen<N extends SeatNode = SeatNode> {
  readonly seat: Seat<N>
  /** Of the prompt, taken to be in its cache. */
  readonly warmTokens: number
}

/** A warm node may have this much more than the mean of the work, and of requests at this moment. */
const LOAD_FACTOR = 1.25
/** A node that is idle for most of its time has not too much, however little the others have. */
const BUSY_SHARE_FREE = 0.1
const SLOTS_SHARE_FREE = 0.5
/** What is warm decides from so many tokens on, or when it is a good part of a conversation. */
const WARM_TOKENS_MIN = 256
const WARM_SHARE_MIN = 0.25
/** How much a node's load of late weighs: it may get such work from elsewhere again. */
const LOAD_WEIGHT = 0.25
const BUSY_SHARE_MAX = 0.95
const DRAWS_MAX = 4

export function chooseSeat<N extends SeatNode>(
  table: ModelSeats<N>,
  ask: SeatAsk<N>,
  at: { nowMs: number; random: Random },
): Chosen<N> | null {
  const { nowMs, random } = at
  const canTake = (seat: Seat<N>): boolean =>
    (ask.mayTry || seat.health.isIn) && seat.canTake(nowMs) && ask.accepts(seat)
  const chosen = (seat: Seat<N>): Chosen<N> => ({
    seat,
    warmTokens: table.prefixes.warmTokens(seat, ask.prompt),
  })
  const onTrial = ask.mayTry ? trialOf(table, nowMs, canTake) : null
  if (onTrial) return chosen(onTrial)
  if (ask.sort) return bestBySort(table, { ...ask, sort: ask.sort }, nowMs, canTake)
  const isHeard = (seat: Seat<N>): boolean => !seat.node.isQuiet && canTake(seat)
  const warm = warmSeat(table, ask, at, isHeard)
  if (warm) return warm
  const heard = drawTwo(table.seats, random, isHeard)
  // One of which nothing was heard is still better than none.
  const [first, second] = heard[0] ? heard : drawTwo(table.seats, random, canTake)
  if (!first) return lastResort(table, ask, nowMs, chosen)
  if (!second) return chosen(first)
  const [a, b] = [chosen(first), chosen(second)]
  return scoreOf(b, ask, nowMs) < scoreOf(a, ask, nowMs) ? b : a
}

function trialOf<N extends SeatNode>(
  table: ModelSeats<N>,
  nowMs: number,
  canTake: (seat: Seat<N>) => boolean,
): Seat<N> | null {
  if (table.out === 0) return null
  return table.seats.find((seat) => seat.health.isTrialDue(nowMs) && canTake(seat)) ?? null
}

/** Where only nodes that are put out could ever serve it, they are better than nobody. */
function lastResort<N extends SeatNode>(
  table: ModelSeats<N>,
  ask: SeatAsk<N>,
  nowMs: number,
  chosen: (seat: Seat<N>) => Chosen<N>,
): Chosen<N> | null {
  if (table.out === 0) return null
  const hasBetter = table.seats.some((seat) => seat.health.isIn && seat.isHere && ask.accepts(seat))
  const found = hasBetter ? undefined : table.seats.find((seat) => seat.hasRoom(nowMs) && ask.accepts(seat))
  return found ? chosen(found) : null
}

/** The one with the longest part of the prompt in its cache, if that is worth it and it had no more than its part. */
function warmSeat<N extends SeatNode>(
  table: ModelSeats<N>,
  ask: SeatAsk<N>,
  { nowMs, random }: { nowMs: number; random: Random },
  canTake: (seat: Seat<N>) => boolean,
): Chosen<N> | null {
  const longest = table.prefixes.longest(ask.prompt)
  if (!longest) return null
  const { holders, tokens, depth } = longest
  const isConversation = depth > 0 && tokens >= WARM_SHARE_MIN * ask.promptTokens
  if (tokens < WARM_TOKENS_MIN && !isConversation) return null
  const busyShareMax = Math.max(BUSY_SHARE_FREE, LOAD_FACTOR * table.busyShareMean(nowMs))
  const slotsShareMax = Math.max(SLOTS_SHARE_FREE, (LOAD_FACTOR * table.busy) / Math.max(1, table.slots))
  const [first, second] = drawTwo(
    holders,
    random,
    (seat) =>
      seat.isListed &&
      seat.busyShare(nowMs) <= busyShareMax &&
      seat.busy <= slotsShareMax * seat.offer.model.slots &&
      canTake(seat),
  )
  if (!first) return null
  const a = { seat: first, warmTokens: tokens }
  if (!second) return a
  const b = { seat: second, warmTokens: tokens }
  return scoreOf(b, ask, nowMs) < scoreOf(a, ask, nowMs) ? b : a
}

/** Two that will do, at random; one or none where no more will. A few draws mostly find them; else all are looked at. */
function drawTwo<T>(
  all: readonly T[],
  random: Random,
  isFit: (one: T) => boolean,
): readonly [first: T | null, second: T | null] {
  if (all.length === 0) return [null, null]
  if (all.length === 1) return [isFit(all[0] as T) ? (all[0] as T) : null, null]
  let first: T | null = null
  for (let draw = 0; draw < DRAWS_MAX; draw++) {
    const one = all[random.int(all.length)] as T
    if (one === first || !isFit(one)) continue
    if (first) return [first, one]
    first = one
  }
  const fit = all.filter(isFit)
  if (fit.length < 3) return [fit[0] ?? null, fit[1] ?? null]
  const at = random.int(fit.length)
  return [fit[at] as T, fit[(at + 1 + random.int(fit.length - 1)) % fit.length] as T]
}

/** Milliseconds until the first token, as far as can be foreseen. */
export function expectedMs(seat: Seat, promptTokens: number, warmTokens: number): number {
  const { speed, machine } = seat
  return speed.roundTripMs + machine.prefillMs + speed.prefillMs(Math.max(1, promptTokens - warmTokens))
}

/** Of the machine's time, what the request will take. */
export const serviceMs = (seat: Seat, cost: { coldTokens: number; completionTokens: number }): number =>
  seat.speed.prefillMs(cost.coldTokens) + seat.speed.decodeMs(cost.completionTokens)

/** The expected time to the first token, and what speaks against the node beyond it. Least is best. */
function scoreOf<N extends SeatNode>(
  { seat, warmTokens }: Chosen<N>,
  ask: SeatAsk<N>,
  nowMs: number,
): number {
  const { speed, machine, offer } = seat
  const { promptTokens, completionTokens } = ask
  const firstMs = expectedMs(seat, promptTokens, warmTokens) * speed.peak(nowMs)
  // With more of its slots taken, more of the work under way is in the way of the prompt.
  const inTheWayMs = machine.decodeMs * Math.min(1, seat.node.outstanding() / offer.model.slots)
  const busyShare = Math.min(BUSY_SHARE_MAX, seat.busyShare(nowMs))
  const cost = { coldTokens: Math.max(1, promptTokens - warmTokens), completionTokens }
  const loadMs = LOAD_WEIGHT * serviceMs(seat, cost) * (busyShare / (1 - busyShare))
  return (firstMs + inTheWayMs + loadMs) / seat.share(nowMs)
}

function bestBySort<N extends SeatNode>(
  table: ModelSeats<N>,
  ask: SeatAsk<N> & { sort: 'price' | 'latency' | 'throughput' },
  nowMs: number,
  canTake: (seat: Seat<N>) => boolean,
): Chosen<N> | null {
  let best: Chosen<N> | null = null
  let bestRank = Number.POSITIVE_INFINITY
  let bestScore = Number.POSITIVE_INFINITY
  for (const seat of table.seats) {
    if (!canTake(seat)) continue
    const chosen = { seat, warmTokens: table.prefixes.warmTokens(seat, ask.prompt) }
    const rank = rankOf(seat, ask.sort)
    const score = scoreOf(chosen, ask, nowMs)
    if (rank > bestRank || (rank === bestRank && score >= bestScore)) continue
    best = chosen
    bestRank = rank
    bestScore = score
  }
  return best
}

/** What is least comes first. */
function rankOf(seat: Seat, sort: 'price' | 'latency' | 'throughput'): number {
  const { price } = seat.offer
  if (sort === 'price') return Number(price.promptPerMillion + price.completionPerMillion)
  if (sort === 'throughput') return seat.speed.decodeMs(1) * Math.max(1, seat.node.outstanding())
  return 0
}
