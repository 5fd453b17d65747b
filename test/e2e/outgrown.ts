/** A network that has outgrown one process: PostgreSQL, NATS, coordinators that lead and stand by, a gateway, a node. */
import { mkdtempSync } from 'node:fs'
import { setPriority } from 'node:os'
import { join } from 'node:path'
import { natsMissing, startNats, type TestNats } from '#host/node/test-nats.ts'
import { postgresMissing, startPostgres, type TestPostgres } from '#host/node/test-postgres.ts'
import { createClient } from '#protocol/client.ts'
import { routes } from '#protocol/routes.ts'
import { groupMembers, type Program, until } from './process-group.ts'
import { awaitNetwork, type Network, openRig, type Rig } from './rig.ts'

/** Streams that the node computes at once: enough for each load here to be under way all together. */
const SLOTS = 64

/** A node is another machine in life: here its engine takes what the network's own processes leave. */
const NODE_NICENESS = 10

/** A coordinator that is stopped takes connections and says nothing. */
const HEALTH_MS_MAX = 1_000

/** Why such tests are skipped here, or `false`. */
export const outgrownMissing = postgresMissing || natsMissing

export interface Coordinator {
  readonly name: string
  /** As started last. */
  readonly program: Program
  /** After all of it was killed: starts it again, on its own folder. */
  restart(): Promise<void>
  /** Where it listens itself, once it said so. */
  apiUrl(): Promise<string>
  /** The process that does its work, of the newest start. */
  worker(): Promise<number>
}

export interface Outgrown {
  readonly rig: Rig
  readonly postgres: TestPostgres
  readonly nats: TestNats
  readonly coordinators: readonly Coordinator[]
  /** As seen through its gateway. */
  readonly network: Network
  readonly gateway: Program
  /** Which coordinator leads now, by what each says of itself; waits until one does. */
  leader(): Promise<Coordinator>
  /** Starts one more that stands by. */
  addCoordinator(): Promise<Coordinator>
  dispose(): Promise<void>
}

export interface OutgrownOptions {
  readonly coordinators: number
  readonly coordinatorArguments?: readonly string[]
  readonly gatewayArguments?: readonly string[]
}

/** Starts all of it, with one node that serves the tiny model. */
export async function startOutgrown({
  coordinators: count,
  coordinatorArguments = [],
  gatewayArguments = [],
}: OutgrownOptions): Promise<Outgrown> {
  const rig = openRig()
  const [postgres, nats] = await Promise.all([startPostgres(), startNats()])
  const coordinators: Coordinator[] = []
  const dispose = async (): Promise<void> => {
    await rig.dispose()
    await Promise.all([postgres.dispose(), nats.stop()])
  }
  const secrets = rig.path('shared-secrets')
  const common = ['--bus', nats.url, '--secrets', secrets, '--port', '0']
  async function addCoordinator(): Promise<Coordinator> {
    const name = `coordinator-${coordinators.length}`
    const start = (): Program =>
      rig.start([
        ...['coordinator', '--data', rig.path(name), '--database', postgres.url, ...common],
        ...coordinatorArguments,
      ])
    let program = start()
    const coordinator: Coordinator = {
      name,
      get program() {
        return program
      },
      async restart() {
        program = start()
        await coordinator.apiUrl()
      },
      apiUrl: () =>
        until(`the address of ${name}`, () => {
          if (program.isOver()) throw new Error(`${name} ended:\n${program.output()}`)
          return /at (http:\/\/\S+?)[;\n]/.exec(program.output())?.[1]
        }),
      worker: () =>
        until(`the process of ${name}`, () => {
          const members = groupMembers(program.pid)
          return members.find(({ title }) => title === 'shoal coordinator')?.pid
        }),
    }
    coordinators.push(coordinator)
    await coordinator.apiUrl()
    return coordinator
  }
  try {
    for (let index = 0; index < count; index++) await addCoordinator()
    const readyFile = join(mkdtempSync(rig.path('ready-')), 'ready.json')
    const gateway = rig.start([
      'gateway',
      '--data',
      rig.path('gateway'),
      '--ready-file',
      readyFile,
      ...common,
      ...gatewayArguments,
    ])
    // The founder's keys are on the machine of the first coordinator, the address is the gateway's.
    const network = await awaitNetwork({ program: gateway, folder: rig.path('coordinator-0'), readyFile })
    await startNode(rig, network)
    return {
      rig,
      postgres,
      nats,
      coordinators,
      network,
      gateway,
      addCoordinator,
      leader: () => until('a coordinator that leads', () => findLeader(coordinators)),
      dispose,
    }
  } catch (error) {
    await dispose()
    throw error
  }
}

async function startNode(rig: Rig, network: Network): Promise<void> {
  const { token } = await until('an enrolment token', () =>
    network.operator.createEnrolmentToken({ body: { expiresInMs: 600_000 } }).catch(() => null),
  )
  const node = rig.start([
    ...[
      'provide',
      '--render',
      'off',
      '--data',
      rig.path('node'),
      '--join',
      network.ready.apiUrl,
      '--token',
      token,
    ],
    ...['--model', rig.tinyPath(), '--model-id', 'tiny', '--slots', String(SLOTS)],
  ])
  setPriority(node.pid, NODE_NICENESS)
  await until('the node to serve', async () => {
    if (node.isOver()) throw new Error(`the node ended:\n${node.output()}`)
    const { models } = await network.status()
    return models.some(({ model }) => model === 'tiny')
  })
}

async function findLeader(coordinators: readonly Coordinator[]): Promise<Coordinator | null> {
  for (const coordinator of coordinators) {
    const api = createClient(routes, { baseUrl: await coordinator.apiUrl(), apiKey: '', fetch })
    const health = await api
      .getHealth(undefined, { signal: AbortSignal.timeout(HEALTH_MS_MAX) })
      .catch(() => null)
    if (health?.role === 'leader') return coordinator
  }
  return null
}
