/**
 * When requests that were given to a node are late with their first token. Requests of a model mostly wait alike, so each
 * waiting time has a list of its own that is in order by itself, and the earliest of all is found at the heads.
 */
const WAIT_MS_MIN = 100
/** Waiting times are rounded up to steps of this share, so that there are few lists. */
const STEP = 1.2

export class HedgeTimes<T> {
  /** By step, when each is late; a map keeps the order in which they came, and forgets one without a search. */
  readonly #lists = new Map<number, Map<T, number>>()
  /** In which list each is: nearly all hear in time, and what was kept until then would fill the memory. */
  readonly #steps = new Map<T, number>()

  /** `item` is late when it has waited for `waitMs` from now on. When that is, rounded up. */
  add(item: T, nowMs: number, waitMs: number): number {
    this.remove(item)
    const step = Math.ceil(Math.log(Math.max(WAIT_MS_MIN, waitMs)) / Math.log(STEP))
    this.#steps.set(item, step)
    const list = this.#lists.get(step)
    const dueMs = nowMs + STEP ** step
    if (list) list.set(item, dueMs)
    else this.#lists.set(step, new Map([[item, dueMs]]))
    return dueMs
  }

  /** It waits no more. */
  remove(item: T): void {
    const step = this.#steps.get(item)
    if (step === undefined) return
    this.#steps.delete(item)
    this.#lists.get(step)?.delete(item)
  }

  /** When the first is late of those that still wait; null when none does. */
  nextDueMs(): number | null {
    let next: number | null = null
    for (const [step, list] of this.#lists) {
      const [first] = list.values()
      if (first === undefined) this.#lists.delete(step)
      else if (next === null || first < next) next = first
    }
    return next
  }

  /** All that are late, and are taken out. */
  takeDue(nowMs: number): T[] {
    const due: T[] = []
    for (const list of this.#lists.values()) {
      for (const [item, dueMs] of list) {
        if (dueMs > nowMs) break
        due.push(item)
        this.remove(item)
      }
    }
    return due
  }
}
