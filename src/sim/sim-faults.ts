import type { Random } from '#kernel/random.ts'
import { diskFaults, healDisks, type Strike } from './sim-disk-faults.ts'
import { type FaultKind, faultKinds } from './sim-plan.ts'
import type { AgentSlot, SimWorld } from './sim-world.ts'

export interface SimFaults {
  /** How often each kind struck. */
  readonly counts: Record<FaultKind, number>
  /** No further fault; everything that is down comes back, everything cut is joined. */
  heal(): void
}

/** Lets the plan's faults strike at random moments until `heal`. */
export function startFaults(world: SimWorld, random: Random): SimFaults {
  const counts = Object.fromEntries(faultKinds.map((kind) => [kind, 0])) as Record<FaultKind, number>
  let isHealed = false

  for (const kind of faultKinds) {
    const everyMs = world.plan.faultEveryMs[kind]
    if (everyMs === null) continue
    const strike = (): void => {
      if (isHealed) return
      const struck = (): void => void counts[kind]++
      faults[kind]({ world, random, isHealed: () => isHealed, struck })
      world.scheduler.after(random.int(2 * everyMs), strike)
    }
    world.scheduler.after(random.int(2 * everyMs), strike)
  }

  return {
    counts,
    heal() {
      isHealed = true
      const { bus, gateways, agents } = world
      const delayMsMax = Math.min(bus.faults.delayMsMax, HEALTHY_DELAY_MS_MAX)
      Object.assign(bus.faults, { lossPer10k: 0, duplicatePer10k: 0, delayMsMax })
      bus.faults.cutOff.clear()
      healDisks(world)
      world.coordinatorProcess.wake()
      if (!world.coordinatorProcess.isAlive) world.startCoordinator()
      for (const slot of gateways) if (!slot.process.isAlive) world.startGateway(slot)
      for (const slot of agents) {
        slot.process.wake()
        if (!slot.process.isAlive) world.startAgent(slot)
        if (slot.engine) slot.engine.faults.slowness = 1
      }
    },
  }
}

/** Of a message on a healed bus. */
const HEALTHY_DELAY_MS_MAX = 100

/** Of an agent that crashes again as soon as it is back. */
const CRASHES_MORE_MAX = 5

/** Any of `items`, on average a third. */
const some = <T>(items: readonly T[], random: Random): T[] => items.filter(() => random.chance(1, 3))

function crash({ world, random, isHealed }: Strike, slot: AgentSlot, more: number): void {
  if (!slot.process.isAlive) return
  world.killAgent(slot)
  if (random.chance(1, 2)) slot.gateway = pick(world.gateways, random)
  const awayMsMax = more > 0 || random.chance(1, 2) ? 3_000 : 60_000
  world.scheduler.after(200 + random.int(awayMsMax), () => {
    if (!slot.process.isAlive) world.startAgent(slot)
    if (more === 0) return
    world.scheduler.after(100 + random.int(4_000), () => {
      if (!isHealed()) crash({ world, random, isHealed, struck: () => {} }, slot, more - 1)
    })
  })
}

const pick = <T>(items: readonly T[], random: Random): T => items[random.int(items.length)] as T

const faults: Record<FaultKind, (strike: Strike) => void> = {
  coordinator_crash({ world, random, struck }) {
    struck()
    world.killCoordinator()
    world.scheduler.after(100 + random.int(10_000), () => {
      if (!world.coordinatorProcess.isAlive) world.startCoordinator()
    })
  },
  /** The old coordinator is frozen, a new one takes the epoch, the old one wakes and must not get a word in. */
  coordinator_takeover({ world, random, struck }) {
    struck()
    const old = world.coordinatorProcess
    if (!old.isAlive) return
    old.stop()
    world.scheduler.after(3_000 + random.int(3_000), () => {
      if (world.coordinatorProcess === old && old.isAlive) world.startCoordinator()
      world.scheduler.after(random.int(5_000), () => old.wake())
    })
  },
  gateway_crash({ world, random, struck }) {
    struck()
    const slot = pick(world.gateways, random)
    if (!slot.process.isAlive) return
    world.killGateway(slot)
    world.scheduler.after(200 + random.int(20_000), () => {
      if (!slot.process.isAlive) world.startGateway(slot)
    })
  },
  /** Now and then several at once, each again and again, at this gateway and at that. */
  agent_crash(strike) {
    strike.struck()
    const { world, random } = strike
    const isStorm = random.chance(1, 4)
    for (const slot of isStorm ? some(world.agents, random) : [pick(world.agents, random)])
      crash(strike, slot, isStorm ? random.int(CRASHES_MORE_MAX) : 0)
  },
  /** Now and then several at once, each for a time of its own. */
  agent_stop({ world, random, struck }) {
    struck()
    const slots = random.chance(1, 4) ? some(world.agents, random) : [pick(world.agents, random)]
    for (const { process } of slots) {
      process.stop()
      // As often as not just long enough to be suspected, and not to be given up.
      const stopMs = random.chance(1, 2) ? 4_000 + random.int(5_000) : 500 + random.int(40_000)
      world.scheduler.after(stopMs, () => process.wake())
    }
  },
  engine_crash({ world, random, struck }) {
    struck()
    pick(world.agents, random).engine?.faults.crash(500 + random.int(10_000))
  },
  engine_slow({ world, random, struck }) {
    struck()
    const { engine } = pick(world.agents, random)
    if (!engine) return
    // Now and then so slow that it counts as stalled.
    engine.faults.slowness = random.chance(1, 5) ? 100 + random.int(300) : 2 + random.int(30)
    world.scheduler.after(random.int(60_000), () => {
      engine.faults.slowness = 1
    })
  },
  link_cut({ world, random, struck }) {
    struck()
    world.network.cut(pick(world.agents, random).process, 500 + random.int(30_000))
  },
  bus_cut({ world, random, struck }) {
    struck()
    const { name } = random.chance(1, 2) ? world.coordinatorProcess : pick(world.gateways, random)
    world.bus.faults.cutOff.add(name)
    // Now and then long enough for slices to expire.
    const cutMsMax = random.chance(1, 6) ? 300_000 : 60_000
    const cutMs = 500 + random.int(cutMsMax)
    const fromMs = world.scheduler.nowMs()
    world.bus.cuts.push({ fromMs, untilMs: fromMs + cutMs })
    world.scheduler.after(cutMs, () => void world.bus.faults.cutOff.delete(name))
  },
  clock_jump({ world, random, struck }) {
    struck()
    const processes = [
      world.coordinatorProcess,
      pick(world.gateways, random).process,
      pick(world.agents, random).process,
    ]
    pick(processes, random).skewMs += random.int(120_000) - 60_000
  },
  ...diskFaults,
}
