/**
 * A network whose nodes serve only what it places on them: the real coordinator, gateway, agents and their hosting, on
 * one virtual clock, with nodes that die and come back, downloads that break, demand in waves, and an operator who adds,
 * changes and removes models. Looks every second at what must hold.
 */
import { startAgent } from '#agent/agent.ts'
import { createModelHost, type ModelHost } from '#agent/hosting/model-host.ts'
import { addModel, changeModel, removeModel } from '#coordinator/change-catalogue.ts'
import { type CoordinatorService, openCoordinatorService } from '#coordinator/coordinator-service.ts'
import type { Turn } from '#coordinator/turn.ts'
import { type Gateway, openGateway } from '#gateway/gateway.ts'
import { assert } from '#kernel/assert.ts'
import { createRandom, type Random } from '#kernel/random.ts'
import { memoryMibOf } from '#models/memory.ts'
import type { AddModel, ModelFacts } from '#protocol/model-catalogue.ts'
import { Problem } from '#protocol/problem.ts'
import { testCapability } from './scripted-agent.ts'
import { simCrypto } from './sim-host.ts'
import { createSimFiles, createSimHostedEngine, emptyModelDisk, type OpenEngines } from './sim-hosting.ts'
import { createTestWorld, foundCell, PAYER, type TestMachine, type TestWorld } from './test-world.ts'

export interface ModelFleetOptions {
  readonly seed: number
  /** Memory of each node, in MiB. */
  readonly nodesMib: readonly number[]
  /** Of a thousand seconds of downloading, this many break. */
  readonly failuresPer1000?: number
}

export interface SimNode {
  readonly nodeId: string
  readonly memoryMib: number
  readonly open: OpenEngines
  host: ModelHost | null
  machine: TestMachine
}

export interface ModelFleetRun {
  readonly world: TestWorld
  /** The coordinator that leads now. */
  service(): CoordinatorService
  /** Kills the coordinator, and starts one on its disk. */
  restartCoordinator(): Promise<void>
  readonly gateway: Gateway
  readonly nodes: readonly SimNode[]
  readonly random: Random
  /** Each placement, in order. */
  readonly placed: readonly { readonly nodeId: string; readonly model: string; readonly atMs: number }[]
  readonly evicted: readonly { readonly nodeId: string; readonly model: string; readonly reason: string }[]
  /** How requests ended. */
  readonly ended: { finished: number; refused: Problem[]; failed: Problem[] }
  add(model: AddModel): void
  change(name: string, change: Parameters<typeof changeModel>[2]): void
  remove(name: string): void
  ask(model: string, maxTokens?: number): void
  kill(node: SimNode): void
  start(node: SimNode): void
  run(durationMs: number): Promise<void>
  ready(model: string): number
}

const MIB = 1024 * 1024
const LOAD_MS = 4_000
const WARM_MS = 2_000
const LINE_BYTES_PER_MS = 50 * 1024
const NETWORK_SEED = new Uint8Array(32).fill(99)

/** What a file takes, from its model's name: `m-300` has 300 MiB. */
export const simFacts = (model: string): ModelFacts => ({
  sizeBytes: Number(/(\d+)$/.exec(model)?.[1] ?? 100) * MIB,
  kvBytesPerToken: 1_024,
  contextTokens: 8_192,
})

