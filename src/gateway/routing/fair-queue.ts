/**
 * Requests of one model that wait for a node, each organisation by itself. An organisation's turn comes by the work that
 * it was given so far (start-time fair queueing): whoever was given least is next, and one that was away starts where
 * the others are, so that nobody saves up turns and nobody who sends much keeps another waiting.
 *
 * Within an organisation interactive requests go first. Among organisations an interactive one goes first as long as its
 * organisation is not far ahead of the others. Bulk is served when nothing else waits, and now and then all the same.
 * What came back after a node failed it goes before all, oldest first.
 */
import type { RequestPriority } from '../telemetry.ts'

export interface Waiting {
  readonly organisationId: string
  readonly priority: RequestPriority
  /** What it is expected to take: tokens. */
  readonly work: number
  /** The order in which requests came. */
  readonly ticket: number
  /** What does not fit one does not fit another with the same; left out, or null, by what is like no other. */
  readonly likeness?: string | null
}

/** Who gives nodes to what waits. `C`: a node that was chosen. */
export interface Server<T, C> {
  /** `unfit`: another may fit what is free; `yield`: only one of another organisation may have it; `stop`: nobody. */
  choose(item: T): C | 'unfit' | 'yield' | 'stop'
  /** It waits no more: whatever becomes of it, it may come back at once. */
  assign(item: T, choice: C): void
}

interface Flow {
  readonly organisationId: string
  /** Work given to it, in the time in which all share alike. */
  given: number
  waiting: number
}

/** So far ahead of the others an organisation's interactive requests still go first. */
const INTERACTIVE_AHEAD = 8_000
/** One of so many is of bulk, if any waits. */
const BULK_EVERY = 16
/** So many that no free node fits, each unlike the others, are passed over before it is given up for now. */
const UNFIT_MAX = 32
const FLOWS_KEPT = 1_024

