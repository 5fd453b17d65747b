/**
 * The network that is measured: the real gateway as a process of its own on one core, as `shoal gateway` runs it, and on the
 * other core the coordinator, the bus between them and the agents. Everything is on: keys with limits, slices of balance,
 * routing, a usage spool that is synced before an answer ends.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { startNats } from '#host/node/test-nats.ts'
import { NANO_PER_USD } from '#kernel/money.ts'
import { createClient } from '#protocol/client.ts'
import { routes } from '#protocol/routes.ts'
import { CellConfig, CellMessage, type CellOrder } from '../../src/run/cell-config.ts'
import { CELL_FLAGS } from '../../src/run/cell-process.ts'
import { listenLocally } from '../../src/run/listen-config.ts'
import { type AgentsOptions, enrolAgents, type RunningAgents, startAgents } from './agents.ts'
import { end, endWithUs, LOAD_CORE, MEASURED_CORE, startOn } from './cores.ts'

const cellMain = fileURLToPath(new URL('../../src/run/cell-main.ts', import.meta.url))
/** Of requests a minute one key may have 100,000, and the load has more. */
const KEYS = 32
const KEY_LIMITS = {
  requestsPerMinute: 100_000,
  tokensPerDay: 1_000_000_000_000,
  spendPerDay: 1_000_000n * NANO_PER_USD,
}

export interface MeasuredNetwork {
  /** Of the gateway. */
  readonly port: number
  readonly pid: number
  /** What serves it and is not measured. */
  readonly otherPids: readonly number[]
  /** API keys, one a line. */
  readonly keysFile: string
  startAgents(options: Omit<AgentsOptions, 'port' | 'identities' | 'folder'>): Promise<RunningAgents>
  stop(): Promise<void>
}

export interface NetworkOptions {
  readonly folder: string
  readonly agents: number
  /** The program of the agents. */
  readonly agentsProgram: string
  /** What node is given for the gateway, such as `--cpu-prof`. */
  readonly nodeFlags?: readonly string[]
  readonly gatewayCore?: number
}

export async function startNetwork(options: NetworkOptions): Promise<MeasuredNetwork> {
  const { folder, agents, agentsProgram, nodeFlags = [] } = options
  const nats = await startNats()
  endWithUs(nats.process)
  spawn('taskset', ['-a', '-p', '-c', String(LOAD_CORE), String(nats.process.pid)], { stdio: 'ignore' })
  const home = startCell({
    role: 'cell',
    folder: join(folder, 'home'),
    busUrl: nats.url,
    core: LOAD_CORE,
    nice: 10,
  })
  const { apiUrl, operatorKey } = await home.ready
  const gateway = startCell({
    role: 'gateway',
    folder: join(folder, 'gateway'),
    secretsFolder: join(folder, 'home', 'secrets'),
    busUrl: nats.url,
    core: MEASURED_CORE,
    nodeFlags,
  })
  const { port } = await gateway.ready
  const client = createClient(routes, { baseUrl: apiUrl, apiKey: operatorKey ?? '', fetch })
  const keysFile = join(folder, 'keys')
  const keys: string[] = []
  for (let key = 0; key < KEYS; key++) {
    const body = { name: `bench ${key}`, scopes: ['developer' as const], limits: KEY_LIMITS }
    keys.push((await client.createKey({ body })).key)
  }
  writeFileSync(keysFile, keys.map((key) => `${key}\n`).join(''), { mode: 0o600 })
  const identities = await enrolAgents(client, agents)
  return {
    port,
    pid: gateway.process.pid ?? 0,
    otherPids: [nats.process.pid ?? 0, home.process.pid ?? 0],
    keysFile,
    startAgents: (chosen) => startAgents({ ...chosen, port, identities, folder }, agentsProgram),
    async stop() {
      await end(gateway.process, 15_000)
      await end(home.process, 15_000)
      await nats.stop()
    },
  }
}

interface CellParts {
  readonly role: 'cell' | 'gateway'
  readonly folder: string
  readonly secretsFolder?: string
  readonly busUrl: string | null
  readonly core: number
  readonly nice?: number
  readonly nodeFlags?: readonly string[]
}

type Ready = Extract<CellMessage, { type: 'ready' }>

function startCell(parts: CellParts): { process: ChildProcess; ready: Promise<Ready> } {
  const { role, folder, busUrl, secretsFolder = null, core, nice, nodeFlags = [] } = parts
  mkdirSync(folder, { recursive: true })
  const config: CellConfig = {
    role,
    databaseUrl: null,
    busUrl,
    secretsFolder,
    predecessor: null,
    dataFolder: folder,
    listen: listenLocally(0),
    networkName: 'bench',
    feeBps: 500,
    testBalance: 100_000n * NANO_PER_USD,
    // Its agents are scripted, and have no hardware to prove.
    nodeProofs: 'off',
    logLevel: 'warn',
  }
  const child = startOn(
    {
      core,
      ...(nice === undefined ? {} : { nice }),
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
      serialization: 'advanced',
    },
    [process.execPath, ...CELL_FLAGS, ...nodeFlags, cellMain],
  )
  const ready = new Promise<Ready>((resolve, reject) => {
    child.on('message', (received) => {
      const message = CellMessage.parse(received)
      if (message.type === 'ready') resolve(message)
      else if (message.type === 'failed') reject(new Error(`The ${role} did not start: ${message.message}`))
    })
    child.once('exit', (code) => reject(new Error(`The ${role} ended with ${code}.`)))
  })
  const order = { type: 'start', config: CellConfig.encode(config) } satisfies Record<
    keyof Extract<CellOrder, { type: 'start' }>,
    unknown
  >
  child.send(order)
  return { process: child, ready }
}
