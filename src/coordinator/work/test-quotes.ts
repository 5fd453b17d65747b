/** For tests: a cell with quotes, whose nodes take for each task what a given scene takes. */
import { nodeCrypto } from '#host/node/node-crypto.ts'
import type { AskQuote, NewStep, Quote } from '#protocol/job.ts'
import type { Caller } from '#protocol/route.ts'
import type { TaskFailure } from '#protocol/task-failure.ts'
import type { TaskGrant, WorkerFacts } from '#protocol/work-link.ts'
import { PAYER } from '#sim/test-world.ts'
import type { JobPlan } from '#work/work-events.ts'
import type { Turn } from '../turn.ts'
import { createQuoteDesk, type QuoteDesk } from './quotes.ts'
import { TestFloor } from './test-floor.ts'

export const LIST_PRICE = 3_600_000_000n
const ROUNDS_MAX = 200
const BEAT_MS = 1_000

/** How long a task takes a node of speed 1, or how it fails there. */
export type Scene = (grant: TaskGrant, nodeId: string) => number | TaskFailure

export const SCENE_ROOT = 'a'.repeat(64)

export function stepOf(frames: number, part: Partial<NewStep> = {}): NewStep {
  return {
    name: 'frames',
    kind: 'blender',
    dependsOn: [],
    takesResults: false,
    inputRoot: SCENE_ROOT,
    settings: { file: 'scene.blend' },
    requirements: { memoryMib: 0, vramMib: 0 },
    tasks: Array.from({ length: frames }, (_, at) => ({ do: 'frame', frame: at + 1 })),
    ...part,
  }
}

export const askOf = (...steps: NewStep[]): AskQuote => ({
  name: 'scene.blend',
  tier: 'priority',
  isIdempotent: true,
  steps,
})

export const callerOf = (organisationId: string): Caller => ({
  organisationId,
  keyId: 'key',
  scopes: ['developer'],
})

export class TestQuotes {
  readonly floor: TestFloor
  desk: QuoteDesk
  readonly #scene: Scene
  #asked = 0
  #jobs = 0

  private constructor(floor: TestFloor, scene: Scene) {
    this.floor = floor
    this.#scene = scene
    this.desk = this.#open()
  }

  static async open(scene: Scene): Promise<TestQuotes> {
    return new TestQuotes(await TestFloor.open(), scene)
  }

  #open(): QuoteDesk {
    const { coordinator, desk } = this.floor.service
    return createQuoteDesk({
      ...{ desk, coordinator, clock: this.floor.world.scheduler, crypto: nodeCrypto },
      pricePerHour: LIST_PRICE,
      newJobId: () => `job_probe_${++this.#jobs}`,
      renderScore: () => 1.5,
    })
  }

  /** Another coordinator leads. */
  async restart(): Promise<void> {
    this.desk.close()
    await this.floor.restart()
    this.desk = this.#open()
    await this.floor.world.run(100)
  }

  async ask(body: AskQuote, organisationId = PAYER): Promise<Quote> {
    const quoteId = `quote_${++this.#asked}`
    return this.turn((turn) => this.desk.ask(turn, { organisationId, body, quoteId }))
  }

  read(quoteId: string, organisationId = PAYER): Promise<Quote> {
    return this.turn((turn) => this.desk.read(turn, quoteId, callerOf(organisationId)))
  }

  plan(quoteId: string, organisationId = PAYER): JobPlan {
    const body = { quoteId, priority: 50 }
    return this.desk.plan({
      caller: callerOf(organisationId),
      body,
      jobId: 'job_made',
      nowMs: this.floor.nowMs(),
    })
  }

  /** Resolves or rejects with what `run` answers or throws in a turn. */
  turn<T>(run: (turn: Turn) => T): Promise<T> {
    const { coordinator } = this.floor.service
    return this.floor.world.settle(
      new Promise<T>((resolve, reject) =>
        coordinator.execute(
          (turn) => {
            try {
              return { value: run(turn) }
            } catch (error) {
              return { error }
            }
          },
          (done) => ('value' in done ? resolve(done.value as T) : reject(done.error)),
        ),
      ),
    )
  }

  /** The nodes are there and work until nothing is left to do. */
  async work(nodes: Readonly<Record<string, Partial<WorkerFacts>>> = { a: {} }): Promise<TaskGrant[]> {
    const granted: TaskGrant[] = []
    for (const [nodeId, facts] of Object.entries(nodes)) await this.floor.hello(nodeId, facts)
    for (let round = 0; round < ROUNDS_MAX; round++) {
      const before = granted.length
      for (const [nodeId, { speed = 1 }] of Object.entries(nodes)) {
        await this.floor.beat(nodeId, this.#held(nodeId))
        for (const fence of this.#held(nodeId)) granted.push(await this.#run(nodeId, fence, speed))
      }
      if (granted.length === before) return granted
    }
    throw new Error('There is always more to do.')
  }

  #held = (nodeId: string): readonly number[] => this.floor.state.work.nodes.get(nodeId)?.held ?? []

  async #run(nodeId: string, fence: number, speed: number): Promise<TaskGrant> {
    const attempt = this.floor.state.work.attempts.get(fence)
    const job = attempt && this.floor.state.work.jobs.get(attempt.jobId)
    const step = job?.steps[attempt?.step ?? -1]
    const task = step?.tasks[attempt?.task ?? -1]
    if (!attempt || !job || !step || !task) throw new Error(`There is no attempt ${fence}.`)
    const grant = {
      ...attempt,
      kind: 'grant',
      params: task.params,
      settings: step.settings,
    } as unknown as TaskGrant
    const took = this.#scene(grant, nodeId)
    if (typeof took !== 'number') {
      await this.floor.say(nodeId, { kind: 'fail', fence, failure: took })
      return grant
    }
    const wallMs = took / speed
    for (let leftMs = wallMs; leftMs > 0; leftMs -= BEAT_MS) {
      await this.floor.world.run(Math.ceil(Math.min(leftMs, BEAT_MS)))
      await this.floor.beat(nodeId, this.#held(nodeId))
    }
    const outputs = [{ name: `${fence}.png`, bytes: 10, sha256: fence.toString(16).padStart(64, '0') }]
    await this.floor.say(nodeId, { kind: 'commit', fence, outputs, wallMs })
    await this.floor.say(nodeId, { kind: 'deliver', fence })
    return grant
  }
}
