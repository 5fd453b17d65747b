/** Challenges that are not answered where they were asked: said again, on another connection, after a silence, without the memory. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { DAY_MS, MINUTE_MS, SECOND_MS } from '#kernel/time.ts'
import { NodeReport } from '#protocol/agent-link.ts'
import { FrameType } from '#protocol/frame.ts'
import type { ProofBegin, ProofOrder, ProofSize } from '#protocol/hardware-proof.ts'
import { type ScriptedAgent, testCapability, testModel } from '#sim/scripted-agent.ts'
import { simCrypto } from '#sim/sim-host.ts'
import { SIM_PROOF_SIZE, simNodeProofs } from '#sim/sim-prover.ts'
import { createTestNetwork } from '#sim/test-network.ts'
import { solveProof } from '#verify/hardware/solve-proof.ts'
import { planOf, stepOf, TestFarm } from '#work/test-farm.ts'
import { checkState } from '../coordinator-state.ts'

test('who says again what he can prove still owes the answer to what he was asked', async () => {
  const { network, agent, able, ready, device, refusals } = await setup()
  for (let times = 0; times < 7; times++) {
    await network.run(10 * SECOND_MS)
    able(agent)
  }
  assert.deepEqual(refusals(), ['answer_repeated'])
  assert.equal(device()?.failure?.fault, 'answer_missing')
  assert.deepEqual(ready(), [])
})

test('a proven node whose line breaks while it is asked is asked again, and is doubted in nothing', async () => {
  const { network, agent, able, ready, device, prove, untilAsked } = await setup({ everyMs: MINUTE_MS })
  await prove(agent)
  let here = agent
  for (let times = 0; times < 8; times++) {
    await untilAsked(here)
    here.close()
    here = await network.connect('a')
    able(here)
    await network.run(SECOND_MS)
    const asked = begun(here)
    assert.equal(asked.deviceId, 'cpu')
    await prove(here)
    assert.deepEqual([device()?.failures, device()?.isProven, ready()], [0, true, ['a']])
  }
})

test('who goes away whenever he is asked is doubted from the seventh time on, and barred after three doubts', async () => {
  const { network, agent, able, ready, device, prove, untilAsked } = await setup({ everyMs: MINUTE_MS })
  await prove(agent)
  let here = agent
  const failures: unknown[] = []
  for (let times = 0; times < 9; times++) {
    await untilAsked(here)
    here.close()
    here = await network.connect('a')
    able(here)
    await network.run(SECOND_MS)
    failures.push(device()?.failures)
  }
  assert.deepEqual(failures, [0, 0, 0, 0, 0, 0, 1, 2, 3])
  assert.match(device()?.failure?.detail ?? '', /connection ended before the answer, 9 times in a row/)
  assert.deepEqual(ready(), [])
  await untilAsked(here)
  await prove(here)
  assert.deepEqual(ready(), ['a'], 'a proof lifts it, as always')
})

test('nodes that go away when all of their owner are asked are asked together again when they are back', async () => {
  const { network, agent, able, prove, untilAsked } = await setup({ everyMs: 10 * SECOND_MS })
  await prove(agent)
  let other = await network.connect('b')
  able(other)
  await network.run(SECOND_MS)
  await prove(other)
  // One in four unannounced challenges asks both.
  for (;;) {
    await untilAsked(agent, other)
    if (isAsked(agent) && isAsked(other)) break
    for (const one of [agent, other]) if (isAsked(one)) await prove(one)
  }
  other.close()
  await prove(agent)
  other = await network.connect('b')
  able(other)
  await network.run(100)
  assert.deepEqual([isAsked(agent), isAsked(other)], [true, true])
})

test('a node whose gateway is cut off again and again while it is asked is asked when it is back, and never doubted', async () => {
  const { network, agent, device, prove, untilAsked } = await setup({ everyMs: MINUTE_MS })
  await prove(agent)
  const { nodes } = network.service.coordinator.state.fleet
  for (let times = 0; times < 8; times++) {
    await untilAsked(agent)
    network.world.faults.cutOff.add('g')
    while (nodes.get('a')?.presence !== 'absent') await network.run(SECOND_MS)
    network.world.faults.cutOff.delete('g')
    for (let seconds = 0; nodes.get('a')?.presence !== 'online'; seconds++) {
      assert.ok(seconds < 60)
      await network.run(SECOND_MS)
    }
    await network.run(3 * SECOND_MS)
    assert.ok(isAsked(agent), 'on the same connection')
    assert.deepEqual([agent.closed(), device()?.failures], [null, 0])
  }
  await prove(agent)
  assert.equal(device()?.failures, 0)
})

test('a card whose memory is in use is asked for less and less of it, within the same time, and is no doubt', async () => {
  const { network, agent, device, ready, prove, short } = await setupCard({
    rows: 2 ** 14,
    width: 8,
    rounds: 2,
  })
  await prove(agent, 'cpu')
  const first = begun(agent, 'GPU-1')
  await short(agent, first)
  const second = begun(agent, 'GPU-1')
  assert.deepEqual([first.size.rows, second.size.rows], [2 ** 14, 2 ** 12])
  await prove(agent, 'GPU-1')
  assert.deepEqual([device('GPU-1')?.isProven, device('GPU-1')?.failures], [true, 0])
  assert.deepEqual(ready(), ['a'])
  assert.deepEqual(
    [...network.service.coordinator.state.hardware.classes.keys()],
    ['cpu', 'cuda A card 24564 MiB, 4096 rows'],
  )
})

test('a card that has not even the least memory free is in doubt, and so is who has seen which rows to show', async () => {
  const { agent, device, short } = await setupCard(SIM_PROOF_SIZE)
  await short(agent, begun(agent, 'GPU-1'))
  assert.equal(device('GPU-1')?.failure?.fault, 'memory_short')
  const late = await setupCard({ rows: 2 ** 14, width: 8, rounds: 2 })
  const asked = begun(late.agent, 'GPU-1')
  commit(late.agent, asked)
  await late.network.run(SECOND_MS)
  await late.short(late.agent, asked)
  assert.equal(late.device('GPU-1')?.failure?.fault, 'memory_short')
})

const setupCard = async (size: ProofSize) => setup({ size, devices: [processor, card], gpus: [gpu('GPU-1')] })

test('a card is asked for as it is offered, and what only takes its name proves nothing of it', async () => {
  const named = (part: object) => ({ ...card, ...part })
  const rows: [object, string[]][] = [
    [card, ['cpu', 'GPU-1']],
    [named({ memoryMib: 16, name: 'Another' }), ['cpu', 'GPU-1']],
    [named({ kind: 'cpu', memoryMib: 0 }), ['cpu']],
    [named({ deviceId: 'GPU-made-up' }), ['cpu']],
  ]
  for (const [told, expected] of rows) {
    const { network } = await setup({ devices: [processor, told], gpus: [gpu('GPU-1')] })
    const { hardware } = network.service.coordinator.state
    const record = hardware.nodes.get('a')
    assert.deepEqual([...(record?.devices.keys() ?? [])], expected)
    const [, deviceClass] = [...(record?.devices.values() ?? [])].map((one) => one.deviceClass)
    assert.equal(deviceClass, expected[1] && 'cuda A card 24564 MiB')
  }
})

test('a card that is taken back while it is asked still owes its answer, and then is no more', async () => {
  const { network, agent, device, prove, report } = await setupCard(SIM_PROOF_SIZE)
  await prove(agent, 'cpu')
  report([])
  await network.run(2 * SECOND_MS)
  assert.equal(device('GPU-1')?.isProven, false)
  assert.ok(isAsked(agent))
  await network.run(3 * MINUTE_MS)
  assert.equal(device('GPU-1'), undefined)
  assert.equal(device('cpu')?.isProven, true)
})

test('who is given what runs for long is asked at its start, unless he was asked shortly before', async () => {
  const { network, agent, prove } = await setup({ everyMs: 1_000 * DAY_MS })
  await prove(agent)
  const farm = new TestFarm()
  farm.seat('a')
  const give = async (referenceMs: number) => {
    const before = farm.events.length
    const steps = [stepOf({ digest: `digest ${before}`, referenceMs })]
    farm.submit(planOf({ jobId: `job_${before}`, steps }))
    assert.deepEqual(farm.pull('a'), [0])
    network.take((turn) => turn.record(structuredClone(farm.events.slice(before))))
    await network.run(2 * SECOND_MS)
    farm.finish('a')
    return isAsked(agent)
  }
  assert.equal(await give(30 * MINUTE_MS), false)
  await network.run(11 * MINUTE_MS)
  assert.equal(await give(MINUTE_MS), false)
  assert.equal(await give(30 * MINUTE_MS), true)
})

const processor = { deviceId: 'cpu', kind: 'cpu', name: 'test', memoryMib: 0 } as const
const card = { deviceId: 'GPU-1', kind: 'cuda', name: 'A card', memoryMib: 24_564 } as const

function gpu(uuid: string) {
  const unknown = { vramUsedMib: null, utilisationPercent: null, powerWatts: null, powerLimitWatts: null }
  return {
    ...{ index: 0, uuid, vendor: 'nvidia' as const, name: 'A card', vramMib: 24_564, ...unknown },
    ...{ temperatureC: null, driver: null, pcieGeneration: null, pcieLanes: null, mig: null },
    ...{ healthy: true, unhealthyReason: null },
  }
}

const say = (agent: ScriptedAgent, said: unknown): void => agent.sendJson(FrameType.prove, 0, said)
const orders = (agent: ScriptedAgent): ProofOrder[] => agent.payloads(FrameType.prove) as ProofOrder[]

/** The newest challenge for this device. */
function begun(agent: ScriptedAgent, deviceId = 'cpu'): ProofBegin {
  const begin = orders(agent).findLast((order) => order.kind === 'begin' && order.deviceId === deviceId)
  assert.ok(begin?.kind === 'begin', `${deviceId} was asked`)
  return begin
}

