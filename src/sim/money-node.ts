/**
 * A provider's machine in a farm with money: the real agent with its real loop of tasks. Its engine, its disk and its transfers
 * are simulated, and a liar is one whose engine lies.
 */
import { type Agent, startAgent } from '#agent/agent.ts'
import { persist, sleep } from '#agent/work/persist.ts'
import { type PauseHow, TaskWorker } from '#agent/work/task-worker.ts'
import type { HeldInputs, JobInputs, JobOutputs } from '#agent/work/work-ports.ts'
import type { SessionInput, TaskEngine, TaskOutput, TaskSession } from '#engines/task-engine.ts'
import type { Clock, KeyPair } from '#host/host.ts'
import { assert } from '#kernel/assert.ts'
import { forkRandom, type Random } from '#kernel/random.ts'
import { fingerprintOf } from '#protocol/network-key.ts'
import { Problem } from '#protocol/problem.ts'
import { type MoneyGateway, NETWORK_KEYS } from './money-gateway.ts'
import { MoneyManner } from './money-manner.ts'
import type { MoneyNodePlan } from './money-plan.ts'
import { createSimEngine } from './sim-engine.ts'
import { simCrypto } from './sim-host.ts'
import { createSimProver } from './sim-prover.ts'
import type { TestMachine, TestWorld } from './test-world.ts'

export interface MoneyNodeParts {
  readonly world: TestWorld
  readonly plan: MoneyNodePlan & { readonly onlyAudits?: boolean }
  readonly random: Random
  readonly gateway: MoneyGateway
}

/** How long a program takes that is told to end. */
const LETS_GO_MS_MAX = 300
const FETCH_MS_MAX = 2_000
const SEND_MS_MAX = 1_500
const SHELF = { sessionsMax: 2, memoryBytesMax: 2 ** 30, idleMs: 60_000 }

export class MoneyNode {
  readonly #parts: MoneyNodeParts
  readonly #manner: MoneyManner
  readonly keys: KeyPair
  #machine: TestMachine
  #agent: Agent | null = null
  #worker: TaskWorker | null = null
  #lives = 0
  #isFrozen = false
  /** Since when its agent serves undisturbed; `null` while it does not. */
  #servesSinceMs: number | null = null
  /** How often it came to serve in this life. */
  connections = 0
  /** Fences that its engine works on. */
  readonly running = new Set<number>()
  /** Inputs and folders that are held. */
  held = 0
  folders = 0
  lies = 0
  /** The network has told it to go. */
  isRefused = false

  constructor(parts: MoneyNodeParts) {
    const { plan, world } = parts
    this.#parts = parts
    this.#manner = new MoneyManner(plan, forkRandom(parts.random))
    this.keys = simCrypto.keyPair(Uint8Array.from({ length: 32 }, () => parts.random.int(256)))
    this.#machine = world.machine(plan.nodeId)
  }

  get nodeId(): string {
    return this.#parts.plan.nodeId
  }

  get gateway(): MoneyGateway {
    return this.#parts.gateway
  }

  get process() {
    return this.#machine.process
  }

