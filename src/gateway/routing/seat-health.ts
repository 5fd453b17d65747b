/**
 * Whether a node may get work of a model.
 *
 *   in ──failures or slowness──► out ──its time passed──► on trial ──first answer──► in
 *                                 ▲                          │
 *                                 └────────it fails──────────┘   for twice as long
 *
 * Out for its speed, it is also in again once it has measured itself anew. *On trial* it gets one request at a time. Only faults of the node count: what a caller did wrong, and a caller that
 * left, say nothing about it.
 */
const FAILURES_MAX = 3
const OUT_MS_MIN = 5_000
const OUT_MS_MAX = 5 * 60_000
/** One that is slow mostly stays so: it is asked to measure itself, and is back with what it finds, or after this. */
const SLOW_OUT_MS_MIN = 10 * 60_000
const SLOW_OUT_MS_MAX = 3_600_000
/** So many times in a row another delivered first, though it was asked later. */
const BEATEN_MAX = 2
/** So long without a fault, and the next one is punished like a first. */
const FORGIVEN_AFTER_MS = 10 * 60_000

export class SeatHealth {
  /** Since when it is in: as new, or as back. */
  inSinceMs: number
  #outUntilMs: number | null = null
  #isTried = false
  #failures = 0
  #failedAtMs = Number.NEGATIVE_INFINITY
  #timesOut = 0
  #beatenTimes = 0
  #isSlow = false

  constructor(nowMs: number) {
    this.inSinceMs = nowMs
  }

  get isIn(): boolean {
    return this.#outUntilMs === null
  }

  /** Its time is over, and it waits for the one request to prove itself by. */
  isTrialDue(nowMs: number): boolean {
    return this.#outUntilMs !== null && !this.#isTried && nowMs >= this.#outUntilMs
  }

  mayTake(nowMs: number): boolean {
    return this.#outUntilMs === null || this.isTrialDue(nowMs)
  }

  /** A request is on its way there. */
  taken(): void {
    if (this.#outUntilMs !== null) this.#isTried = true
  }

  /** It failed. Whether it is to be put out, as far as it is concerned. Failures of one moment are one. */
  failed(nowMs: number): boolean {
    if (nowMs === this.#failedAtMs) return false
    if (nowMs - this.#failedAtMs > FORGIVEN_AFTER_MS) this.#timesOut = 0
    this.#failedAtMs = nowMs
    this.#failures++
    return this.#outUntilMs !== null || this.#failures >= FAILURES_MAX
  }

  /** For how long it is out. */
  putOut(nowMs: number, reason: 'failures' | 'slow'): number {
    this.#isSlow = reason === 'slow'
    this.#beatenTimes = 0
    const [min, max] = this.#isSlow ? [SLOW_OUT_MS_MIN, SLOW_OUT_MS_MAX] : [OUT_MS_MIN, OUT_MS_MAX]
    const forMs = Math.min(max, min * 2 ** this.#timesOut)
    this.#timesOut++
    this.#outUntilMs = nowMs + forMs
    this.#isTried = false
    return forMs
  }

  /** Another was asked later and delivered first. Whether it is to be put out, as far as it is concerned. */
  beaten(): boolean {
    this.#beatenTimes++
    return this.#outUntilMs !== null || this.#beatenTimes >= BEATEN_MAX
  }

  /** It measured itself anew: one that was put out for its speed is judged by what it says now. */
  measured(nowMs: number): void {
    if (this.#outUntilMs !== null && this.#isSlow) this.#comeIn(nowMs)
  }

  /** It answered. Whether it is in again by that. */
  succeeded(nowMs: number): boolean {
    this.#failures = 0
    this.#beatenTimes = 0
    if (this.#outUntilMs === null || !this.#isTried) return false
    this.#comeIn(nowMs)
    return true
  }

  /** The request on trial ended without saying anything about the node. */
  untried(): void {
    this.#isTried = false
  }

  #comeIn(nowMs: number): void {
    this.#outUntilMs = null
    this.#isTried = false
    this.inSinceMs = nowMs
  }
}
