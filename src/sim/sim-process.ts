import type { Clock, Timer } from '#host/host.ts'
import type { Scheduler } from './scheduler.ts'

/** A process that can be killed, or stopped and woken: its events run only while it is alive and awake. */
export class SimProcess {
  readonly name: string
  readonly #scheduler: Scheduler
  readonly #releases = new Set<() => void>()
  readonly #onDeath = new Set<() => void>()
  #deferred: (() => void)[] = []
  #isAlive = true
  #isStopped = false
  /** Wall clock minus true time. */
  skewMs: number

  constructor(scheduler: Scheduler, name: string, skewMs: number) {
    this.#scheduler = scheduler
    this.name = name
    this.skewMs = skewMs
  }

  get isAlive(): boolean {
    return this.#isAlive
  }

  /** Runs `run` inside this process `delayMs` from now, unless it is dead by then; a stopped one runs it when woken. */
  after(delayMs: number, run: () => void): Timer {
    return this.#scheduler.after(delayMs, run, this)
  }

  /** Runs `run` as this process, now. */
  enter(run: () => void): void {
    if (!this.#isAlive) return
    if (this.#isStopped) this.#deferred.push(run)
    else run()
  }

  /** Runs the process's main program; its failure fails the simulation. */
  spawn(main: () => Promise<void>, onFailure: (error: unknown) => void): void {
    const promise = main()
    promise.catch((error: unknown) => {
      if (this.#isAlive) onFailure(error)
    })
    this.#track(promise)
  }

  #track(promise: Promise<unknown>): void {
    const release = this.#scheduler.track(promise)
    this.#releases.add(release)
    const forget = (): void => void this.#releases.delete(release)
    promise.then(forget, forget)
  }

  /** Resolves `delayMs` from now, and what waits for it runs before the next event; never, when the process dies first. */
  sleep(delayMs: number): Promise<void> {
    const promise = new Promise<void>((resolve) => void this.after(delayMs, resolve))
    this.#track(promise)
    return promise
  }

  /** Runs `run` when this process dies, unless what it returns is called before. */
  onDeath(run: () => void): () => void {
    this.#onDeath.add(run)
    return () => void this.#onDeath.delete(run)
  }

  /** kill -9: nothing of it runs again. */
  kill(): void {
    if (!this.#isAlive) return
    this.#isAlive = false
    this.#deferred = []
    for (const release of this.#releases) release()
    const listeners = [...this.#onDeath]
    this.#onDeath.clear()
    for (const run of listeners) run()
  }

  /** SIGSTOP: what would happen waits. */
  stop(): void {
    this.#isStopped = true
  }

  /** SIGCONT: all that waited happens now, in order. */
  wake(): void {
    this.#isStopped = false
    const waited = this.#deferred
    this.#deferred = []
    for (const run of waited) this.enter(run)
  }

  clock(): Clock {
    return {
      nowMs: () => Math.floor(EPOCH_MS + this.#scheduler.nowMs()) + this.skewMs,
      elapsedMs: () => this.#scheduler.nowMs(),
      after: (delayMs, run) => this.after(delayMs, run),
    }
  }
}

/** Simulated time begins here. */
export const EPOCH_MS = 1_800_000_000_000
