/** The two ways to one engine: its own channel, as the agent uses it, and the whole network. */
import { Agent } from 'node:http'
import type { Children } from '#engines/child.ts'
import type { SupervisedEngine } from '#engines/engine.ts'
import { createLlamaCppEngine } from '#engines/llama-cpp/llama-cpp-engine.ts'
import { chat, finishRun } from '#engines/llama-cpp/tiny-engine.ts'
import { nodeChildren } from '#host/node/node-children.ts'
import { nodeClock } from '#host/node/node-clock.ts'
import { groupMembers, until } from '../../test/e2e/process-group.ts'
import { findNodeProcesses, type Network, type Rig, startNetwork } from '../../test/e2e/rig.ts'
import { cpuMicrosOf } from '../gateway/cores.ts'
import type { Cores } from './own-core.ts'
import type { Batch, Load, Way } from './pairs.ts'
import { askForStream } from './sse-client.ts'

export interface ServedModel {
  readonly path: string
  readonly id: string
  /** Never to be said, so that each answer runs to its limit: the model's ends of text. */
  readonly bannedIds: readonly number[]
}

/** As in the agent's own call, and given to the network alike. */
const THREADS = 1
const SLOTS = 16

/** Microseconds of processor time since it was opened, by what used it. */
export type Used = Readonly<Record<'client' | 'gateway' | 'recount' | 'agent' | 'engine', number>>

export interface NetworkWay extends Way {
  /** Of all runs so far. */
  used(): Used
  tokens(): number
}

export interface DirectWay extends Way {
  /** Microseconds of processor time of its engine, in all runs so far. */
  engineMicros(): number
  close(): Promise<void>
}

const biasOf = ({ bannedIds }: ServedModel) => Object.fromEntries(bannedIds.map((id) => [String(id), -100]))

export async function openDirectWay(model: ServedModel, cores: Cores): Promise<DirectWay> {
  const log = { info() {}, warn() {}, error() {} }
  let pid = 0
  const children: Children = {
    spawnChild(program, handlers) {
      const child = nodeChildren.spawnChild(program, handlers)
      pid = child.pid ?? 0
      return child
    },
  }
  const engine: SupervisedEngine = createLlamaCppEngine(
    { modelPath: model.path, modelId: model.id, gpu: false, threads: THREADS, slots: SLOTS },
    { children, clock: nodeClock, log },
  )
  await engine.ready()
  cores.giveOwn(pid)
  const logitBias = biasOf(model)
  let engineMicros = 0
  const ask = ({ prompts, tokens }: Load): Promise<Batch> =>
    timed(() =>
      prompts.map(async (content) => {
        const request = chat([{ role: 'user', content }], {
          model: model.id,
          maxTokens: tokens,
          ...(model.bannedIds.length > 0 && { sampling: { logitBias } }),
        })
        const { text, deltas, end, problem } = await finishRun(engine, request)
        if (problem) throw problem
        return { text, pieces: deltas.length, tokens: end?.completionTokens ?? 0 }
      }),
    )
  async function run(load: Load): Promise<Batch> {
    const before = cpuMicrosOf(pid)
    const batch = await ask(load)
    engineMicros += cpuMicrosOf(pid) - before
    return batch
  }
  return { run, engineMicros: () => engineMicros, close: () => engine.close() }
}

export async function openNetworkWay(rig: Rig, model: ServedModel, cores: Cores): Promise<NetworkWay> {
  const network = await startNetwork(rig, rig.path(`data-${model.id}`), [
    ...['--model', model.path, '--model-id', model.id, '--test-balance', '1000000'],
    ...['--cpu', '--threads', String(THREADS), '--slots', String(SLOTS), '--no-batch'],
  ])
  const { agent: agentPid, engine: enginePid } = await findNodeProcesses(network)
  cores.giveOwn(enginePid)
  const cellPid = await findCell(network)
  const agent = new Agent({ keepAlive: true })
  const logitBias = biasOf(model)
  const count = (): Used => {
    const { user, system } = process.cpuUsage()
    const recount = groupMembers(network.program.pid)
      .filter(({ parent }) => parent === cellPid)
      .reduce((sum, { pid }) => sum + cpuMicrosOf(pid), 0)
    return {
      client: user + system,
      gateway: cpuMicrosOf(cellPid) - recount,
      recount,
      agent: cpuMicrosOf(agentPid, enginePid),
      engine: cpuMicrosOf(enginePid),
    }
  }
  let sum: Used = { client: 0, gateway: 0, recount: 0, agent: 0, engine: 0 }
  let tokens = 0
  const { openaiBaseUrl: baseUrl, apiKey } = network.ready
  return {
    async run(load) {
      const before = count()
      const batch = await timed(() =>
        load.prompts.map(async (content) => {
          const body = {
            model: model.id,
            messages: [{ role: 'user', content }],
            max_tokens: load.tokens,
            temperature: 0,
            ...(model.bannedIds.length > 0 && { logit_bias: logitBias }),
          }
          const { pieces, completionTokens } = await askForStream({ baseUrl, apiKey, body, agent })
          return { text: pieces.join(''), pieces: pieces.length, tokens: completionTokens }
        }),
      )
      const after = count()
      sum = mapUsed(sum, (name) => sum[name] + after[name] - before[name])
      tokens += batch.tokens
      return batch
    },
    used: () => sum,
    tokens: () => tokens,
  }
}

const findCell = ({ program }: Network): Promise<number> =>
  until(
    'the process that serves',
    () => groupMembers(program.pid).find(({ title }) => title === 'shoal coordinator')?.pid,
  )

export const mapUsed = (used: Used, to: (name: keyof Used) => number): Used =>
  Object.fromEntries(Object.keys(used).map((name) => [name, to(name as keyof Used)])) as Record<
    keyof Used,
    number
  >

interface Answer {
  readonly text: string
  readonly pieces: number
  readonly tokens: number
}

/** From before they are asked for until the last of them is whole. */
async function timed(ask: () => readonly Promise<Answer>[]): Promise<Batch> {
  const startedMs = performance.now()
  const answers = await Promise.all(ask())
  return {
    seconds: (performance.now() - startedMs) / 1_000,
    tokens: answers.reduce((sum, { tokens }) => sum + tokens, 0),
    pieces: answers.reduce((sum, { pieces }) => sum + pieces, 0),
    texts: answers.map(({ text }) => text),
  }
}
