/** A whole simulated network for one scenario: founded, its nodes connected, and at the end held to every rule of a seed. */
import { checkState } from '#coordinator/coordinator-state.ts'
import type { Turn } from '#coordinator/turn.ts'
import { assert } from '#kernel/assert.ts'
import { forkRandom, type Random } from '#kernel/random.ts'
import { MINUTE_MS, SECOND_MS } from '#kernel/time.ts'
import type { UsageRecord } from '#protocol/usage.ts'
import { checkEnd, type SimSummary, unreadOf, unrest } from '../sim-checks.ts'
import type { ClientResult } from '../sim-client.ts'
import { foundNetwork } from '../sim-load.ts'
import { faultKinds, type SimPlan } from '../sim-plan.ts'
import { type AgentSlot, SimWorld, type SimWorldOptions } from '../sim-world.ts'
import { TimeRules } from '../time-rules.ts'

export interface RigOptions {
  readonly plan: Partial<SimPlan>
  readonly world?: SimWorldOptions
  /** The network's first turn, instead of five providers who share the nodes. */
  readonly found?: (turn: Turn, world: SimWorld) => void
  /** Some agents are older than receipts; none is unless told otherwise. */
  readonly hasOldAgents?: boolean
  /** Who is there from the beginning; all unless told otherwise. */
  readonly isThere?: (slot: AgentSlot) => boolean
}

export interface Rig {
  readonly world: SimWorld
  /** What gateways reported of each request. */
  readonly outcomes: Map<string, UsageRecord>
  /** All calls so far, for the checks at the end. */
  readonly results: ClientResult[]
  /** Deposits whose acknowledgement reached the operator. */
  readonly acknowledged: Set<string>
  /** Calls that are under way. */
  open: number
  /** Lets time pass until `atMs`; rejects when an invariant broke. */
  runUntil(atMs: number): Promise<void>
  /** Everything comes back and comes to rest; then the journal is held to every rule. */
  rest(): Promise<SimSummary>
  /**
   * As `rest`, where some nodes stay away or are barred for good: what is answered comes into the ledger, and the journal is held to
   * every rule but that all receipts are signed. `forgers`: ids of nodes whose proofs may be refused.
   */
  check(forgers?: ReadonlySet<string>): Promise<SimSummary>
}

const FOUNDING_MS = 2 * SECOND_MS
const CHECK_EVERY_EVENTS = 200_000
const REST_WITHIN_MS = 10 * MINUTE_MS

/** Nothing goes wrong but what the scenario does. */
export const calmPlan = (part: Partial<SimPlan>): SimPlan => ({
  nodes: 20,
  gateways: 2,
  clients: 20,
  thinkMs: SECOND_MS,
  balanceUsd: 100_000,
  loadMs: 0,
  latencyMsMax: 40,
  busDelayMsMax: 10,
  busLossPer10k: 0,
  busDuplicatePer10k: 0,
  skewMsMax: 0,
  leavePercent: 0,
  slowReaderPercent: 0,
  faultEveryMs: Object.fromEntries(faultKinds.map((kind) => [kind, null])) as SimPlan['faultEveryMs'],
  ...part,
})

export async function openRig(random: Random, options: RigOptions): Promise<Rig> {
  const { isThere = () => true, found = foundNetwork } = options
  const world = new SimWorld(calmPlan(options.plan), forkRandom(random), {
    snapshotEvery: 5_000,
    ...options.world,
  })
  const { scheduler } = world
  const outcomes = new Map<string, UsageRecord>()
  const rules = new TimeRules(scheduler)
  world.onOutcome = (record) => {
    assert(!outcomes.has(record.requestId), `request ${record.requestId} has two outcomes`)
    outcomes.set(record.requestId, record)
    rules.readOutcome(record)
  }
  world.onCoordinator = (coordinator) => rules.watch(coordinator)
  scheduler.checkEvery(CHECK_EVERY_EVENTS, () => {
    world.rethrow()
    if (world.coordinator) checkState(world.coordinator.state)
  })
  const runUntil = async (atMs: number): Promise<void> => {
    await scheduler.run(atMs)
    world.rethrow()
  }
  world.startCoordinator()
  await runUntil(FOUNDING_MS)
  assert(world.coordinator, 'the coordinator is up')
  world.coordinator.execute(
    (turn) => found(turn, world),
    () => {},
  )
  for (const slot of world.gateways) world.startGateway(slot)
  for (const slot of world.agents) if (isThere(slot)) world.startAgent(slot)
  await runUntil(5 * FOUNDING_MS)

  const rig: Rig = {
    world,
    outcomes,
    results: [],
    acknowledged: new Set(),
    open: 0,
    runUntil,
    async rest() {
      if (!world.coordinatorProcess.isAlive) world.startCoordinator()
      for (const slot of world.gateways) if (!slot.process.isAlive) world.startGateway(slot)
      for (const slot of world.agents) {
        slot.process.wake()
        if (!slot.process.isAlive || !slot.agent) world.startAgent(slot)
        if (slot.engine) slot.engine.faults.slowness = 1
      }
      const load = { open: () => rig.open, results: rig.results, acknowledged: rig.acknowledged, stop() {} }
      const restBy = scheduler.nowMs() + REST_WITHIN_MS
      let restless: string | null = 'it has just healed'
      while (restless !== null && scheduler.nowMs() < restBy) {
        await runUntil(scheduler.nowMs() + 5 * SECOND_MS)
        restless = unrest(world, load)
      }
      assert(restless === null, `healed for ${REST_WITHIN_MS / MINUTE_MS} minutes, yet ${restless}`)
      return checkEnd(world, load, outcomes, { allSign: options.hasOldAgents !== true })
    },
    async check(forgers) {
      const load = { open: () => rig.open, results: rig.results, acknowledged: rig.acknowledged, stop() {} }
      const readBy = scheduler.nowMs() + REST_WITHIN_MS
      const undone = (): string | null =>
        world.coordinator === null
          ? 'no coordinator is up'
          : (unreadOf(world) ??
            (world.coordinator.sequence() === world.coordinatorDisk.durable('journal').length
              ? null
              : 'entries are on their way to the disk'))
      while (undone() !== null && scheduler.nowMs() < readBy) await runUntil(scheduler.nowMs() + SECOND_MS)
      assert(undone() === null, `after ${REST_WITHIN_MS / MINUTE_MS} minutes ${undone()}`)
      return checkEnd(world, load, outcomes, { allSign: false, ...(forgers && { forgers }) })
    },
  }
  return rig
}
