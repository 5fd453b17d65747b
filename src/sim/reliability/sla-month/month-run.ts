/**
 * A month of a network of dedicated community machines, which leave as such machines do, fail by regions, and lose a gateway or the
 * coordinator now and then; with customers of all classes, up to the statements and credits after its end. The real coordinator,
 * gateways and agents.
 */

import { readRecord } from '#coordinator/coordinator-events.ts'
import { openOrganisation } from '#coordinator/open-organisation.ts'
import { slaIn } from '#coordinator/sla/step-sla.ts'
import type { Turn } from '#coordinator/turn.ts'
import { exponential, logNormal } from '#economics/draws.ts'
import { awayMs, namedFleets, stayMs } from '#economics/fleet/named-fleets.ts'
import { assert } from '#kernel/assert.ts'
import { createRandom, forkRandom, type Random } from '#kernel/random.ts'
import { DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS } from '#kernel/time.ts'
import { promisingClasses } from '#sla/tiers.ts'
import { sendCall } from '../../sim-client.ts'
import { apiKeyOf, enrolSlot, foundClients, organisationOf } from '../../sim-load.ts'
import { EPOCH_MS } from '../../sim-process.ts'
import { type AgentSlot, type GatewaySlot, MODELS, type SimWorld } from '../../sim-world.ts'
import { loseNode } from '../lose-node.ts'
import { openRig, type Rig } from '../rig.ts'
import { type Recounted, recount } from './recount.ts'

export interface MonthPlan {
  readonly machines: number
  readonly customers: number
  readonly requests: number
  /** Of the month, its last so many days; all unless given. */
  readonly days?: number
  /** For so long no machine is there, once. */
  readonly outageMs?: number
}

export interface CustomerMonth {
  readonly organisationId: string
  readonly slaClass: string
  readonly uptimePpb: number
  readonly targetPpb: number
  readonly posted: bigint
  /** What reached its account for it. */
  readonly received: bigint
  readonly recounted: Recounted
}

export interface MonthRun {
  readonly customers: readonly CustomerMonth[]
  readonly completed: number
  readonly failed: number
  readonly machinesLost: number
  readonly serversLost: number
  readonly failovers: number
  readonly thereMin: number
  /** From the month's end until the last credit was posted. */
  readonly postedAfterMs: number
  readonly events: number
}

const MONTH = { fromMs: Date.UTC(2027, 1), toMs: Date.UTC(2027, 2) }
/** Statements are made half a day after the month's end. */
const AFTER_MS = 13 * HOUR_MS
const HEARTBEAT_MS = 5 * MINUTE_MS
const SERVER_EVERY_MS = 4 * DAY_MS
const REGION_EVERY_MS = 30 * DAY_MS
const REGION_SHARE = 10
const regionDown = logNormal({ median: 1, sigma: 0.8 })
const WAVE = 0.4

export async function runMonth(seed: number, plan: MonthPlan): Promise<MonthRun> {
  const random = createRandom(seed)
  const beginsAtMs = plan.days === undefined ? MONTH.fromMs : MONTH.toMs - plan.days * DAY_MS
  const { machines, customers } = plan
  const rig = await openRig(forkRandom(random), {
    plan: { nodes: machines, gateways: 2, clients: customers, askFactor: 3, balanceUsd: 100 },
    found: (turn, world) => found(turn, world),
    world: {
      heartbeatMs: HEARTBEAT_MS,
      clockAheadMs: beginsAtMs - EPOCH_MS - HOUR_MS / 2,
      agentOf: () => ({ msPerToken: 25, prefillMs: 60, tokensPerDelta: 16, models: [MODELS[0]] }),
    },
  })
  const { world } = rig
  await rig.runUntil(HOUR_MS / 2)
  const lastsMs = MONTH.toMs - beginsAtMs
  const wear = startWear(rig, plan, forkRandom(random))
  const calls = startCalls(rig, plan, { lastsMs, random: forkRandom(random) })
  await rig.runUntil(world.scheduler.nowMs() + lastsMs)
  wear.stop()
  await rig.runUntil(world.scheduler.nowMs() + AFTER_MS)
  for (let waited = 0; !world.coordinator && waited < 60; waited++)
    await rig.runUntil(world.scheduler.nowMs() + SECOND_MS)
  assert(world.coordinator, 'the coordinator is up')
  assert(calls.open() === 0, `${calls.open()} calls are open`)
  await rig.check()
  const counts = { ...calls.counts, ...wear.counts, failovers: world.counts.failovers }
  return { ...judge(world), ...counts, events: world.scheduler.count() }
}

const classOf = (client: number) => promisingClasses[client % promisingClasses.length] ?? 'standard'

function found(turn: Turn, world: SimWorld): void {
  openOrganisation(turn, { organisationId: 'org_0operator', name: 'operator' })
  foundClients(turn, world)
  for (let client = 0; client < world.plan.clients; client++) {
    const command = { organisationId: organisationOf(client), slaClass: classOf(client), nowMs: turn.nowMs }
    assert(slaIn(turn, { kind: 'set_class', ...command }) === null, 'a customer is promised something')
  }
  for (const slot of world.agents) {
    const organisationId = `org_owner${slot.index}`
    openOrganisation(turn, { organisationId, name: organisationId })
    enrolSlot(turn, slot, organisationId)
  }
}

