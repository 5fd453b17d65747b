/**
 * Accounts that send at a rate of their own, whatever comes back, to a whole simulated network: how soon each hears its
 * first token, or how soon it is refused. For what one account that sends too much does to the others, and what too much
 * from all does to the time after it.
 */

import { exponential } from '#economics/draws.ts'
import type { Exchange } from '#host/host.ts'
import { assert } from '#kernel/assert.ts'
import { createRandom, forkRandom } from '#kernel/random.ts'
import { MINUTE_MS } from '#kernel/time.ts'
import type { Problem } from '#protocol/problem.ts'
import { apiKeyOf, foundNetwork } from './sim-load.ts'
import { faultKinds, type SimPlan } from './sim-plan.ts'
import { MODELS, SimWorld } from './sim-world.ts'

export interface CrowdPlan {
  readonly accounts: number
  readonly nodes: number
  readonly durationMs: number
  /** What an account sends at a time since the beginning, as a share of all that the nodes can do. */
  readonly shareAt: (account: number, atMs: number) => number
}

export interface CrowdCall {
  readonly account: number
  /** Since the load began. */
  readonly sentMs: number
  readonly status: number
  /** Until the first text; null when it was refused. */
  readonly firstTokenMs: number | null
  /** Until it was answered in full, or refused. */
  readonly totalMs: number
  readonly retryAfterSeconds: number | null
}

export interface CrowdRun {
  readonly calls: readonly CrowdCall[]
  /** Requests a second that the nodes can do. */
  readonly capacity: number
}

const MODEL = MODELS[0]
const MAX_TOKENS = 60
/** Of answers to such requests, most of which end at the limit. */
const TOKENS_MEAN = 46
const SLOTS = 4
const FOUNDING_MS = 2_000
/** How often an account looks at what it sends now. */
const STEP_MS = 1_000

export async function runCrowd(seed: number, plan: CrowdPlan): Promise<CrowdRun> {
  const random = createRandom(seed)
  const world = new SimWorld(simPlanOf(plan), forkRandom(random))
  const { scheduler } = world
  world.startCoordinator()
  await scheduler.run(FOUNDING_MS)
  assert(world.coordinator, 'the coordinator is up')
  world.coordinator.execute(
    (turn) => foundNetwork(turn, world),
    () => {},
  )
  for (const slot of world.gateways) world.startGateway(slot)
  for (const slot of world.agents) world.startAgent(slot)
  await scheduler.run(4 * FOUNDING_MS)
  world.rethrow()

  const capacity = capacityOf(world)
  const calls: CrowdCall[] = []
  const beginMs = scheduler.nowMs()
  for (let account = 0; account < plan.accounts; account++) {
    const own = forkRandom(random)
    const step = (): void => {
      const atMs = scheduler.nowMs() - beginMs
      if (atMs >= plan.durationMs) return
      const perMs = (plan.shareAt(account, atMs) * capacity) / 1_000
      if (perMs > 0) {
        for (let inMs = exponential(1 / perMs)(own); inMs < STEP_MS; inMs += exponential(1 / perMs)(own)) {
          scheduler.after(inMs, () =>
            send(world, account, `${own.int(1e9)}`, beginMs, (call) => calls.push(call)),
          )
        }
      }
      scheduler.after(STEP_MS, step)
    }
    step()
  }
  await scheduler.run(beginMs + plan.durationMs + MINUTE_MS)
  world.rethrow()
  return { calls: calls.toSorted((a, b) => a.sentMs - b.sentMs), capacity }
}

function capacityOf(world: SimWorld): number {
  const serving = world.gateways[0]?.gateway?.models().get(MODEL)
  assert(serving, 'the model is served')
  const nodes = world.agents.filter(({ agent, index }) => agent && Math.floor(index) % 3 !== 0)
  assert(nodes.length === serving.nodes, 'the nodes that serve the model are known')
  return nodes.reduce(
    (sum, { msPerToken }) => sum + (SLOTS * 1_000) / (20 + (10 + TOKENS_MEAN) * msPerToken),
    0,
  )
}

function send(
  world: SimWorld,
  account: number,
  prompt: string,
  beginMs: number,
  done: (call: CrowdCall) => void,
): void {
  const { scheduler, network } = world
  const address = world.gateways[0]?.address ?? ''
  const server = network.serverProcess(address)
  assert(server, 'the gateway is up')
  const messages = [{ role: 'user', content: prompt }]
  const body = new TextEncoder().encode(
    JSON.stringify({ model: MODEL, messages, max_tokens: MAX_TOKENS, stream: true }),
  )
  const sentMs = scheduler.nowMs()
  let firstTokenMs: number | null = null
  let closed: ((finished: boolean) => void) | null = null
  const finish = (status: number, headers: Readonly<Record<string, string>> = {}): void => {
    const retryAfter = headers['retry-after']
    const retryAfterSeconds = retryAfter === undefined ? null : Number(retryAfter)
    const totalMs = scheduler.nowMs() - sentMs
    done({ account, sentMs: sentMs - beginMs, status, firstTokenMs, totalMs, retryAfterSeconds })
    closed?.(true)
  }
  const exchange: Exchange = {
    method: 'POST',
    target: '/v1/chat/completions',
    headers: { authorization: `Bearer ${apiKeyOf(account)}`, 'content-type': 'application/json' },
    readBody: (_bytesMax: number, read: (problem: Problem | null, bytes: Uint8Array) => void) => {
      server.after(1, () => read(null, body))
    },
    respond: (status, headers) => finish(status, headers),
    start: () => undefined,
    write(chunk) {
      if (firstTokenMs === null && String(chunk).includes('"content":" '))
        firstTokenMs = scheduler.nowMs() - sentMs
      return true
    },
    end: () => finish(200),
    abort: () => finish(0),
    onDrain: () => undefined,
    onClose(run) {
      closed = run
    },
  }
  network.exchange(address, exchange)
}

const simPlanOf = ({ accounts, nodes, durationMs }: CrowdPlan): SimPlan => ({
  nodes,
  gateways: 1,
  clients: accounts,
  thinkMs: 1,
  balanceUsd: 100_000,
  loadMs: durationMs,
  latencyMsMax: 10,
  busDelayMsMax: 5,
  busLossPer10k: 0,
  busDuplicatePer10k: 0,
  skewMsMax: 0,
  leavePercent: 0,
  slowReaderPercent: 0,
  faultEveryMs: Object.fromEntries(faultKinds.map((kind) => [kind, null])) as SimPlan['faultEveryMs'],
})

/** The `share`-quantile of `values`; 0 of none. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0
}
