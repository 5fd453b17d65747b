/** Machines that come and go, each as those of its fleet do. */

import { logNormal } from '#economics/draws.ts'
import { uniform } from '#economics/normal.ts'
import type { Random } from '#kernel/random.ts'
import { HOUR_MS } from '#kernel/time.ts'
import type { FleetAgent } from './fleet-agent.ts'
import { awayMs, type FleetNode, stayMs } from './fleet-profiles.ts'
import { EPOCH_MS } from './sim-process.ts'
import type { AgentSlot, SimWorld } from './sim-world.ts'

export interface FleetSlot {
  readonly node: FleetNode
  readonly slot: AgentSlot
  /** `null` while the machine is away. */
  agent: FleetAgent | null
}

/** So long before the beginning machines already came and went: the first day is a day like any other. */
const BEFORE_MS = 30 * 24 * HOUR_MS
/** Once in a month a provider of a tenth of all nodes is down. */
const REGION_EVERY_MS = 30 * 24 * HOUR_MS
const REGION_SHARE = 10
const regionDown = logNormal({ median: 1, sigma: 0.8 })

export function startChurn(world: SimWorld, fleet: readonly FleetSlot[], random: Random): void {
  const { scheduler } = world

  /** The machine is there, and will leave. */
  function come(one: FleetSlot, leavesInMs: number): void {
    world.startAgent(one.slot)
    scheduler.after(leavesInMs, () => leave(one, awayMs(one.node, random)))
  }

  function leave(one: FleetSlot, downMs: number): void {
    const { profile } = one.node
    const isTold = random.chance(profile.noticePercent, 100)
    const { process } = one.slot
    const gone = (): void => {
      one.agent = null
      world.killAgent(one.slot)
    }
    if (!isTold || !one.agent) gone()
    else {
      one.agent.leave(profile.noticeMs, () => undefined)
      scheduler.after(profile.noticeMs, () => {
        if (one.slot.process === process) gone()
      })
    }
    scheduler.after(profile.noticeMs + downMs, () => {
      come(one, stayMs(one.node, EPOCH_MS + scheduler.nowMs(), random))
    })
  }

  function begin(one: FleetSlot): void {
    const { node } = one
    let atMs = -BEFORE_MS * (1 + uniform(random))
    for (;;) {
      const leavesAtMs = atMs + stayMs(node, EPOCH_MS + atMs, random)
      if (leavesAtMs > 0) return come(one, leavesAtMs)
      atMs = leavesAtMs + awayMs(node, random)
      if (atMs > 0) return void scheduler.after(atMs, () => come(one, stayMs(node, EPOCH_MS + atMs, random)))
    }
  }

  /** A whole region loses its way: connections break, and come back later. */
  function regionFails(): void {
    const downMs = regionDown(random) * HOUR_MS
    for (const one of fleet)
      if (random.chance(1, REGION_SHARE) && one.slot.process.isAlive) {
        const { process } = one.slot
        process.stop()
        scheduler.after(downMs, () => process.wake())
      }
    scheduler.after(2 * REGION_EVERY_MS * uniform(random), regionFails)
  }

  for (const one of fleet) begin(one)
  scheduler.after(2 * REGION_EVERY_MS * uniform(random), regionFails)
}
