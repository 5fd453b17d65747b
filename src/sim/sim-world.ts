/** A whole network in one thread: the real coordinator, gateways and agents on simulated machines. */
import { type Agent, startAgent } from '#agent/agent.ts'
import type { Coordinator } from '#coordinator/coordinator.ts'
import { type CoordinatorService, openCoordinatorService } from '#coordinator/coordinator-service.ts'
import { type Gateway, openGateway } from '#gateway/gateway.ts'
import { serveOpenAi } from '#gateway/openai-http.ts'
import { forkRandom, type Random } from '#kernel/random.ts'
import type { ProblemCode } from '#protocol/problem.ts'
import type { UsageRecord } from '#protocol/usage.ts'
import { Scheduler } from './scheduler.ts'
import { SimBus } from './sim-bus.ts'
import { SimDisk } from './sim-disk.ts'
import { createSimEngine } from './sim-engine.ts'
import { createSimHost, sha256Hex, simCrypto } from './sim-host.ts'
import { SimNetwork } from './sim-network.ts'
import type { SimPlan } from './sim-plan.ts'
import { SimProcess } from './sim-process.ts'

export const KEY_SECRET = 'simulated-network'
export const MODELS = ['guide-small', 'guide-large'] as const
export const FEE_BPS = 500
/** Few enough that most coordinators of a run start from a snapshot. */
const SNAPSHOT_EVERY = 60

/** A gateway's machine, and what runs on it now. */
export interface GatewaySlot {
  readonly name: string
  readonly address: string
  readonly disk: SimDisk
  process: SimProcess
  gateway: Gateway | null
}

/** A provider's machine, and what runs on it now. */
export interface AgentSlot {
  readonly index: number
  readonly nodeId: string
  readonly gateway: GatewaySlot
  readonly keys: { publicKeyHex: string; privateKeyHex: string }
  readonly msPerToken: number
  process: SimProcess
  agent: Agent | null
  engine: ReturnType<typeof createSimEngine> | null
}

export class SimWorld {
  readonly scheduler: Scheduler
  readonly random: Random
  readonly plan: SimPlan
  readonly network: SimNetwork
  readonly bus: SimBus
  readonly coordinatorDisk: SimDisk
  readonly gateways: GatewaySlot[] = []
  readonly agents: AgentSlot[] = []
  coordinatorProcess: SimProcess
  service: CoordinatorService | null = null
  /** Told of each outcome that a gateway reports, and of each entry that the coordinator decides. */
  onOutcome: (record: UsageRecord) => void = () => {}
  onCoordinator: (coordinator: Coordinator) => void = () => {}
  /** Why coordinators died by themselves. */
  readonly fatal: ProblemCode[] = []
  #failure: unknown = null

