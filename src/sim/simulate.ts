/** One seed, one run: load under faults, then healing, then everything must come to rest and every check must hold. */
import { createHash } from 'node:crypto'
import { checkState } from '#coordinator/coordinator-state.ts'
import { assert } from '#kernel/assert.ts'
import { createRandom, forkRandom } from '#kernel/random.ts'
import { MINUTE_MS } from '#kernel/time.ts'
import type { ProblemCode } from '#protocol/problem.ts'
import type { UsageRecord } from '#protocol/usage.ts'
import type { GatewayCounts } from './gateway-tally.ts'
import { checkEnd, type SimSummary, unrest } from './sim-checks.ts'
import { startFaults } from './sim-faults.ts'
import { foundNetwork, startLoad } from './sim-load.ts'
import { drawPlan, type FaultKind, type SimPlan } from './sim-plan.ts'
import { SimWorld } from './sim-world.ts'
import { TimeRules } from './time-rules.ts'

export interface SimRun extends SimSummary {
  readonly plan: SimPlan
  readonly events: number
  readonly simulatedMs: number
  readonly calls: Record<string, number>
  readonly faults: Record<FaultKind, number>
  /** Answers that a second node went on with, because the first had failed in the middle. */
  readonly continued: number
  /** Second tries, failovers, nodes put out and let in again. */
  readonly gateways: GatewayCounts
  readonly staleAppends: number
  /** Groups of which a start found only a part, and tore it off. */
  readonly tornGroups: number
  /** How many processes ended by themselves, by the problem that they named. */
  readonly deaths: Partial<Record<ProblemCode, number>>
  /** Digest of everything decided and answered, with its virtual time: equal for equal seeds. */
  readonly digest: string
}

const FOUNDING_MS = 2_000
const REST_WITHIN_MS = 8 * MINUTE_MS
const CHECK_EVERY_EVENTS = 1_000

/** Rejects when an invariant breaks or the healed network does not come to rest. */
export async function simulate(seed: number, override: Partial<SimPlan> = {}): Promise<SimRun> {
  const random = createRandom(seed)
  const plan = { ...drawPlan(random), ...override }
  const world = new SimWorld(plan, forkRandom(random))
  const { scheduler } = world
  const digest = createHash('sha256')
  const outcomes = new Map<string, UsageRecord>()
  const rules = new TimeRules(scheduler)
  const note = (text: string): void => void digest.update(`${scheduler.nowMs()} ${text}\n`)

  world.onOutcome = (record) => {
    assert(!outcomes.has(record.requestId), `request ${record.requestId} has two outcomes`)
    outcomes.set(record.requestId, record)
    rules.readOutcome(record)
    note(`${record.requestId} ${record.outcome}`)
  }
  world.onCoordinator = (coordinator) => {
    note(`coordinator ${coordinator.journal.epoch} at ${coordinator.sequence()}`)
    rules.watch(coordinator)
    coordinator.onEvent((event, sequence) => note(`${sequence} ${event.type}`))
  }
  scheduler.checkEvery(CHECK_EVERY_EVENTS, () => {
    world.rethrow()
    if (world.coordinator) checkState(world.coordinator.state)
  })

  world.startCoordinator()
  await scheduler.run(FOUNDING_MS)
  world.rethrow()
  assert(world.coordinator, 'the coordinator is up')
  world.coordinator.execute(
    (turn) => foundNetwork(turn, world),
    () => {},
  )
  for (const slot of world.gateways) world.startGateway(slot)
  for (const slot of world.agents) world.startAgent(slot)
  await scheduler.run(2 * FOUNDING_MS)

  const calls: Record<string, number> = {}
  const load = startLoad(world, forkRandom(random), (result) => {
    const kind = result.kind === 'refused' ? `refused ${result.status}` : result.kind
    calls[kind] = (calls[kind] ?? 0) + 1
    note(`call ${kind} ${result.completionTokens}`)
  })
  const faults = startFaults(world, forkRandom(random))
  await scheduler.run(plan.loadMs)
  world.rethrow()

  load.stop()
  faults.heal()
  const restBy = scheduler.nowMs() + REST_WITHIN_MS
  let restless: string | null = 'the run has just healed'
  while (restless !== null && scheduler.nowMs() < restBy) {
    await scheduler.run(scheduler.nowMs() + 5_000)
    world.rethrow()
    restless = unrest(world, load)
  }
  assert(restless === null, `healed for ${REST_WITHIN_MS / MINUTE_MS} minutes, yet ${restless}`)
  const summary = await checkEnd(world, load, outcomes)
  return {
    ...summary,
    plan,
    events: scheduler.count(),
    simulatedMs: scheduler.nowMs(),
    calls,
    faults: faults.counts,
    continued: [...outcomes.values()].filter(({ parts }) => parts.length > 1).length,
    gateways: world.counts,
    staleAppends: world.coordinatorDisk.staleAppends,
    tornGroups: world.machines().reduce((sum, { disk }) => sum + disk.tornGroups(), 0),
    deaths: world.deaths,
    digest: digest.digest('hex').slice(0, 16),
  }
}
