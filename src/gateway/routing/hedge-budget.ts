/** Second tries are at most a tenth of all requests, however badly things go: else they would be the load that breaks the rest. */
const PER_REQUEST = 0.1
const SAVED_MAX = 10

export class HedgeBudget {
  #saved = 0

  /** A request came. */
  earn(): void {
    this.#saved = Math.min(SAVED_MAX, this.#saved + PER_REQUEST)
  }

  get canSpend(): boolean {
    return this.#saved >= 1
  }

  spend(): void {
    this.#saved -= 1
  }
}
