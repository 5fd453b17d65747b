/** One agent, whole: its folder, its engine, its measured speed, its place in the network. */
import { join } from 'node:path'
import { type Agent, startAgent } from '#agent/agent.ts'
import { enrol, type Identity } from '#agent/enrol.ts'
import type { ProofSolver } from '#agent/hardware/proof-solver.ts'
import { type HealthWatch, startHealthWatch } from '#agent/health/health-watch.ts'
import { bothEngines } from '#agent/hosting/both-engines.ts'
import type { ModelHost } from '#agent/hosting/model-host.ts'
import { measureMachine } from '#agent/measure-machine.ts'
import { measureRoundTrip } from '#agent/measure-round-trip.ts'
import type { OwnerRules } from '#agent/owner/owner-rules.ts'
import { createParking, type Parking } from '#agent/owner/parking.ts'
import type { ParkVerdict } from '#agent/park.ts'
import { openReceiptBook, type ReceiptBook } from '#agent/receipts/receipt-book.ts'
import type { TaskWorker } from '#agent/work/task-worker.ts'
import type { Engine, SupervisedEngine } from '#engines/engine.ts'
import { idleEngine } from '#engines/idle-engine.ts'
import { createLlamaCppEngine } from '#engines/llama-cpp/llama-cpp-engine.ts'
import { type ModelSpeed, measureModel } from '#engines/measure.ts'
import { acquireModel, type DownloadProgress, parseModelSource } from '#engines/model-source.ts'
import { createOpenAiEngine } from '#engines/openai/openai-engine.ts'
import type { Clock, Host, Timer } from '#host/host.ts'
import { type FolderLock, lockFolder } from '#host/node/folder-lock.ts'
import { createModelDownloads } from '#host/node/model-download.ts'
import { nodeChildren } from '#host/node/node-children.ts'
import { createNodeMachine } from '#host/node/node-machine.ts'
import { openNodeHost } from '#host/node/open-node-host.ts'
import { undiciUpstreams } from '#host/node/undici-upstream.ts'
import { Capability } from '#protocol/capability.ts'
import type { Problem } from '#protocol/problem.ts'
import { VERSION } from '#protocol/version.ts'
import type { AgentConfig } from './agent-config.ts'
import { type AgentEnergy, openAgentEnergy } from './agent-energy.ts'
import { type AgentTelemetry, openAgentTelemetry } from './agent-telemetry.ts'
import { bothProvers, openCardProver } from './card-prover.ts'
import { createCpuProver } from './cpu-prover.ts'
import { createMeasureAgain } from './measure-again.ts'
import { openHosting } from './open-hosting.ts'
import { type OpenedTasks, openTasks } from './open-tasks.ts'
import { checkOwnerRules, watchOwner } from './owner-watch.ts'
import { createStandingTeller } from './tell-standing.ts'

export interface RunAgentHooks {
  /** What it does now, for people. */
  readonly onStep: (step: AgentStep) => void
  /** It cannot go on until a person changes something. */
  readonly onFailed: (problem: Problem) => void
}
export type AgentStep =
  | { kind: 'downloading'; progress: DownloadProgress }
  | { kind: 'loading' | 'measuring' | 'enrolling' }
  /** The engine is not there yet, and this is why. */
  | { kind: 'waiting'; why: string }
  /** The network does not answer, and is asked again. */
  | { kind: 'away'; message: string }
  /** Of its electricity: what its owner should know. */
  | { kind: 'note'; text: string }
  | { kind: 'state'; state: string; nodeId: string }
  /** It is connected, and gets work once that holds. */
  | { kind: 'proving_hardware' }
  | {
      kind: 'serving'
      nodeId: string
      askPerGpuHour: bigint
      isParked: boolean
      models: readonly { id: string; slots: number; tokensPerSecond: number }[]
    }

export interface RunningAgent {
  /** Takes no new work, lets what runs end for `graceMs`, then is gone. */
  drain(graceMs: number): Promise<void>
}

