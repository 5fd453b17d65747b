/** The coordinator as its gateways meet it: over a bus that is late, and by the clock. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SUSPECT_GRACE_MS } from '#fleet/fleet.ts'
import { HOUR_MS, MINUTE_MS } from '#kernel/time.ts'
import { HOLD_EXPIRY_GRACE_MS } from '#ledger/ledger.ts'
import {
  Follow,
  type FollowReply,
  type PresenceReply,
  PresenceReport,
  SliceList,
  subjects,
  TakeSlice,
  UsageBatch,
} from '#protocol/cell.ts'
import type { Problem } from '#protocol/problem.ts'
import { createTestWorld, foundCell, PAYER, type TestMachine } from '#sim/test-world.ts'
import { OPEN_SILENT_MS } from '#sla/sla.ts'
import { openCoordinatorService } from './coordinator-service.ts'
import { GATEWAY_SILENCE_MS } from './gateways.ts'
import { slaIn } from './sla/step-sla.ts'
import { SLICE_TTL_MS } from './take-slice.ts'

test('a call that changes something is answered only once that is durable', async () => {
  const { call, machine, service } = await setup()
  const before = machine.disk.durable('journal').length
  const reply = await call(subjects.takeSlice, slice)
  assert.deepEqual(reply, { lent: '400', ttlMs: SLICE_TTL_MS, refusal: null })
  assert.equal(machine.disk.durable('journal').length, before + 1)
  assert.equal(service.coordinator.state.ledger.holds.get('slice')?.lent, 400n)
})

test('slices are renewed and returned over the bus', async () => {
  const { call, service } = await setup()
  await call(subjects.takeSlice, slice)
  const list = SliceList.encode({ gatewayId: 'g', holdIds: ['slice', 'gone'] })
  assert.deepEqual(await call(subjects.renewSlices, list), { renewed: ['slice'], ttlMs: SLICE_TTL_MS })
  assert.deepEqual(await call(subjects.returnSlices, list), { returned: ['slice', 'gone'] })
  assert.equal(service.coordinator.state.ledger.holds.size, 0)
})

test('a batch of readings is answered with the next sequence', async () => {
  const { call } = await setup()
  const batch = UsageBatch.encode({ spoolId: 's', firstSequence: 1, records: [] })
  assert.deepEqual(await call(subjects.usage, batch), { nextSequence: 1 })
})

test('a follower gets all, then what changed, and is asked for its nodes until it told them', async () => {
  const { call } = await setup()
  const follow = (epoch: number, version: number) =>
    call(subjects.follow, Follow.encode({ gatewayId: 'g', epoch, version })) as Promise<FollowReply>
  const first = await follow(0, 0)
  assert.deepEqual([first.isComplete, first.wantsPresence, first.nodes.length], [true, true, 1])
  const told = (await call(subjects.presence, presence({ isComplete: true }))) as PresenceReply
  assert.deepEqual(told, { epoch: 1, refused: [] })
  const second = await follow(first.epoch, first.version)
  assert.deepEqual([second.isComplete, second.wantsPresence], [false, false])
  assert.deepEqual(
    second.nodes.map(({ id, session }) => [id, session]),
    [['a', 1]],
  )
})

test('a follower that takes parts is told what is behind the one before', async () => {
  const { call } = await setup()
  const nodesFrom = async (from: string): Promise<string[]> => {
    const message = Follow.encode({ gatewayId: 'g', epoch: 0, version: 0, from })
    const { nodes, isComplete } = (await call(subjects.follow, message)) as FollowReply
    assert.equal(isComplete, true)
    return nodes.map(({ id }) => id)
  }
  assert.deepEqual(
    [await nodesFrom(''), await nodesFrom('key z'), await nodesFrom('node a')],
    [['a'], ['a'], []],
  )
})

test('what does not parse is logged and left unanswered, and the next call is served', async () => {
  const { request, machine } = await setup()
  for (const message of ['', '{', 'null', '{"gatewayId":1}', JSON.stringify({ ...slice, needed: 'much' })]) {
    assert.equal(await request(subjects.takeSlice, message), 'bus_timeout', message)
  }
  assert.equal(machine.logged.filter((event) => event === 'bus.message_malformed').length, 5)
  assert.match(await request(subjects.takeSlice, JSON.stringify(slice)), /"lent":"400"/)
})

test('a node’s report is taken, and a malformed one is logged', async () => {
  const { gateway, machine, service, run } = await setup()
  const report = { nodeId: 'a', capability, askPerGpuHour: '7' }
  gateway.host.bus.publish(subjects.report, JSON.stringify({ ...report, capability: null }))
  gateway.host.bus.publish(subjects.report, 'nonsense')
  gateway.host.bus.publish(subjects.report, JSON.stringify(report))
  await run(100)
  assert.equal(service.coordinator.state.fleet.nodes.get('a')?.askPerGpuHour, 7n)
  assert.equal(machine.logged.filter((event) => event === 'bus.message_malformed').length, 2)
})

test('gateways are told when there is something to follow, and not when only money moved', async () => {
  const { call, gateway, service, run } = await setup()
  let told = 0
  gateway.host.bus.subscribe(subjects.changed, () => {
    told++
  })
  await call(subjects.takeSlice, slice)
  await run(100)
  assert.equal(told, 0)
  service.coordinator.execute(
    (turn) => turn.fleet({ kind: 'drain', nodeId: 'a', nowMs: turn.nowMs }),
    () => {},
  )
  await run(100)
  assert.equal(told, 1)
})

test('a gateway that falls silent loses its nodes: suspect, then absent, and back when it speaks', async () => {
  const { call, service, run } = await setup()
  const node = service.coordinator.state.fleet.nodes.get('a')
  await call(subjects.presence, presence({ isComplete: true }))
  assert.equal(node?.presence, 'online')
  await run(GATEWAY_SILENCE_MS + 2_000)
  assert.equal(node?.presence, 'suspect')
  await call(subjects.presence, presence({ sequence: 2, isComplete: true }))
  assert.equal(node?.presence, 'online')
  await run(GATEWAY_SILENCE_MS + SUSPECT_GRACE_MS + 2_000)
  assert.equal(node?.presence, 'absent')
})

test('after a start no hold expires for a minute, however old it is', async () => {
  const { world, call, machine, service } = await setup()
  await call(subjects.takeSlice, slice)
  machine.process.kill()
  machine.disk.crash(machine.process)
  await world.run(HOUR_MS)
  const next = world.machine('coordinator', machine.disk)
  const again = await world.settle(openCoordinatorService(next.host, options))
  const { holds } = again.coordinator.state.ledger
  assert.equal(holds.size, 1)
  await world.run(MINUTE_MS - 2_000)
  assert.equal(holds.size, 1)
  await world.run(4_000)
  assert.equal(holds.size, 0)
  assert.equal(service.coordinator.state.ledger.holds.size, 1, 'the dead one does nothing')
})

test('after a start no gateway is given up that could not be heard: what it has under way is not lost', async () => {
  const { world, machine, service } = await setup()
  const openAt = (one: typeof service) => [
    ...(one.coordinator.state.sla.open.get('g')?.requests.keys() ?? []),
  ]
  service.coordinator.execute(
    (turn) => {
      const request = {
        requestId: 'r',
        organisationId: PAYER,
        slaClass: 'business',
        startedAtMs: turn.nowMs,
      } as const
      const tally = { gatewayId: 'g', run: '1', refused: [], open: [request] }
      assert.equal(slaIn(turn, { kind: 'tally', spoolId: 's', sequence: 1, tally, nowMs: turn.nowMs }), null)
    },
    () => {},
  )
  await world.run(100)
  machine.process.kill()
  machine.disk.crash(machine.process)
  await world.run(HOUR_MS)
  const next = world.machine('coordinator', machine.disk)
  const again = await world.settle(openCoordinatorService(next.host, options))
  await world.run(OPEN_SILENT_MS - 2_000)
  assert.deepEqual(openAt(again), ['r'])
  await world.run(4_000)
  assert.deepEqual([openAt(again), [...again.coordinator.state.sla.lost.keys()]], [[], ['r']])
})

test('a hold that nobody renews goes back after its life and its grace', async () => {
  const { call, service, run } = await setup()
  await call(subjects.takeSlice, slice)
  await run(SLICE_TTL_MS + HOLD_EXPIRY_GRACE_MS - 2_000)
  assert.equal(service.coordinator.state.ledger.holds.size, 1)
  await run(4_000)
  assert.equal(service.coordinator.state.ledger.holds.size, 0)
})

test('once closed it answers nobody', async () => {
  const { world, request, service } = await setup()
  await world.settle(service.close())
  assert.equal(await request(subjects.takeSlice, JSON.stringify(slice)), 'bus_timeout')
})

const slice = TakeSlice.encode({
  gatewayId: 'g',
  organisationId: PAYER,
  holdId: 'slice',
  needed: 100n,
  wanted: 400n,
})

const presence = (part: Partial<PresenceReport>) =>
  PresenceReport.encode({
    gatewayId: 'g',
    incarnation: 1,
    sequence: 1,
    isComplete: false,
    nodes: [{ nodeId: 'a', session: 1, status: 'online', reason: null }],
    ...part,
  })

const capability = {
  agentVersion: 'test',
  osName: 'test',
  cpu: { model: 'test', cores: 1 },
  memoryMib: 1,
  diskFreeMib: 1,
  gpus: [],
  powerWatts: null,
  engines: [],
  models: [],
  problems: [],
}

const options = { feeBps: 500, snapshotEvery: 1_000, onFatal: (problem: Problem) => assert.fail(problem) }

/** A served cell with the node a, and a gateway's machine on the same bus. */
async function setup() {
  const world = createTestWorld()
  const machine = world.machine('coordinator')
  const gateway: TestMachine = world.machine('g')
  const service = await world.settle(openCoordinatorService(machine.host, options))
  service.coordinator.execute(
    (turn) => foundCell(turn, { nodes: { a: 'key a' } }),
    () => {},
  )
  await world.run(100)
  const request = (subject: string, message: string): Promise<string> =>
    world.settle(
      new Promise((resolve) => {
        gateway.host.bus.request({ subject, message, timeoutMs: 2_000 }, (problem, reply) =>
          resolve(problem ? problem.code : reply),
        )
      }),
    )
  return {
    world,
    machine,
    gateway,
    service,
    run: world.run,
    request,
    call: async (subject: string, message: unknown): Promise<unknown> =>
      JSON.parse(await request(subject, JSON.stringify(message))),
  }
}
