/**
 * Weeks of a network of mixed fleets: the real coordinator, gateways and agents under virtual time, with callers whose
 * wishes follow the day and the week, and machines that come and go. Nodes earn by requests that the ledger billed, and
 * by nothing else.
 */
import { checkState } from '#coordinator/coordinator-state.ts'
import { openOrganisation } from '#coordinator/open-organisation.ts'
import type { EnergyStore } from '#host/energy-store.ts'
import type { Host } from '#host/host.ts'
import { assert } from '#kernel/assert.ts'
import type { NanoUsd } from '#kernel/money.ts'
import { createRandom, forkRandom, type Random } from '#kernel/random.ts'
import { DAY_MS, HOUR_MS, SECOND_MS } from '#kernel/time.ts'
import { providerAccount } from '#ledger/ledger.ts'
import { startFleetAgent } from './fleet-agent.ts'
import { type FleetSlot, startChurn } from './fleet-churn.ts'
import { drawDemand, startDemand } from './fleet-demand.ts'
import { drawFleet } from './fleet-profiles.ts'
import { createSimEnergyStore } from './sim-energy-store.ts'
import { enrolSlot, foundClients } from './sim-load.ts'
import { faultKinds, type SimPlan } from './sim-plan.ts'
import { type AgentParts, FEE_BPS, SimWorld } from './sim-world.ts'

export interface FleetPlan {
  readonly nodes: number
  readonly gateways: number
  readonly days: number
  /** Mean of all nodes, over a week at the start. */
  readonly requestsPerNodeHour: number
  /** By which share demand grows in 30 days; drawn when left out. */
  readonly driftShare?: number
  /** Longer than a real agent's: heartbeats would be most of a month's events. */
  readonly heartbeatMs: number
}

export const monthPlan: FleetPlan = {
  nodes: 50,
  gateways: 2,
  days: 30,
  requestsPerNodeHour: 4,
  heartbeatMs: 60 * SECOND_MS,
}

export interface FleetMember extends FleetSlot {
  readonly store: EnergyStore
  readonly organisationId: string
}

export interface FleetWorld {
  readonly world: SimWorld
  readonly fleet: readonly FleetMember[]
  /** How requests ended, by HTTP status. */
  readonly statuses: Readonly<Record<number, number>>
  /** Of the drawn demand over 30 days. */
  readonly driftShare: number
  /** Lets virtual time pass until `day` days have passed, and a little more while the coordinator is down. */
  runUntilDay(day: number): Promise<void>
  /** What the ledger has credited to a node's owner so far. */
  incomeOf(member: FleetMember): NanoUsd
}

const FOUNDING_MS = 2 * SECOND_MS
const CHECK_EVERY_EVENTS = 100_000
/** A restart now and then, as of an upgrade. */
const RESTART_EVERY_MS = 5 * DAY_MS
const SNAPSHOT_EVERY = 5_000

/** A network at the beginning of its first day. Rejects when an invariant breaks. */
export async function openFleetWorld(seed: number, fleetPlan: FleetPlan): Promise<FleetWorld> {
  const random = createRandom(seed)
  const nodes = drawFleet(fleetPlan.nodes, forkRandom(random))
  const fleet: FleetMember[] = []
  const world: SimWorld = new SimWorld(simPlanOf(fleetPlan), forkRandom(random), {
    snapshotEvery: SNAPSHOT_EVERY,
    heartbeatMs: fleetPlan.heartbeatMs,
    // Its engines tell no tokens that could be looked at.
    auditsAnswers: false,
    runAgent: (host, slot, parts) => runMember(host, fleet[slot.index], { ...parts, world, fleetPlan }),
  })
  for (const [index, node] of nodes.entries()) {
    const slot = world.agents[index]
    assert(slot, 'the world has a slot for each node')
    const organisationId = `org_${node.fleet}${String(index).padStart(3, '0')}`
    fleet.push({ node, slot, organisationId, store: createSimEnergyStore(), agent: null })
  }
  world.scheduler.checkEvery(CHECK_EVERY_EVENTS, () => {
    world.rethrow()
    if (world.coordinator) checkState(world.coordinator.state)
  })
  await found(world, fleet)
  const requestsPerHour = fleetPlan.requestsPerNodeHour * fleetPlan.nodes
  const { rates, driftShare } = drawDemand({ ...fleetPlan, requestsPerHour }, forkRandom(random))
  const { statuses } = startDemand(world, rates, forkRandom(random))
  startChurn(world, fleet, forkRandom(random))
  startRestarts(world, forkRandom(random))
  return {
    world,
    fleet,
    statuses,
    driftShare,
    runUntilDay: (day) => runUntil(world, day * DAY_MS),
    incomeOf({ organisationId }) {
      const account = world.coordinator?.state.ledger.accounts.get(providerAccount(organisationId))
      assert(account, `${organisationId} has an account with the ledger`)
      return account.available + account.held
    },
  }
}

