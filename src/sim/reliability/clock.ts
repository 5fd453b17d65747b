/**
 * Clocks that are wrong: nodes by up to an hour and some set back while they are down, the coordinator's and the gateways'
 * stepped by five seconds again and again, all of them drifting. Beside it whole networks of `simulate` whose keys end and
 * whose money runs dry by such clocks.
 */
import { type CoordinatorEvent, readRecord } from '#coordinator/coordinator-events.ts'
import { createRandom, forkRandom, type Random } from '#kernel/random.ts'
import { HOUR_MS, MINUTE_MS, SECOND_MS } from '#kernel/time.ts'
import { faultKinds, type SimPlan } from '../sim-plan.ts'
import { MODELS, type SimWorld } from '../sim-world.ts'
import { simulate } from '../simulate.ts'
import { recoveryMs } from './recovery.ts'
import { openRig, type Rig } from './rig.ts'
import { type Scenario, shareFigures } from './scenario.ts'
import { finishStreams, hasSucceeded, startStreams } from './stream-load.ts'

const NODES = 30
const SKEW_MS_MAX = HOUR_MS
const STEP_MS = 5 * SECOND_MS
const STEP_EVERY_MS = 7 * SECOND_MS
/** A process's clock gains or loses so much a second, at most. */
const DRIFT_MS_MAX = 5
const LOAD_MS = { full: HOUR_MS, quick: 10 * MINUTE_MS }
const SEEDS = { full: 12, quick: 2 }
const SET_BACK_NODES = 10
const RECOVERS_WITHIN_MS = 15 * SECOND_MS

export const clock: Scenario = async ({ seed, isQuick }) => {
  const random = createRandom(seed)
  const rig = await openRig(forkRandom(random), {
    plan: { nodes: NODES, gateways: 2, clients: 20, skewMsMax: SKEW_MS_MAX, balanceUsd: 100 },
    world: { agentOf: () => ({ models: [MODELS[0]] }) },
  })
  const { world } = rig
  const load = startStreams(
    rig,
    {
      rateAt: () => 2,
      durationMs: isQuick ? LOAD_MS.quick : LOAD_MS.full,
      answer: { median: 80, sigma: 0.5, max: 200 },
      prompt: { median: 40, sigma: 0.3, max: 100 },
    },
    forkRandom(random),
  )
  const steps = startClocks(world, forkRandom(random))
  const recoveredMs = await setBack(rig)
  await finishStreams(rig, load)
  steps.stop()
  await rig.rest()
  const succeeded = load.calls.filter(hasSucceeded).length
  const readings = readingsInOrder(journalEvents(world))
  const seeds = isQuick ? SEEDS.quick : SEEDS.full
  for (let one = seed; one < seed + seeds; one++) await simulate(one, harshClocks)
  return {
    figures: {
      requests: load.calls.length,
      ...shareFigures('succeeded', succeeded, load.calls.length),
      clockSteps: steps.count(),
      nodesSetBackAnHour: SET_BACK_NODES,
      backOnlineMs: recoveredMs,
      readingsInOrder: readings.count,
      networksWithEndingKeysAndDryBalances: seeds,
    },
    promises: {
      /** By the true time of the simulation, which no process sees: a slice that ends early or serves late ends the run. */
      noEarlyOrLateGrant: true,
      readingsOrderedByNumber: readings.areOrdered,
      comesBackWithin15s: recoveredMs <= RECOVERS_WITHIN_MS,
      succeeded999: succeeded / load.calls.length >= 0.999,
    },
  }
}

const harshClocks: Partial<SimPlan> = {
  administers: true,
  askFactor: 10_000,
  balanceUsd: 1,
  skewMsMax: SKEW_MS_MAX,
  faultEveryMs: {
    ...(Object.fromEntries(faultKinds.map((kind) => [kind, null])) as SimPlan['faultEveryMs']),
    clock_jump: STEP_MS,
    coordinator_crash: MINUTE_MS,
    agent_crash: MINUTE_MS,
  },
}

function startClocks(world: SimWorld, random: Random) {
  const { scheduler, gateways, agents } = world
  const drifts = Array.from(
    { length: agents.length + gateways.length + 1 },
    () => random.int(2 * DRIFT_MS_MAX + 1) - DRIFT_MS_MAX,
  )
  let isOver = false
  let count = 0
  const processes = () => [
    world.coordinatorProcess,
    ...gateways.map((slot) => slot.process),
    ...agents.map((slot) => slot.process),
  ]
  function drift(): void {
    if (isOver) return
    for (const [index, process] of processes().entries()) process.skewMs += drifts[index] ?? 0
    scheduler.after(SECOND_MS, drift)
  }
  function step(): void {
    if (isOver) return
    const servers = [world.coordinatorProcess, ...gateways.map(({ process }) => process)]
    const process = servers[random.int(servers.length)]
    if (process) process.skewMs += random.chance(1, 2) ? STEP_MS : -STEP_MS
    count++
    scheduler.after(STEP_EVERY_MS, step)
  }
  drift()
  step()
  return {
    count: () => count,
    stop() {
      isOver = true
    },
  }
}

/** Some machines start again with clocks an hour behind: how long until all of them serve. */
async function setBack({ world, runUntil }: Rig): Promise<number> {
  await runUntil(world.scheduler.nowMs() + 2 * MINUTE_MS)
  const slots = world.agents.slice(0, SET_BACK_NODES)
  const skews = slots.map(({ process }) => process.skewMs)
  for (const slot of slots) world.killAgent(slot)
  await runUntil(world.scheduler.nowMs() + 20 * SECOND_MS)
  for (const [index, slot] of slots.entries()) {
    world.startAgent(slot)
    slot.process.skewMs = (skews[index] ?? 0) - SKEW_MS_MAX
  }
  return recoveryMs(world, runUntil)
}

const journalEvents = ({ coordinatorDisk }: SimWorld): CoordinatorEvent[] =>
  coordinatorDisk.durable('journal').flatMap(({ payload }) => readRecord(payload).events)

/**
 * Of each gateway's readings, whether they are in the journal by their numbers, from the first on, without a gap. What it counted of its promises
 * has numbers of the same spool.
 */
export function readingsInOrder(events: readonly CoordinatorEvent[]): {
  readonly count: number
  readonly areOrdered: boolean
} {
  const last = new Map<string, number>()
  let count = 0
  let areOrdered = true
  for (const event of events) {
    if (event.type !== 'usage.recorded' && event.type !== 'sla.tallied') continue
    if (event.sequence !== (last.get(event.spoolId) ?? 0) + 1) areOrdered = false
    last.set(event.spoolId, event.sequence)
    if (event.type === 'usage.recorded') count++
  }
  return { count, areOrdered }
}
