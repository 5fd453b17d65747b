/** A place to run real programs in: a temporary folder and everything that was started, gone when the test file is over. */
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import OpenAI from 'openai'
import { tinyGguf } from '#engines/llama-cpp/tiny-gguf.ts'
import { tinyTokens } from '#engines/llama-cpp/tiny-gguf-head.ts'
import { type Client, createClient } from '#protocol/client.ts'
import type { NetworkStatus } from '#protocol/network-status.ts'
import { routes } from '#protocol/routes.ts'
import { placeDatabase } from './made-database.ts'
import {
  groupMembers,
  isAlive,
  type ProcessFacts,
  type Program,
  type ProgramEnd,
  processesAtHome,
  startProgram,
  until,
} from './process-group.ts'
import { storeArguments } from './store-under-test.ts'

const root = join(import.meta.dirname, '../..')
const entry = join(root, 'bin/shoal.ts')

/**
 * What `tiny` serves in all these tests: real, fast, and at temperature 0 never at a loss for another token. One answer
 * in five of 500 sampled tokens ends before: a test that counts tokens asks for temperature 0, or with `untilItsLimit`.
 */
export const tinyModel = { isEndless: true, contextTokens: 8192 } as const

/** Makes a sampled answer of `tiny` go on to its limit: what ends a text is all but impossible then. */
export const untilItsLimit = { logit_bias: { [tinyTokens.eos]: -100, [tinyTokens.end]: -100 } } as const

/** The demo model that comes with Shoal. */
export const guideModel = { path: join(root, 'models/guide/guide.gguf'), id: 'shoal-guide' } as const
export const guideMissing = existsSync(guideModel.path)
  ? false
  : `the demo model ${guideModel.path} is not there`

export interface Rig {
  readonly folder: string
  /** A path below the rig's folder. */
  path(name: string): string
  /** Writes the tiny model once, and names its file. */
  tinyPath(): string
  /** Starts `shoal` with these arguments. */
  start(args: readonly string[]): Program
  /** Starts any program, in the repository's folder. */
  startCommand(command: readonly string[]): Program
  /** Runs `shoal` to its end. */
  run(args: readonly string[]): Promise<ProgramEnd>
  /** Everything that lives of what was started here, and of what that has started. */
  processes(): ProcessFacts[]
  dispose(): Promise<void>
}

/** Whoever opens it disposes of it; should the process be told to end before, everything goes with it. */
export function openRig(): Rig {
  const folder = mkdtempSync(join(tmpdir(), 'shoal-e2e-'))
  const startCommand = (command: readonly string[]): Program =>
    startProgram(command, { cwd: root, env: { HOME: folder } })
  const start = (args: readonly string[]): Program => startCommand([process.execPath, entry, ...args])
  const path = (name: string): string => join(folder, name)
  const processes = (): ProcessFacts[] => processesAtHome(folder)
  const killed = new Set<number>()
  /** True when nothing is left. A process that is ending has lost its environment while it still has files open. */
  const endAll = (): boolean => {
    for (const { pid } of processes()) {
      killed.add(pid)
      killIfThere(pid)
    }
    return ![...killed].some(isAlive)
  }
  const abandon = (): void => {
    endAll()
    rmSync(folder, { recursive: true, force: true, maxRetries: 5 })
    process.exit(1)
  }
  for (const name of ['SIGINT', 'SIGTERM'] as const) process.on(name, abandon)
  return {
    folder,
    path,
    tinyPath() {
      const file = path('tiny.gguf')
      if (!existsSync(file)) writeFileSync(file, tinyGguf(tinyModel))
      return file
    },
    start,
    startCommand,
    run: (args) => start(args).end,
    processes,
    async dispose() {
      await until('everything that was started to be gone', endAll)
      for (const name of ['SIGINT', 'SIGTERM'] as const) process.off(name, abandon)
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

function killIfThere(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
  }
}

export interface Ready {
  readonly openaiBaseUrl: string
  readonly apiKey: string
  readonly apiUrl: string
  readonly webUrl: string
}

/** A network that serves, and clients for it. */
export interface Network {
  readonly program: Program
  readonly folder: string
  readonly ready: Ready
  readonly openai: OpenAI
  /** Acts with the key for work. */
  readonly member: Client
  /** Acts with the key for running the network. */
  readonly operator: Client
  readonly operatorKey: string
  status(): Promise<NetworkStatus>
  /** What a `shoal` command takes to talk with it. */
  readonly options: readonly string[]
}

/** `shoal up` on the tiny model. */
export const startTiny = (rig: Rig, folder: string, args: readonly string[] = []): Promise<Network> =>
  startNetwork(rig, folder, ['--model', rig.tinyPath(), '--model-id', 'tiny', ...args])

/** `shoal up` with these arguments on a free port, once it serves. Its node renders nothing unless an argument says how. */
export async function startNetwork(rig: Rig, folder: string, args: readonly string[]): Promise<Network> {
  const readyFile = join(mkdtempSync(rig.path('ready-')), 'ready.json')
  const store = storeArguments(folder)
  if (store.length === 0) await placeDatabase(folder)
  const rendering = args.some((arg) => arg.startsWith('--render')) ? [] : ['--render', 'off']
  const program = rig.start([
    'up',
    '--data',
    folder,
    '--port',
    '0',
    '--ready-file',
    readyFile,
    ...store,
    ...rendering,
    ...args,
  ])
  return await awaitNetwork({ program, folder, readyFile })
}

export interface StartedNetwork {
  readonly program: Program
  readonly folder: string
  readonly readyFile: string
}

/** Waits for the ready file and reads from it and from the data folder what clients need. */
export async function awaitNetwork({ program, folder, readyFile }: StartedNetwork): Promise<Network> {
  const ready = await until('the ready file', () => {
    if (program.isOver()) throw new Error(`the network ended before it served:\n${program.output()}`)
    return readJson<Ready>(readyFile)
  }).catch((error: unknown) => {
    throw new Error(`no network: ${program.output()}`, { cause: error })
  })
  const kept = readJson<{ apiKey: string; operatorKey: string }>(join(folder, 'credentials.json'))
  if (kept === null) throw new Error(`${folder} has no credentials`)
  const { apiUrl, openaiBaseUrl } = ready
  const apiKey = kept.apiKey
  const { operatorKey } = kept
  const clientOf = (key: string): Client => createClient(routes, { baseUrl: apiUrl, apiKey: key, fetch })
  const operator = clientOf(operatorKey)
  return {
    program,
    folder,
    ready,
    openai: new OpenAI({ baseURL: openaiBaseUrl, apiKey, maxRetries: 0 }),
    member: clientOf(apiKey),
    operator,
    operatorKey,
    status: () => operator.getStatus(),
    options: ['--data', folder],
  }
}

/** Null while the file is missing or half written. */
function readJson<T>(path: string): T | null {
  if (!existsSync(path)) return null
  try {
    return JSON.parse(readFileSync(path, 'utf8')) as T
  } catch {
    return null
  }
}

/** The processes of a network's own node. */
export async function findNodeProcesses({ program }: Network): Promise<{ agent: number; engine: number }> {
  return until('the agent and its engine', () => {
    const members = groupMembers(program.pid)
    const agent = members.find(({ title }) => title.startsWith('shoal agent'))
    const engine = members.find(({ parent }) => parent === agent?.pid)
    return agent && engine ? { agent: agent.pid, engine: engine.pid } : null
  })
}
