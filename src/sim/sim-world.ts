/** A whole network in one thread: the real coordinator, gateways and agents on simulated machines. */
import type { Agent } from '#agent/agent.ts'
import type { Coordinator } from '#coordinator/coordinator.ts'
import {
  type CoordinatorService,
  type CoordinatorServiceOptions,
  openCoordinatorService,
} from '#coordinator/coordinator-service.ts'
import { type Gateway, openGateway } from '#gateway/gateway.ts'
import { serveOpenAi } from '#gateway/openai-http.ts'
import type { GatewayTelemetry } from '#gateway/telemetry.ts'
import type { Host } from '#host/host.ts'
import { assert } from '#kernel/assert.ts'
import { forkRandom, type Random } from '#kernel/random.ts'
import { Problem, type ProblemCode } from '#protocol/problem.ts'
import type { UsageRecord } from '#protocol/usage.ts'
import { emptyCounts, tallyGateway } from './gateway-tally.ts'
import { Scheduler } from './scheduler.ts'
import { type SimAgentOptions, startSimAgent } from './sim-agent.ts'
import { SimBus } from './sim-bus.ts'
import { SimDisk } from './sim-disk.ts'
import type { createSimEngine } from './sim-engine.ts'
import { createSimHost, sha256Hex, simCrypto } from './sim-host.ts'
import { SimNetwork } from './sim-network.ts'
import type { SimPlan } from './sim-plan.ts'
import { SimProcess } from './sim-process.ts'
import { simNodeProofs } from './sim-prover.ts'

/** By which its agents know the network. */
export const NETWORK_KEYS = simCrypto.keyPair(new Uint8Array(32).fill(250))
export const KEY_SECRET = 'simulated-network'
export const MODELS = ['guide-small', 'guide-large'] as const
export const FEE_BPS = 500
/** Few enough that most coordinators of a run start from a snapshot. */
const SNAPSHOT_EVERY = 60

/** Ends that a process comes to by itself, and rightly so; a bug ends the run instead. */
const deathCodes: readonly ProblemCode[] = ['epoch_stale', 'disk_failed', 'disk_full', 'journal_corrupt']
/** How soon whoever watches over a process starts it again. */
const RESTART_MS_MIN = 500
const RESTART_MS_SPREAD = 3_000

/** A machine with a disk: the coordinator's or a gateway's. */
export interface ServerMachine {
  readonly name: string
  readonly disk: SimDisk
  /** The record without which its process does not start. */
  readonly journal: string
  isUp(): boolean
  /** kill -9 of its process; the machine runs on. */
  kill(): void
  /** The machine loses power, with every process on it. */
  cutPower(): void
  /** Starts its process unless it is up. */
  start(): void
}

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
  /** Where it connects from its next start on. */
  gateway: GatewaySlot
  readonly keys: { publicKeyHex: string; privateKeyHex: string }
  readonly msPerToken: number
  readonly disk: SimDisk
  process: SimProcess
  agent: Agent | null
  engine: ReturnType<typeof createSimEngine> | null
}

/** What a world may do otherwise than the ones of `simulate`. */
export interface SimWorldOptions {
  readonly snapshotEvery?: number
  /** Of agents, and what gateways expect of them. */
  readonly heartbeatMs?: number
  /** All wall clocks show so much later than they do otherwise. */
  readonly clockAheadMs?: number
  /** Whether nodes have to prove their hardware before they get work; they have unless told otherwise. */
  readonly nodeProofs?: boolean
  /** Hears what gateways tell. */
  readonly watch?: Partial<GatewayTelemetry>
  /** Whether answers are looked at; they are unless it says otherwise. */
  readonly auditsAnswers?: boolean
  /** What a node's agent and engine do otherwise than drawn. */
  readonly agentOf?: (slot: AgentSlot) => SimAgentOptions
  /** A node is refused for good; nobody is, unless told otherwise. */
  readonly onRefused?: (slot: AgentSlot, problem: Problem) => void
  /** What runs on a provider's machine. */
  readonly runAgent?: (host: Host, slot: AgentSlot, parts: AgentParts) => void
}
export interface AgentParts {
  readonly process: SimProcess
  readonly onFailure: (error: unknown) => void
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
  /** What all gateways told, of all their lives. */
  readonly counts = emptyCounts()
  /** How many processes ended by themselves, by the problem that they named. */
  readonly deaths: Partial<Record<ProblemCode, number>> = {}
  /** Every coordinator that was started and not killed: one that was taken over lives on until it notices. */
  readonly #coordinators = new Set<SimProcess>()
  readonly #options: SimWorldOptions
  #failure: unknown = null