/** Until its answers show another one. */
const BACKSTOP_SPEED: ModelSpeed = {
  prefillTokensPerSecond: 2_000,
  decodeTokensPerSecond: 500,
  decodeTokensPerSecondSingle: 50,
}
const UNMEASURED: ModelSpeed = {
  prefillTokensPerSecond: 0,
  decodeTokensPerSecond: 0,
  decodeTokensPerSecondSingle: 0,
}

const NO_RULES: OwnerRules = { hours: null, yieldsToOthers: false, idleMinutes: null }

/** Resolves once the agent is connecting; rejects with the `Problem` of what stands in its way. */
export async function runAgent(
  config: AgentConfig,
  hooks: RunAgentHooks,
  signal: AbortSignal,
): Promise<RunningAgent> {
  const lock = lockFolder(config.folder, 'a shoal agent')
  const opened: StartParts['opened'] = { engine: null, energy: null, telemetry: null, tasks: null }
  try {
    return await start(config, hooks, { lock, signal, opened })
  } catch (error) {
    opened.energy?.close()
    await opened.tasks?.close()
    await opened.engine?.close()
    await opened.telemetry?.close()
    lock.release()
    throw error
  }
}

interface StartParts {
  readonly lock: FolderLock
  readonly signal: AbortSignal
  readonly opened: {
    engine: SupervisedEngine | null
    energy: AgentEnergy | null
    telemetry: AgentTelemetry | null
    tasks: OpenedTasks | null
  }
}

async function start(config: AgentConfig, hooks: RunAgentHooks, parts: StartParts): Promise<RunningAgent> {
  const { lock, signal, opened } = parts
  const host = openNodeHost({ folder: config.folder, logName: 'agent', logLevel: config.logLevel })
  const { clock, log } = host
  const telemetry = await openAgentTelemetry({ ...host, env: process.env }, config.metricsPort ?? null)
  opened.telemetry = telemetry
  const computer = createNodeMachine()
  const machine = await measureMachine(computer, { dataFolder: config.folder, agentVersion: VERSION })
  const { gpus } = machine
  const onNote = (text: string): void => hooks.onStep({ kind: 'note', text })
  const { rules = NO_RULES } = config
  const ownerParts = { clock, log, machine: computer, pid: process.pid }
  await checkOwnerRules(rules, ownerParts)
  const energy = await openAgentEnergy(config, { host, machine: computer, gpus }, onNote)
  opened.energy = energy
  // First of all: a wrong token should be told before the model is fetched.
  const identity = await joinNetwork(config, host, { hooks, signal })
  const engine = await openEngine(config, host, { hooks, signal, hasGpu: machine.gpus.length > 0 })
  opened.engine = engine
  const isOwn = config.engine.kind !== 'none'
  if (isOwn) hooks.onStep({ kind: 'loading' })
  await unlessLeft(signal, readyOrTell(engine, clock, hooks))
  if (isOwn) hooks.onStep({ kind: 'measuring' })
  const speeds = new Map<string, ModelSpeed>()
  for (const model of engine.models()) {
    // A server that is paid by the token is not asked for nothing.
    const isBackstop = config.engine.kind === 'openai' && config.engine.backstop !== null
    const speed = isBackstop
      ? BACKSTOP_SPEED
      : await unlessLeft(signal, measureModel(engine, model.id, clock))
    speeds.set(model.id, speed)
    log.info('model.measured', { model: model.id, ...speed })
  }
  const fetch = (request: Request): Promise<Response> => host.network.fetch(request)
  const roundTripMs = await measureRoundTrip(config.apiUrl, { fetch, clock })
  const network = roundTripMs === null ? null : { roundTripMs }
  const computesOn = Capability.shape.computesOn.parse(engine.models()[0]?.computesOn)
  const capability: Capability = {
    ...machine,
    engines: [config.engine.kind === 'none' ? 'llama-cpp' : config.engine.kind],
    computesOn,
    network,
    ...placeOf(config),
    batchDiscountBps: config.batchDiscountBps,
    ...(config.cachedDiscountBps && { cachedDiscountBps: config.cachedDiscountBps }),
  }
  const hosting = config.hosting && openHosting(config.hosting, { host, machine, folder: config.folder })
  const speedOf = (modelId: string): ModelSpeed =>
    speeds.get(modelId) ?? hosting?.speedOf(modelId) ?? UNMEASURED
  const served = telemetry.watch(hosting ? bothEngines(engine, hosting.engine) : engine)
  const metered = energy.meter(served, speedOf)
  const { verdict } = energy
  const { apiUrl, folder } = config
  const tasks = config.tasks
    ? await openTasks(config.tasks, { host, machine: computer, gpus, folder, apiUrl, onNote })
    : null
  opened.tasks = tasks
  const receipts = openReceiptBook(host)
  const processor = createCpuProver(machine.cpu.model)
  const cards =
    gpus.length > 0 ? await openCardProver(gpus, { folder: join(folder, 'provers'), onNote }) : null
  const prover = bothProvers(processor, cards)
  const health = startHealthWatch({ clock, log, machine: computer }, gpus)
  const measureAgain = createMeasureAgain({ engine, clock, log, speeds }, () => agent.report())
  // Before the network hears of it: whoever waits for it to serve is told at once that it rests.
  const parking = createParking()
  const owner = await watchOwner(rules, ownerParts, { parking, onNote })
  const isResale = config.engine.kind === 'openai' && config.engine.backstop !== null
  // From here on nothing is waited for: the network may refuse it as soon as anything is.
  const agent = connect({
    config,
    health,
    onSlow: isResale ? null : measureAgain,
    host,
    engine: metered,
    hosting,
    worker: tasks?.worker ?? null,
    identity,
    capability,
    speedOf,
    verdict,
    parking,
    prover,
    receipts,
    hooks,
  })
  parking.obey(agent)
  tasks?.start()
  const taskSide = tasks && { wasAtWork: () => tasks.worker.wasAtWork(), setAskLeast: tasks.setAskLeast }
  energy.start({ ...agent, parking, tasks: taskSide }, metered)
  telemetry.watchAgent(agent)
  return {
    async drain(graceMs) {
      await new Promise<void>((resolve) => agent.drain(graceMs, resolve))
      owner.close()
      health.close()
      energy.close()
      await receipts.close()
      cards?.close()
      await processor.close()
      await tasks?.close()
      await served.close()
      await telemetry.close()
      lock.release()
      log.close()
    },
  }
}