  constructor(plan: SimPlan, random: Random) {
    this.plan = plan
    this.random = random
    this.scheduler = new Scheduler(forkRandom(random))
    this.network = new SimNetwork(this.scheduler, forkRandom(random))
    this.network.latencyMsMax = plan.latencyMsMax
    this.bus = new SimBus(this.scheduler, forkRandom(random), {
      lossPer10k: plan.busLossPer10k,
      duplicatePer10k: plan.busDuplicatePer10k,
      delayMsMax: plan.busDelayMsMax,
      cutOff: new Set(),
    })
    this.coordinatorDisk = this.#newDisk('coordinator')
    this.coordinatorProcess = this.#newProcess('coordinator')
    for (let index = 0; index < plan.gateways; index++) {
      const name = `gateway-${index}`
      this.gateways.push({
        name,
        address: `${name}:80`,
        disk: this.#newDisk(name),
        process: this.#newProcess(name),
        gateway: null,
      })
    }
    for (let index = 0; index < plan.nodes; index++) this.agents.push(this.#newAgentSlot(index))
  }

  get coordinator(): Coordinator | null {
    return this.service?.coordinator ?? null
  }

  /** Throws what went wrong inside a process, if anything did. */
  rethrow(): void {
    if (this.#failure) throw this.#failure
  }

  /** Starts a coordinator on its disk; the newest takes the epoch. */
  startCoordinator(): SimProcess {
    const process = this.#newProcess('coordinator')
    this.coordinatorProcess = process
    this.service = null
    const host = this.#host(process, this.coordinatorDisk)
    process.spawn(
      async () => {
        const service = await openCoordinatorService(host, {
          feeBps: FEE_BPS,
          snapshotEvery: SNAPSHOT_EVERY,
          onFatal: (problem) => {
            this.fatal.push(problem.code)
            this.killCoordinator(process)
          },
        })
        if (this.coordinatorProcess !== process) return
        this.service = service
        this.onCoordinator(service.coordinator)
      },
      (error) => this.#fail(error, process),
    )
    return process
  }

  killCoordinator(process = this.coordinatorProcess): void {
    if (process === this.coordinatorProcess) this.service = null
    process.kill()
    this.coordinatorDisk.crash(process)
  }

  startGateway(slot: GatewaySlot): void {
    const process = this.#newProcess(slot.name)
    slot.process = process
    slot.gateway = null
    const host = this.#host(process, slot.disk)
    process.spawn(
      async () => {
        const gateway = await openGateway(host, {
          gatewayId: slot.name,
          keySecret: KEY_SECRET,
          onFatal: (problem) => this.#fail(problem, process),
          onOutcome: (record) => this.onOutcome(record),
        })
        slot.gateway = gateway
        const { clock, log, secrets } = host
        await host.network.listen(
          { hostname: slot.name, port: 80 },
          {
            onExchange: (exchange) => serveOpenAi({ gateway, clock, log, secrets }, exchange),
            onLink: (path, link) => (path === '/agent' ? gateway.acceptLink(link) : null),
          },
        )
      },
      (error) => this.#fail(error, process),
    )
  }

  killGateway(slot: GatewaySlot): void {
    slot.process.kill()
    slot.disk.crash(slot.process)
    slot.gateway = null
  }

  startAgent(slot: AgentSlot): void {
    const process = this.#newProcess(`agent-${slot.index}`)
    slot.process = process
    const host = this.#host(process, this.#newDisk('agent'))
    // By another measure than its gateway: every gateway has nodes of every model.
    const kind = Math.floor(slot.index / this.gateways.length) % 3
    const models = MODELS.filter((_, index) => kind !== index).map((id) => ({
      id,
      tasks: ['chat', 'completion'] as const,
      contextTokens: 4_096,
      slots: 4,
      fingerprint: id,
    }))
    const { msPerToken } = slot
    const engine = createSimEngine(process.clock(), { models, msPerToken, prefillMs: 20 + 10 * msPerToken })
    const decode = 1_000 / msPerToken
    slot.engine = engine
    slot.agent = startAgent(host, engine, {
      nodeId: slot.nodeId,
      keys: slot.keys,
      gatewayUrl: `ws://${slot.gateway.address}/agent`,
      agentVersion: 'sim',
      askPerGpuHour: BigInt(50_000_000 + slot.index * 1_000_000),
      capability: machine,
      speedOf: () => ({
        prefillTokensPerSecond: decode * 10,
        decodeTokensPerSecond: decode * 4,
        decodeTokensPerSecondSingle: decode,
      }),
      onRefused: (problem) => this.#fail(problem, process),
    })
  }

  killAgent(slot: AgentSlot): void {
    slot.process.kill()
    slot.agent = null
    slot.engine = null
  }

  #newAgentSlot(index: number): AgentSlot {
    const seed = Uint8Array.from({ length: 32 }, () => this.random.int(256))
    const gateway = this.gateways[index % this.gateways.length] as GatewaySlot
    return {
      index,
      nodeId: `node_${String(index).padStart(4, '0')}`,
      gateway,
      keys: simCrypto.keyPair(seed),
      msPerToken: 10 + this.random.int(60),
      process: this.#newProcess(`agent-${index}`),
      agent: null,
      engine: null,
    }
  }

  #newProcess(name: string): SimProcess {
    const { skewMsMax } = this.plan
    const skewMs = skewMsMax === 0 ? 0 : this.random.int(2 * skewMsMax) - skewMsMax
    return new SimProcess(this.scheduler, name, skewMs)
  }

  #newDisk(name: string): SimDisk {
    return new SimDisk(name, forkRandom(this.random), sha256Hex)
  }

  #host(process: SimProcess, disk: SimDisk) {
    return createSimHost({
      process,
      disk,
      random: forkRandom(this.random),
      network: this.network,
      bus: this.bus,
    })
  }

  #fail(error: unknown, process: SimProcess): void {
    this.#failure ??= new Error(`${process.name} failed`, { cause: error })
  }
}

const machine = {
  agentVersion: 'sim',
  osName: 'simulated',
  cpu: { model: 'simulated', cores: 8 },
  memoryMib: 16_384,
  diskFreeMib: 100_000,
  gpus: [],
  powerWatts: null,
  engines: ['simulated'],
  models: [],
  problems: [],
}
