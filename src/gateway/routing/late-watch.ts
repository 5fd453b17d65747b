/**
 * Tells of what has waited for too long, once it is sure that nothing came for it: what came lies unread here for as long
 * as this process is busy, and a process that is slow itself takes everything for late.
 */
import type { Clock, Timer } from '#host/host.ts'
import { HedgeTimes } from './hedge-times.ts'

/** What is late is looked at again after this: what came meanwhile has been read by then. */
const LOOK_AGAIN_MS = 5
/** Looked at so much later than that, it is this process that is slow. */
const LAG_MS_MAX = 10

export class LateWatch<T> {
  readonly #clock: Pick<Clock, 'elapsedMs' | 'after'>
  readonly #onLate: (item: T) => void
  readonly #times = new HedgeTimes<T>()
  #timer: Timer | null = null
  /** What the timer is for; nothing that is added comes before a second look. */
  #timerDueMs = Number.NEGATIVE_INFINITY
  #isClosed = false

  constructor(clock: Pick<Clock, 'elapsedMs' | 'after'>, onLate: (item: T) => void) {
    this.#clock = clock
    this.#onLate = onLate
  }

  /** `item` is late when it has waited for `waitMs` from now on. It is told once, a little later. */
  add(item: T, waitMs: number): void {
    const dueMs = this.#times.add(item, this.#clock.elapsedMs(), waitMs)
    // Mostly others wait already, and are late before it.
    if (!this.#timer || dueMs < this.#timerDueMs) this.#arm()
  }

  /** It waits no more. */
  remove(item: T): void {
    this.#times.remove(item)
  }

  close(): void {
    this.#isClosed = true
    this.#timer?.cancel()
  }

  /** For when the first of those that wait is late. */
  #arm(): void {
    const dueMs = this.#times.nextDueMs()
    if (dueMs === null || this.#isClosed || (this.#timer && this.#timerDueMs <= dueMs)) return
    this.#timer?.cancel()
    this.#timerDueMs = dueMs
    this.#timer = this.#clock.after(Math.max(0, dueMs - this.#clock.elapsedMs()), () => this.#look())
  }

  #look(): void {
    const nowMs = this.#clock.elapsedMs()
    const dueMs = this.#times.nextDueMs()
    this.#timer = null
    // What the timer was for waits no more.
    if (dueMs === null || dueMs > nowMs) return this.#arm()
    this.#timerDueMs = Number.NEGATIVE_INFINITY
    this.#timer = this.#clock.after(LOOK_AGAIN_MS, () => this.#tell(nowMs))
  }

  #tell(lookedAtMs: number): void {
    if (this.#clock.elapsedMs() - lookedAtMs - LOOK_AGAIN_MS > LAG_MS_MAX) return this.#look()
    this.#timer = null
    for (const item of this.#times.takeDue(lookedAtMs)) this.#onLate(item)
    this.#arm()
  }
}
