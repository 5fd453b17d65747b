/**
 * Keeps the sequences of one context in step. llama.cpp decodes what is queued when a batch begins; sampling ends for
 * each sequence at its own time, and without a barrier the last one of every batch misses the next: two streams would
 * never share a batch (measured: 1.0 tokens per decode without, 2.0 with; 14.9 and 16.0 at sixteen).
 */
export class DecodeRounds {
  #inFlight = 0
  #gate = Promise.withResolvers<void>()

  /** Runs `evaluate`, which queues one decode, and settles when all others of its round are done too. */
  async join<T>(evaluate: () => Promise<T>): Promise<T> {
    this.#inFlight++
    try {
      return await evaluate()
    } finally {
      if (--this.#inFlight > 0) await this.#gate.promise
      else this.#open()
    }
  }

  #open(): void {
    this.#gate.resolve()
    this.#gate = Promise.withResolvers()
  }
}
