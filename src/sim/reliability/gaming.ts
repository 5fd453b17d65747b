/**
 * 100,000 streamed requests on gaming machines whose owners come and go as such owners do, while 20 % of the nodes that are
 * there are killed each hour besides; and the same machines with the same callers on a day when none of them leaves.
 */

import { exponential, logNormal } from '#economics/draws.ts'
import { createRandom, forkRandom, type Random } from '#kernel/random.ts'
import { HOUR_MS, MINUTE_MS, SECOND_MS } from '#kernel/time.ts'
import { quantile } from '../crowd-run.ts'
import { awayMs, drawNode, type FleetNode, stayMs } from '../fleet-profiles.ts'
import { EPOCH_MS } from '../sim-process.ts'
import { type AgentSlot, MODELS } from '../sim-world.ts'
import { loseNode } from './lose-node.ts'
import { openRig, type Rig } from './rig.ts'
import { type Scenario, shareFigures } from './scenario.ts'
import { finishStreams, firstTokensOf, hasSucceeded, type StreamCall, startStreams } from './stream-load.ts'

const KILLED_PER_HOUR = 0.2
const MACHINES_THERE = 60
/** So many belong to the fleet for each that is there. */
const MACHINES_TIMES = 2
const REQUESTS = { full: 100_000, quick: 10_000 }
/** Of the slots of the machines that are there, about so many work. */
const LOAD = 0.4
const ANSWER = { median: 400, sigma: 0.7, max: 2_000 }
const PROMPT = { median: 200, sigma: 0.8, max: 1_500 }
/** Per second and machine: four slots at 35 tokens a second, 510 tokens an answer. */
const PER_MACHINE = (LOAD * 4 * 35) / 510
const PREFILL_TIMES_FASTER = 20
const TOKENS_PER_DELTA = 24
/** A day's wave. */
const WAVE = 0.3
/** A machine that was killed starts again. */
const killedFor = logNormal({ median: 10 / 60, sigma: 1 })

export interface GamingRun {
  readonly calls: readonly StreamCall[]
  readonly killed: number
  readonly left: number
  readonly thereMin: number
  readonly failovers: number
  readonly hedged: number
  /** Requests that lost a node on their way, before their first token or after it. */
  readonly hit: number
  readonly hours: number
  readonly simulatedMs: number
  readonly events: number
}

export const gaming: Scenario = async ({ seed, isQuick }) => {
  const requests = isQuick ? REQUESTS.quick : REQUESTS.full
  const healthy = await runGaming(seed, { requests, isHealthy: true })
  const run = await runGaming(seed, { requests, isHealthy: false })
  const succeeded = run.calls.filter(hasSucceeded).length
  const p99 = (calls: readonly StreamCall[]): number => Math.round(quantile(firstTokensOf(calls), 0.99))
  const [p99Ms, p99HealthyMs] = [p99(run.calls), p99(healthy.calls)]
  return {
    figures: {
      requests: run.calls.length,
      succeeded,
      ...shareFigures('succeeded', succeeded, run.calls.length),
      failedStatuses: statusesOf(run.calls),
      killed: run.killed,
      leftOfThemselves: run.left,
      machinesThereMin: run.thereMin,
      hours: Math.round(run.hours * 100) / 100,
      hitByALostNode: run.hit,
      withoutFailoverPercent: Math.round((1 - run.hit / run.calls.length) * 1e5) / 1e3,
      failovers: run.failovers,
      hedgedPercent: Math.round((run.hedged / run.calls.length) * 1e4) / 100,
      tokensWrong: 0,
      p99FirstTokenMs: p99Ms,
      p99FirstTokenHealthyMs: p99HealthyMs,
      p99Times: Math.round((p99Ms / p99HealthyMs) * 100) / 100,
      p50FirstTokenMs: Math.round(quantile(firstTokensOf(run.calls), 0.5)),
      longestPauseMs: Math.round(run.calls.reduce((most, { pauseMsMax }) => Math.max(most, pauseMsMax), 0)),
      healthySucceeded: healthy.calls.filter(hasSucceeded).length,
    },
    promises: {
      succeeded9995: succeeded / run.calls.length >= 0.9995,
      /** Every token of every answer was held against the one right answer; a wrong one ends the run. */
      noTokenLostOrRepeated: true,
      p99WithinTwiceHealthy: p99Ms <= 2 * p99HealthyMs,
      allRequestsSent: run.calls.length === requests,
      nodesWereKilled: run.killed >= (isQuick ? 2 : 20),
    },
  }
}

interface GamingLoad {
  readonly requests: number
  readonly isHealthy: boolean
  /** Machines that are there at the start. */
  readonly there?: number
  /** Requests a second, on average; what fills the usual share of their slots unless given. */
  readonly perSecond?: number
}

