/**
 * The coordinator dies, again and again, at moments that nobody chose: with about a thousand answers under way, and many
 * more times in a small network. Half of its deaths take its machine's power with them.
 */
import { createRandom, forkRandom, type Random } from '#kernel/random.ts'
import { MINUTE_MS, SECOND_MS } from '#kernel/time.ts'
import { quantile } from '../crowd-run.ts'
import { deposit } from '../sim-load.ts'
import { MODELS } from '../sim-world.ts'
import { openRig, type Rig } from './rig.ts'
import { type Scenario, shareFigures } from './scenario.ts'
import { finishStreams, hasSucceeded, startStreams } from './stream-load.ts'

interface Size {
  readonly nodes: number
  readonly perSecond: number
  readonly minutes: number
  /** Mean time between two deaths. */
  readonly crashEveryMs: number
}

const sizes: Readonly<Record<'full' | 'quick', Readonly<Record<'crowded' | 'small', Size>>>> = {
  full: {
    crowded: { nodes: 400, perSecond: 125, minutes: 4, crashEveryMs: 3 * SECOND_MS },
    small: { nodes: 12, perSecond: 1, minutes: 120, crashEveryMs: 4 * SECOND_MS },
  },
  quick: {
    crowded: { nodes: 400, perSecond: 125, minutes: 1, crashEveryMs: 3 * SECOND_MS },
    small: { nodes: 12, perSecond: 1, minutes: 10, crashEveryMs: 4 * SECOND_MS },
  },
}
/** Whoever watches over the process starts it again. */
const DOWN_MS_MAX = SECOND_MS
const ACCEPTS_WITHIN_MS = 2 * SECOND_MS

export const crash: Scenario = async ({ seed, isQuick }) => {
  const { crowded, small } = sizes[isQuick ? 'quick' : 'full']
  const big = await runCrashes(seed, crowded)
  const many = await runCrashes(seed + 1, small)
  const succeeded = big.succeeded + many.succeeded
  const requests = big.requests + many.requests
  const acceptsMs = [...big.acceptsMs, ...many.acceptsMs]
  return {
    figures: {
      crashPoints: big.crashes + many.crashes,
      crashPointsWithAboutAThousandInFlight: big.crashes,
      inFlightAtCrashMedian: quantile(big.inFlight, 0.5),
      requests,
      ...shareFigures('succeeded', succeeded, requests),
      acceptsAgainMsMax: Math.round(Math.max(...acceptsMs)),
      acceptsAgainMsMedian: Math.round(quantile(acceptsMs, 0.5)),
      depositsAcknowledged: big.deposits + many.deposits,
      groupsTorn: big.torn + many.torn,
      journalEntries: big.entries + many.entries,
    },
    promises: {
      /** Held against the journal at the end: a breach ends the run. */
      nothingLostNothingPaidTwice: true,
      aboutAThousandInFlight: quantile(big.inFlight, 0.5) >= 900,
      acceptsAgainWithin2s: Math.max(...acceptsMs) <= ACCEPTS_WITHIN_MS,
      succeeded999: succeeded / requests >= 0.999,
    },
  }
}

async function runCrashes(seed: number, size: Size) {
  const random = createRandom(seed)
  const rig = await openRig(forkRandom(random), {
    plan: { nodes: size.nodes, gateways: 2, clients: 30 },
    world: { agentOf: () => ({ models: [MODELS[0]], tokensPerDelta: 32 }), snapshotEvery: 500 },
  })
  const { world } = rig
  const load = startStreams(
    rig,
    {
      rateAt: () => size.perSecond,
      durationMs: size.minutes * MINUTE_MS,
      answer: { median: 250, sigma: 0.4, max: 600 },
      prompt: { median: 40, sigma: 0.3, max: 100 },
    },
    forkRandom(random),
  )
  const deaths = startDeaths(rig, size.crashEveryMs, forkRandom(random))
  while (!load.isOver()) await rig.runUntil(world.scheduler.nowMs() + SECOND_MS)
  deaths.stop()
  await finishStreams(rig, load)
  const { entries } = await rig.rest()
  const succeeded = load.calls.filter(hasSucceeded).length
  const torn = world.coordinatorDisk.tornGroups()
  return {
    ...deaths,
    requests: load.calls.length,
    succeeded,
    entries,
    torn,
    deposits: rig.acknowledged.size,
    crashes: deaths.inFlight.length,
  }
}

function startDeaths(rig: Rig, everyMs: number, random: Random) {
  const { world } = rig
  const { scheduler, plan } = world
  const [acceptsMs, inFlight]: [number[], number[]] = [[], []]
  let isOver = false
  let startedMs = 0
  const before = world.onCoordinator
  world.onCoordinator = (coordinator) => {
    before(coordinator)
    const transferId = `deposit-${inFlight.length}`
    const client = random.int(plan.clients)
    coordinator.execute(
      (turn) => deposit(turn, { transferId, client, usd: 1 }),
      () => {
        rig.acknowledged.add(transferId)
        acceptsMs.push(scheduler.nowMs() - startedMs)
      },
    )
  }
  const [machine] = world.machines()
  function die(): void {
    if (isOver) return
    inFlight.push(rig.open)
    if (random.chance(1, 2)) machine?.cutPower()
    else machine?.kill()
    scheduler.after(100 + random.int(DOWN_MS_MAX), () => {
      startedMs = scheduler.nowMs()
      machine?.start()
    })
    scheduler.after(DOWN_MS_MAX + 200 + random.int(2 * (everyMs - DOWN_MS_MAX)), die)
  }
  scheduler.after(20 * SECOND_MS, die)
  return {
    acceptsMs,
    inFlight,
    stop() {
      isOver = true
    },
  }
}
