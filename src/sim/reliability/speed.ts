/**
 * How much simulated time a second of processor time buys, with proofs, audits, receipts and all else on. A hundred nodes
 * under the faults that seeds draw: what the promise is about, though half an hour of those holds what a fleet meets in weeks (a
 * coordinator is killed every ten seconds). As many gaming machines whose owners come and go, 20 % of them killed each hour
 * besides; and where nothing fails. Then a day of a thousand nodes, and an hour of ten thousand.
 */
import { createRandom, forkRandom } from '#kernel/random.ts'
import { HOUR_MS, MINUTE_MS, SECOND_MS } from '#kernel/time.ts'
import { MODELS } from '../sim-world.ts'
import { simulate } from '../simulate.ts'
import { runGaming } from './gaming.ts'
import { openRig } from './rig.ts'
import type { Scenario } from './scenario.ts'
import { finishStreams, hasSucceeded, startStreams } from './stream-load.ts'

const NODES = 100
const SEEDS = { full: 8, quick: 2 }
const LOAD_MS = 30 * MINUTE_MS
const HOURS_PER_CPU_SECOND_MIN = 0.5
const PER_SECOND = 1 / 6
/** Requests of the gaming machines: four hours of them, or one. */
const REQUESTS = { full: 2_400, quick: 600 }
const day = { nodes: 1_000, gateways: 4, perSecond: 0.2 }
const hour = { nodes: 10_000, gateways: 8, perSecond: 1 }
const DURATION_MS = {
  full: { day: 24 * HOUR_MS, hour: HOUR_MS },
  quick: { day: HOUR_MS, hour: 4 * MINUTE_MS },
}

export const speed: Scenario = async ({ seed, isQuick }) => {
  const requests = isQuick ? REQUESTS.quick : REQUESTS.full
  const gaming = await measure(async () => {
    const run = await runGaming(seed, { requests, isHealthy: false, there: NODES, perSecond: PER_SECOND })
    return { ...run, requests: run.calls.filter(hasSucceeded).length }
  })
  const faults = await measure(() => runSeeds(seed, isQuick ? SEEDS.quick : SEEDS.full))
  const calm = await measure(() =>
    runCalm(seed, { nodes: NODES, gateways: 2, perSecond: PER_SECOND }, isQuick ? HOUR_MS : 4 * HOUR_MS),
  )
  const duration = DURATION_MS[isQuick ? 'quick' : 'full']
  const ofDay = await measure(() => runCalm(seed, day, duration.day))
  const ofHour = await measure(() => runCalm(seed, hour, duration.hour))
  return {
    figures: {
      hoursPerCpuSecondGaming: gaming.rate,
      hoursPerCpuSecondFaults: faults.rate,
      hoursPerCpuSecondCalm: calm.rate,
      eventsPerCpuSecondFaults: faults.eventsPerSecond,
      thousandNodesHours: ofDay.hours,
      thousandNodesCpuSeconds: ofDay.cpuSeconds,
      tenThousandNodesHours: ofHour.hours,
      tenThousandNodesCpuSeconds: ofHour.cpuSeconds,
      requests: gaming.requests + faults.requests + calm.requests + ofDay.requests + ofHour.requests,
      heapMibMax: Math.max(gaming.heapMib, faults.heapMib, calm.heapMib, ofDay.heapMib, ofHour.heapMib),
    },
    promises: {
      halfAnHourPerCpuSecond: faults.rate >= HOURS_PER_CPU_SECOND_MIN,
      thousandNodesComplete: ofDay.hours * HOUR_MS >= duration.day,
      tenThousandNodesComplete: ofHour.hours * HOUR_MS >= duration.hour,
    },
  }
}

interface Span {
  readonly simulatedMs: number
  readonly events: number
  readonly requests: number
}

async function measure(run: () => Promise<Span>) {
  const before = process.cpuUsage()
  const { simulatedMs, events, requests } = await run()
  const { user, system } = process.cpuUsage(before)
  const cpuSeconds = (user + system) / 1e6
  const hours = simulatedMs / HOUR_MS
  return {
    hours: round(hours),
    cpuSeconds: round(cpuSeconds),
    rate: round(hours / cpuSeconds),
    eventsPerSecond: Math.round(events / cpuSeconds),
    requests,
    heapMib: Math.round(process.memoryUsage().heapUsed / 2 ** 20),
  }
}

const round = (value: number): number => Math.round(100 * value) / 100

async function runSeeds(seed: number, seeds: number): Promise<Span> {
  const sum = { simulatedMs: 0, events: 0, requests: 0 }
  for (let one = seed; one < seed + seeds; one++) {
    const { simulatedMs, events, usageRecords } = await simulate(one, { nodes: NODES, loadMs: LOAD_MS })
    sum.simulatedMs += simulatedMs
    sum.events += events
    sum.requests += usageRecords
  }
  return sum
}

async function runCalm(
  seed: number,
  { nodes, gateways, perSecond }: { nodes: number; gateways: number; perSecond: number },
  durationMs: number,
): Promise<Span> {
  const random = createRandom(seed)
  const rig = await openRig(forkRandom(random), {
    plan: { nodes, gateways, clients: 20 },
    world: { agentOf: () => ({ models: [MODELS[0]], tokensPerDelta: 16 }) },
  })
  const load = startStreams(
    rig,
    {
      rateAt: () => perSecond,
      durationMs,
      answer: { median: 100, sigma: 0.5, max: 300 },
      prompt: { median: 60, sigma: 0.5, max: 300 },
    },
    forkRandom(random),
  )
  const { scheduler } = rig.world
  while (!load.isOver()) await rig.runUntil(scheduler.nowMs() + 10 * SECOND_MS)
  await finishStreams(rig, load)
  await rig.rest()
  return {
    simulatedMs: scheduler.nowMs(),
    events: scheduler.count(),
    requests: load.calls.filter(hasSucceeded).length,
  }
}
