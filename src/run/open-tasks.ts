/** Puts together what works off tasks on this machine: engines, files of jobs, speed, and its owner's rules. */
import { existsSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { BlobCache } from '#agent/blob-cache.ts'
import { openJobInputs } from '#agent/work/job-inputs.ts'
import { openJobOutputs } from '#agent/work/job-outputs.ts'
import { sleep } from '#agent/work/persist.ts'
import { TaskWorker } from '#agent/work/task-worker.ts'
import type { TransferWatch } from '#agent/work/work-ports.ts'
import { type BlobWire, createBlobWire } from '#host/blobs/blob-wire.ts'
import type { Clock, Host } from '#host/host.ts'
import type { Machine } from '#host/machine.ts'
import { nodeCompression } from '#host/node/node-compression.ts'
import { nodeCrypto } from '#host/node/node-crypto.ts'
import { createNodeFileAccess } from '#host/node/node-file-access.ts'
import { createNodeHasher } from '#host/node/node-hasher.ts'
import { nodeTaskFiles } from '#host/node/node-task-files.ts'
import { probeTaskPrograms, type TaskPrograms } from '#host/probe-task-programs.ts'
import { maximum, type NanoUsd } from '#kernel/money.ts'
import type { Capability } from '#protocol/capability.ts'
import { toProblem } from '#protocol/problem.ts'
import type { WorkerFacts } from '#protocol/work-link.ts'
import { keptSpeed } from './kept-speed.ts'
import { BLENDER, type OfferedEngine, taskEngines, taskMemoryMib } from './task-engines.ts'
import type { TasksConfig } from './tasks-config.ts'

export interface OpenedTasks {
  readonly worker: TaskWorker
  /** What it offers, in words; only once it was measured. */
  start(): void
  /** Asks at least so much for an hour of this machine from now on, whatever its owner's own least is. */
  setAskLeast(perHour: NanoUsd): void
  close(): Promise<void>
}

export interface TasksParts {
  readonly host: Host
  readonly machine: Machine
  readonly gpus: Capability['gpus']
  /** Of the node. */
  readonly folder: string
  /** Origin of the network's API. */
  readonly apiUrl: string
  readonly onNote: (text: string) => void
}

const MIB = 2 ** 20
const CACHE_SHARE = 0.5
const CACHE_MIB_MAX = 50 * 1024
/** Before anything was fetched: a slow line of a household. */
const BYTES_PER_SECOND = 2_500_000
/** What a download tells of the line counts for so much. */
const NEWS_SHARE = 0.3
const BYTES_TOLD_MIN = MIB
/** Of a core, until Blender was measured, and where there is none. */
const SPEED_PER_THREAD = 1 / 8
const SESSION_IDLE_MS = 120_000
/** Two scenes at once are kept open where there is room for both. */
const MEMORY_MIB_FOR_TWO = 8 * 1024

/** `null` where this machine can do nothing of it: `onNote` was told why. */
export async function openTasks(config: TasksConfig, parts: TasksParts): Promise<OpenedTasks | null> {
  const { machine, onNote } = parts
  const folder = join(parts.folder, 'work')
  const found = await probeTaskPrograms(machine)
  const reason = whyNothing(found)
  if (reason !== null) {
    onNote(`takes no rendering: ${reason}`)
    return null
  }
  const scratch = join(folder, 'scratch')
  // Of sessions that were killed with the process before.
  await nodeTaskFiles.removeFolder(scratch)
  if (existsSync(scratch)) onNote(`cannot empty ${scratch}: remove it by hand, it takes room on your disk`)
  mkdirSync(scratch, { recursive: true, mode: 0o700 })
  const offered = taskEngines(config, found, { ...parts, folder })
  const known = createFacts(config, { machine, gpus: parts.gpus, offered })
  const worker = await openWorker(config, { ...parts, folder, offered, known })
  return {
    worker,
    start() {
      worker.pause(MEASURING, 'finish')
      void measure(config, { found, offered, machine, folder, known, onNote }).then(() => {
        worker.resume(MEASURING)
        worker.renew()
      })
    },
    setAskLeast(perHour) {
      const before = known.facts().askPerHour
      known.askLeast = perHour
      if (known.facts().askPerHour !== before) worker.renew()
    },
    close: () => worker.close(),
  }
}

const MEASURING = 'measuring'

function whyNothing({ blender, ffmpeg, sandboxMissing }: TaskPrograms): string | null {
  if (blender === null && ffmpeg === null)
    return 'there is no Blender here (apt-get install --no-install-recommends blender bubblewrap)'
  return sandboxMissing
}

interface KnownFacts {
  speed: number
  bytesPerSecond: number
  kinds: ReadonlySet<string>
  /** What an hour has to bring for its electricity. */
  askLeast: NanoUsd
  facts(): WorkerFacts
}

/** What the node says of itself, as it is known now. */
export function createFacts(
  config: TasksConfig,
  {
    machine,
    gpus,
    offered,
  }: Pick<TasksParts, 'machine' | 'gpus'> & { readonly offered: readonly OfferedEngine[] },
): KnownFacts {
  const { cores } = machine.facts()
  const memoryMib = taskMemoryMib(machine)
  const vramMib = config.device === 'CPU' ? 0 : Math.max(0, ...gpus.map((gpu) => gpu.vramMib))
  const cpuSpeed = Math.min(config.threads ?? cores, cores) * SPEED_PER_THREAD
  const known: KnownFacts = {
    speed: cpuSpeed,
    bytesPerSecond: BYTES_PER_SECOND,
    // Nothing is offered before it was measured: what an hour is worth depends on it.
    kinds: new Set(),
    askLeast: 0n,
    facts() {
      const now = offered.filter(({ engine }) => known.kinds.has(engine.kind))
      return {
        kinds: now.map(({ engine }) => engine.kind),
        speed: known.speed,
        device: config.device,
        ...(config.device !== 'CPU' && { cpuSpeed }),
        memoryMib,
        vramMib,
        bytesPerSecond: known.bytesPerSecond,
        askPerHour: maximum(config.askPerHour, known.askLeast),
        engines: Object.fromEntries(now.map(({ engine, label }) => [engine.kind, label])),
        ...(config.onlyAudits && { onlyAudits: true }),
      }
    },
  }
  return known
}

async function openWorker(
  config: TasksConfig,
  parts: TasksParts & { readonly offered: readonly OfferedEngine[]; readonly known: KnownFacts },
): Promise<TaskWorker> {
  const { host, machine, folder, offered, known } = parts
  const { clock, log } = host
  const files = createNodeFileAccess(join(folder, 'temporary'))
  const disk = { files, createHasher: createNodeHasher, crypto: nodeCrypto }
  const cache = await BlobCache.open({
    ...disk,
    clock,
    folder: join(folder, 'cache'),
    bytesMax: (await cacheMibOf(config, machine, folder)) * MIB,
  })
  const wireFor = wiresTo(parts)
  const inputs = await openJobInputs({
    ...{ cache, files, taskFiles: nodeTaskFiles, clock, wireFor },
    folder: join(folder, 'inputs'),
    onFetched(bytes, ms) {
      if (bytes < BYTES_TOLD_MIN) return
      const seen = (bytes * 1_000) / Math.max(1, ms)
      known.bytesPerSecond = known.bytesPerSecond * (1 - NEWS_SHARE) + seen * NEWS_SHARE
    },
  })
  const sending = { ...disk, taskFiles: nodeTaskFiles, compression: nodeCompression, wireFor }
  const outputs = await openJobOutputs({ ...sending, folder: join(folder, 'outputs') })
  const engines = offered.map(({ engine }) => engine)
  const sessionsMax = machine.facts().memoryMib >= MEMORY_MIB_FOR_TWO ? 2 : 1
  return new TaskWorker(
    { clock, log, engines, inputs, outputs, facts: known.facts },
    { sessionsMax, memoryBytesMax: taskMemoryMib(machine) * MIB, idleMs: SESSION_IDLE_MS },
  )
}

async function cacheMibOf({ cacheMib }: TasksConfig, machine: Machine, folder: string): Promise<number> {
  if (cacheMib !== null) return cacheMib
  const freeMib = (await machine.diskFreeMib(folder)) ?? 0
  return Math.max(1, Math.min(CACHE_MIB_MAX, Math.floor(freeMib * CACHE_SHARE)))
}

function wiresTo({ host, apiUrl }: TasksParts): (watch: Pick<TransferWatch, 'token' | 'signal'>) => BlobWire {
  const { clock, network }: { clock: Clock; network: Host['network'] } = host
  return ({ token, signal }) =>
    createBlobWire({
      fetch: (request) => network.fetch(request),
      baseUrl: apiUrl,
      token,
      signal,
      sleep: (ms, until) => sleep(clock, ms, until),
    })
}

/** Never rejects: what cannot be measured is not offered, with a note why. */
async function measure(
  { threads, device, onlyAudits }: TasksConfig,
  parts: {
    readonly found: TaskPrograms
    readonly offered: readonly OfferedEngine[]
    readonly machine: Machine
    readonly folder: string
    readonly known: KnownFacts
    readonly onNote: (text: string) => void
  },
): Promise<void> {
  const { found, offered, machine, folder, known, onNote } = parts
  const kinds = new Set<string>(offered.map(({ engine }) => engine.kind))
  const blender = offered.find(({ engine }) => engine.kind === 'blender')
  // Nobody quotes by the speed of who only checks.
  if (blender && found.blender !== null && !onlyAudits) {
    try {
      const of = { version: found.blender, threads, device }
      known.speed = await keptSpeed(of, { program: BLENDER, engine: blender.engine }, { machine, folder })
    } catch (error) {
      kinds.delete('blender')
      onNote(`takes no rendering: ${toProblem(error).message}`)
    }
  }
  known.kinds = kinds
  const labels = offered.filter(({ engine }) => kinds.has(engine.kind)).map(({ label }) => label)
  if (labels.length > 0)
    onNote(
      `takes tasks for ${labels.join(', ')}, at ${known.speed.toFixed(2)} of the reference machine's speed`,
    )
}
