/** What a gateway had not brought to the ledger when its disk was lost comes in by its nodes' own copies, once. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { JournalRecord } from '#coordinator/coordinator-events.ts'
import { createRandom, forkRandom } from '#kernel/random.ts'
import { MINUTE_MS } from '#kernel/time.ts'
import { UsageRecord } from '#protocol/usage.ts'
import { ReceiptCheck } from './receipt-check.ts'
import { foundNetwork, startLoad } from './sim-load.ts'
import { drawPlan } from './sim-plan.ts'
import { NETWORK_KEYS, SimWorld } from './sim-world.ts'

test('a gateway whose disk is lost costs nobody a receipt: nodes bring theirs, and each is billed once', async () => {
  const { world, outcomes, scheduler, stop } = await setup(3)
  const [slot] = world.gateways
  assert.ok(slot)
  // It serves on, and nothing of it reaches the ledger.
  world.bus.faults.cutOff.add(slot.process.name)
  const cutAtMs = scheduler.nowMs()
  await scheduler.run(cutAtMs + 40_000)
  stop()
  await scheduler.run(scheduler.nowMs() + 10_000)
  const waiting = slot.disk
    .durable('spool')
    .reduce((sum, { payload }) => sum + UsageRecord.parse(JSON.parse(payload)).parts.length, 0)
  assert.ok(waiting > 5, `${waiting} parts wait for the ledger`)

  world.killGateway(slot)
  slot.disk.replace()
  world.bus.faults.cutOff.clear()
  world.startGateway(slot)
  await scheduler.run(scheduler.nowMs() + 14 * MINUTE_MS)
  world.rethrow()
  const { billed, claimed, check, state } = readJournal(world)
  assert.equal(claimed, waiting, 'all that was lost came in by a copy')
  for (const record of outcomes) {
    for (const part of record.parts)
      assert.equal(billed.get(`${record.requestId} ${part.nodeId}`), 1, `${record.requestId} is billed once`)
  }
  assert.equal(check.end(state, { allSign: true }).claimed, claimed)
  assert.equal(ReceiptCheck.unsigned(state), null)
})

test('a gateway that was only away brings its readings itself, and a copy that came first is not billed again', async () => {
  const { world, outcomes, scheduler, stop } = await setup(4)
  const [slot] = world.gateways
  assert.ok(slot)
  world.bus.faults.cutOff.add(slot.process.name)
  await scheduler.run(scheduler.nowMs() + 40_000)
  stop()
  await scheduler.run(scheduler.nowMs() + 10_000)
  const image = slot.disk.backup()
  // Its nodes find another gateway with the same disk's worth of nothing, and bring their copies.
  world.killGateway(slot)
  slot.disk.replace()
  world.bus.faults.cutOff.clear()
  world.startGateway(slot)
  await scheduler.run(scheduler.nowMs() + 14 * MINUTE_MS)
  // Then the old disk is found, and all its readings come, too.
  world.killGateway(slot)
  slot.disk.restore(image)
  world.startGateway(slot)
  await scheduler.run(scheduler.nowMs() + 2 * MINUTE_MS)
  world.rethrow()
  assert.equal(slot.disk.durable('spool').length, 0)
  const { billed, claimed, check, state } = readJournal(world)
  assert.ok(claimed > 5)
  for (const record of outcomes)
    for (const part of record.parts)
      assert.equal(billed.get(`${record.requestId} ${part.nodeId}`), 1, `${record.requestId} is billed once`)
  check.end(state, { allSign: true })
})

function readJournal(world: SimWorld) {
  assert.ok(world.coordinator)
  const check = new ReceiptCheck(NETWORK_KEYS.publicKeyHex)
  const billed = new Map<string, number>()
  let claimed = 0
  for (const { payload } of world.coordinatorDisk.durable('journal')) {
    for (const event of JournalRecord.parse(JSON.parse(payload)).events) {
      check.read(event)
      if (event.type !== 'usage.recorded') continue
      if (event.spoolId.startsWith('receipts:')) claimed++
      for (const { nodeId } of event.record.parts) {
        const name = `${event.record.requestId} ${nodeId}`
        billed.set(name, (billed.get(name) ?? 0) + 1)
      }
    }
  }
  return { check, billed, claimed, state: world.coordinator.state }
}

/** One gateway, a few nodes that never fail, and callers that have begun. */
async function setup(seed: number) {
  const random = createRandom(seed)
  const never = Object.fromEntries(Object.keys(drawPlan(random).faultEveryMs).map((kind) => [kind, null]))
  const world = new SimWorld(
    {
      ...drawPlan(random),
      ...{ nodes: 4, gateways: 1, clients: 4, thinkMs: 1_500, balanceUsd: 50, askFactor: 1, isMoody: false },
      ...{
        busLossPer10k: 0,
        busDuplicatePer10k: 0,
        busDelayMsMax: 5,
        leavePercent: 10,
        slowReaderPercent: 0,
      },
      // Clocks hours apart decide nothing.
      skewMsMax: 5 * 3_600_000,
      faultEveryMs: never as never,
    },
    forkRandom(random),
  )
  const { scheduler } = world
  const outcomes: UsageRecord[] = []
  world.onOutcome = (record) => void outcomes.push(record)
  world.startCoordinator()
  await scheduler.run(2_000)
  world.coordinator?.execute(
    (turn) => foundNetwork(turn, world),
    () => {},
  )
  for (const slot of world.gateways) world.startGateway(slot)
  for (const slot of world.agents) world.startAgent(slot)
  await scheduler.run(20_000)
  const load = startLoad(world, forkRandom(random), () => {})
  await scheduler.run(scheduler.nowMs() + 30_000)
  world.rethrow()
  return { world, outcomes, scheduler, stop: () => load.stop() }
}
