import assert from 'node:assert/strict'
import { test } from 'node:test'
import { encodeJsonFrame, FrameType } from '#protocol/frame.ts'
import { createTestNetwork } from '#sim/test-network.ts'
import { createTestWorld } from '#sim/test-world.ts'
import { createHealthRelay, type HealthNode } from './health-relay.ts'

const fault = { device: '0000:01:00', code: 'gpu_lost', message: 'The kernel reports: it is gone (Xid 79).' }

test('a node that says it is sick gets nothing from that moment on, and comes back by itself', async () => {
  const { connect, ask, run, gateway, service } = await createTestNetwork()
  const sick = await connect('a')
  const other = await connect('b')
  sick.sendJson(FrameType.health, 0, { faults: [fault] })
  // Not even long enough for the coordinator to hear of it.
  await run(30)
  for (let count = 0; count < 2; count++) ask()
  await run(200)
  assert.deepEqual([sick.requests().length, other.requests().length], [0, 2])
  for (const { stream } of other.requests()) {
    other.delta(stream, 'hello')
    other.end(stream, { promptTokens: 20, completionTokens: 1 })
  }
  const barred = () => gateway.directory.node('a')?.barred ?? null
  await run(2_000)
  assert.equal(barred()?.code, 'sick')
  assert.match(barred()?.message ?? '', /Xid 79.*Restart the machine.*by itself/)
  assert.equal(service.coordinator.state.reputation.nodes.get('a')?.sick?.code, 'gpu_lost')

  sick.sendJson(FrameType.health, 0, { faults: [] })
  await run(30_000)
  assert.equal(barred()?.code, 'sick', 'it has to rest for a minute')
  await run(40_000)
  assert.equal(barred(), null)
  for (let count = 0; count < 4; count++) ask()
  await run(200)
  assert.ok(sick.requests().length > 0)
})

test('what was sick stays out when it connects anew without saying how it is', async () => {
  const { connect, ask, run } = await createTestNetwork()
  const sick = await connect('a')
  sick.sendJson(FrameType.health, 0, { faults: [fault] })
  await run(2_000)
  const again = await connect('a')
  const call = ask()
  await run(1_000)
  assert.deepEqual([again.requests(), call.heard], [[], []])
})

test('what is no news of health costs the node its connection', async () => {
  for (const payload of [
    {},
    { faults: [{ device: 'x', code: 'bored', message: '' }] },
    { faults: Array(65).fill(fault) },
  ]) {
    const { connect, run } = await createTestNetwork()
    const agent = await connect('a')
    agent.sendJson(FrameType.health, 0, payload)
    await run(100)
    assert.equal(agent.closed()?.code, 1002)
  }
})

test('the coordinator is told until it sees it the same way, and a flood of news costs it little', async () => {
  const { relay, node, published, run, see } = setup()
  const say = (faults: readonly object[]): void =>
    relay.hear(node, encodeJsonFrame(FrameType.health, 0, { faults }).subarray(12))
  for (let count = 0; count < 100; count++) say(count % 2 === 0 ? [fault] : [])
  assert.equal(published.length, 1)
  say([fault])
  await run(21_000)
  assert.equal(published.length, 5)
  see('sick')
  await run(60_000)
  assert.equal(published.length, 5)
  assert.equal(node.isSick, true)
  relay.close()
})

test('a node is asked to measure itself now and then, and one of an older protocol never', () => {
  const { relay, node, sent } = setup()
  relay.measureAgain({ ...node, protocol: 4 }, 'model')
  relay.measureAgain(node, 'model')
  relay.measureAgain(node, 'model')
  assert.equal(sent.length, 1)
  relay.close()
})

function setup() {
  const world = createTestWorld()
  const published: string[] = []
  const sent: Uint8Array[] = []
  let code: 'sick' | null = null
  const node: HealthNode = {
    nodeId: 'a',
    protocol: 5,
    isSick: false,
    send: (message) => void sent.push(message),
  }
  const relay = createHealthRelay(
    {
      bus: { publish: (_subject, message) => void published.push(message) },
      clock: world.machine('g').host.clock,
      directory: {
        node: () => ({
          ...{ id: 'a', organisationId: 'o', publicKey: '', session: 1, isDrained: false, isBanned: false },
          ...{ models: [], ...(code && { barred: { code, message: '' } }) },
        }),
      },
    },
    () => {},
  )
  return {
    relay,
    node,
    sent,
    published,
    run: world.run,
    see(next: 'sick' | null) {
      code = next
    },
  }
}