export class FairQueue<T extends Waiting> {
  readonly #flows = new Map<string, Flow>()
  /** By organisation and priority; a set keeps the order and forgets in one step. */
  readonly #lists: Readonly<Record<RequestPriority, Map<string, Set<T>>>> = {
    interactive: new Map(),
    default: new Map(),
    bulk: new Map(),
  }
  readonly #returned: T[] = []
  #length = 0
  #now = 0
  #sinceBulk = 0

  get length(): number {
    return this.#length
  }

  /** How many organisations wait. */
  get organisations(): number {
    let count = 0
    for (const { waiting } of this.#flows.values()) if (waiting > 0) count++
    return count
  }

  waitingOf = (organisationId: string): number => this.#flows.get(organisationId)?.waiting ?? 0

  push(item: T): void {
    const { organisationId, priority } = item
    const flow = this.#flowOf(organisationId)
    // Whoever had nothing waiting starts with the others, not where it stopped.
    if (flow.waiting === 0) flow.given = Math.max(flow.given, this.#now)
    flow.waiting++
    this.#length++
    const lists = this.#lists[priority]
    const list = lists.get(organisationId)
    if (list) list.add(item)
    else lists.set(organisationId, new Set([item]))
  }

  /** For one that had its turn: its node failed it. */
  putBack(item: T): void {
    let at = this.#returned.length
    while (at > 0 && (this.#returned[at - 1] as T).ticket > item.ticket) at--
    this.#returned.splice(at, 0, item)
    this.#length++
  }

  /** Whether it waited. */
  remove(item: T): boolean {
    const { organisationId, priority } = item
    const lists = this.#lists[priority]
    const list = lists.get(organisationId)
    if (list?.delete(item)) {
      this.#length--
      if (list.size === 0) lists.delete(organisationId)
      const flow = this.#flowOf(organisationId)
      flow.waiting--
      return true
    }
    const at = this.#returned.indexOf(item)
    if (at === -1) return false
    this.#returned.splice(at, 1)
    this.#length--
    return true
  }

  /** What the request took was more, or less, than was thought when it had its turn. */
  correct(organisationId: string, work: number): void {
    const flow = this.#flows.get(organisationId)
    if (flow) flow.given += work
  }

  /** How many have their turn before one more of this organisation. */
  ahead(organisationId: string, priority: RequestPriority): number {
    if (priority === 'bulk') return this.#length
    const own = this.waitingOf(organisationId)
    let count = this.#returned.length
    for (const { waiting } of this.#flows.values()) count += Math.min(waiting, own + 1)
    return Math.min(count, this.#length)
  }

  /** Offers what waits, in order of turns, as long as some may fit. */
  serve<C extends object>(server: Server<T, C>): void {
    const passed = new Passed<T>()
    while (passed.size <= UNFIT_MAX) {
      const item = this.#returned.find((one) => !passed.has(one)) ?? this.#next(passed)
      if (!item) return
      const choice = server.choose(item)
      if (choice === 'stop') return
      if (choice === 'unfit' || choice === 'yield') {
        passed.add(item, choice)
        continue
      }
      this.#take(item)
      server.assign(item, choice)
    }
  }

  #take(item: T): void {
    const isReturned = this.#returned.includes(item)
    this.remove(item)
    if (isReturned) return
    const flow = this.#flowOf(item.organisationId)
    this.#now = Math.max(this.#now, flow.given)
    flow.given += item.work
    this.#sinceBulk = item.priority === 'bulk' ? 0 : this.#sinceBulk + 1
    this.#prune()
  }

  #next(passed: Passed<T>): T | null {
    const { interactive, default: ordinary, bulk } = this.#lists
    if (this.#sinceBulk >= BULK_EVERY) {
      const first = this.#least([[bulk, 0]], passed)
      if (first) return first
    }
    const lists = [
      [interactive, INTERACTIVE_AHEAD],
      [ordinary, 0],
    ] as const
    return this.#least(lists, passed) ?? this.#least([[bulk, 0]], passed)
  }

  /** The oldest of the organisation that was given least; each list with the lead that its requests have. */
  #least(
    lists: readonly (readonly [ReadonlyMap<string, ReadonlySet<T>>, lead: number])[],
    passed: Passed<T>,
  ): T | null {
    let best: T | null = null
    let bestGiven = Number.POSITIVE_INFINITY
    for (const [list, lead] of lists) {
      for (const [organisationId, items] of list) {
        const given = this.#flowOf(organisationId).given - lead
        if (given > bestGiven || passed.organisations.has(organisationId)) continue
        const item = firstFit(items, passed)
        if (!item || (given === bestGiven && best && best.ticket < item.ticket)) continue
        best = item
        bestGiven = given
      }
    }
    return best
  }

  #flowOf(organisationId: string): Flow {
    let flow = this.#flows.get(organisationId)
    if (!flow) {
      flow = { organisationId, given: this.#now, waiting: 0 }
      this.#flows.set(organisationId, flow)
    }
    return flow
  }

  /** An organisation that is not ahead of the others and has nothing waiting is as one never seen. */
  #prune(): void {
    if (this.#flows.size <= FLOWS_KEPT) return
    for (const [organisationId, { given, waiting }] of this.#flows) {
      if (waiting === 0 && given <= this.#now) this.#flows.delete(organisationId)
    }
  }
}

/** What is passed over while turns go around, and what it stands for. */
class Passed<T extends Waiting> {
  readonly #items = new Set<T>()
  readonly #likenesses = new Set<string>()
  readonly organisations = new Set<string>()

  get size(): number {
    return this.#items.size + this.organisations.size
  }

  /** One that came back stands before its organisation's turn: it is passed over by itself, too. */
  add(item: T, why: 'unfit' | 'yield'): void {
    this.#items.add(item)
    if (why === 'yield') this.organisations.add(item.organisationId)
    else if (item.likeness) this.#likenesses.add(item.likeness)
  }

  has(item: T): boolean {
    if (this.#items.has(item)) return true
    return this.#likenesses.size > 0 && !!item.likeness && this.#likenesses.has(item.likeness)
  }
}

function firstFit<T extends Waiting>(items: ReadonlySet<T>, passed: Passed<T>): T | null {
  for (const item of items) if (!passed.has(item)) return item
  return null
}
