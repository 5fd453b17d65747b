/** A sum that forgets: what was added `windowMs` ago counts for a third. Sums of one window can be added up. */
export class DecayedSum {
  readonly windowMs: number
  #value = 0
  #atMs = 0

  constructor(windowMs: number) {
    this.windowMs = windowMs
  }

  at(nowMs: number): number {
    const ageMs = nowMs - this.#atMs
    return ageMs <= 0 ? this.#value : this.#value * Math.exp(-ageMs / this.windowMs)
  }

  /** `amount` may be negative, to take back what was estimated too high; the sum never falls below nothing. */
  add(amount: number, nowMs: number): void {
    this.#value = Math.max(0, this.at(nowMs) + amount)
    this.#atMs = Math.max(this.#atMs, nowMs)
  }

  /** Per millisecond, over the window. */
  rate(nowMs: number): number {
    return this.at(nowMs) / this.windowMs
  }
}