export async function runModelFleet(options: ModelFleetOptions): Promise<ModelFleetRun> {
  const { seed, nodesMib, failuresPer1000 = 0 } = options
  const world = createTestWorld(seed)
  const random = createRandom(seed)
  const onFatal = (problem: Problem): never => {
    throw problem
  }
  const placed: { nodeId: string; model: string; atMs: number }[] = []
  const evicted: { nodeId: string; model: string; reason: string }[] = []
  let coordinator = world.machine('coordinator')
  async function openService(): Promise<CoordinatorService> {
    const opened = await world.settle(
      openCoordinatorService(coordinator.host, { feeBps: 500, snapshotEvery: 1_000, onFatal }),
    )
    opened.coordinator.onEvent((event) => {
      if (event.type === 'model.placed') placed.push(event)
      if (event.type === 'model.evicted') evicted.push(event)
    })
    return opened
  }
  let service = await openService()
  const take = (useCase: (turn: Turn) => unknown): void => service.coordinator.execute(useCase, () => {})
  const ids = nodesMib.map((_, index) => `node_${index}`)
  const keysOf = (index: number) => simCrypto.keyPair(new Uint8Array(32).fill(index + 1))
  take((turn) =>
    foundCell(turn, {
      balance: 10n ** 15n,
      nodes: Object.fromEntries(ids.map((id, index) => [id, keysOf(index).publicKeyHex])),
    }),
  )
  const gatewayMachine = world.machine('g')
  const network = { keys: simCrypto.keyPair(NETWORK_SEED), goesBy: () => true, tlsKeys: () => [] }
  const gateway = await world.settle(
    openGateway(gatewayMachine.host, { gatewayId: 'g', keySecret: 'k', network, onFatal }),
  )
  void gatewayMachine.host.network.listen(
    { hostname: 'g', port: 80 },
    { onExchange: () => {}, onLink: (_path, link) => gateway.acceptLink(link) },
  )
  await world.run(500)

  const disks = ids.map(emptyModelDisk)
  const nodes: SimNode[] = ids.map((nodeId, index) => ({
    nodeId,
    memoryMib: nodesMib[index] ?? 0,
    open: { models: new Map() },
    host: null,
    machine: world.machine(nodeId),
  }))
  const ended: ModelFleetRun['ended'] = { finished: 0, refused: [], failed: [] }
  let asked = 0

  function start(node: SimNode): void {
    const index = nodes.indexOf(node)
    const disk = disks[index]
    assert(disk && !node.host, 'a node is started once')
    node.machine = world.machine(node.nodeId, node.machine.disk)
    const { host } = node.machine
    const { clock } = host
    const warm = new Set<string>()
    const files = createSimFiles(host, {
      disk,
      cacheMib: 4_000,
      bytesPerMs: LINE_BYTES_PER_MS,
      factsOf: simFacts,
      failuresPer1000,
    })
    node.host = createModelHost(
      {
        clock,
        log: host.log,
        files,
        openEngine(model) {
          warm.delete(model.model)
          const engine = { loadMs: LOAD_MS, open: node.open, isWarm: () => warm.has(model.model) }
          return createSimHostedEngine(clock, model, engine)
        },
        async warm(_engine, model) {
          await new Promise<void>((resolve) => void clock.after(WARM_MS, () => resolve()))
          warm.add(model)
          return { prefillTokensPerSecond: 500, decodeTokensPerSecond: 200, decodeTokensPerSecondSingle: 50 }
        },
      },
      { memoryMib: node.memoryMib, cacheMib: 4_000, accepts: null, bytesPerSecond: 1e9 * (1 + index) },
    )
    const { host: hosting } = node
    startAgent(host, hosting.engine, {
      nodeId: node.nodeId,
      keys: keysOf(index),
      gatewayUrl: 'ws://g:80/agent',
      agentVersion: 'sim',
      askPerGpuHour: 1n,
      capability: { ...testCapability, models: [] },
      speedOf: (model) =>
        hosting.speedOf(model) ?? {
          prefillTokensPerSecond: 1,
          decodeTokensPerSecond: 1,
          decodeTokensPerSecondSingle: 1,
        },
      hosting,
      onRefused: onFatal,
    })
  }

  function ask(model: string, maxTokens = 40): void {
    const requestId = `req_${++asked}`
    const sampling = { temperature: 0, topP: 1, stop: [], frequencyPenalty: 0, presencePenalty: 0 }
    const messages = [{ role: 'user' as const, content: `question ${asked}` }]
    const admitted = gateway.admit(
      {
        requestId,
        organisationId: PAYER,
        keyId: 'key',
        engine: { kind: 'chat', requestId, model, messages, maxTokens, sampling },
        promptTokensMax: 100,
        completionTokensMax: maxTokens,
      },
      {
        onNode: () => {},
        onText: () => {},
        onEmbedding: () => {},
        onFinish: () => void ended.finished++,
        onProblem: (problem) => void ended.failed.push(problem),
        onCut: () => void ended.failed.push(new Problem('cancelled', 'cut')),
      },
    )
    if (admitted instanceof Problem) ended.refused.push(admitted)
  }

  for (const node of nodes) start(node)
  await world.run(3_000)
  return {
    world,
    service: () => service,
    async restartCoordinator() {
      coordinator.process.kill()
      coordinator = world.machine('coordinator', coordinator.disk)
      service = await openService()
    },
    gateway,
    nodes,
    random,
    placed,
    evicted,
    ended,
    add: (model) =>
      take((turn) => addModel(turn, model, (text) => Buffer.from(simCrypto.sha256(text)).toString('hex'))),
    change: (name, change) => take((turn) => changeModel(turn, name, change)),
    remove: (name) => take((turn) => removeModel(turn, name)),
    ask,
    kill(node) {
      node.machine.process.kill()
      node.open.models.clear()
      node.host = null
    },
    start,
    run: (durationMs) => world.run(durationMs),
    ready: (model) => service.models.stateOf(model, service.coordinator.nowMs()).replicas.serving.length,
  }
}

/** Memory that the engines of a node take, those that are being unloaded among them. */
export function loadedMib({ open }: SimNode): number {
  let sum = 0
  for (const model of open.models.values()) {
    const facts = simFacts(model)
    const source = { kind: 'url', url: 'https://models.example/m.gguf' } as const
    sum += memoryMibOf({ source, facts, settings: { contextTokens: 8_192, slots: 4 } }) ?? 0
  }
  return sum
}
