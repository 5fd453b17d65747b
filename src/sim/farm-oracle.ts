/** What must hold of a farm, counted from the durable events alone and by nothing that the engine itself counts. */
import { assert } from '#kernel/assert.ts'
import { maximum, type NanoUsd } from '#kernel/money.ts'
import type { WorkCommand } from '#work/decide-work.ts'
import type { Work } from '#work/work.ts'
import type { JobPlan, WorkEvent } from '#work/work-events.ts'
import type { WorkLimits } from '#work/work-limits.ts'
import { FarmBlame } from './farm-blame.ts'

interface Book {
  readonly plan: JobPlan
  readonly totalMs: number
  readonly longestMs: number
  capMax: NanoUsd | null
  bill: NanoUsd
  extraMs: number
  isPaused: boolean
  end: 'completed' | 'cancelled' | null
}

interface Given {
  readonly nodeId: string
  readonly place: string
  isCommitted: boolean
}

export interface FarmTally {
  grants: number
  copies: number
  moves: number
  beaten: number
  lost: number
  failed: number
  rejected: number
  reused: number
  paused: Record<string, number>
  completed: number
  cancelled: number
  extraMs: number
  totalMs: number
}

export class FarmOracle {
  readonly tally: FarmTally = {
    grants: 0,
    copies: 0,
    moves: 0,
    beaten: 0,
    lost: 0,
    failed: 0,
    rejected: 0,
    reused: 0,
    paused: {},
    completed: 0,
    cancelled: 0,
    extraMs: 0,
    totalMs: 0,
  }
  readonly #extraBpsMax: number
  readonly #blame: FarmBlame
  readonly #books = new Map<string, Book>()
  readonly #alive = new Map<number, Given>()
  /** Every fence that was ever given. */
  #lastFence = 0
  /** Charges that are owed now, by task. */
  readonly #paid = new Map<string, NanoUsd>()
  readonly #charges = new Map<string, NanoUsd>()
  readonly #delivered = new Map<string, { readonly nodeId: string; readonly atMs: number }>()

  constructor(limits: WorkLimits) {
    this.#extraBpsMax = limits.extraBpsMax
    this.#blame = new FarmBlame(limits)
  }

  knows(jobId: string): boolean {
    return this.#books.has(jobId)
  }

