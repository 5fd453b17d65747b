/** One node's place among those that serve a model: what it offers, how fast and how well it is, what it works on. */

import type { Offer } from '../node-connection.ts'
import type { NodeFacts } from '../preferences.ts'
import { DecayedSum } from './decayed-sum.ts'
import { PrefixMemory } from './prefix-index.ts'
import { SeatHealth } from './seat-health.ts'
import { SeatSpeed } from './seat-speed.ts'

/** What routing asks of a node's connection. */
export interface SeatNode {
  readonly nodeId: string
  readonly status: 'online' | 'suspect'
  readonly isDraining: boolean
  /** Nothing was heard of it though something was due. */
  readonly isQuiet: boolean
  readonly roundTripMs: number
  outstanding(): number
}

/** What a machine has to do for this gateway, whichever model it is of. */
export class MachineWork {
  /** Prompts that it has not read yet. */
  prefillMs = 0
  prompts = 0
  /** What is expected of the answers under way. */
  decodeMs = 0
}

/** Within this time work counts for how busy a node is. */
export const LOAD_WINDOW_MS = 30_000
/** A node that came in gets more and more of the work until it is treated like the others. */
const SLOW_START_MS = 20_000
const SHARE_AT_START = 0.1
/** From this standing on all are alike: a new one has it. Below, what is expected of a node weighs the more. */
const STANDING_FULL = 0.9
const STANDING_MIN = 0.1
/** A node that said it is full is believed for a while. */
const CAP_STEP_MS = 5_000
const CONTEXT_TOKENS_MAX = 4_000_000

export class Seat<N extends SeatNode = SeatNode> {
  readonly model: string
  readonly speed = new SeatSpeed()
  readonly health: SeatHealth
  readonly memory = new PrefixMemory(0)
  readonly machine: MachineWork
  /** Milliseconds of the machine's time that were given to this model. */
  readonly load = new DecayedSum(LOAD_WINDOW_MS)
  node: N
  offer: Offer
  facts: NodeFacts
  /** Requests of this model that it works on. */
  busy = 0
  /** It is among the nodes of its model now. */
  isListed = false
  #cap = Number.POSITIVE_INFINITY
  #capAtMs = 0

  constructor(parts: {
    model: string
    node: N
    offer: Offer
    facts: NodeFacts
    machine: MachineWork
    nowMs: number
  }) {
    const { model, node, offer, facts, machine, nowMs } = parts
    this.model = model
    this.node = node
    this.offer = offer
    this.facts = facts
    this.machine = machine
    this.health = new SeatHealth(nowMs)
    this.update(node, offer, facts)
  }

  /** The node connected anew, or reported. */
  update(node: N, offer: Offer, facts: NodeFacts, nowMs = 0): void {
    const { decodeTokensPerSecond, prefillTokensPerSecond } = this.offer.model
    const isMeasured =
      decodeTokensPerSecond !== offer.model.decodeTokensPerSecond ||
      prefillTokensPerSecond !== offer.model.prefillTokensPerSecond
    if (isMeasured) this.health.measured(nowMs)
    this.node = node
    this.offer = offer
    this.facts = facts
    this.speed.promise(offer.model, node.roundTripMs)
    this.memory.tokensMax = Math.min(CONTEXT_TOKENS_MAX, offer.model.slots * offer.model.contextTokens)
  }

  /** Whether it is here and has room. */
  hasRoom(nowMs: number): boolean {
    const { node } = this
    return this.isHere && node.outstanding() < Math.min(this.offer.model.slots, this.#capNow(nowMs))
  }

  get isHere(): boolean {
    return this.node.status === 'online' && !this.node.isDraining
  }

  /** Whether it has room, and is fit to take something. */
  canTake(nowMs: number): boolean {
    return this.hasRoom(nowMs) && this.health.mayTake(nowMs)
  }

  /** The node says that it is full with what it has: it takes more elsewhere than we know. */
  saidFull(nowMs: number): void {
    this.#cap = Math.max(1, Math.min(this.offer.model.slots, this.node.outstanding()) - 1)
    this.#capAtMs = nowMs
  }

  /** One more each few seconds, until it says so again. */
  #capNow = (nowMs: number): number => this.#cap + Math.floor((nowMs - this.#capAtMs) / CAP_STEP_MS)

  /** 1 for a node that has been in for a while and works well, less for one that came lately or fails now and then. */
  share(nowMs: number): number {
    const standing = Math.min(1, Math.max(STANDING_MIN, (this.facts.standing ?? 1) / STANDING_FULL))
    const age = (nowMs - this.health.inSinceMs) / SLOW_START_MS
    return age >= 1 ? standing : standing * Math.max(SHARE_AT_START, age)
  }

  /** How much of its time was given away lately. */
  busyShare = (nowMs: number): number => this.load.rate(nowMs)
}
