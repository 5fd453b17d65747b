/**
 * Virtual time. Nothing waits: events run one after the other, ordered by time and then by a rank drawn from the
 * seed, so one seed is one interleaving and many seeds explore many.
 *
 * Almost all of the program runs in callbacks, so an event is complete when its function returns. Only while some
 * tracked promise is open does the scheduler give up the thread after each event, so that every continuation runs
 * before the next event does.
 */
import type { Timer } from '#host/host.ts'
import { assert } from '#kernel/assert.ts'
import type { Random } from '#kernel/random.ts'

/** Whoever an event happens to: decides whether it runs now, later or never. */
export interface Actor {
  enter(run: () => void): void
}

/** One thing to come, and the handle that calls it off. Millions are made, so it is one object and no closure. */
class Event implements Timer {
  readonly atMs: number
  /** Breaks ties between simultaneous events: the seed, not the code, picks the order. */
  readonly rank: number
  readonly actor: Actor | null
  run: (() => void) | null

  constructor(when: { atMs: number; rank: number }, actor: Actor | null, run: () => void) {
    this.atMs = when.atMs
    this.rank = when.rank
    this.actor = actor
    this.run = run
  }

  cancel(): void {
    this.run = null
  }
}

export class Scheduler {
  readonly #random: Random
  /** A binary heap, earliest first. */
  readonly #heap: Event[] = []
  #nowMs = 0
  #openPromises = 0
  #check: { everyEvents: number; run: () => void } | null = null
  #count = 0

  constructor(random: Random) {
    this.#random = random
  }

  nowMs(): number {
    return this.#nowMs
  }

  /** Events run so far. */
  count(): number {
    return this.#count
  }

  /** Runs `run` after `delayMs`, as `actor` where there is one. */
  after(delayMs: number, run: () => void, actor: Actor | null = null): Timer {
    assert(delayMs >= 0, 'time only moves forward')
    // 31 bits: the engine keeps such an integer in the event itself.
    const when = { atMs: this.#nowMs + delayMs, rank: this.#random.int(0x1_0000_0000) >>> 1 }
    const event = new Event(when, actor, run)
    this.#push(event)
    return event
  }

  /** Runs `run` after every so many events. */
  checkEvery(everyEvents: number, run: () => void): void {
    this.#check = { everyEvents, run }
  }

  /** Until `promise` settles or `release` runs, continuations run after each event. */
  track(promise: Promise<unknown>): () => void {
    let isOpen = true
    this.#openPromises++
    const release = (): void => {
      if (isOpen) this.#openPromises--
      isOpen = false
    }
    promise.then(release, release)
    return release
  }

  /** Runs events until virtual time passes `untilMs` or `isDone`; rejects with what an event throws. */
  async run(untilMs: number, isDone: () => boolean = () => false): Promise<void> {
    await drainMicrotasks()
    while (this.#runEvents(untilMs, isDone)) await drainMicrotasks()
    if (this.#nowMs < untilMs && !isDone()) this.#nowMs = untilMs
  }

  /** Runs events until none is left to run, or, and then it is true, continuations come first. Apart, as it is hot. */
  #runEvents(untilMs: number, isDone: () => boolean): boolean {
    while (!isDone()) {
      const event = this.#heap[0]
      if (!event || event.atMs > untilMs) return false
      this.#pop()
      const { run, actor } = event
      if (!run) continue
      this.#nowMs = event.atMs
      this.#count++
      if (actor) actor.enter(run)
      else run()
      if (this.#check && this.#count % this.#check.everyEvents === 0) this.#check.run()
      if (this.#openPromises > 0) return true
    }
    return false
  }

  #push(event: Event): void {
    const heap = this.#heap
    let index = heap.length
    heap.push(event)
    while (index > 0) {
      const parent = (index - 1) >> 1
      const above = heap[parent] as Event
      if (!isBefore(event, above)) break
      heap[index] = above
      index = parent
    }
    heap[index] = event
  }

  #pop(): void {
    const heap = this.#heap
    const last = heap.pop() as Event
    const { length } = heap
    if (length === 0) return
    let index = 0
    for (;;) {
      let child = 2 * index + 1
      if (child >= length) break
      if (child + 1 < length && isBefore(heap[child + 1] as Event, heap[child] as Event)) child++
      const below = heap[child] as Event
      if (!isBefore(below, last)) break
      heap[index] = below
      index = child
    }
    heap[index] = last
  }
}

const isBefore = (a: Event, b: Event): boolean => a.atMs < b.atMs || (a.atMs === b.atMs && a.rank < b.rank)

/** `setImmediate` fires only once every promise continuation has run. */
const drainMicrotasks = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))
