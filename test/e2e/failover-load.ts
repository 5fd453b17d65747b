/** Greedy streams over several agents of one model, while agents are killed or stopped again and again. */
import { setTimeout as sleep } from 'node:timers/promises'
import { type ChatResult, extensionOf, requestIdOf } from './chats.ts'
import { groupMembers, type Program, until } from './process-group.ts'
import type { Network, Rig } from './rig.ts'

export interface FailoverOptions {
  readonly agents: number
  readonly streams: number
  readonly parallel: number
  readonly tokens: number
  /** How agents are lost, in turn: the agent's process, its engine alone, or the agent stopped for a while. */
  readonly kinds: readonly LossKind[]
  /** Between one loss and the next, at least. */
  readonly pauseMs: number
}
export type LossKind = 'agent' | 'engine' | 'stop'

export interface FailoverResult extends ChatResult {
  readonly prompt: string
  readonly continuations: number
  /** The longest pause between two chunks, and how the node was lost last when it began; null without a loss in it. */
  readonly gapMs: number
  readonly lossKind: LossKind | null
}

export const promptOf = (index: number): string => `Fish number ${index} swims`

interface Agent {
  readonly name: string
  program: Program
}

/** Starts agents that serve the tiny model. Each is enrolled once and keeps its key. */
export async function startAgents(rig: Rig, network: Network, count: number): Promise<Agent[]> {
  const agents: Agent[] = []
  for (let index = 0; index < count; index++) {
    const name = `agent-${index}`
    const { token } = await network.operator.createEnrolmentToken({ body: { expiresInMs: 600_000 } })
    agents.push({ name, program: startAgent(rig, network, name, ['--token', token]) })
  }
  await awaitServing(network, count)
  return agents
}

const startAgent = (rig: Rig, network: Network, name: string, more: readonly string[] = []): Program =>
  rig.start([
    ...['provide', '--data', rig.path(name), '--join', network.ready.apiUrl, ...more],
    ...['--model', rig.tinyPath(), '--model-id', 'tiny', '--threads', '1'],
  ])

const awaitServing = (network: Network, count: number): Promise<boolean> =>
  until(`${count} agents to serve`, async () => {
    const { models } = await network.status()
    return (models.find(({ model }) => model === 'tiny')?.nodes ?? 0) >= count
  })

/** Runs all streams, losing agents meanwhile whenever two others are ready. Resolves with each stream's result. */
export async function runThroughLosses(
  { rig, network, agents }: { rig: Rig; network: Network; agents: Agent[] },
  options: FailoverOptions,
): Promise<{ results: readonly FailoverResult[]; losses: number }> {
  let isOver = false
  let losses = 0
  let lastLoss: { kind: LossKind; atMs: number } | null = null
  const losing = (async () => {
    for (let turn = 0; !isOver; turn++) {
      await sleep(options.pauseMs)
      const { models } = await network.status()
      const ready = models.find(({ model }) => model === 'tiny')?.nodes ?? 0
      const agent = agents[turn % agents.length]
      const kind = options.kinds[turn % options.kinds.length]
      if (isOver || ready < 3 || !agent || !kind) continue
      losses++
      lastLoss = { kind, atMs: performance.now() }
      await lose({ rig, network, agent, kind })
    }
  })()
  const results: FailoverResult[] = []
  let next = 0
  await Promise.all(
    Array.from({ length: options.parallel }, async () => {
      while (next < options.streams) {
        const prompt = promptOf(next++)
        results.push(await streamOne(network, { prompt, tokens: options.tokens, lastLoss: () => lastLoss }))
      }
    }),
  )
  isOver = true
  await losing
  return { results, losses }
}

async function lose({
  rig,
  network,
  agent,
  kind,
}: {
  rig: Rig
  network: Network
  agent: Agent
  kind: LossKind
}): Promise<void> {
  const members = groupMembers(agent.program.pid)
  if (kind === 'agent') {
    agent.program.signalGroup('SIGKILL')
    agent.program = startAgent(rig, network, agent.name)
    return
  }
  if (kind === 'engine') {
    const engine = members.find(
      ({ pid, parent }) => parent === agent.program.pid && pid !== agent.program.pid,
    )
    if (engine) process.kill(engine.pid, 'SIGKILL')
    return
  }
  process.kill(agent.program.pid, 'SIGSTOP')
  await sleep(STOPPED_MS)
  process.kill(agent.program.pid, 'SIGCONT')
}
const STOPPED_MS = 5_000

async function streamOne(
  { openai }: Network,
  ask: { prompt: string; tokens: number; lastLoss: () => { kind: LossKind; atMs: number } | null },
): Promise<FailoverResult> {
  const seen = { requestId: null as string | null, text: '', chunks: 0, finishReason: null as string | null }
  let usage: ChatResult['usage'] = null
  let continuations = 0
  let gap = { ms: 0, kind: null as LossKind | null }
  let lastMs = 0
  const finish = (error: unknown): FailoverResult => ({
    ...seen,
    usage,
    cost: null,
    prompt: ask.prompt,
    continuations,
    gapMs: gap.ms,
    lossKind: gap.kind,
    error,
  })
  try {
    const stream = await openai.chat.completions.create({
      model: 'tiny',
      messages: [{ role: 'user', content: ask.prompt }],
      max_tokens: ask.tokens,
      temperature: 0,
      stream: true,
      stream_options: { include_usage: true },
    })
    for await (const chunk of stream) {
      const nowMs = performance.now()
      seen.requestId = requestIdOf(chunk.id)
      const [choice] = chunk.choices
      if (choice?.delta.content) {
        seen.text += choice.delta.content
        seen.chunks++
        if (lastMs > 0 && nowMs - lastMs > gap.ms) {
          const loss = ask.lastLoss()
          gap = { ms: nowMs - lastMs, kind: loss && loss.atMs > lastMs - LOSS_BEFORE_MS ? loss.kind : null }
        }
        lastMs = nowMs
      }
      seen.finishReason = choice?.finish_reason ?? seen.finishReason
      usage = chunk.usage ?? usage
      continuations = extensionOf(chunk)?.continuations ?? continuations
    }
    return finish(seen.finishReason === null ? new Error('cut off') : null)
  } catch (error) {
    return finish(error)
  }
}
/** A chunk may still have been on its way when its node was lost. */
const LOSS_BEFORE_MS = 200
