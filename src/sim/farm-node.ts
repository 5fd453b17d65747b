/** A simulated node of a render farm: works, tells of it, crashes, freezes, and perhaps cheats. */
import type { Random } from '#kernel/random.ts'
import type { OutputFile } from '#protocol/task.ts'
import type { TaskFailure } from '#protocol/task-failure.ts'
import type { Held, NodeFacts } from '#work/floor.ts'
import type { FarmNodePlan } from './farm-plan.ts'
import type { Scheduler } from './scheduler.ts'

export interface Grant {
  readonly fence: number
  readonly jobId: string
  readonly step: number
  readonly task: number
  readonly inputRoot: string
}

export type ToNode =
  | { kind: 'who' }
  | ({ kind: 'grant' } & Grant)
  | { kind: 'cancel'; fence: number }
  | { kind: 'answer'; to: 'commit' | 'deliver' | 'fail'; fence: number; refusal: string | null }

export type ToFarm =
  | { kind: 'hello'; facts: NodeFacts; cached: readonly string[] }
  | { kind: 'beat'; held: readonly Held[]; room: number }
  | { kind: 'commit'; fence: number; outputs: readonly OutputFile[]; wallMs: number }
  | { kind: 'deliver'; fence: number }
  | { kind: 'fail'; fence: number; failure: TaskFailure }

/** What is true of the work, as opposed to what was estimated. */
export interface Truth {
  /** On a node of speed 1. */
  durationMs(grant: Grant): number
  isPoisoned(grant: Grant): boolean
}

interface Run {
  readonly grant: Grant
  phase: 'waiting' | 'running' | 'committing' | 'delivering' | 'failing'
  beganAtMs: number
  lengthMs: number
}

const BEAT_MS = 1_000
const RESEND_MS = 1_500
const HELD_MAX = 2
const GOOD = 'a'.repeat(64)
/** Starts what a liar makes. */
export const BAD = 'b'.repeat(64)

export interface NodeParts {
  readonly scheduler: Scheduler
  readonly random: Random
  readonly truth: Truth
  send(message: ToFarm): void
}

export class FarmNode {
  readonly plan: FarmNodePlan
  readonly #parts: NodeParts
  #life = 0
  #isUp = false
  #frozenUntilMs = 0
  #upSinceMs = 0
  #downSinceMs = 0
  #runs: Run[] = []
  #lastFence = 0
  readonly #cached = new Set<string>()
  /** Once all is well it does its work as it should. */
  isMended = false

  constructor(plan: FarmNodePlan, parts: NodeParts) {
    this.plan = plan
    this.#parts = parts
  }

  get isUp(): boolean {
    return this.#isUp
  }

  /** When it went down; of no meaning while it is up. */
  get downSinceMs(): number {
    return this.#downSinceMs
  }

