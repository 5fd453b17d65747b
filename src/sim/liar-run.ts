/**
 * A small network in which some nodes lie about their answers: what becomes of them, of their pay, and of the honest ones. The real
 * coordinator, gateways and agents; audits are the network's own.
 */
import { type CoordinatorState, checkState } from '#coordinator/coordinator-state.ts'
import type { Exchange } from '#host/host.ts'
import { assert } from '#kernel/assert.ts'
import { createRandom, forkRandom, type Random } from '#kernel/random.ts'
import type { AnswerRecord } from '#verify/answers.ts'
import { heldOf, newAnswerRecord } from '#verify/answers.ts'
import type { SimManners } from './sim-audited.ts'
import { sendCall } from './sim-client.ts'
import { sendEmbedding } from './sim-embedding-client.ts'
import { apiKeyOf, foundNetwork } from './sim-load.ts'
import { drawPlan } from './sim-plan.ts'
import { MODELS, SimWorld } from './sim-world.ts'

export interface LiarPlan {
  readonly nodes: number
  readonly minutes: number
  /** The operator's own, by its number; none unless given. */
  readonly operatorsNode?: number
  /** Callers let no second node see what they ask. */
  readonly isPrivate?: boolean
  /** Callers pause for so long at the most. */
  readonly thinkMs?: number
  /** Of calls, this many in a hundred are for embeddings (0). */
  readonly embeddingPercent?: number
  /** How the node of this number lies; `null` where it is honest. */
  readonly mannersOf: (index: number) => SimManners | null
}

export interface LiarRun {
  readonly nodes: readonly {
    readonly nodeId: string
    readonly isLiar: boolean
    readonly record: AnswerRecord
    readonly isBanned: boolean
    readonly held: bigint
  }[]
  readonly calls: Record<string, number>
  /** That callers got. */
  readonly falseAnswers: number
  readonly state: CoordinatorState
}

const FOUNDING_MS = 2_000
const THINK_MS = 1_000
const CHECK_EVERY_EVENTS = 5_000

/** Rejects when an invariant breaks. */
export async function runLiars(seed: number, liarPlan: LiarPlan): Promise<LiarRun> {
  const { nodes, minutes, mannersOf, operatorsNode } = liarPlan
  const { isPrivate = false, thinkMs = THINK_MS, embeddingPercent = 0 } = liarPlan
  const random = createRandom(seed)
  const plan = {
    ...drawPlan(random),
    nodes,
    gateways: 1,
    busLossPer10k: 0,
    loadMs: minutes * 60_000,
    askFactor: 1,
    balanceUsd: 50,
  }
  const world = new SimWorld(plan, forkRandom(random), {
    agentOf: ({ index }) => {
      const manners = mannersOf(index)
      return { isAmongLiars: true, ...(manners && { manners }) }
    },
  })
  const { scheduler } = world
  scheduler.checkEvery(CHECK_EVERY_EVENTS, () => {
    world.rethrow()
    if (world.coordinator) checkState(world.coordinator.state)
  })
  world.startCoordinator()
  await scheduler.run(FOUNDING_MS)
  const { coordinator } = world
  assert(coordinator, 'the coordinator is up')
  coordinator.execute((turn) => {
    foundNetwork(turn, world, operatorsNode)
  })
  for (const slot of world.gateways) world.startGateway(slot)
  for (const slot of world.agents) world.startAgent(slot)
  await scheduler.run(2 * FOUNDING_MS)
  const calls: Record<string, number> = {}
  let falseAnswers = 0
  startCallers(world, forkRandom(random), {
    ...{ isPrivate, thinkMs, embeddingPercent },
    onFalse: () => falseAnswers++,
    onOver: (kind) => {
      calls[kind] = (calls[kind] ?? 0) + 1
    },
  })
  await scheduler.run(scheduler.nowMs() + plan.loadMs)
  await scheduler.run(scheduler.nowMs() + 120_000)
  world.rethrow()
  const { state } = coordinator
  checkState(state)
  return {
    state,
    calls,
    falseAnswers,
    nodes: world.agents.map(({ nodeId, index }) => ({
      nodeId,
      isLiar: mannersOf(index) !== null,
      record: state.verify.answers.nodes.get(nodeId) ?? newAnswerRecord(),
      isBanned: state.fleet.nodes.get(nodeId)?.bannedReason !== null,
      held: heldOf(state.verify.answers, nodeId),
    })),
  }
}

/** Callers that ask one thing after the other, until the load is over. */
function startCallers(
  world: SimWorld,
  random: Random,
  told: {
    isPrivate: boolean
    thinkMs: number
    embeddingPercent: number
    onFalse: () => void
    onOver: (kind: string) => void
  },
): void {
  const { scheduler, plan } = world
  const [gateway] = world.gateways
  const endMs = scheduler.nowMs() + plan.loadMs
  assert(gateway, 'there is a gateway')
  function call(client: number): void {
    const server = world.network.serverProcess(gateway?.address ?? '')
    if (!server || !gateway || scheduler.nowMs() >= endMs) return
    const parts = {
      ...{ scheduler, random, server },
      deliver: (exchange: Exchange) => world.network.exchange(gateway.address, exchange),
    }
    const common = { apiKey: apiKeyOf(client), model: MODELS[random.int(MODELS.length)] ?? MODELS[0] }
    const over = ({ kind }: { kind: string }): void => {
      told.onOver(kind)
      scheduler.after(random.int(told.thinkMs), () => call(client))
    }
    if (told.embeddingPercent > 0 && random.chance(told.embeddingPercent, 100)) {
      const inputs = Array.from({ length: 1 + random.int(6) }, () => `text ${random.int(1_000_000)}`)
      return sendEmbedding(parts, { ...common, inputs, onFalse: told.onFalse }, over)
    }
    sendCall(
      parts,
      {
        ...common,
        prompt: `question ${random.int(1_000_000)} of client ${client}`,
        maxTokens: 20 + random.int(100),
        isStream: random.chance(3, 4),
        leaveAfterMs: null,
        drainMs: null,
        onFalse: told.onFalse,
        ...(told.isPrivate && { provider: { audits: 'deny' } }),
      },
      over,
    )
  }
  for (let client = 0; client < plan.clients; client++)
    scheduler.after(random.int(told.thinkMs), () => call(client))
}
