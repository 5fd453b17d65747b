import { assert } from '#kernel/assert.ts'

/** Requests that wait for a node, oldest first; what comes back after a failed try goes to the front. */
export class RequestQueue<T> {
  readonly lengthMax: number
  #items: T[] = []

  constructor(lengthMax: number) {
    assert(lengthMax > 0, 'a queue holds at least one request')
    this.lengthMax = lengthMax
  }

  get length(): number {
    return this.#items.length
  }

  /** False when full. */
  push(item: T): boolean {
    if (this.#items.length >= this.lengthMax) return false
    this.#items.push(item)
    return true
  }

  /** For a request that was admitted before: it is never refused, so the queue may exceed its maximum by these. */
  unshift(item: T): void {
    this.#items.unshift(item)
  }

  remove(item: T): void {
    const index = this.#items.indexOf(item)
    if (index !== -1) this.#items.splice(index, 1)
  }

  /** What waits now, in order; safe against changes while it is walked. */
  candidates(): readonly T[] {
    return [...this.#items]
  }
}