function runMember(
  host: Host,
  member: FleetMember | undefined,
  parts: AgentParts & { world: SimWorld; fleetPlan: FleetPlan },
): void {
  assert(member, 'every slot has a member of the fleet')
  const { process, onFailure, world } = parts
  const { heartbeatMs } = parts.fleetPlan
  const settle = (): void => void world.scheduler.track(Promise.resolve())
  process.spawn(async () => {
    const { node, slot, store } = member
    const given = { node, slot, store, feeBps: FEE_BPS, heartbeatMs, settle, onFailure }
    const started = await startFleetAgent(host, given)
    member.agent = started
    slot.agent = started.agent
  }, onFailure)
}

async function runUntil(world: SimWorld, untilMs: number): Promise<void> {
  await world.scheduler.run(untilMs)
  world.rethrow()
  for (let seconds = 0; !world.coordinator; seconds++) {
    assert(seconds < 60, 'a coordinator comes back within a minute')
    await world.scheduler.run(world.scheduler.nowMs() + SECOND_MS)
    world.rethrow()
  }
}

/** The world's part of the plan: nothing goes wrong but what the fleets themselves do. */
function simPlanOf({ nodes, gateways, days }: FleetPlan): SimPlan {
  return {
    nodes,
    gateways,
    clients: 1,
    thinkMs: HOUR_MS,
    balanceUsd: 1_000_000,
    loadMs: days * DAY_MS,
    latencyMsMax: 60,
    busDelayMsMax: 10,
    busLossPer10k: 0,
    busDuplicatePer10k: 0,
    skewMsMax: 0,
    leavePercent: 0,
    slowReaderPercent: 0,
    faultEveryMs: Object.fromEntries(faultKinds.map((kind) => [kind, null])) as SimPlan['faultEveryMs'],
  }
}

/** Every node has an owner of its own, so that an account is what one node earned. */
async function found(world: SimWorld, members: readonly FleetMember[]): Promise<void> {
  world.startCoordinator()
  await world.scheduler.run(FOUNDING_MS)
  world.rethrow()
  assert(world.coordinator, 'the coordinator is up')
  world.coordinator.execute(
    (turn) => {
      foundClients(turn, world)
      for (const { slot, organisationId } of members) {
        openOrganisation(turn, { organisationId, name: organisationId })
        enrolSlot(turn, slot, organisationId)
      }
    },
    () => {},
  )
  for (const slot of world.gateways) world.startGateway(slot)
  await world.scheduler.run(2 * FOUNDING_MS)
  world.rethrow()
}

function startRestarts(world: SimWorld, random: Random): void {
  const { scheduler } = world
  const restart = (): void => {
    world.killCoordinator()
    scheduler.after(2 * SECOND_MS, () => void world.startCoordinator())
    scheduler.after(random.int(2 * RESTART_EVERY_MS) + 60 * SECOND_MS, restart)
  }
  scheduler.after(random.int(2 * RESTART_EVERY_MS), restart)
}
