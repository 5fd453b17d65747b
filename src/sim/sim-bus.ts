/** Messages between coordinator and gateways: late, lost, twice, out of order, or cut off altogether. */
import type { Bus, BusCall, Subscription } from '#host/host.ts'
import type { Random } from '#kernel/random.ts'
import { Problem } from '#protocol/problem.ts'
import type { Scheduler } from './scheduler.ts'
import type { SimProcess } from './sim-process.ts'

export interface BusFaults {
  /** In ten thousandths. */
  lossPer10k: number
  duplicatePer10k: number
  delayMsMax: number
  /** Processes that hear and reach nobody. */
  readonly cutOff: Set<string>
  /** Processes that hear, and reach nobody. */
  readonly muted?: Set<string>
  /** Every message comes a second time, this much later at least and up to twice as late. */
  replayAfterMs?: number
}

/** Some second copies are later than any first one: newer messages have overtaken them. */
const LATE_COPY_MS_MAX = 10_000
const CUT_MARGIN_MS = 30_000

type Answer = (message: string, reply: (message: string) => void) => void

export class SimBus {
  readonly #scheduler: Scheduler
  readonly #random: Random
  readonly faults: BusFaults
  /** When processes were cut off, by the scheduler's time. */
  readonly cuts: { readonly fromMs: number; readonly untilMs: number }[] = []
  /** Messages that come again, long after. */
  replayed = 0
  readonly #servers = new Map<string, { process: SimProcess; answer: Answer }>()
  readonly #timeouts = new Map<string, Problem>()
  readonly #subscribers = new Map<string, Set<{ process: SimProcess; receive: (message: string) => void }>>()

  constructor(scheduler: Scheduler, random: Random, faults: BusFaults) {
    this.#scheduler = scheduler
    this.#random = random
    this.faults = faults
  }

  /** Whether somebody was cut off at this time, or shortly before: clocks differ a little. */
  wasCut(atMs: number): boolean {
    return this.cuts.some(
      ({ fromMs, untilMs }) => atMs > fromMs - CUT_MARGIN_MS && atMs < untilMs + CUT_MARGIN_MS,
    )
  }

  /** The bus as `process` sees it. */
  port(process: SimProcess): Bus {
    return {
      publish: (subject, message) => {
        for (const { process: to, receive } of this.#subscribers.get(subject) ?? []) {
          this.#carry(process, to, () => receive(message))
        }
      },
      subscribe: (subject, receive) => this.#subscribe(subject, { process, receive }),
      request: (call, done) => this.#request(process, call, done),
      serve: (subject, answer) => {
        const server = { process, answer }
        this.#servers.set(subject, server)
        return {
          close: () => {
            if (this.#servers.get(subject) === server) this.#servers.delete(subject)
          },
        }
      },
    }
  }

  #subscribe(
    subject: string,
    subscriber: { process: SimProcess; receive: (message: string) => void },
  ): Subscription {
    let subscribers = this.#subscribers.get(subject)
    if (!subscribers) {
      subscribers = new Set()
      this.#subscribers.set(subject, subscribers)
    }
    subscribers.add(subscriber)
    subscriber.process.onDeath(() => subscribers.delete(subscriber))
    return { close: () => void subscribers.delete(subscriber) }
  }

  /** One for each subject: a cut cell waits in vain by the thousand, and a stack costs more than all else of it. */
  #timedOut(subject: string): Problem {
    const known = this.#timeouts.get(subject)
    if (known) return known
    const problem = new Problem('bus_timeout', `Nobody answered on ${subject} in time.`)
    this.#timeouts.set(subject, problem)
    return problem
  }

  #request(process: SimProcess, call: BusCall, done: (problem: Problem | null, reply: string) => void): void {
    let isOver = false
    const finish = (problem: Problem | null, reply: string): void => {
      if (isOver) return
      isOver = true
      timeout.cancel()
      done(problem, reply)
    }
    const timeout = process.after(call.timeoutMs, () => {
      finish(this.#timedOut(call.subject), '')
    })
    const server = this.#servers.get(call.subject)
    if (!server) return
    this.#carry(process, server.process, () => {
      server.answer(call.message, (reply) => this.#carry(server.process, process, () => finish(null, reply)))
    })
  }

  #carry(from: SimProcess, to: SimProcess, deliver: () => void): void {
    const { faults } = this
    if (faults.cutOff.has(from.name) || faults.cutOff.has(to.name)) return
    if (faults.muted?.has(from.name)) return
    if (faults.replayAfterMs !== undefined) {
      this.replayed++
      this.#scheduler.after(faults.replayAfterMs + this.#random.int(faults.replayAfterMs), deliver, to)
    }
    if (this.#random.chance(faults.lossPer10k, 10_000)) return
    const copies = this.#random.chance(faults.duplicatePer10k, 10_000) ? 2 : 1
    for (let copy = 0; copy < copies; copy++) {
      const isLate = copy > 0 && this.#random.chance(1, 4)
      const delayMsMax = isLate ? LATE_COPY_MS_MAX : faults.delayMsMax
      this.#scheduler.after(1 + this.#random.int(delayMsMax), deliver, to)
    }
  }
}
