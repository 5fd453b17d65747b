import { assert } from './assert.ts'

/** First in, first out, never more than `lengthMax` items. `push` answers false when full: the caller must say what then. */
export class BoundedQueue<T> {
  readonly lengthMax: number
  #items: (T | undefined)[] = []
  #head = 0

  constructor(lengthMax: number) {
    assert(Number.isSafeInteger(lengthMax) && lengthMax > 0, 'a queue holds at least one item')
    this.lengthMax = lengthMax
  }

  get length(): number {
    return this.#items.length - this.#head
  }

  push(item: T): boolean {
    if (this.length >= this.lengthMax) return false
    this.#items.push(item)
    return true
  }

  peek(): T | undefined {
    return this.#items[this.#head]
  }

  shift(): T | undefined {
    if (this.#head === this.#items.length) return undefined
    const item = this.#items[this.#head]
    this.#items[this.#head++] = undefined
    // Amortised: the dead prefix is dropped once it is half of the array.
    if (this.#head * 2 >= this.#items.length) {
      this.#items = this.#items.slice(this.#head)
      this.#head = 0
    }
    return item
  }

  /** Removes every item for which `isGone` holds, keeping the order of the rest. */
  drop(isGone: (item: T) => boolean): void {
    this.#items = this.#items.slice(this.#head).filter((item) => !isGone(item as T))
    this.#head = 0
  }
}
