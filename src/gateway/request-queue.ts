import { assert } from '#kernel/assert.ts'

/** Requests that wait for a node, oldest first; what comes back after a failed try takes its old place. */
export class RequestQueue<T extends object> {
  readonly lengthMax: number
  readonly #items: T[] = []
  /** The order in which requests were admitted, also of those that are not waiting now. */
  readonly #tickets = new WeakMap<T, number>()
  #nextTicket = 1

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
    this.#tickets.set(item, this.#nextTicket++)
    this.#items.push(item)
    return true
  }

  /** For a request that was admitted before: it is never refused, so the queue may exceed its maximum by these. */
  putBack(item: T): void {
    const ticket = this.#ticketOf(item)
    const younger = this.#items.findIndex((other) => this.#ticketOf(other) > ticket)
    this.#items.splice(younger === -1 ? this.#items.length : younger, 0, item)
  }

  remove(item: T): void {
    const index = this.#items.indexOf(item)
    if (index !== -1) this.#items.splice(index, 1)
  }

  /** What waits now, in order; safe against changes while it is walked. */
  candidates(): readonly T[] {
    return [...this.#items]
  }

  #ticketOf(item: T): number {
    const ticket = this.#tickets.get(item)
    assert(ticket, 'what is put back was admitted before')
    return ticket
  }
}
