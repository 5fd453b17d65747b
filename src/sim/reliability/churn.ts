/**
 * A fifth of the nodes dies every hour, for hours, and comes back: streamed requests on a hundred of them, and the tasks of
 * jobs on a farm; and both without any death.
 */
import { exponential, logNormal } from '#economics/draws.ts'
import { createRandom, forkRandom, type Random } from '#kernel/random.ts'
import { HOUR_MS, MINUTE_MS, SECOND_MS } from '#kernel/time.ts'
import type { WorkEvent } from '#work/work-events.ts'
import { quantile } from '../crowd-run.ts'
import { type FarmPlan, planFarm } from '../farm-plan.ts'
import { runFarm } from '../farm-run.ts'
import { MODELS } from '../sim-world.ts'
import { loseNode } from './lose-node.ts'
import { openRig, type Rig } from './rig.ts'
import { type Scenario, shareFigures } from './scenario.ts'
import { finishStreams, hasSucceeded, startStreams } from './stream-load.ts'

const NODES = 100
const KILLED_PER_HOUR = 0.2
const HOURS = { full: 12, quick: 1 }
const PER_SECOND = 1
const FARM_NODES = 20
const FARM_TASKS = { full: 2_000, quick: 300 }
const TASK_MS = 2 * MINUTE_MS
const awayHours = logNormal({ median: 10 / 60, sigma: 1 })

export const churn: Scenario = async ({ seed, isQuick }) => {
  const hours = isQuick ? HOURS.quick : HOURS.full
  const calm = await runRequests(seed, hours, false)
  const requests = await runRequests(seed, hours, true)
  const tasks = isQuick ? FARM_TASKS.quick : FARM_TASKS.full
  const calmTasks = await runTasks(seed, tasks, false)
  const churned = await runTasks(seed, tasks, true)
  const goodput = requests.tokens / calm.tokens
  const p99Times = quantile(churned.tookMs, 0.99) / quantile(calmTasks.tookMs, 0.99)
  const goodputTasks = calmTasks.simulatedMs / churned.simulatedMs
  return {
    figures: {
      hours,
      nodesKilled: requests.killed,
      requests: requests.count,
      ...shareFigures('succeeded', requests.succeeded, requests.count),
      goodputRequestsPercent: Math.round(1e4 * goodput) / 100,
      tasks,
      tasksDone: churned.done,
      farmNodesKilled: churned.crashes,
      taskP99Times: Math.round(100 * p99Times) / 100,
      goodputTasksPercent: Math.round(1e4 * goodputTasks) / 100,
    },
    promises: {
      allRequestsEnd: requests.count === calm.count,
      allTasksDone: churned.done === tasks,
      goodputAtLeast90Percent: goodput >= 0.9 && goodputTasks >= 0.9,
      taskP99WithinThreeTimes: p99Times <= 3,
      succeeded999: requests.succeeded / requests.count >= 0.999,
    },
  }
}

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

/** One job of so many tasks of about two minutes, on honest nodes of one kind. */
export async function runTasks(seed: number, tasks: number, isChurning: boolean) {
  const grantedMs = new Map<string, number>()
  const tookMs: number[] = []
  const run = await runFarm(seed, farmOf(seed, tasks, isChurning), (event: WorkEvent) => {
    if (event.type === 'work.granted') {
      const key = `${event.jobId}/${event.step}/${event.task}`
      if (!grantedMs.has(key)) grantedMs.set(key, event.atMs)
    }
    if (event.type === 'work.accepted') {
      const since = grantedMs.get(`${event.jobId}/${event.step}/${event.task}`)
      if (since !== undefined) tookMs.push(event.atMs - since)
    }
  })
  return { tookMs, done: tookMs.length, crashes: run.crashes, simulatedMs: run.simulatedMs }
}

function farmOf(seed: number, tasks: number, isChurning: boolean): Partial<FarmPlan> {
  const drawn = planFarm(seed)
  const [job] = drawn.jobs
  const [node] = drawn.nodes
  const [step] = job?.plan.steps ?? []
  if (!job || !node || !step) return {}
  const task = (place: number) => ({
    params: { frame: place + 1 },
    referenceMs: TASK_MS,
    referenceMsP90: TASK_MS * 1.3,
  })
  const steps = [{ ...step, dependsOn: [], tasks: Array.from({ length: tasks }, (_, place) => task(place)) }]
  const never = Number.POSITIVE_INFINITY
  const faultsMs = 2 * (tasks / FARM_NODES) * TASK_MS
  return {
    faultsMs,
    limitMs: 10 * faultsMs,
    nodes: Array.from({ length: FARM_NODES }, (_, index) => ({
      ...node,
      nodeId: `node-${String(index).padStart(2, '0')}`,
      manner: 'honest' as const,
      speed: 1,
      trueSpeed: 1,
      memoryMib: 32_768,
    })),
    jobs: [
      {
        ...job,
        atMs: SECOND_MS,
        pace: 1,
        poisoned: new Set(),
        plan: { ...job.plan, cap: null, isIdempotent: true, isVerified: false, steps },
      },
    ],
    lost: 0,
    doubled: 0,
    late: 0,
    crashEveryMs: isChurning ? HOUR_MS / (KILLED_PER_HOUR * FARM_NODES) : never,
    freezeEveryMs: never,
    killEveryMs: never,
    userEveryMs: never,
    acts: [],
  }
}
