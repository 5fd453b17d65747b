import type { Bus, BusCall, Clock, Log, Subscription } from '#host/host.ts'
import { assert } from '#kernel/assert.ts'
import { BoundedQueue } from '#kernel/bounded-queue.ts'
import { formatDuration } from '#kernel/time.ts'
import { Problem } from '#protocol/problem.ts'

const DELIVERIES_WAITING_MAX = 65_536

export interface LocalBusPorts {
  readonly clock: Clock
  readonly log: Log
}

/**
 * A bus within one process. Handlers run later, never inside the call that caused them, and in the order of the
 * calls. Beyond `deliveriesMax` waiting deliveries messages are dropped, as on any bus of at-most-once: a dropped
 * request or reply shows as `bus_timeout`. A subject has one server.
 */
export const createLocalBus = (ports: LocalBusPorts, deliveriesMax = DELIVERIES_WAITING_MAX): Bus =>
  new LocalBus(ports, deliveriesMax)

type Receive = (message: string) => void
type Answer = (message: string, reply: (message: string) => void) => void

class LocalBus implements Bus {
  readonly #ports: LocalBusPorts
  readonly #deliveries: BoundedQueue<() => void>
  readonly #receivers = new Map<string, Set<Receive>>()
  readonly #answers = new Map<string, Answer>()
  #isScheduled = false
  #hasDropped = false

  constructor(ports: LocalBusPorts, deliveriesMax: number) {
    this.#ports = ports
    this.#deliveries = new BoundedQueue(deliveriesMax)
  }

  publish(subject: string, message: string): void {
    this.#deliver(subject, () => {
      for (const receive of this.#receivers.get(subject) ?? []) receive(message)
    })
  }

  subscribe(subject: string, receive: Receive): Subscription {
    const receivers = this.#receivers.get(subject) ?? new Set()
    this.#receivers.set(subject, receivers)
    // Its own identity: the same function may be subscribed twice.
    const own: Receive = (message) => receive(message)
    receivers.add(own)
    return {
      close: () => {
        receivers.delete(own)
        if (receivers.size === 0 && this.#receivers.get(subject) === receivers)
          this.#receivers.delete(subject)
      },
    }
  }

  request(
    { subject, message, timeoutMs }: BusCall,
    done: (problem: Problem | null, reply: string) => void,
  ): void {
    let isOpen = true
    const settle = (problem: Problem | null, reply: string): void => {
      if (!isOpen) return
      isOpen = false
      timer.cancel()
      done(problem, reply)
    }
    const timer = this.#ports.clock.after(timeoutMs, () => settle(this.#timeout(subject, timeoutMs), ''))
    this.#deliver(subject, () => {
      this.#answers.get(subject)?.(message, (reply) => this.#deliver(subject, () => settle(null, reply)))
    })
  }

  serve(subject: string, answer: Answer): Subscription {
    assert(!this.#answers.has(subject), `the subject ${subject} has a server already`)
    const own: Answer = (message, reply) => answer(message, reply)
    this.#answers.set(subject, own)
    return {
      close: () => {
        if (this.#answers.get(subject) === own) this.#answers.delete(subject)
      },
    }
  }

  #deliver(subject: string, run: () => void): void {
    if (this.#deliveries.push(run)) {
      this.#schedule()
      return
    }
    if (this.#hasDropped) return
    this.#hasDropped = true
    this.#ports.log.warn('bus.overflowed', { subject, deliveriesMax: this.#deliveries.lengthMax })
  }

  #schedule(): void {
    if (this.#isScheduled) return
    this.#isScheduled = true
    setImmediate(() => this.#drain())
  }

  /** Delivers what waits now; what handlers add waits for the next round, so that sockets get their turn. */
  #drain(): void {
    this.#isScheduled = false
    this.#hasDropped = false
    try {
      for (let count = this.#deliveries.length; count > 0; count--) this.#deliveries.shift()?.()
    } finally {
      if (this.#deliveries.length > 0) this.#schedule()
    }
  }

  #timeout(subject: string, timeoutMs: number): Problem {
    const found = this.#answers.has(subject) ? 'its server has not replied' : 'nothing serves it'
    const text = `No reply on "${subject}" within ${formatDuration(timeoutMs)}: ${found}. Try again.`
    return new Problem('bus_timeout', text, { details: { subject } })
  }
}
