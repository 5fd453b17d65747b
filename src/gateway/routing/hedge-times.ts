/**
 * When requests that were given to a node are late with their first token. Requests of a model mostly wait alike, so each
 * waiting time has a list of its own that is in order by itself, and the earliest of all is found at the heads.
 */
const WAIT_MS_MIN = 100
/** Waiting times are rounded up to steps of this share, so that there are few lists. */
const STEP = 1.2

interface Late<T> {
  readonly item: T
  readonly dueMs: number
}

export class HedgeTimes<T> {
  readonly #lists = new Map<number, { items: Late<T>[]; head: number }>()

  /** `item` is late when it has waited for `waitMs` from now on. */
  add(item: T, nowMs: number, waitMs: number): void {
    const step = Math.ceil(Math.log(Math.max(WAIT_MS_MIN, waitMs)) / Math.log(STEP))
    const late = { item, dueMs: nowMs + STEP ** step }
    const list = this.#lists.get(step)
    if (list) list.items.push(late)
    else this.#lists.set(step, { items: [late], head: 0 })
  }

  /** When the first is late of those that still wait; null when none does. */
  nextDueMs(isWaiting: (item: T) => boolean): number | null {
    let next: number | null = null
    for (const [step, list] of this.#lists) {
      let first = list.items[list.head]
      while (first && !isWaiting(first.item)) first = list.items[++list.head]
      if (!first) this.#lists.delete(step)
      else if (next === null || first.dueMs < next) next = first.dueMs
    }
    return next
  }

  /** All that are late, or were and wait no more. */
  takeDue(nowMs: number): T[] {
    const due: T[] = []
    for (const [step, list] of this.#lists) {
      for (let first = list.items[list.head]; first && first.dueMs <= nowMs; first = list.items[list.head]) {
        due.push(first.item)
        list.head++
      }
      if (list.head === list.items.length) this.#lists.delete(step)
      else if (list.head > list.items.length / 2) {
        list.items.splice(0, list.head)
        list.head = 0
      }
    }
    return due
  }
}