  constructor(plan: SimPlan, random: Random, options: SimWorldOptions = {}) {
    this.plan = plan
    this.#options = options
    this.random = random
    this.scheduler = new Scheduler(forkRandom(random))
    this.network = new SimNetwork(this.scheduler, forkRandom(random))
    this.network.latencyMsMax = plan.latencyMsMax
    this.bus = new SimBus(this.scheduler, forkRandom(random), {
      lossPer10k: plan.busLossPer10k,
      duplicatePer10k: plan.busDuplicatePer10k,
      delayMsMax: plan.busDelayMsMax,
      cutOff: new Set(),
      muted: new Set(),
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
    this.#coordinators.add(process)
    this.service = null
    const host = this.#host(process, this.coordinatorDisk)
    const end = (error: unknown): void =>
      this.#end(
        { process, disk: this.coordinatorDisk, error, kill: () => this.killCoordinator(process) },
        () => {
          if (this.coordinatorProcess === process) this.startCoordinator()
        },
      )
    process.spawn(async () => {
      const service = await openCoordinatorService(host, {
        feeBps: FEE_BPS,
        snapshotEvery: this.#options.snapshotEvery ?? SNAPSHOT_EVERY,
        auditsAnswers: this.#options.auditsAnswers ?? true,
        receipts: { networkKey: NETWORK_KEYS.publicKeyHex, keySecret: KEY_SECRET },
        ...(this.#options.nodeProofs !== false && { nodeProofs: this.#nodeProofs() }),
        onFatal: end,
      })
      if (this.coordinatorProcess !== process) return
      this.service = service
      this.onCoordinator(service.coordinator)
    }, end)
    return process
  }

  #nodeProofs(): NonNullable<CoordinatorServiceOptions['nodeProofs']> {
    const { proofs } = this.plan
    return proofs ? { ...simNodeProofs, everyMs: proofs.everyMs } : simNodeProofs
  }

  killCoordinator(process = this.coordinatorProcess): void {
    if (process === this.coordinatorProcess) this.service = null
    this.#coordinators.delete(process)
    process.kill()
    this.coordinatorDisk.crash(process)
  }

  startGateway(slot: GatewaySlot): void {
    const process = this.#newProcess(slot.name)
    slot.process = process
    slot.gateway = null
    const host = this.#host(process, slot.disk)
    const end = (error: unknown): void =>
      this.#end({ process, disk: slot.disk, error, kill: () => this.killGateway(slot) }, () => {
        if (slot.process === process) this.startGateway(slot)
      })
    process.spawn(async () => {
      const gateway = await openGateway(host, {
        gatewayId: slot.name,
        keySecret: KEY_SECRET,
        network: { keys: NETWORK_KEYS, goesBy: () => true, tlsKeys: () => [] },
        ...(this.#options.heartbeatMs ? { heartbeatMs: this.#options.heartbeatMs } : {}),
        onFatal: end,
        onOutcome: (record) => this.onOutcome(record),
        telemetry: tallyGateway(this.counts, this.#options.watch),
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
    }, end)
  }

  killGateway(slot: GatewaySlot): void {
    slot.process.kill()
    slot.disk.crash(slot.process)
    slot.gateway = null
  }

  /** The coordinator's machine, and then each gateway's. */
  machines(): readonly ServerMachine[] {
    const coordinator: ServerMachine = {
      name: 'coordinator',
      disk: this.coordinatorDisk,
      journal: 'journal',
      isUp: () => this.coordinatorProcess.isAlive,
      kill: () => this.killCoordinator(),
      cutPower: () => {
        const processes = [...this.#coordinators]
        this.#coordinators.clear()
        this.service = null
        this.#cutPower(processes, this.coordinatorDisk)
      },
      start: () => {
        if (!this.coordinatorProcess.isAlive) this.startCoordinator()
      },
    }
    const gateways = this.gateways.map((slot) => ({
      name: slot.name,
      disk: slot.disk,
      journal: 'spool',
      isUp: () => slot.process.isAlive,
      kill: () => this.killGateway(slot),
      cutPower: () => {
        slot.gateway = null
        this.#cutPower([slot.process], slot.disk)
      },
      start: () => {
        if (!slot.process.isAlive) this.startGateway(slot)
      },
    }))
    return [coordinator, ...gateways]
  }

  #cutPower(processes: readonly SimProcess[], disk: SimDisk): void {
    for (const process of processes) process.kill()
    disk.cutPower(processes)
  }

  startAgent(slot: AgentSlot): void {
    const process = this.#newProcess(`agent-${slot.index}`)
    slot.process = process
    const host = this.#host(process, slot.disk)
    const { runAgent } = this.#options
    if (runAgent) return runAgent(host, slot, { process, onFailure: (error) => this.#fail(error, process) })
    startSimAgent(host, slot, {
      plan: this.plan,
      catalogue: MODELS,
      networkKey: NETWORK_KEYS.publicKeyHex,
      ...(this.#options.heartbeatMs && { heartbeatMs: this.#options.heartbeatMs }),
      ...this.#options.agentOf?.(slot),
      onRefused: (problem) =>
        this.#options.onRefused ? this.#options.onRefused(slot, problem) : this.#fail(problem, process),
    })
  }

  killAgent(slot: AgentSlot): void {
    slot.process.kill()
    slot.disk.crash(slot.process)
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
      disk: this.#newDisk(`agent-${index}`),
      process: this.#newProcess(`agent-${index}`),
      agent: null,
      engine: null,
    }
  }

  #newProcess(name: string): SimProcess {
    const { skewMsMax } = this.plan
    const skewMs = skewMsMax === 0 ? 0 : this.random.int(2 * skewMsMax) - skewMsMax
    return new SimProcess(this.scheduler, name, skewMs + (this.#options.clockAheadMs ?? 0))
  }

  #newDisk(name: string): SimDisk {
    const disk = new SimDisk(name, forkRandom(this.random), sha256Hex)
    disk.onRefused = (process, { code }) => {
      assert(!process.isAlive, `${process.name} lives on, although its journal refused it: ${code}`)
    }
    return disk
  }

  /** A process ended by itself, as it must when its disk fails it: it is started again, unless a person has to act first. */
  #end(
    it: { process: SimProcess; disk: SimDisk; error: unknown; kill: () => void },
    restart: () => void,
  ): void {
    const { process, disk, error } = it
    if (!(error instanceof Problem && deathCodes.includes(error.code))) return this.#fail(error, process)
    const { code, details } = error
    this.deaths[code] = (this.deaths[code] ?? 0) + 1
    it.kill()
    if (code !== 'journal_corrupt') {
      this.scheduler.after(RESTART_MS_MIN + this.random.int(RESTART_MS_SPREAD), restart)
    } else if (details['sequence'] !== disk.damage?.sequence) {
      this.#fail(new Error(`entry ${disk.damage?.sequence} is damaged, and not`, { cause: error }), process)
    }
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
