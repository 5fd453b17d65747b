/** A coordinator that has nothing but the work: turns, a journal that becomes durable in groups, kills and replays. */
import { assert } from '#kernel/assert.ts'
import { fromCanonical, toCanonical } from '#kernel/canonical.ts'
import type { Random } from '#kernel/random.ts'
import { jsonWriter } from '#protocol/wire-form.ts'
import { checkWork } from '#work/check-work.ts'
import type { WorkCommand, WorkRefusal } from '#work/decide-work.ts'
import { carryOut, type Desk, reviewWork, serveNode, serveWaiting } from '#work/desk.ts'
import { evolveWork } from '#work/evolve-work.ts'
import { Floor } from '#work/floor.ts'
import { emptyWork, jobOf, stepOf, taskOf, type Work } from '#work/work.ts'
import { WorkEvent } from '#work/work-events.ts'
import type { WorkLimits } from '#work/work-limits.ts'
import { BAD, type ToFarm, type ToNode } from './farm-node.ts'
import type { Scheduler } from './scheduler.ts'

const REVIEW_MS = 250
const CHECK_EVERY = 64
const SNAPSHOT_EVERY = 50

const write = jsonWriter(WorkEvent)

export interface CoordinatorParts {
  readonly scheduler: Scheduler
  readonly random: Random
  readonly limits: WorkLimits
  send(nodeId: string, message: ToNode): void
  /** Once it is durable, in order. */
  onEvent(event: WorkEvent): void
  /** A node said it, and it changed something. */
  onTaken(command: WorkCommand): void
}

export class FarmCoordinator {
  readonly #parts: CoordinatorParts
  readonly #journal: string[] = []
  /** A state that was kept, with the number of entries that it includes. */
  #snapshot = { text: toCanonical(emptyWork()), entries: 0 }
  #life = 0
  #isUp = false
  #upSinceMs = 0
  #desk: Desk
  #gathered: Group | null = null
  #events = 0

  constructor(parts: CoordinatorParts) {
    this.#parts = parts
    this.#desk = this.#open()
  }

  get isUp(): boolean {
    return this.#isUp
  }

  /** Since when it leads; of no meaning while it is down. */
  get upSinceMs(): number {
    return this.#upSinceMs
  }

  get work(): Work {
    return this.#desk.work
  }