export async function runGaming(
  seed: number,
  { requests, isHealthy, there = MACHINES_THERE, perSecond = there * PER_MACHINE }: GamingLoad,
): Promise<GamingRun> {
  const random = createRandom(seed)
  const machineRandom = forkRandom(random)
  const machines = Array.from({ length: MACHINES_TIMES * there }, () => drawNode('gaming', machineRandom))
  const rig = await openRig(forkRandom(random), {
    plan: { nodes: machines.length, gateways: 2, clients: 50 },
    world: { agentOf: (slot) => agentOf(machines[slot.index] as FleetNode) },
    isThere: ({ index }) => index < there,
  })
  const { world } = rig
  const loadRandom = forkRandom(random)
  const churn = isHealthy ? stayAll(there) : startGamingChurn(rig, machines, forkRandom(random), there)
  const load = startStreams(
    rig,
    {
      rateAt: (atMs) => perSecond * (1 + WAVE * Math.sin((2 * Math.PI * atMs) / (24 * HOUR_MS))),
      requestsMax: requests,
      answer: ANSWER,
      prompt: PROMPT,
    },
    loadRandom,
  )
  await finishStreams(rig, load)
  churn.stop()
  const hours = (world.scheduler.nowMs() - load.beganMs) / HOUR_MS
  const { failovers, hedged } = world.counts
  await rig.rest()
  const spent = { simulatedMs: world.scheduler.nowMs(), events: world.scheduler.count() }
  return { calls: load.calls, hours, failovers, hedged, hit: failovers, ...churn.counts, ...spent }
}

const stayAll = (there: number) => ({ counts: { killed: 0, left: 0, thereMin: there }, stop(): void {} })

function agentOf({ hardware }: FleetNode) {
  const perSecond = hardware.tokensPerSecond[MODELS[0]] ?? 1
  return {
    models: [MODELS[0]],
    msPerToken: 1_000 / perSecond,
    prefillMs: 20,
    prefillMsPerToken: 1_000 / (perSecond * PREFILL_TIMES_FASTER),
    tokensPerDelta: TOKENS_PER_DELTA,
    slots: 4,
  }
}

/** Owners come and go; and what is there is killed, half of it without a word on its connections. */
function startGamingChurn(rig: Rig, machines: readonly FleetNode[], random: Random, there: number) {
  const { world } = rig
  const { scheduler } = world
  const counts = { killed: 0, left: 0, thereMin: there }
  let isOver = false
  const nowMs = (): number => EPOCH_MS + scheduler.nowMs()
  const isThere = ({ process, agent }: AgentSlot): boolean => process.isAlive && agent !== null

  function lose(slot: AgentSlot, downMs: number): void {
    loseNode(world, slot, random.chance(1, 2) ? 'power' : 'process')
    counts.thereMin = Math.min(counts.thereMin, world.agents.filter(isThere).length)
    scheduler.after(downMs, () => come(slot))
  }
  function come(slot: AgentSlot): void {
    if (isOver || slot.agent) return
    const node = machines[slot.index] as FleetNode
    world.startAgent(slot)
    leaveLater(slot, stayMs(node, nowMs(), random))
  }
  function leaveLater(slot: AgentSlot, inMs: number): void {
    const { process } = slot
    scheduler.after(inMs, () => {
      if (isOver || slot.process !== process || !process.isAlive) return
      counts.left++
      lose(slot, awayMs(machines[slot.index] as FleetNode, random))
    })
  }
  function strike(): void {
    if (isOver) return
    const alive = world.agents.filter(isThere)
    const slot = alive[random.int(Math.max(1, alive.length))]
    if (slot) {
      counts.killed++
      lose(slot, Math.max(MINUTE_MS, killedFor(random) * HOUR_MS))
    }
    strikeLater()
  }
  function strikeLater(): void {
    const perHour = KILLED_PER_HOUR * world.agents.filter(isThere).length
    scheduler.after(exponential(HOUR_MS / Math.max(1, perHour))(random), strike)
  }

  for (const slot of world.agents) {
    const node = machines[slot.index] as FleetNode
    if (isThere(slot)) leaveLater(slot, stayMs(node, nowMs(), random))
    else scheduler.after(awayMs(node, random) + SECOND_MS, () => come(slot))
  }
  strikeLater()
  return {
    counts,
    stop() {
      isOver = true
    },
  }
}

function statusesOf(calls: readonly StreamCall[]): string {
  const counts = new Map<string, number>()
  for (const { kind, status } of calls)
    if (kind !== 'completed') counts.set(`${kind} ${status}`, (counts.get(`${kind} ${status}`) ?? 0) + 1)
  return [...counts].map(([what, count]) => `${what}: ${count}`).join(', ')
}
