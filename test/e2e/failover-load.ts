/** Greedy streams over several agents of one model, while agents are lost again and again. */
import { setTimeout as sleep } from 'node:timers/promises'
import { type FailoverStream, type Loss, streamThroughLosses } from './failover-stream.ts'
import { type FreezingProxy, openFreezingProxy } from './freezing-proxy.ts'
import { groupMembers, type Program, until } from './process-group.ts'
import type { Network, Rig } from './rig.ts'

/**
 * How an agent is lost: it is killed with its engine, its engine alone is, either is stopped for a while, or its link
 * goes half open.
 */
export const lossKinds = ['agent', 'engine', 'stop', 'stop-engine', 'half-open'] as const
export type LossKind = (typeof lossKinds)[number]

export interface FailoverOptions {
  readonly streams: number
  readonly parallel: number
  readonly tokens: number
  /** In turn. */
  readonly kinds: readonly LossKind[]
  /** Between one loss and the next, at least. */
  readonly pauseMs: number
  readonly onStream?: (finished: number) => void
}

export interface ServedModel {
  readonly path: string
  readonly id: string
}

export const promptOf = (index: number): string => `Fish number ${index} swims`

interface Agent {
  readonly name: string
  readonly proxy: FreezingProxy
  program: Program
}

export interface Fleet {
  readonly agents: readonly Agent[]
  readonly model: ServedModel
  readonly rig: Rig
  readonly network: Network
  /** Of all rounds: whose turn it is, and of what kind, goes on from one to the next. */
  losses: number
  close(): Promise<void>
}

/** Starts agents that serve `model`, each behind a proxy of its own. Each is enrolled once and keeps its key. */
export async function startFleet(
  { rig, network }: { rig: Rig; network: Network },
  { count, model }: { count: number; model: ServedModel },
): Promise<Fleet> {
  const agents: Agent[] = []
  const port = Number(new URL(network.ready.apiUrl).port)
  for (let index = 0; index < count; index++) {
    const name = `agent-${index}`
    const proxy = await openFreezingProxy(port)
    const { token } = await network.operator.createEnrolmentToken({ body: { expiresInMs: 600_000 } })
    const program = startAgent(rig, { name, proxy, model }, ['--token', token])
    agents.push({ name, proxy, program })
  }
  const close = async (): Promise<void> => {
    for (const { proxy } of agents) await proxy.close()
  }
  await until(`${count} agents to serve`, async () => (await countReady(network, model)) >= count)
  return { agents, model, rig, network, losses: 0, close }
}

const startAgent = (
  rig: Rig,
  { name, proxy, model }: { name: string; proxy: FreezingProxy; model: ServedModel },
  more: readonly string[] = [],
): Program =>
  rig.start([
    ...[
      'provide',
      '--render',
      'off',
      '--data',
      rig.path(name),
      '--join',
      `http://127.0.0.1:${proxy.port}`,
      ...more,
    ],
    ...['--model', model.path, '--model-id', model.id, '--threads', '1'],
  ])

async function countReady(network: Network, { id }: ServedModel): Promise<number> {
  const { models } = await network.status()
  return models.find(({ model }) => model === id)?.nodes ?? 0
}

/** Runs all streams, losing an agent whenever two others are ready. Resolves with each stream's result, in order. */
export async function runThroughLosses(
  fleet: Fleet,
  options: FailoverOptions,
): Promise<{ results: readonly FailoverStream[]; losses: readonly Loss[] }> {
  const { network, model, agents } = fleet
  const losses: Loss[] = []
  let isOver = false
  const losing = (async () => {
    while (!isOver) {
      await sleep(options.pauseMs)
      const turn = fleet.losses
      const agent = agents[turn % agents.length]
      const kind = options.kinds[turn % options.kinds.length]
      if (isOver || !agent || !kind || (await countReady(network, model)) < 3) continue
      fleet.losses++
      losses.push({ kind, atMs: performance.now() })
      await lose(fleet, agent, kind)
    }
  })()
  const results: FailoverStream[] = []
  let next = 0
  await Promise.all(
    Array.from({ length: options.parallel }, async () => {
      while (next < options.streams) {
        const index = next++
        const { tokens } = options
        results[index] = await streamThroughLosses(network, {
          model: model.id,
          prompt: promptOf(index),
          tokens,
          losses,
        })
        options.onStream?.(results.filter(Boolean).length)
      }
    }),
  )
  isOver = true
  await losing
  return { results, losses }
}

/** Until the network has noticed that a node is silent, and counts it no more. */
const SILENT_MS = 5_000

async function lose({ rig, model }: Fleet, agent: Agent, kind: LossKind): Promise<void> {
  const { program } = agent
  if (kind === 'agent') {
    program.signalGroup('SIGKILL')
    agent.program = startAgent(rig, { ...agent, model })
    return
  }
  if (kind === 'half-open') {
    agent.proxy.freeze()
    await sleep(SILENT_MS)
    return
  }
  const pid = kind === 'stop' ? program.pid : engineOf(program)
  if (pid === null) return // It is only just starting again.
  process.kill(pid, kind === 'engine' ? 'SIGKILL' : 'SIGSTOP')
  if (kind === 'engine') return
  await sleep(SILENT_MS)
  // What is silent for long may have been replaced meanwhile.
  if (kind === 'stop' || engineOf(program) === pid) process.kill(pid, 'SIGCONT')
}

const engineOf = ({ pid }: Program): number | null =>
  groupMembers(pid).find((member) => member.parent === pid)?.pid ?? null