  isOver(jobId: string): boolean {
    return (this.#books.get(jobId)?.end ?? null) !== null
  }

  /** What a node said is taken only from the one that has the fence, and while it has it. */
  taken(command: WorkCommand): void {
    if (command.kind !== 'commit' && command.kind !== 'deliver' && command.kind !== 'fail') return
    const owner = this.#spoken.get(command.fence)
    assert(
      owner === command.nodeId,
      `${command.kind} of ${command.fence} by ${command.nodeId}, which ${owner} had`,
    )
  }
  /** Who had a fence when its last news became durable. */
  readonly #spoken = new Map<number, string>()

  see(event: WorkEvent): void {
    switch (event.type) {
      case 'work.job_submitted':
        return this.#submitted(event)
      case 'work.granted': {
        assert(event.fence > this.#lastFence, `fence ${event.fence} is given once, after ${this.#lastFence}`)
        this.#lastFence = event.fence
        const place = placeOf(event)
        const others = [...this.#alive.values()].filter((given) => given.place === place)
        assert(others.length <= 1, `${place} runs twice at most`)
        assert(
          others.every(({ isCommitted }) => !isCommitted),
          `${place} has a result on its way`,
        )
        assert(others.length === 0 || event.isCopy, `${place} is copied only as a copy`)
        assert(!this.#paid.has(place), `${place} is done, and given again`)
        const book = this.#book(event.jobId)
        assert(book.end === null && !book.isPaused, `${event.jobId} is neither paused nor over`)
        this.#blame.granted(event)
        this.#alive.set(event.fence, { nodeId: event.nodeId, place, isCommitted: false })
        this.tally.grants++
        if (event.isCopy) this.tally.copies++
        return
      }
      case 'work.committed':
        return this.#committed(event)
      case 'work.delivered': {
        const given = this.#alive.get(event.fence)
        assert(given?.isCommitted, `${event.fence} is delivered after its commit`)
        this.#alive.delete(event.fence)
        this.#delivered.set(given.place, { nodeId: given.nodeId, atMs: event.atMs })
        return void this.#spoken.set(event.fence, given.nodeId)
      }
      case 'work.attempt_ended':
        return this.#ended(event)
      case 'work.accepted':
      case 'work.rejected':
        return this.#judged(event)
      case 'work.reused':
        assert(!this.#paid.has(placeOf(event)), `${placeOf(event)} is done once`)
        this.tally.reused++
        return void this.#paid.set(placeOf(event), 0n)
      default:
        return this.#ofJob(event)
    }
  }

  #submitted({ type: _, atMs: __, ...plan }: Extract<WorkEvent, { type: 'work.job_submitted' }>): void {
    assert(!this.#books.has(plan.jobId), `${plan.jobId} is submitted once`)
    const lengths = plan.steps.flatMap(({ tasks }) => tasks.map(({ referenceMs }) => referenceMs))
    const totalMs = lengths.reduce((sum, length) => sum + length, 0)
    const longestMs = Math.max(...lengths)
    const book = { plan, totalMs, longestMs, capMax: plan.cap, bill: 0n, extraMs: 0 }
    this.#books.set(plan.jobId, { ...book, isPaused: false, end: null })
    this.tally.totalMs += totalMs
  }

  #committed({ fence, charge }: Extract<WorkEvent, { type: 'work.committed' }>): void {
    const given = this.#alive.get(fence)
    assert(given, `${fence} is committed while it is alive`)
    assert(!given.isCommitted, `${fence} is committed once`)
    for (const [other, { place, isCommitted }] of this.#alive) {
      assert(other === fence || place !== given.place || !isCommitted, `${place} has one result`)
    }
    given.isCommitted = true
    this.#spoken.set(fence, given.nodeId)
    this.#charges.set(given.place, charge)
  }

  #ended(event: Extract<WorkEvent, { type: 'work.attempt_ended' }>): void {
    const { fence, how, failure } = event
    const given = this.#alive.get(fence)
    assert(given, `${fence} ends once`)
    this.#alive.delete(fence)
    this.#spoken.set(fence, given.nodeId)
    this.#blame.failed(given.place, given.nodeId, event)
    if (how === 'moved') this.tally.moves++
    if (how === 'failed') this.tally.failed++
    if (how === 'lease_expired' || how === 'forgotten' || how === 'timed_out') this.tally.lost++
    const isFailure = how === 'failed' || how === 'timed_out'
    assert(isFailure === (failure !== undefined), 'a failure says what it was')
    if (how !== 'beaten') return
    this.tally.beaten++
    const [jobId = '', step, task] = given.place.split('/')
    const book = this.#book(jobId)
    const extraMs = book.plan.steps[Number(step)]?.tasks[Number(task)]?.referenceMs ?? 0
    book.extraMs += extraMs
    this.tally.extraMs += extraMs
    const allowedMs = Math.max((book.totalMs * this.#extraBpsMax) / 10_000, book.longestMs)
    assert(book.extraMs <= allowedMs, `${jobId}: ${book.extraMs} ms were done twice, of ${allowedMs} at most`)
  }

  #judged(event: Extract<WorkEvent, { type: 'work.accepted' | 'work.rejected' }>): void {
    const place = placeOf(event)
    const book = this.#book(event.jobId)
    const paid = this.#paid.get(place)
    const delivered = this.#delivered.get(place)
    if (event.type === 'work.rejected') {
      this.tally.rejected++
      if (event.isBlamed && delivered) this.#blame.blamed(place, delivered.nodeId)
      book.bill -= paid ?? 0n
      this.#paid.delete(place)
      this.#charges.delete(place)
      return
    }
    assert(paid === undefined || event.isChecked, `${place} is accepted once`)
    if (paid !== undefined) return
    const charge = this.#charges.get(place)
    assert(charge !== undefined && delivered, `${place} has a result when it is accepted`)
    const isJudged = !book.plan.isVerified || event.atMs > delivered.atMs
    assert(isJudged, `${place} was judged before it was accepted`)
    this.#paid.set(place, charge)
    book.bill += charge
    assert(book.capMax === null || book.bill <= book.capMax, `${event.jobId}: the bill stays within the cap`)
  }

  #ofJob(event: WorkEvent): void {
    if (!('jobId' in event)) return
    const book = this.#book(event.jobId)
    if (event.type === 'work.job_paused') {
      assert(event.reason === 'asked' || event.detail.length > 10, 'a pause says why')
      book.isPaused = true
      this.tally.paused[event.reason] = (this.tally.paused[event.reason] ?? 0) + 1
    }
    if (event.type === 'work.job_resumed') {
      book.isPaused = false
      this.#blame.resumed(event.jobId)
    }
    if (event.type === 'work.task_requeued') this.#blame.requeued(event)
    if (event.type === 'work.node_barred') this.#blame.barred(event)
    if (event.type === 'work.cap_set') {
      book.capMax = book.capMax === null || event.cap === null ? null : maximum(book.capMax, event.cap)
    }
    if (event.type !== 'work.job_ended') return
    assert(book.end === null, `${event.jobId} ends once`)
    book.end = event.end
    this.tally[event.end]++
    const tasks = book.plan.steps.flatMap(({ tasks: all }, step) =>
      all.map((_, task) => placeOf({ jobId: event.jobId, step, task })),
    )
    if (event.end === 'completed')
      for (const place of tasks) assert(this.#paid.has(place), `${place} was done when its job ended`)
  }

  /** The engine's own books say the same. */
  compare({ jobs }: Work): void {
    for (const { jobId, spent } of jobs.values()) {
      const { bill } = this.#book(jobId)
      assert(bill === spent, `${jobId} owes ${bill}, and says ${spent}`)
    }
  }

  #book(jobId: string): Book {
    const book = this.#books.get(jobId)
    assert(book, `${jobId} was submitted`)
    return book
  }
}

const placeOf = ({ jobId, step, task }: { jobId: string; step: number; task: number }): string =>
  `${jobId}/${step}/${task}`
