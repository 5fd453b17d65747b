/** Agents as processes, each enrolled once and behind a chaos proxy of its own, that are lost and come back. */
import type { ServedModel } from '../e2e/failover-load.ts'
import { groupMembers, type Program, until } from '../e2e/process-group.ts'
import type { Network, Rig } from '../e2e/rig.ts'
import { type ChaosProxy, type Direction, openChaosProxy } from './chaos-proxy.ts'

export interface ChaosAgent {
  readonly name: string
  readonly proxy: ChaosProxy
  /** As started last. */
  program: Program
}

export interface ChaosFleet {
  readonly agents: readonly ChaosAgent[]
  readonly network: Network
  readonly model: ServedModel
  /** How many of them may be given work now, as the network sees it. */
  ready(): Promise<number>
  /** Kills it with its engine, as a power cut does: what is on the wire is lost, too. Starts it again. */
  kill(agent: ChaosAgent): void
  /** Asks it to end, waits until it has, and starts it again. */
  replace(agent: ChaosAgent): Promise<void>
  /** The process of its engine; `null` while there is none. */
  engineOf(agent: ChaosAgent): number | null
  /** Ends the proxies; the agents end with the rig. */
  close(): Promise<void>
}

export interface FleetOptions {
  readonly rig: Rig
  readonly network: Network
  readonly count: number
  readonly model?: ServedModel
  readonly seed?: number
  /** Sees what passes, by agent, and by the number of its connection. */
  readonly onPiece?: (index: number, direction: Direction, piece: Buffer, connection: number) => void
  /** More arguments of `shoal provide`, by agent. */
  readonly argumentsOf?: (index: number) => readonly string[]
  /** What stands before the program, by agent: `['env', 'NAME=value']`. */
  readonly wrap?: (index: number) => readonly string[]
  /** Waits for fewer than all of them. */
  readonly readyMin?: number
  /** The `shoal` that runs, when it is not this one. */
  readonly commandOf?: (index: number) => readonly string[]
  /** Older ones know no rendering, and no word for it. */
  readonly knowsRendering?: (index: number) => boolean
}

/** Resolves when all are ready for work. */
export async function startChaosFleet(options: FleetOptions): Promise<ChaosFleet> {
  const { rig, network, count, model = { path: rig.tinyPath(), id: 'tiny' }, seed = 1 } = options
  const { argumentsOf = () => [], wrap = () => [], knowsRendering = () => true } = options
  const { readyMin = count, onPiece } = options
  const port = Number(new URL(network.ready.apiUrl).port)
  const agents: ChaosAgent[] = []

  function start(index: number, proxy: ChaosProxy, more: readonly string[]): Program {
    const own = ['--data', rig.path(`agent-${index}`), '--name', `agent-${index}`]
    const join = ['--join', `http://127.0.0.1:${proxy.port}`, ...more]
    const served = ['--model', model.path, '--model-id', model.id, '--threads', '1']
    return rig.startCommand([
      ...wrap(index),
      ...(options.commandOf?.(index) ?? [process.execPath, SHOAL]),
      'provide',
      ...(knowsRendering(index) ? ['--render', 'off'] : []),
      ...[...own, ...join, ...served, ...argumentsOf(index)],
    ])
  }

  for (let index = 0; index < count; index++) {
    const proxy = await openChaosProxy({
      port,
      seed: seed * 1_000 + index,
      onPiece: (direction, connection, piece) => onPiece?.(index, direction, piece, connection),
    })
    const { token } = await network.operator.createEnrolmentToken({ body: { expiresInMs: 600_000 } })
    agents.push({ name: `agent-${index}`, proxy, program: start(index, proxy, ['--token', token]) })
  }
  const ready = async (): Promise<number> => {
    const { models } = await network.status()
    return models.find(({ model: id }) => id === model.id)?.nodes ?? 0
  }
  await until(`${readyMin} agents to serve`, async () => {
    const over = agents.find(({ program }) => program.isOver())
    if (over) throw new Error(`${over.name} ended: ${over.program.output()}`)
    return (await ready()) >= readyMin
  })
  return {
    agents,
    network,
    model,
    ready,
    kill(agent) {
      agent.program.signalGroup('SIGKILL')
      agent.proxy.reset()
      agent.program = start(agents.indexOf(agent), agent.proxy, [])
    },
    async replace(agent) {
      agent.program.signal('SIGTERM')
      await agent.program.end
      agent.program = start(agents.indexOf(agent), agent.proxy, [])
    },
    engineOf: ({ program: { pid } }) => groupMembers(pid).find(({ parent }) => parent === pid)?.pid ?? null,
    async close() {
      for (const { proxy } of agents) await proxy.close()
    },
  }
}

const SHOAL = new URL('../../bin/shoal.ts', import.meta.url).pathname