  start(): void {
    if (this.#isUp) return
    this.#life++
    this.#isUp = true
    this.#frozenUntilMs = 0
    this.#upSinceMs = this.#parts.scheduler.nowMs()
    this.#hello()
    this.#beat()
  }

  /** It loses what it ran, and keeps what it had fetched. */
  crash(): void {
    this.#life++
    this.#isUp = false
    this.#downSinceMs = this.#parts.scheduler.nowMs()
    this.#runs = []
  }

  /** It does nothing for so long, and then goes on as if nothing had been. */
  freeze(durationMs: number): void {
    this.#frozenUntilMs = this.#parts.scheduler.nowMs() + durationMs
  }

  thaw(): void {
    this.#frozenUntilMs = 0
  }

  receive(message: ToNode): void {
    if (!this.#isUp) return
    this.#later(0, () => this.#take(message))
  }

  #take(message: ToNode): void {
    switch (message.kind) {
      case 'who':
        return this.#hello()
      case 'grant': {
        // Fences only grow: an older one is late news of what is over.
        if (message.fence <= this.#lastFence || this.#room() === 0) return
        this.#lastFence = message.fence
        this.#runs.push({ grant: message, phase: 'waiting', beganAtMs: 0, lengthMs: 0 })
        return this.#next()
      }
      case 'cancel':
        this.#runs = this.#runs.filter(({ grant }) => grant.fence !== message.fence)
        return this.#next()
      case 'answer':
        return this.#answered(message)
    }
  }

  #answered({ to, fence, refusal }: Extract<ToNode, { kind: 'answer' }>): void {
    const run = this.#runs.find(({ grant }) => grant.fence === fence)
    if (!run) return
    if (to === 'commit' && refusal === null && run.phase === 'committing') {
      run.phase = 'delivering'
      const uploadMs = 50 + this.#parts.random.int(1_000)
      return this.#later(uploadMs, () => this.#tell(run, 'delivering', { kind: 'deliver', fence }))
    }
    if (to === 'commit' && refusal === null) return
    this.#runs = this.#runs.filter((other) => other !== run)
    this.#next()
  }

  /** Begins the next task where none runs. */
  #next(): void {
    if (this.#runs.some(({ phase }) => phase === 'running')) return
    const run = this.#runs.find(({ phase }) => phase === 'waiting')
    if (!run) return
    const { random, truth, scheduler } = this.#parts
    const { grant } = run
    const isLying = this.plan.manner === 'liar' && !this.isMended
    const fetchMs = this.#cached.has(grant.inputRoot) ? 0 : 200 + random.int(2_000)
    const straggles = random.chance(1, 40) && !this.isMended
    const workMs = (truth.durationMs(grant) * (straggles ? 8 : 1)) / this.plan.trueSpeed
    run.phase = 'running'
    run.beganAtMs = scheduler.nowMs()
    run.lengthMs = Math.ceil(isLying ? workMs / 10 : workMs + fetchMs)
    this.#cached.add(grant.inputRoot)
    this.#later(run.lengthMs, () => this.#finish(run))
  }

  #finish(run: Run): void {
    if (!this.#runs.includes(run) || run.phase !== 'running') return
    const { random, truth, scheduler } = this.#parts
    const { fence } = run.grant
    const isLying = this.plan.manner === 'liar' && !this.isMended
    const failure = truth.isPoisoned(run.grant) ? poison : isLying ? null : this.#ownFailure()
    if (failure) {
      run.phase = 'failing'
      this.#tell(run, 'failing', { kind: 'fail', fence, failure })
      return this.#next()
    }
    run.phase = 'committing'
    const wallMs = (scheduler.nowMs() - run.beganAtMs) * (isLying ? 20 : 1)
    const outputs = [{ name: `${run.grant.task}.png`, bytes: 1_000, sha256: isLying ? BAD : GOOD }]
    this.#tell(run, 'committing', { kind: 'commit', fence, outputs, wallMs })
    // What was never its own, and what it had before.
    if (isLying) {
      const forged = Math.max(1, fence - 3 + random.int(7))
      this.#parts.send({ kind: 'commit', fence: forged, outputs, wallMs })
      this.#parts.send({ kind: 'deliver', fence: forged })
    }
    this.#next()
  }

  #ownFailure(): TaskFailure | null {
    if (this.isMended) return null
    const { random } = this.#parts
    if (random.chance(1, 100)) return failureOf('infrastructure', 'the owner wants the machine back')
    if (this.plan.manner !== 'flaky') return null
    if (random.chance(1, 8)) return failureOf('node', `out of memory on ${this.plan.nodeId}`)
    return random.chance(1, 20) ? failureOf('task', `crash ${random.int(1_000)}`) : null
  }

  /** Says it until it is answered. */
  #tell(run: Run, phase: Run['phase'], message: ToFarm): void {
    if (!this.#runs.includes(run) || run.phase !== phase) return
    this.#parts.send(message)
    this.#later(RESEND_MS, () => this.#tell(run, phase, message))
  }

  #room(): number {
    return HELD_MAX - this.#runs.filter(({ phase }) => phase === 'waiting' || phase === 'running').length
  }

  #hello(): void {
    const { nodeId, speed, memoryMib } = this.plan
    const facts: NodeFacts = {
      nodeId,
      kinds: ['blender', 'ffmpeg'],
      speed,
      memoryMib,
      vramMib: 0,
      bytesPerSecond: 20_000_000,
      askPerHour: 50_000_000n,
      upSinceMs: this.#upSinceMs,
    }
    this.#parts.send({ kind: 'hello', facts, cached: [...this.#cached] })
  }

  #beat(): void {
    const nowMs = this.#parts.scheduler.nowMs()
    const held = this.#runs.map(({ grant, phase, beganAtMs, lengthMs }) => {
      const isRunning = phase === 'running' && lengthMs > 0
      return { fence: grant.fence, fraction: isRunning ? Math.min(1, (nowMs - beganAtMs) / lengthMs) : 0 }
    })
    this.#parts.send({ kind: 'beat', held, room: this.#room() })
    this.#later(BEAT_MS, () => this.#beat())
  }

  /** In this life, and not while it is frozen. */
  #later(delayMs: number, run: () => void): void {
    const life = this.#life
    const { scheduler } = this.#parts
    scheduler.after(delayMs, () => {
      if (life !== this.#life) return
      const frozenMs = this.#frozenUntilMs - scheduler.nowMs()
      if (frozenMs > 0) this.#later(frozenMs, run)
      else run()
    })
  }
}

const failureOf = (failureClass: TaskFailure['class'], signature: string): TaskFailure => ({
  class: failureClass,
  signature,
  message: signature,
  tail: `Error: ${signature}`,
})
const poison = failureOf('task', 'the scene crashes the renderer')
