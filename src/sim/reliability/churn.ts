/**
 * A fifth of the nodes dies every hour, for hours, and comes back: streamed requests on a hundred of them, and the tasks of
 * jobs on a farm; and both without any death.
 */
import { exponential, logNormal } from '#economics/draws.ts'
import { createRandom, forkRandom, type Random } from '#kernel/random.ts'
import { HOUR_MS, MINUTE_MS, SECOND_MS } from '#kernel/time.ts'
import { quantile } from '../crowd-run.ts'
import { MODELS } from '../sim-world.ts'
import { runChurnedFarm } from './churn-farm.ts'
import { loseNode } from './lose-node.ts'
import { openRig, type Rig } from './rig.ts'
import { type Scenario, shareFigures } from './scenario.ts'
import { finishStreams, hasSucceeded, startStreams } from './stream-load.ts'

const NODES = 100
const KILLED_PER_HOUR = 0.2
const HOURS = { full: 12, quick: 1 }
const PER_SECOND = 1
const FARM_TASKS = { full: 2_000, quick: 600 }
const awayHours = logNormal({ median: 10 / 60, sigma: 1 })

export const churn: Scenario = async ({ seed, isQuick }) => {
  const hours = isQuick ? HOURS.quick : HOURS.full
  const calm = await runRequests(seed, hours, false)
  const requests = await runRequests(seed, hours, true)
  const tasks = isQuick ? FARM_TASKS.quick : FARM_TASKS.full
  const calmFarm = await runChurnedFarm(seed, { tasks, killedPerHour: 0 })
  const farm = await runChurnedFarm(seed, { tasks, killedPerHour: KILLED_PER_HOUR })
  const goodput = requests.tokens / calm.tokens
  const p99Times = quantile(farm.tookMs, 0.99) / quantile(calmFarm.tookMs, 0.99)
  const goodputTasks = calmFarm.jobMs / farm.jobMs
  return {
    figures: {
      hours,
      nodesKilled: requests.killed,
      requests: requests.count,
      ...shareFigures('succeeded', requests.succeeded, requests.count),
      goodputRequestsPercent: Math.round(1e4 * goodput) / 100,
      tasks,
      tasksDone: farm.tookMs.length,
      farmMinutes: Math.round(farm.jobMs / MINUTE_MS),
      farmNodesKilled: farm.killed,
      tasksCutOff: farm.cutOffMs.length,
      taskP99SecondsCalm: seconds(quantile(calmFarm.tookMs, 0.99)),
      taskP99Seconds: seconds(quantile(farm.tookMs, 0.99)),
      cutOffTaskSecondsMax: seconds(Math.max(0, ...farm.cutOffMs)),
      taskP99Times: Math.round(100 * p99Times) / 100,
      goodputTasksPercent: Math.round(1e4 * goodputTasks) / 100,
    },
    promises: {
      allRequestsEnd: requests.count === calm.count,
      allTasksDone: farm.tookMs.length === tasks,
      goodputAtLeast90Percent: goodput >= 0.9 && goodputTasks >= 0.9,
      taskP99WithinThreeTimes: p99Times <= 3,
      /** Else the farm's figures show nothing. */
      deathsHitTasks: farm.cutOffMs.length > 0 && calmFarm.cutOffMs.length === 0,
      succeeded999: requests.succeeded / requests.count >= 0.999,
    },
  }
}

const seconds = (ms: number): number => Math.round(ms / SECOND_MS)

async function runRequests(seed: number, hours: number, isChurning: boolean) {
  const random = createRandom(seed)
  const rig = await openRig(forkRandom(random), {
    plan: { nodes: NODES, gateways: 2, clients: 30 },
    world: { agentOf: () => ({ models: [MODELS[0]], tokensPerDelta: 16 }) },
  })
  const load = startStreams(
    rig,
    {
      rateAt: () => PER_SECOND,
      durationMs: hours * HOUR_MS,
      answer: { median: 300, sigma: 0.6, max: 1_500 },
      prompt: { median: 60, sigma: 0.5, max: 300 },
    },
    forkRandom(random),
  )
  const deaths = isChurning ? startDeaths(rig, forkRandom(random)) : { killed: 0, stop(): void {} }
  while (!load.isOver()) await rig.runUntil(rig.world.scheduler.nowMs() + 10 * SECOND_MS)
  deaths.stop()
  await finishStreams(rig, load)
  await rig.rest()
  const good = load.calls.filter(hasSucceeded)
  const tokens = good.reduce((sum, { completionTokens }) => sum + completionTokens, 0)
  return { count: load.calls.length, succeeded: good.length, tokens, killed: deaths.killed }
}

function startDeaths({ world }: Rig, random: Random) {
  const { scheduler, agents } = world
  const deaths = {
    killed: 0,
    isOver: false,
    stop(): void {
      deaths.isOver = true
    },
  }
  function strike(): void {
    if (deaths.isOver) return
    const slot = agents[random.int(agents.length)]
    if (slot?.agent) {
      deaths.killed++
      loseNode(world, slot, random.chance(1, 2) ? 'power' : 'process')
      scheduler.after(Math.max(MINUTE_MS, awayHours(random) * HOUR_MS), () => {
        if (!slot.agent) world.startAgent(slot)
      })
    }
    strikeLater()
  }
  const strikeLater = (): void =>
    void scheduler.after(exponential(HOUR_MS / (KILLED_PER_HOUR * NODES))(random), strike)
  strikeLater()
  return deaths
}