/** Whether it has a challenge that is not over. */
function isAsked(agent: ScriptedAgent): boolean {
  const over = new Set(orders(agent).flatMap((one) => (one.kind === 'over' ? one.challengeId : [])))
  return orders(agent).some(({ kind, challengeId }) => kind === 'begin' && !over.has(challengeId))
}

const solution = ({ seed, size }: ProofBegin) =>
  solveProof({ seed: Buffer.from(seed, 'hex'), size }, simCrypto.sha256)

function commit(agent: ScriptedAgent, begin: ProofBegin): void {
  const { challengeId } = begin
  say(agent, { kind: 'begun', challengeId })
  say(agent, { kind: 'commit', challengeId, roots: solution(begin).roots })
}

interface Options {
  readonly everyMs?: number
  readonly size?: ProofSize
  readonly devices?: readonly object[]
  readonly gpus?: readonly ReturnType<typeof gpu>[]
}

async function setup({ everyMs, size = SIM_PROOF_SIZE, devices = [processor], gpus = [] }: Options = {}) {
  const nodeProofs = { ...simNodeProofs, sizeOf: () => size, ...(everyMs !== undefined && { everyMs }) }
  const network = await createTestNetwork({ nodeProofs })
  const { state } = network.service.coordinator
  const agent = await network.connect('a')
  const report = (cards: Options['gpus'] = []): void => {
    const capability = { ...testCapability, models: [testModel], gpus: [...cards] }
    agent.sendJson(FrameType.capability, 0, NodeReport.encode({ capability, askPerGpuHour: 360_000_000n }))
  }
  if (gpus.length > 0) report(gpus)
  const able = (one: ScriptedAgent): void => say(one, { kind: 'able', devices })
  able(agent)
  await network.run(3 * SECOND_MS)
  return {
    network,
    agent,
    able,
    report,
    ready: () => [...network.gateway.nodes.ready()].map(({ nodeId }) => nodeId),
    device: (deviceId = 'cpu') => state.hardware.nodes.get('a')?.devices.get(deviceId),
    refusals: () => [...(state.hardware.nodes.get('a')?.refused.keys() ?? [])],
    async untilAsked(...agents: ScriptedAgent[]) {
      for (let seconds = 0; seconds < 3_600; seconds++) {
        if (agents.some(isAsked)) return
        await network.run(SECOND_MS)
      }
      assert.fail('nobody was asked within an hour')
    },
    async prove(one: ScriptedAgent, deviceId = 'cpu') {
      const begin = begun(one, deviceId)
      const { challengeId } = begin
      commit(one, begin)
      await network.run(SECOND_MS)
      const open = orders(one).findLast((order) => order.kind === 'open' && order.challengeId === challengeId)
      assert.ok(open?.kind === 'open', 'it is asked to show rows')
      say(one, { kind: 'opened', challengeId, chains: solution(begin).open(open.rows) })
      await network.run(2 * SECOND_MS)
      checkState(state)
    },
    async short(one: ScriptedAgent, { challengeId }: ProofBegin) {
      say(one, { kind: 'failed', challengeId, reason: 'memory_short', message: 'too little' })
      await network.run(SECOND_MS)
    },
  }
}