/** Machines leave and come back, regions and servers fail. */
function startWear(rig: Rig, { outageMs }: MonthPlan, random: Random) {
  const { world } = rig
  const { scheduler } = world
  const churn = namedFleets.dedicated
  const counts = { machinesLost: 0, serversLost: 0, thereMin: world.agents.length }
  let isOver = false
  let isOutage = false
  const nowMs = (): number => EPOCH_MS + scheduler.nowMs()
  const isThere = ({ process, agent }: AgentSlot): boolean => process.isAlive && agent !== null

  function lose(slot: AgentSlot, downMs: number): void {
    counts.machinesLost++
    loseNode(world, slot, random.chance(1, 2) ? 'power' : 'process')
    if (!isOutage) counts.thereMin = Math.min(counts.thereMin, world.agents.filter(isThere).length)
    scheduler.after(downMs, () => come(slot))
  }
  function come(slot: AgentSlot): void {
    if (slot.agent) return
    if (isOutage) return void scheduler.after(MINUTE_MS, () => come(slot))
    world.startAgent(slot)
    leaveLater(slot)
  }
  function leaveLater(slot: AgentSlot): void {
    const { process } = slot
    scheduler.after(stayMs(churn, { atMs: nowMs(), utcOffsetHours: 0 }, random), () => {
      if (!isOver && slot.process === process && process.isAlive) lose(slot, awayMs(churn, random))
    })
  }
  function regionFails(): void {
    if (isOver) return
    const downMs = regionDown(random) * HOUR_MS
    for (const slot of world.agents) if (random.chance(1, REGION_SHARE) && isThere(slot)) lose(slot, downMs)
    scheduler.after(exponential(REGION_EVERY_MS)(random), regionFails)
  }
  /** One of the network's own processes is killed, and is back within seconds. */
  function serverFails(): void {
    if (isOver) return
    const servers = world.machines()
    const server = servers[random.int(servers.length)]
    if (server?.isUp()) {
      counts.serversLost++
      server.kill()
      scheduler.after(SECOND_MS + random.int(5 * SECOND_MS), () => server.start())
    }
    scheduler.after(exponential(SERVER_EVERY_MS)(random), serverFails)
  }

  for (const slot of world.agents) leaveLater(slot)
  scheduler.after(exponential(REGION_EVERY_MS)(random), regionFails)
  scheduler.after(exponential(SERVER_EVERY_MS)(random), serverFails)
  if (outageMs !== undefined)
    scheduler.after(HOUR_MS, () => {
      isOutage = true
      for (const slot of world.agents) if (isThere(slot)) lose(slot, outageMs)
      scheduler.after(outageMs - MINUTE_MS, () => {
        isOutage = false
      })
    })
  return {
    counts,
    stop() {
      isOver = true
    },
  }
}

function startCalls(
  rig: Rig,
  { requests, customers }: MonthPlan,
  { lastsMs, random }: { lastsMs: number; random: Random },
) {
  const { scheduler, network, gateways } = rig.world
  const counts = { completed: 0, failed: 0 }
  const callerRandom = forkRandom(random)
  const beganMs = scheduler.nowMs()
  let open = 0
  let sent = 0

  function next(): void {
    const atMs = scheduler.nowMs() - beganMs
    const wave = 1 + WAVE * Math.sin((2 * Math.PI * atMs) / DAY_MS)
    const inMs = exponential(lastsMs / requests / wave)(random)
    if (atMs + inMs < lastsMs - MINUTE_MS) scheduler.after(inMs, call)
  }
  function call(): void {
    next()
    const first = random.int(gateways.length)
    // A balancer before them sends nobody to one that is down.
    const gateway = [first, 1 - first]
      .map((index) => gateways[index] as GatewaySlot)
      .find(({ process, gateway }) => process.isAlive && gateway)
    const server = gateway && network.serverProcess(gateway.address)
    if (!gateway || !server?.isAlive) {
      counts.failed++
      return
    }
    const wanted = 16 + random.int(64)
    open++
    sendCall(
      {
        scheduler,
        random: callerRandom,
        server,
        deliver: (exchange) => network.exchange(gateway.address, exchange),
      },
      {
        apiKey: apiKeyOf(random.int(customers)),
        model: MODELS[0],
        prompt: `write ${wanted} on ${++sent} `.padEnd(300, '.'),
        maxTokens: wanted,
        isStream: random.chance(3, 4),
        leaveAfterMs: random.chance(1, 50) ? random.int(2_000) : null,
        drainMs: null,
      },
      ({ kind }) => {
        open--
        if (kind !== 'left') counts[kind === 'completed' ? 'completed' : 'failed']++
      },
    )
  }
  next()
  return { counts, open: () => open }
}

/** The statements of the month beside what the journal's readings come to, and what reached each account. */
function judge(world: SimWorld): Pick<MonthRun, 'customers' | 'postedAfterMs'> {
  const records = world.coordinatorDisk.durable('journal').map(({ payload }) => readRecord(payload))
  const events = records.flatMap((record) => record.events)
  const recounts = recount(events, MONTH)
  const received = new Map<string, bigint>()
  let postedAfterMs = 0
  for (const { atMs, events: turn } of records)
    for (const event of turn) {
      if (event.type !== 'ledger.captured' || !event.transferId.startsWith('sla:')) continue
      postedAfterMs = Math.max(postedAfterMs, atMs - MONTH.toMs)
      for (const { accountId, amount } of event.payouts)
        received.set(accountId, (received.get(accountId) ?? 0n) + amount)
    }
  const customers = events.flatMap((event): CustomerMonth[] => {
    if (event.type !== 'sla.statement_made') return []
    const { organisationId, slaClass, uptimePpb, targetPpb, posted } = event
    const recounted = recounts.get(organisationId)
    assert(recounted, `${organisationId} has a statement, and nothing was counted`)
    const got = received.get(`consumer:${organisationId}`) ?? 0n
    return [{ organisationId, slaClass, uptimePpb, targetPpb, posted, received: got, recounted }]
  })
  return { customers, postedAfterMs }
}