function joinNetwork(
  { apiUrl, token, name, askPerGpuHour }: AgentConfig,
  host: Host,
  { hooks, signal }: { hooks: RunAgentHooks; signal: AbortSignal },
): Promise<Identity> {
  hooks.onStep({ kind: 'enrolling' })
  const fetch = (request: Request): Promise<Response> => host.network.fetch(request)
  const onAway = ({ message }: Problem): void => hooks.onStep({ kind: 'away', message })
  return enrol({ ...host, fetch }, { apiUrl, token, name, askPerGpuHour, signal, onAway })
}

/** Rejects with the reason of `signal` once there is one: who closes the engine then ends the work itself. */
async function unlessLeft<T>(signal: AbortSignal, work: Promise<T>): Promise<T> {
  const left = Promise.withResolvers<never>()
  const leave = (): void => left.reject(signal.reason)
  signal.addEventListener('abort', leave, { once: true })
  if (signal.aborted) leave()
  try {
    return await Promise.race([work, left.promise])
  } finally {
    signal.removeEventListener('abort', leave)
  }
}

const TELL_EVERY_MS = 5_000

/** Waits for the engine, saying now and then what keeps it: an upstream may be away for as long as it likes. */
async function readyOrTell(engine: SupervisedEngine, clock: Clock, { onStep }: RunAgentHooks): Promise<void> {
  let timer: Timer
  const tell = (): void => {
    const failure = engine.failure()
    if (failure) onStep({ kind: 'waiting', why: failure.message })
    timer = clock.after(TELL_EVERY_MS, tell)
  }
  timer = clock.after(TELL_EVERY_MS, tell)
  try {
    await engine.ready()
  } finally {
    timer.cancel()
  }
}

