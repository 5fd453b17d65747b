/** A node that works off tasks for money, as its manner is, and says so until it is answered. */
import type { Random } from '#kernel/random.ts'
import type { OutputFile } from '#protocol/task.ts'
import type { TaskGrant, WorkOrder, WorkSay } from '#protocol/work-link.ts'
import type { MoneyNodePlan } from './money-plan.ts'
import type { Scheduler } from './scheduler.ts'

const BEAT_MS = 1_000
const RESEND_MS = 1_500
/** Starts what an honest node makes, and what a liar does. */
export const TRUE = 'a'
export const FALSE = 'b'

export interface MoneyNodeParts {
  readonly plan: MoneyNodePlan & { readonly onlyAudits?: boolean }
  readonly scheduler: Scheduler
  readonly random: Random
  say(say: WorkSay): void
  /** How long a task takes a node of speed 1. */
  durationMs(grant: TaskGrant): number
}

interface Run {
  readonly grant: TaskGrant
  phase: 'waiting' | 'running' | 'committing' | 'delivering'
}

export class MoneyNode {
  readonly #parts: MoneyNodeParts
  #runs: Run[] = []
  #lastFence = 0
  #made = 0
  lies = 0

  constructor(parts: MoneyNodeParts) {
    this.#parts = parts
  }

  start(): void {
    this.#hello()
    this.#beat()
  }

  receive(order: WorkOrder): void {
    switch (order.kind) {
      case 'who':
        return this.#hello()
      case 'grant':
        if (order.fence <= this.#lastFence) return
        this.#lastFence = order.fence
        this.#runs.push({ grant: order, phase: 'waiting' })
        return this.#next()
      case 'cancel':
        this.#runs = this.#runs.filter(({ grant }) => grant.fence !== order.fence)
        return this.#next()
      case 'answer':
        return this.#answered(order)
    }
  }

  #answered({ to, fence, refusal }: Extract<WorkOrder, { kind: 'answer' }>): void {
    const run = this.#runs.find(({ grant }) => grant.fence === fence)
    if (!run) return
    if (to === 'commit' && refusal === null) {
      if (run.phase !== 'committing') return
      run.phase = 'delivering'
      return this.#tell(run, 'delivering', { kind: 'deliver', fence })
    }
    this.#runs = this.#runs.filter((other) => other !== run)
    this.#next()
  }

  #next(): void {
    if (this.#runs.some(({ phase }) => phase === 'running')) return
    const run = this.#runs.find(({ phase }) => phase === 'waiting')
    if (!run) return
    const { plan, scheduler, durationMs } = this.#parts
    const isLie = this.#lies(run.grant)
    const workMs = durationMs(run.grant) / plan.speed
    const takesMs = Math.ceil((isLie ? workMs * plan.hastePercent : workMs * 100) / 100)
    run.phase = 'running'
    scheduler.after(takesMs, () => {
      if (run.phase !== 'running' || !this.#runs.includes(run)) return
      run.phase = 'committing'
      if (isLie) this.lies++
      const outputs = [this.#outputOf(run.grant, isLie)]
      // Who lies says that it took as long as it should.
      this.#tell(run, 'committing', { kind: 'commit', fence: run.grant.fence, outputs, wallMs: workMs })
      this.#next()
    })
  }

  #lies({ params }: TaskGrant): boolean {
    const { manner, honestFirst, lieOneIn, isLazyAuditor } = this.#parts.plan
    if (manner === 'honest') return false
    if (params['do'] === 'crops') return isLazyAuditor
    this.#made++
    if (manner === 'always') return true
    if (manner === 'sleeper') return this.#made > honestFirst
    return this.#parts.random.chance(1, lieOneIn)
  }

  #outputOf({ params }: TaskGrant, isLie: boolean): OutputFile {
    const { nodeId } = this.#parts.plan
    // A lie of one node is always the same, and so it agrees with itself.
    const own = [...`${nodeId} ${Number(params['frame'])}`].reduce(
      (sum, letter) => (sum * 31 + letter.charCodeAt(0)) >>> 0,
      7,
    )
    const shows = isLie ? `${FALSE}${own.toString(16)}` : `${TRUE}${Number(params['frame']).toString(16)}`
    return { name: 'frame.png', bytes: 1_000, sha256: shows.padEnd(64, '0') }
  }

  /** Says it until it is answered. */
  #tell(run: Run, phase: Run['phase'], say: WorkSay): void {
    if (!this.#runs.includes(run) || run.phase !== phase) return
    this.#parts.say(say)
    this.#parts.scheduler.after(RESEND_MS, () => this.#tell(run, phase, say))
  }

  #hello(): void {
    const { speed, onlyAudits } = this.#parts.plan
    this.#parts.say({
      kind: 'hello',
      facts: {
        kinds: ['blender'],
        speed,
        memoryMib: 16_000,
        vramMib: 0,
        bytesPerSecond: 1e8,
        askPerHour: 0n,
        engines: {},
        ...(onlyAudits && { onlyAudits }),
      },
      cached: [],
    })
  }

  #beat(): void {
    const held = this.#runs.map(({ grant }) => ({ fence: grant.fence, fraction: 0 }))
    const busy = this.#runs.filter(({ phase }) => phase === 'waiting' || phase === 'running').length
    this.#parts.say({ kind: 'beat', held, room: Math.max(0, 2 - busy) })
    this.#parts.scheduler.after(BEAT_MS, () => this.#beat())
  }
}