  /** How long it has been connected, alive and awake. */
  servesForMs(): number {
    if (this.#servesSinceMs === null || this.#isFrozen) return 0
    return Math.max(0, this.#parts.world.scheduler.nowMs() - this.#servesSinceMs)
  }

  /** Its connection stands still, and breaks where that lasts. */
  cut(durationMs: number): void {
    const { network, scheduler } = this.#parts.world
    network.cut(this.process, durationMs)
    if (this.#servesSinceMs !== null) this.#servesSinceMs = scheduler.nowMs() + durationMs
  }

  /** Lives that it has behind it. */
  get lives(): number {
    return this.#lives
  }

  get isUp(): boolean {
    return this.#agent !== null
  }

  /** Attempts that it has. */
  count(): number {
    return this.#worker?.count() ?? 0
  }

  start(): void {
    if (this.isRefused) return
    const { plan, gateway, world } = this.#parts
    const { host } = this.#machine
    const { clock, log } = host
    const [inputs, outputs] = [this.#inputs(clock), this.#outputs(clock)]
    const parts = { clock, log, engines: [this.#engine(clock)], inputs, outputs, facts: () => factsOf(plan) }
    this.#worker = new TaskWorker(parts, SHELF)
    const noModels = createSimEngine(clock, { models: [], msPerToken: 1, prefillMs: 1, hasCache: false })
    this.#agent = startAgent(host, noModels, {
      ...{ nodeId: plan.nodeId, keys: this.keys, gatewayUrl: gateway.url, agentVersion: 'sim' },
      ...{ askPerGpuHour: 0n, capability, worker: this.#worker },
      pin: { fingerprint: fingerprintOf(simCrypto, NETWORK_KEYS.publicKeyHex), allowsUnproven: false },
      prover: createSimProver(clock),
      speedOf: () => noSpeed,
      onState: (state) => {
        this.#servesSinceMs = state === 'serving' ? world.scheduler.nowMs() : null
        if (state === 'serving') this.connections++
      },
      onRefused: () => {
        this.isRefused = true
      },
    })
  }

  /** kill -9: what it had in memory and on its way is lost. */
  kill(): void {
    this.#lives++
    this.#machine.process.kill()
    this.#machine = this.#parts.world.machine(this.nodeId, this.#machine.disk)
    this.running.clear()
    this.held = 0
    this.folders = 0
    this.#agent = null
    this.#worker = null
    this.#isFrozen = false
    this.#servesSinceMs = null
  }

  freeze(): void {
    if (!this.#agent) return
    this.#isFrozen = true
    this.#machine.process.stop()
  }

  thaw(): void {
    if (!this.#isFrozen) return
    this.#isFrozen = false
    if (this.#servesSinceMs !== null) this.#servesSinceMs = this.#parts.world.scheduler.nowMs()
    this.#machine.process.wake()
  }

  /** Its owner wants the machine. */
  park(how: PauseHow): void {
    this.#agent?.park('its owner wants it', how)
  }

  unpark(): void {
    this.#agent?.unpark()
  }

  #engine(clock: Clock): TaskEngine {
    return { kind: 'blender', open: async (input) => this.#session(clock, input) }
  }

  #session(clock: Clock, { settings }: SessionInput): TaskSession {
    const life = this.#lives
    const frameMs = Number(settings['frameMs'])
    return {
      run: ({ params, outFolder }, onProgress, signal) => {
        const fence = Number(outFolder.split('/')[1])
        assert(this.running.size === 0, `${this.nodeId} runs one task at a time`)
        this.running.add(fence)
        const { takesMs, wallMs, isLie, files } = this.#manner.make(params, frameMs)
        const ended = (): void => {
          if (life === this.#lives) this.running.delete(fence)
        }
        return new Promise<TaskOutput>((resolve, reject) => {
          const half = clock.after(takesMs / 2, () => onProgress(0.5))
          const whole = clock.after(takesMs, () => {
            ended()
            if (isLie) this.lies++
            resolve({ files, wallMs, cpuMs: wallMs, peakBytes: 0, notes: {} })
          })
          const onAbort = (): void => {
            for (const timer of [half, whole]) timer.cancel()
            clock.after(this.#parts.random.int(LETS_GO_MS_MAX), () => {
              ended()
              reject(new Problem('cancelled', 'The task was called off.'))
            })
          }
          if (signal.aborted) onAbort()
          else signal.addEventListener('abort', onAbort, { once: true })
        })
      },
      close: async () => undefined,
    }
  }

  #inputs(clock: Clock): JobInputs {
    const trees = new Set<string>()
    const life = this.#lives
    return {
      obtain: async ({ inputRoot }, watch) => {
        if (inputRoot !== null && !trees.has(inputRoot)) {
          await persist(clock, watch.signal, async () => {
            await sleep(clock, this.#parts.random.int(FETCH_MS_MAX), watch.signal)
            await this.gateway.checkRead(watch.token(), inputRoot)
          })
          trees.add(inputRoot)
        }
        return this.#hold(life, inputRoot ?? '')
      },
      cached: () => [...trees],
    }
  }

  #hold(life: number, root: string): HeldInputs {
    let isHeld = true
    this.held++
    return {
      root,
      retain: () => this.#hold(life, root),
      release: () => {
        if (isHeld && life === this.#lives) this.held--
        isHeld = false
      },
    }
  }

  #outputs(clock: Clock): JobOutputs {
    const life = this.#lives
    return {
      kept: [],
      keep: async () => undefined,
      makeFolder: async (fence) => {
        this.folders++
        return `out/${fence}`
      },
      send: async ({ files }, watch) => {
        await sleep(clock, this.#parts.random.int(SEND_MS_MAX), watch.signal)
        this.gateway.takeIn(watch.token(), files)
      },
      drop: async () => {
        if (life === this.#lives) this.folders--
      },
    }
  }
}

const factsOf = ({ speed, onlyAudits }: MoneyNodeParts['plan']) => ({
  ...{ kinds: ['blender' as const], speed, memoryMib: 16_000, vramMib: 0, bytesPerSecond: 1e8 },
  ...{ askPerHour: 0n, engines: {} },
  ...(onlyAudits && { onlyAudits }),
})

const noSpeed = { prefillTokensPerSecond: 1, decodeTokensPerSecond: 1, decodeTokensPerSecondSingle: 1 }

const capability = {
  ...{ agentVersion: 'sim', osName: 'simulated', cpu: { model: 'simulated', cores: 8 } },
  ...{ memoryMib: 16_384, diskFreeMib: 100_000, gpus: [], powerWatts: null },
  ...{ engines: ['simulated'], models: [], problems: [] },
}
