/** Attempts that are over here, by their fences: a grant or an answer that comes late or twice finds them so. */
export class FenceBook {
  readonly #over = new Set<number>()
  /** All up to here are over: what was forgotten may not come back. */
  #upTo = 0
  readonly #max: number

  constructor(max = 4_096) {
    this.#max = max
  }

  end(fence: number): void {
    this.#over.add(fence)
    if (this.#over.size <= this.#max) return
    const oldest = Math.min(...this.#over)
    this.#over.delete(oldest)
    this.#upTo = Math.max(this.#upTo, oldest)
  }

  isOver(fence: number): boolean {
    return fence <= this.#upTo || this.#over.has(fence)
  }
}
