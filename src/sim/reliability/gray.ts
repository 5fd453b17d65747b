/**
 * Nodes that are neither well nor gone: a tenth of them at a twentieth of their speed, others that freeze for 30 seconds
 * or whose network falls silent, under load; and the same load on the same nodes when all are well.
 */
import { createRandom, forkRandom, type Random } from '#kernel/random.ts'
import { MINUTE_MS, SECOND_MS } from '#kernel/time.ts'
import { quantile } from '../crowd-run.ts'
import { type AgentSlot, MODELS, type SimWorld } from '../sim-world.ts'
import { openRig } from './rig.ts'
import { type Scenario, shareFigures } from './scenario.ts'
import { finishStreams, firstTokensOf, hasSucceeded, type StreamCall, startStreams } from './stream-load.ts'

const NODES = 40
const SLOW_NODES = 4
const SLOWNESS = 20
const FROZEN_MS = 30 * SECOND_MS
const FREEZE_EVERY_MS = 10 * SECOND_MS
const SILENT_EVERY_MS = 20 * SECOND_MS
const SILENT_MS = MINUTE_MS
const WARM_MS = MINUTE_MS
const GRAY_MS = { full: 10 * MINUTE_MS, quick: 3 * MINUTE_MS }
/** From here on a slow node must be known as one. */
const SLOW_KNOWN_MS = MINUTE_MS
const REQUESTS_PER_SECOND = 10
const TOKENS_MEDIAN = 100
const STALL_MS_MAX = 8 * SECOND_MS

export const gray: Scenario = async ({ seed, isQuick }) => {
  const grayMs = isQuick ? GRAY_MS.quick : GRAY_MS.full
  const healthy = await runGray(seed, { grayMs, isHealthy: true })
  const run = await runGray(seed, { grayMs, isHealthy: false })
  const p99 = (calls: readonly StreamCall[]): number => Math.round(quantile(firstTokensOf(calls), 0.99))
  const [p99Ms, p99HealthyMs] = [p99(run.calls), p99(healthy.calls)]
  const succeeded = run.calls.filter(hasSucceeded).length
  const longestPauseMs = Math.round(Math.max(0, ...run.calls.map(({ pauseMsMax }) => pauseMsMax)))
  const hedgedShare = run.hedged / run.calls.length
  const crawling = run.calls.map(({ totalMs, wantedTokens }) => totalMs / wantedTokens)
  return {
    figures: {
      requests: run.calls.length,
      ...shareFigures('succeeded', succeeded, run.calls.length),
      frozen: run.frozen,
      silenced: run.silenced,
      p99FirstTokenMs: p99Ms,
      p99FirstTokenHealthyMs: p99HealthyMs,
      p99Times: Math.round((100 * p99Ms) / p99HealthyMs) / 100,
      longestPauseMs,
      hedgedPercent: Math.round(1e4 * hedgedShare) / 100,
      failovers: run.failovers,
      ejected: run.ejected,
      slowNodesPercentOfTries: Math.round(1e4 * run.slowShare) / 100,
      slowKnownAfterMs: run.slowKnownMs,
      msPerTokenWorst: Math.round(Math.max(...crawling)),
      msPerTokenP99: Math.round(quantile(crawling, 0.99)),
      msPerTokenP99Healthy: Math.round(
        quantile(
          healthy.calls.map(({ totalMs, wantedTokens }) => totalMs / wantedTokens),
          0.99,
        ),
      ),
    },
    promises: {
      succeeded999: succeeded / run.calls.length >= 0.999,
      stallsAreLeftWithin8s: longestPauseMs <= STALL_MS_MAX,
      slowNodesAreKnownWithin60s: run.slowKnownMs <= SLOW_KNOWN_MS,
      p99WithinTwiceHealthy: p99Ms <= 2 * p99HealthyMs,
      hedgedAtMost10Percent: hedgedShare <= 0.1,
    },
  }
}

