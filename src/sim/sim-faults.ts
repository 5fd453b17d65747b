import type { Random } from '#kernel/random.ts'
import { type FaultKind, faultKinds } from './sim-plan.ts'
import type { SimWorld } from './sim-world.ts'

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
      counts[kind]++
      faults[kind](world, random)
      world.scheduler.after(random.int(2 * everyMs), strike)
    }
    world.scheduler.after(random.int(2 * everyMs), strike)
  }

  return {
    counts,
    heal() {
      isHealed = true
      const { bus, gateways, agents } = world
      Object.assign(bus.faults, { lossPer10k: 0, duplicatePer10k: 0 })
      bus.faults.cutOff.clear()
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

const pick = <T>(items: readonly T[], random: Random): T => items[random.int(items.length)] as T

const faults: Record<FaultKind, (world: SimWorld, random: Random) => void> = {
  coordinator_crash(world, random) {
    world.killCoordinator()
    world.scheduler.after(100 + random.int(10_000), () => {
      if (!world.coordinatorProcess.isAlive) world.startCoordinator()
    })
  },
  // The old coordinator is frozen, a new one takes the epoch, the old one wakes and must not get a word in.
  coordinator_takeover(world, random) {
    const old = world.coordinatorProcess
    if (!old.isAlive) return
    old.stop()
    world.scheduler.after(3_000 + random.int(3_000), () => {
      if (world.coordinatorProcess === old && old.isAlive) world.startCoordinator()
      world.scheduler.after(random.int(5_000), () => old.wake())
    })
  },
  gateway_crash(world, random) {
    const slot = pick(world.gateways, random)
    if (!slot.process.isAlive) return
    world.killGateway(slot)
    world.scheduler.after(200 + random.int(20_000), () => {
      if (!slot.process.isAlive) world.startGateway(slot)
    })
  },
  agent_crash(world, random) {
    const slot = pick(world.agents, random)
    if (!slot.process.isAlive) return
    world.killAgent(slot)
    world.scheduler.after(200 + random.int(60_000), () => {
      if (!slot.process.isAlive) world.startAgent(slot)
    })
  },
  agent_stop(world, random) {
    const { process } = pick(world.agents, random)
    process.stop()
    world.scheduler.after(500 + random.int(40_000), () => process.wake())
  },
  engine_crash(world, random) {
    pick(world.agents, random).engine?.faults.crash(500 + random.int(10_000))
  },
  engine_slow(world, random) {
    const { engine } = pick(world.agents, random)
    if (!engine) return
    engine.faults.slowness = 2 + random.int(30)
    world.scheduler.after(random.int(60_000), () => {
      engine.faults.slowness = 1
    })
  },
  link_cut(world, random) {
    world.network.cut(pick(world.agents, random).process, 500 + random.int(30_000))
  },
  bus_cut(world, random) {
    const { name } = random.chance(1, 2) ? world.coordinatorProcess : pick(world.gateways, random)
    world.bus.faults.cutOff.add(name)
    world.scheduler.after(500 + random.int(60_000), () => void world.bus.faults.cutOff.delete(name))
  },
  clock_jump(world, random) {
    const processes = [
      world.coordinatorProcess,
      pick(world.gateways, random).process,
      pick(world.agents, random).process,
    ]
    pick(processes, random).skewMs += random.int(120_000) - 60_000
  },
}
