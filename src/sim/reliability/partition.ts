/**
 * A network that is cut in two, under load: from 30 % of its nodes for five minutes, in both directions and in each alone,
 * flapping every ten seconds; and its gateways from the coordinator.
 */
import { createRandom, forkRandom } from '#kernel/random.ts'
import { MINUTE_MS, SECOND_MS } from '#kernel/time.ts'
import { quantile } from '../crowd-run.ts'
import type { CutWay } from '../sim-network.ts'
import { MODELS, type SimWorld } from '../sim-world.ts'
import { recoveryMs } from './recovery.ts'
import { openRig, type Rig } from './rig.ts'
import { type Scenario, shareFigures } from './scenario.ts'
import { finishStreams, firstTokensOf, hasSucceeded, type StreamCall, startStreams } from './stream-load.ts'

const NODES = 30
const CUT_SHARE = 0.3
const CUT_MS = { full: 5 * MINUTE_MS, quick: 90 * SECOND_MS }
const CALM_MS = MINUTE_MS
const FLAP_MS = 10 * SECOND_MS
const RECOVERS_WITHIN_MS = 15 * SECOND_MS

type Cut = (world: SimWorld, cutMs: number) => void

const cutNodes = (world: SimWorld) => world.agents.slice(0, Math.round(CUT_SHARE * NODES))
const partitionNodes =
  (way: CutWay): Cut =>
  (world, cutMs) => {
    for (const { process } of cutNodes(world)) world.network.partition(process, cutMs, way)
  }
/** Nobody hears meanwhile what the coordinator decided: that a node is sick, say. */
function noteCut({ bus, scheduler }: SimWorld, cutMs: number): void {
  const fromMs = scheduler.nowMs()
  bus.cuts.push({ fromMs, untilMs: fromMs + cutMs })
}

/** What happens, and to whom; all of it is over after `cutMs`. */
const cuts: Readonly<Record<string, Cut>> = {
  both: partitionNodes('both'),
  deafNodes: partitionNodes('in'),
  muteNodes: partitionNodes('out'),
  flapping(world, cutMs) {
    for (let atMs = 0; atMs < cutMs - FLAP_MS; atMs += 2 * FLAP_MS)
      world.scheduler.after(atMs, () => partitionNodes('both')(world, FLAP_MS))
  },
  gatewayOff(world, cutMs) {
    const name = world.gateways[0]?.name ?? ''
    world.bus.faults.cutOff.add(name)
    noteCut(world, cutMs)
    world.scheduler.after(cutMs, () => void world.bus.faults.cutOff.delete(name))
  },
  coordinatorMute(world, cutMs) {
    const { muted } = world.bus.faults
    muted?.add('coordinator')
    noteCut(world, cutMs)
    world.scheduler.after(cutMs, () => void muted?.delete('coordinator'))
  },
}

export const partition: Scenario = async ({ seed, isQuick }) => {
  const random = createRandom(seed)
  const rig = await openRig(forkRandom(random), {
    plan: { nodes: NODES, gateways: 2, clients: 20 },
    world: { agentOf: () => ({ models: [MODELS[0]] }) },
  })
  const load = startStreams(
    rig,
    {
      rateAt: () => 4,
      answer: { median: 100, sigma: 0.6, max: 400 },
      prompt: { median: 60, sigma: 0.5, max: 300 },
    },
    forkRandom(random),
  )
  await rig.runUntil(rig.world.scheduler.nowMs() + CALM_MS)
  const { recoveries, cellCutAtMs } = await runCuts(rig, isQuick ? CUT_MS.quick : CUT_MS.full)
  load.stop()
  await finishStreams(rig, load)
  const summary = await rig.rest()
  const isBefore = ({ sentMs }: StreamCall): boolean => sentMs + load.beganMs < cellCutAtMs
  const calls = load.calls.filter(isBefore)
  const later = load.calls.filter((call) => !isBefore(call))
  const succeeded = calls.filter(hasSucceeded).length
  const recoveredMs = Math.max(...Object.values(recoveries).map(Number))
  return {
    figures: {
      requests: load.calls.length,
      ...shareFigures('succeeded', succeeded, calls.length),
      ...recoveries,
      failovers: rig.world.counts.failovers,
      p99FirstTokenMs: Math.round(quantile(firstTokensOf(calls), 0.99)),
      succeededCutOffFromCoordinatorPercent:
        Math.round((1e4 * later.filter(hasSucceeded).length) / Math.max(1, later.length)) / 100,
      longestPauseMs: Math.round(Math.max(0, ...load.calls.map(({ pauseMsMax }) => pauseMsMax))),
      endsCutOffFromCoordinator: endsOf(later),
      lossesNanoUsd: `${summary.losses}`,
      billed: summary.usageRecords,
    },
    promises: {
      recoversWithin15s: recoveredMs <= RECOVERS_WITHIN_MS,
      succeeded999WhileNodesWereCut: succeeded / calls.length >= 0.999,
      /** Gateways serve on what they had borrowed, and refuse what they cannot bill; no answer that has begun breaks off. */
      cutOffFromCoordinatorNothingBreaks: later.every(
        ({ kind }) => kind === 'completed' || kind === 'refused',
      ),
      /** Each request had one outcome, each slice ended by the coordinator's time: a breach ends the run. */
      noDoubleResultNoEarlyExpiry: true,
    },
  }
}

/** How requests ended, and how many had begun to be answered. */
function endsOf(calls: readonly StreamCall[]): string {
  const counts: Record<string, number> = {}
  for (const { kind, status, firstTokenMs } of calls) {
    const end = `${kind} ${status}${firstTokenMs === null ? '' : ' begun'}`
    counts[end] = (counts[end] ?? 0) + 1
  }
  return Object.entries(counts)
    .map(([end, count]) => `${end}: ${count}`)
    .join(', ')
}

/** How long each took to heal, and when those between coordinator and gateways began. */
async function runCuts(rig: Rig, cutMs: number) {
  const { world, runUntil } = rig
  const recoveries: Record<string, number> = {}
  let cellCutAtMs = 0
  for (const [name, cut] of Object.entries(cuts)) {
    if (name === 'gatewayOff') cellCutAtMs = world.scheduler.nowMs()
    cut(world, cutMs)
    await runUntil(world.scheduler.nowMs() + cutMs)
    recoveries[`${name}RecoveryMs`] = await recoveryMs(world, runUntil)
    await runUntil(world.scheduler.nowMs() + CALM_MS)
  }
  return { recoveries, cellCutAtMs }
}