async function runGray(seed: number, { grayMs, isHealthy }: { grayMs: number; isHealthy: boolean }) {
  const random = createRandom(seed)
  /** When which node was asked, since the nodes became slow. */
  const asked: { readonly nodeId: string; readonly atMs: number }[] = []
  let slowSinceMs = Number.POSITIVE_INFINITY
  const rig = await openRig(forkRandom(random), {
    plan: { nodes: NODES, gateways: 2, clients: 20 },
    world: {
      agentOf: () => ({ models: [MODELS[0]], tokensPerDelta: 1 }),
      watch: {
        onAttempt({ nodeId }) {
          const atMs = rig.world.scheduler.nowMs() - slowSinceMs
          if (atMs >= 0) asked.push({ nodeId, atMs })
        },
      },
    },
  })
  const { world } = rig
  const load = startStreams(
    rig,
    {
      rateAt: () => REQUESTS_PER_SECOND,
      durationMs: WARM_MS + grayMs,
      answer: { median: TOKENS_MEDIAN, sigma: 0.5, max: 300 },
      prompt: { median: 60, sigma: 0.5, max: 300 },
    },
    forkRandom(random),
  )
  await rig.runUntil(world.scheduler.nowMs() + WARM_MS)
  slowSinceMs = world.scheduler.nowMs()
  const slow = world.agents.slice(0, SLOW_NODES)
  const trouble = isHealthy ? NO_TROUBLE : startTrouble(world, { slow, grayMs }, forkRandom(random))
  await finishStreams(rig, load)
  const slowIds = new Set(slow.map(({ nodeId }) => nodeId))
  const { failovers, hedged, ejected } = world.counts
  await rig.rest()
  const toSlow = asked.filter(({ nodeId }) => slowIds.has(nodeId))
  return {
    calls: load.calls,
    ...trouble,
    failovers,
    hedged,
    ejected,
    slowShare: toSlow.length / Math.max(1, asked.length),
    slowKnownMs: knownAfterMs(toSlow.map(({ atMs }) => atMs)),
  }
}

const NO_TROUBLE = { frozen: 0, silenced: 0 }

/** Until the slow nodes get no more than a tenth of the requests that they would get if they were well. */
function knownAfterMs(askedAtMs: readonly number[]): number {
  const WINDOW_MS = 20 * SECOND_MS
  const fair = (REQUESTS_PER_SECOND * WINDOW_MS * SLOW_NODES) / NODES / SECOND_MS
  const sorted = askedAtMs.toSorted((a, b) => a - b)
  const busyAt = sorted.findLast((_, index) => {
    const behind = sorted[index + Math.ceil(fair / 10)]
    return behind !== undefined && behind - (sorted[index] as number) < WINDOW_MS
  })
  return Math.round(busyAt ?? 0)
}

function startTrouble(
  world: SimWorld,
  { slow, grayMs }: { slow: readonly AgentSlot[]; grayMs: number },
  random: Random,
) {
  const { scheduler, agents, network } = world
  const counts = { frozen: 0, silenced: 0 }
  const untilMs = scheduler.nowMs() + grayMs
  for (const { engine } of slow) if (engine) engine.faults.slowness = SLOWNESS
  const other = (): AgentSlot => agents[SLOW_NODES + random.int(NODES - SLOW_NODES)] as AgentSlot
  function freeze(): void {
    if (scheduler.nowMs() >= untilMs) return
    const { process } = other()
    process.stop()
    counts.frozen++
    scheduler.after(FROZEN_MS, () => process.wake())
    scheduler.after(FREEZE_EVERY_MS, freeze)
  }
  function silence(): void {
    if (scheduler.nowMs() >= untilMs) return
    network.partition(other().process, SILENT_MS)
    counts.silenced++
    scheduler.after(SILENT_EVERY_MS, silence)
  }
  freeze()
  silence()
  return counts
}