function connect(parts: {
  config: AgentConfig
  host: Host
  engine: Engine
  hosting: ModelHost | null
  worker: TaskWorker | null
  identity: Identity
  capability: Capability
  speedOf: (modelId: string) => ModelSpeed
  verdict: () => ParkVerdict
  parking: Pick<Parking, 'isParked'>
  prover: ProofSolver
  receipts: ReceiptBook
  health: HealthWatch
  onSlow: ((model: string) => void) | null
  hooks: RunAgentHooks
}): Agent {
  const { config, host, engine, hosting, worker, identity, capability, speedOf, verdict, prover, hooks } =
    parts
  const { nodeId, keys, fingerprint } = identity
  const standing = createStandingTeller({ clock: host.clock, onStep: hooks.onStep, nodeId }, () => {
    const models = engine
      .models()
      .map(({ id, slots }) => ({ id, slots, tokensPerSecond: speedOf(id).decodeTokensPerSecond }))
    const { ask, isParked: isDear } = verdict()
    const isParked = isDear || parts.parking.isParked()
    hooks.onStep({ kind: 'serving', nodeId, askPerGpuHour: ask, isParked, models })
  })
  return startAgent(host, engine, {
    nodeId,
    keys,
    gatewayUrl: `${config.apiUrl.replace(/^http/, 'ws')}/agent`,
    agentVersion: VERSION,
    pin: { fingerprint, allowsUnproven: config.allowsUnproven },
    askPerGpuHour: verdict().ask,
    capability,
    speedOf,
    ...(hosting && { hosting }),
    ...(worker && { worker }),
    receipts: parts.receipts,
    prover,
    health: parts.health,
    ...(parts.onSlow && { onSlow: parts.onSlow }),
    onRefused: hooks.onFailed,
    onAway: (message) => hooks.onStep({ kind: 'away', message }),
    onState(state) {
      hooks.onStep({ kind: 'state', state, nodeId })
      if (state !== 'serving') standing.away()
    },
    onStanding: standing.told,
  })
}

async function openEngine(
  { engine, folder }: AgentConfig,
  { clock, log }: Host,
  options: { hooks: RunAgentHooks; signal: AbortSignal; hasGpu: boolean },
): Promise<SupervisedEngine> {
  if (engine.kind === 'none') return idleEngine()
  if (engine.kind === 'openai') {
    const { baseUrl, apiKey, slots } = engine
    return createOpenAiEngine(
      {
        baseUrl: new URL(baseUrl),
        ...(apiKey === null ? {} : { apiKey }),
        ...(slots === null ? {} : { slots }),
      },
      { upstreams: undiciUpstreams, clock, log },
    )
  }
  const { hooks, signal } = options
  const modelPath = await acquireModel(parseModelSource(engine.model), createModelDownloads(), {
    folder: join(folder, 'models'),
    signal,
    onProgress: (progress) => hooks.onStep({ kind: 'downloading', progress }),
  })
  const { modelId, enginesFolder, threads, slots } = engine
  return createLlamaCppEngine(
    {
      modelPath,
      modelId,
      // A machine with a GPU serves from it or says why not; one without never looks for it.
      gpu: engine.gpu === 'auto' && !options.hasGpu ? false : engine.gpu,
      ...(enginesFolder === null ? {} : { enginesFolder }),
      ...(threads === null ? {} : { threads }),
      ...(slots === null ? {} : { slots }),
    },
    { children: nodeChildren, clock, log },
  )
}

/** What its owner states of the machine. */
const placeOf = ({
  engine,
  hosting,
  region,
}: AgentConfig): Pick<Capability, 'region' | 'keepsNoPrompts' | 'backstop'> => ({
  ...(region && { region }),
  ...(engine.kind === 'openai' && engine.backstop && { backstop: engine.backstop }),
  keepsNoPrompts:
    (engine.kind !== 'openai' || engine.keepsNoPrompts) && (hosting?.upstreamHosts.length ?? 0) === 0,
})
