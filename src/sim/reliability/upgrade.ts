/**
 * Agents are upgraded one after the other and back again while they serve, and the coordinator with them; then a version
 * that is broken comes to a tenth of the nodes.
 */
import { createRandom, forkRandom } from '#kernel/random.ts'
import { MINUTE_MS, SECOND_MS } from '#kernel/time.ts'
import type { VersionRange } from '#protocol/agent-version.ts'
import { AGENT_PROTOCOL } from '#protocol/agent-version.ts'
import { quantile } from '../crowd-run.ts'
import { type AgentSlot, MODELS } from '../sim-world.ts'
import { openRig, type Rig } from './rig.ts'
import { type Scenario, shareFigures } from './scenario.ts'
import { finishStreams, firstTokensOf, hasSucceeded, startStreams } from './stream-load.ts'

interface Release {
  readonly agentVersion: string
  readonly versions: VersionRange
  /** Of what it gets, how much it fails. */
  readonly sickPercent?: number
}

const NODES = 40
const releases = {
  old: { agentVersion: '0.9.0', versions: { min: 1, max: AGENT_PROTOCOL.max - 1 } },
  new: { agentVersion: '1.0.0', versions: AGENT_PROTOCOL },
  broken: { agentVersion: '1.0.1', versions: AGENT_PROTOCOL, sickPercent: 100 },
} as const satisfies Record<string, Release>
const REQUESTS_PER_SECOND = 8
const UPGRADE_EVERY_MS = { full: 8 * SECOND_MS, quick: 3 * SECOND_MS }
const DRAIN_MS = 30 * SECOND_MS
const STARTS_AGAIN_MS = SECOND_MS
const CANARY_SHARE = 0.1
const CANARY_MS = 5 * MINUTE_MS
const HALTED_WITHIN_MS = MINUTE_MS

export const upgrade: Scenario = async ({ seed, isQuick }) => {
  const random = createRandom(seed)
  const everyMs = isQuick ? UPGRADE_EVERY_MS.quick : UPGRADE_EVERY_MS.full
  const installed: Release[] = Array.from({ length: NODES }, () => releases.old)
  const asked: { readonly nodeId: string; readonly atMs: number }[] = []
  const rig = await openRig(forkRandom(random), {
    plan: { nodes: NODES, gateways: 2, clients: 20 },
    hasOldAgents: true,
    world: {
      // Agents that are older than proofs: on a network that was there before them they have a grace of a week.
      nodeProofs: false,
      agentOf: ({ index }) => ({ models: [MODELS[0]], ...installed[index] }),
      watch: { onAttempt: ({ nodeId }) => void asked.push({ nodeId, atMs: rig.world.scheduler.nowMs() }) },
    },
  })
  const { world } = rig
  const load = startStreams(
    rig,
    {
      rateAt: () => REQUESTS_PER_SECOND,
      answer: { median: 100, sigma: 0.5, max: 300 },
      prompt: { median: 60, sigma: 0.5, max: 300 },
    },
    forkRandom(random),
  )
  const roll = async (release: Release, slots: readonly AgentSlot[]): Promise<void> => {
    for (const slot of slots) {
      installed[slot.index] = release
      upgradeOne(rig, slot)
      await rig.runUntil(world.scheduler.nowMs() + everyMs)
    }
    world.killCoordinator()
    await rig.runUntil(world.scheduler.nowMs() + STARTS_AGAIN_MS)
    world.startCoordinator()
    await rig.runUntil(world.scheduler.nowMs() + DRAIN_MS)
  }
  await rig.runUntil(world.scheduler.nowMs() + MINUTE_MS)
  await roll(releases.new, world.agents)
  await roll(releases.old, world.agents)
  await roll(releases.new, world.agents)
  const rolledMs = world.scheduler.nowMs()
  const canaries = world.agents.slice(0, CANARY_SHARE * NODES)
  await roll(releases.broken, canaries)
  const brokenSinceMs = world.scheduler.nowMs()
  await rig.runUntil(brokenSinceMs + CANARY_MS)
  load.stop()
  await finishStreams(rig, load)
  for (const { index } of canaries) installed[index] = releases.new
  for (const slot of canaries) world.killAgent(slot)
  await rig.rest()

  const canaryIds = new Set(canaries.map(({ nodeId }) => nodeId))
  const triesOf = (fromMs: number): number =>
    asked.filter(({ nodeId, atMs }) => canaryIds.has(nodeId) && atMs >= fromMs).length
  const afterHalt = triesOf(rolledMs + HALTED_WITHIN_MS)
  const allAfter = asked.filter(({ atMs }) => atMs >= rolledMs + HALTED_WITHIN_MS).length
  const succeeded = load.calls.filter(hasSucceeded).length
  return {
    figures: {
      requests: load.calls.length,
      ...shareFigures('succeeded', succeeded, load.calls.length),
      agentsUpgraded: 3 * NODES,
      brokenAgents: canaries.length,
      triesOfBrokenAgents: triesOf(rolledMs),
      triesOfBrokenAgentsFrom60s: afterHalt,
      brokenPercentOfTriesFrom60s: Math.round((1e4 * afterHalt) / Math.max(1, allAfter)) / 100,
      failovers: world.counts.failovers,
      p99FirstTokenMs: Math.round(quantile(firstTokensOf(load.calls), 0.99)),
    },
    promises: {
      nothingLost: succeeded === load.calls.length,
      /** What is left are the single requests by which nodes that were put out may prove themselves. */
      brokenVersionGetsNoWorkAfter60s: afterHalt <= (allAfter * CANARY_SHARE) / 10,
    },
  }
}

/** What runs ends first; then the machine starts what is installed. */
function upgradeOne({ world }: Rig, slot: AgentSlot): void {
  slot.agent?.drain(DRAIN_MS, () => {
    world.scheduler.after(STARTS_AGAIN_MS, () => {
      world.killAgent(slot)
      world.startAgent(slot)
    })
  })
}
