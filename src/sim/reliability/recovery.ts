/** How long a network takes to be whole again. */
import { SECOND_MS } from '#kernel/time.ts'
import type { SimWorld } from '../sim-world.ts'

const LOOK_MS = 100
const LIMIT_MS = 180 * SECOND_MS

/** From now until every agent that is alive serves and the coordinator knows that it does; `Infinity` within three minutes. */
export async function recoveryMs(
  world: SimWorld,
  runUntil: (atMs: number) => Promise<void>,
): Promise<number> {
  const { scheduler } = world
  const startMs = scheduler.nowMs()
  while (!isWhole(world)) {
    if (scheduler.nowMs() - startMs > LIMIT_MS) return Number.POSITIVE_INFINITY
    await runUntil(scheduler.nowMs() + LOOK_MS)
  }
  return scheduler.nowMs() - startMs
}

function isWhole({ coordinator, agents, gateways }: SimWorld): boolean {
  if (!coordinator || gateways.some(({ gateway }) => !gateway)) return false
  return agents.every(({ agent, nodeId, process }) => {
    if (!process.isAlive || !agent) return true
    return agent.state() === 'serving' && coordinator.state.fleet.nodes.get(nodeId)?.presence === 'online'
  })
}
