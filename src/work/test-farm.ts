/** A small farm for tests of the engine: what happens is said step by step, and the clock moves when it is told to. */
import { assert } from '#kernel/assert.ts'
import type { TaskFailure } from '#protocol/task-failure.ts'
import { checkWork } from './check-work.ts'
import type { WorkCommand, WorkRefusal } from './decide-work.ts'
import { carryOut, type Desk, reviewWork, serveNode } from './desk.ts'
import { evolveWork } from './evolve-work.ts'
import { Floor, type NodeFacts } from './floor.ts'
import { emptyWork, type Job, jobOf, type Task, taskOf, type Work } from './work.ts'
import type { JobPlan, PlannedStep, WorkEvent } from './work-events.ts'
import { type WorkLimits, workLimits } from './work-limits.ts'

export const HOUR_PRICE = 3_600_000n

/** A task of `referenceMs` costs as many nano-USD. */
export function planOf(part: Partial<JobPlan> & { frames?: number; referenceMs?: number } = {}): JobPlan {
  const { frames = 4, referenceMs = 1_000, ...plan } = part
  return {
    jobId: 'job_1',
    organisationId: 'org_1',
    name: 'a scene',
    priority: 50,
    cap: null,
    pricePerHour: HOUR_PRICE,
    isIdempotent: true,
    isVerified: false,
    steps: [stepOf({ frames, referenceMs })],
    ...plan,
  }
}

export function stepOf(part: Partial<PlannedStep> & { frames?: number; referenceMs?: number }): PlannedStep {
  const { frames = 1, referenceMs = 1_000, ...step } = part
  return {
    name: 'render',
    digest: 'digest',
    dependsOn: [],
    requirements: { kind: 'blender', memoryMib: 1_000, vramMib: 0 },
    inputRoot: 'root',
    inputBytes: 0,
    settings: {},
    tasks: Array.from({ length: frames }, (_, place) => ({
      params: { frame: place + 1 },
      referenceMs,
      referenceMsP90: Math.ceil(referenceMs * 1.3),
    })),
    ...step,
  }
}

export const crash: TaskFailure = {
  class: 'task',
  signature: 'segmentation fault',
  message: 'Blender ended with signal 11.',
  tail: 'BVH build… signal 11',
}

export class TestFarm {
  nowMs = 1_000_000
  readonly events: WorkEvent[] = []
  #desk: Desk

  constructor(limits: Partial<WorkLimits> = {}) {
    this.#desk = this.#open(emptyWork(), { ...workLimits, ...limits })
  }

  #open(work: Work, limits: WorkLimits): Desk {
    const floor = new Floor(this.nowMs, limits)
    const apply = (event: WorkEvent): void => {
      evolveWork(work, event)
      this.events.push(event)
    }
    return { work, floor, limits, apply }
  }

  get desk(): Desk {
    return this.#desk
  }

  get work(): Work {
    return this.#desk.work
  }

  job(jobId = 'job_1'): Job {
    return jobOf(this.work, jobId)
  }

  task(task: number, step = 0): Task {
    return taskOf(this.job(), { step, task })
  }

  say(command: WorkCommand): WorkRefusal | null {
    const refusal = carryOut(this.#desk, command)
    checkWork(this.work)
    return refusal
  }

  submit(plan: JobPlan = planOf()): void {
    const refusal = this.say({ kind: 'submit', plan, nowMs: this.nowMs })
    assert(refusal === null, `the plan is accepted, not ${refusal}`)
  }

  /** The node comes, or says anew what it is. */
  seat(nodeId: string, facts: Partial<NodeFacts> = {}, cached: readonly string[] = ['root']): void {
    const usual = { nodeId, kinds: ['blender'], speed: 1, memoryMib: 8_000, vramMib: 0, bytesPerSecond: 1e7 }
    const more = { askPerHour: 1n, upSinceMs: this.nowMs - 86_400_000 }
    this.#desk.floor.seat({ ...usual, ...more, ...facts }, new Set(cached), this.nowMs)
  }

  /** Gives the node what there is for it; answers the places of the tasks that it has and has not committed. */
  pull(nodeId: string): number[] {
    serveNode(this.#desk, nodeId, this.nowMs)
    checkWork(this.work)
    return this.held(nodeId).map((fence) => this.work.attempts.get(fence)?.task ?? -1)
  }

  held(nodeId: string): readonly number[] {
    return this.work.nodes.get(nodeId)?.held ?? []
  }

  /** Time passes for nodes that live: they are heard of every second, with what they have and how far it is. */
  pass(durationMs: number, alive: readonly string[], fractionOf: (fence: number) => number = () => 0): void {
    const untilMs = this.nowMs + durationMs
    while (this.nowMs < untilMs) {
      this.nowMs = Math.min(untilMs, this.nowMs + 250)
      for (const nodeId of alive) {
        const { held = [], owed = [] } = this.work.nodes.get(nodeId) ?? {}
        this.#desk.floor.hear(
          nodeId,
          [...held, ...owed].map((fence) => ({ fence, fraction: fractionOf(fence) })),
          this.nowMs,
        )
      }
      reviewWork(this.#desk, this.nowMs)
      checkWork(this.work)
    }
  }

  commit(
    nodeId: string,
    fence = this.held(nodeId)[0] ?? 0,
    sha256 = 'a'.repeat(64),
    bytes = 1,
  ): WorkRefusal | null {
    const outputs = [{ name: 'frame.png', bytes, sha256 }]
    return this.say({ kind: 'commit', fence, nodeId, outputs, wallMs: 1_000, nowMs: this.nowMs })
  }

  deliver(nodeId: string, fence: number): WorkRefusal | null {
    return this.say({ kind: 'deliver', fence, nodeId, nowMs: this.nowMs })
  }

  /** The node's first task comes to its end. */
  finish(nodeId: string): void {
    const [fence = 0] = this.held(nodeId)
    const refusal = this.commit(nodeId, fence) ?? this.deliver(nodeId, fence)
    assert(refusal === null, `${nodeId} may finish ${fence}, and not ${refusal}`)
  }

  fail(nodeId: string, failure = crash): WorkRefusal | null {
    return this.say({ kind: 'fail', fence: this.held(nodeId)[0] ?? 0, nodeId, failure, nowMs: this.nowMs })
  }

  /** The coordinator starts anew: what is on the floor is forgotten, the work is not. */
  restart(): void {
    this.#desk = this.#open(this.work, this.#desk.limits)
  }
}
