import { assert } from '#kernel/assert.ts'

const BUCKETS = 60

/**
 * What was added within the last `windowMs`, in 60 buckets: something counts for up to a sixtieth of the window longer,
 * and never shorter. Memory does not grow with what is added.
 */
export class RecentSum {
  readonly #bucketMs: number
  readonly #amounts = new Array<number>(BUCKETS + 1).fill(0)
  #newest = 0
  #total = 0

  constructor(windowMs: number) {
    this.#bucketMs = windowMs / BUCKETS
  }

  /** Time never goes backwards. */
  add(amount: number, nowMs: number): void {
    this.#moveTo(nowMs)
    const at = this.#newest % this.#amounts.length
    this.#amounts[at] = (this.#amounts[at] ?? 0) + amount
    this.#total += amount
  }

  at(nowMs: number): number {
    this.#moveTo(nowMs)
    return this.#total
  }

  /** How long until at least `amount` of it is too old to count. */
  msUntilGone(amount: number, nowMs: number): number {
    this.#moveTo(nowMs)
    let gone = 0
    for (let age = BUCKETS; age >= 0; age--) {
      gone += this.#amounts[(this.#newest - age + this.#amounts.length * 2) % this.#amounts.length] ?? 0
      if (gone >= amount) return (this.#newest - age + this.#amounts.length) * this.#bucketMs - nowMs
    }
    return this.#amounts.length * this.#bucketMs
  }

  #moveTo(nowMs: number): void {
    const bucket = Math.floor(nowMs / this.#bucketMs)
    assert(bucket >= this.#newest, 'time does not go backwards')
    const steps = Math.min(bucket - this.#newest, this.#amounts.length)
    for (let step = 1; step <= steps; step++) {
      const at = (this.#newest + step) % this.#amounts.length
      this.#total -= this.#amounts[at] ?? 0
      this.#amounts[at] = 0
    }
    // After a gap of more than the window all are empty, wherever the newest is now.
    this.#newest = bucket
  }
}