  start(): void {
    if (this.#isUp) return
    this.#life++
    this.#isUp = true
    this.#upSinceMs = this.#parts.scheduler.nowMs()
    this.#desk = this.#open()
    for (const job of this.work.jobs.values()) {
      for (const [step, { tasks }] of job.steps.entries()) {
        for (const [task, { state }] of tasks.entries()) {
          if (state === 'verifying') this.#judgeLater({ jobId: job.jobId, step, task })
        }
      }
    }
    this.#review()
  }

  /** What was not durable is lost, and so is all that only memory had. */
  kill(): void {
    this.#life++
    this.#isUp = false
    this.#gathered = null
  }

  /** What stands in the journal gives this very state. */
  checkReplay(): void {
    assert(this.#gathered === null, 'nothing is on its way to the journal')
    assert(
      toCanonical(this.#replay(true)) === toCanonical(this.work),
      'a replay from nothing gives the same state',
    )
  }

  receive(nodeId: string, message: ToFarm): void {
    if (!this.#isUp) return
    const { floor } = this.#desk
    const nowMs = this.#parts.scheduler.nowMs()
    switch (message.kind) {
      case 'hello':
        floor.seat(message.facts, new Set(message.cached), nowMs)
        return this.#turn(() => void serveNode(this.#desk, nodeId, nowMs))
      case 'beat':
        if (!floor.hear(nodeId, message.held, nowMs)) return this.#parts.send(nodeId, { kind: 'who' })
        if (message.room === 0) return floor.serve(nodeId)
        return this.#turn(() => void serveNode(this.#desk, nodeId, nowMs))
      default: {
        const { kind: to, fence } = message
        this.#turn(() => {
          const refusal = this.#take({ ...message, nodeId, nowMs } as WorkCommand)
          this.#after(() => this.#parts.send(nodeId, { kind: 'answer', to, fence, refusal }))
          serveNode(this.#desk, nodeId, nowMs)
        })
      }
    }
  }

  /** The node's connection closed. */
  cutOff(nodeId: string): void {
    if (this.#isUp) this.#desk.floor.cutOff(nodeId)
  }

  /** Says what a person wants; `reply` comes once it is durable. */
  ask(command: WorkCommand, reply: (refusal: WorkRefusal | null) => void = () => {}): void {
    if (!this.#isUp) return
    this.#turn(() => {
      const refusal = this.#take(command)
      this.#after(() => reply(refusal))
      serveWaiting(this.#desk, this.#parts.scheduler.nowMs())
    })
  }

  #take(command: WorkCommand): WorkRefusal | null {
    const before = this.#events
    const refusal = carryOut(this.#desk, command)
    if (this.#events > before) this.#after(() => this.#parts.onTaken(command))
    return refusal
  }

  #open(): Desk {
    const { limits, scheduler } = this.#parts
    const work = this.#replay(this.#parts.random.chance(1, 2))
    const floor = new Floor(scheduler.nowMs(), limits)
    return { work, floor, limits, apply: (event) => this.#apply(event) }
  }

  #replay(isFromNothing: boolean): Work {
    const { text, entries } = isFromNothing ? { text: toCanonical(emptyWork()), entries: 0 } : this.#snapshot
    const work = fromCanonical(text) as Work
    for (const entry of this.#journal.slice(entries)) {
      for (const line of entry.split('\n')) evolveWork(work, WorkEvent.parse(JSON.parse(line)))
    }
    return work
  }

  #apply(event: WorkEvent): void {
    const attempt = 'fence' in event ? this.work.attempts.get(event.fence) : undefined
    evolveWork(this.work, event)
    if (++this.#events % CHECK_EVERY === 0) this.#after(() => checkWork(this.work))
    this.#group().events.push(event)
    if (event.type === 'work.granted') {
      const { fence, jobId, step, task, nodeId } = event
      const { inputRoot } = stepOf(jobOf(this.work, jobId), step)
      this.#after(() => this.#parts.send(nodeId, { kind: 'grant', fence, jobId, step, task, inputRoot }))
    }
    if (!attempt) return
    const { fence, nodeId } = attempt
    if (event.type === 'work.attempt_ended')
      this.#after(() => this.#parts.send(nodeId, { kind: 'cancel', fence }))
    if (event.type === 'work.delivered') this.#after(() => this.#judgeLater(attempt))
  }

  /** Runs once all that was decided so far is durable. */
  #after(run: () => void): void {
    this.#group().effects.push(run)
  }

  #turn(run: () => void): void {
    if (this.#isUp) run()
  }

  #group(): Group {
    if (this.#gathered) return this.#gathered
    const group: Group = { events: [], effects: [] }
    this.#gathered = group
    const life = this.#life
    this.#parts.scheduler.after(1 + this.#parts.random.int(4), () => {
      if (life !== this.#life) return
      this.#gathered = null
      if (group.events.length > 0) this.#journal.push(group.events.map(write).join('\n'))
      if (this.#journal.length % SNAPSHOT_EVERY === 0)
        this.#snapshot = { text: toCanonical(this.work), entries: this.#journal.length }
      for (const event of group.events) this.#parts.onEvent(event)
      for (const effect of group.effects) effect()
    })
    return group
  }

  #review(): void {
    const life = this.#life
    this.#parts.scheduler.after(REVIEW_MS, () => {
      if (life !== this.#life) return
      reviewWork(this.#desk, this.#parts.scheduler.nowMs())
      this.#review()
    })
  }

  /** A verdict on what was delivered comes after a while: each of a node's first results is looked at, then some. */
  #judgeLater({ jobId, step, task }: { jobId: string; step: number; task: number }, isSecond = false): void {
    const { scheduler, random } = this.#parts
    const life = this.#life
    scheduler.after(50 + random.int(3_000), () => {
      if (life !== this.#life) return
      const job = this.work.jobs.get(jobId)
      const result = job?.isVerified && taskOf(job, { step, task }).result
      if (!job || !result) return
      const done = this.work.nodes.get(result.nodeId)?.done ?? 0
      const isChecked = isSecond || done < 10 || random.chance(1, 5)
      const isGood = !isChecked || result.outputs[0]?.sha256 !== BAD
      const nowMs = scheduler.nowMs()
      this.ask({ kind: 'judge', jobId, step, task, isGood, isChecked, nowMs })
      // Some are looked at after they counted already.
      if (!isChecked && random.chance(1, 2)) this.#judgeLater({ jobId, step, task }, true)
      if (!isGood) this.ask({ kind: 'condemn', jobId, nodeId: result.nodeId, nowMs })
    })
  }
}

interface Group {
  readonly events: WorkEvent[]
  readonly effects: (() => void)[]
}
