/** A join storm at the door of a gateway: fakes by the thousand, and a good node among them that is not to notice. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SECOND_MS } from '#kernel/time.ts'
import { encodeJsonFrame, FrameType } from '#protocol/frame.ts'
import { createTestNetwork } from '#sim/test-network.ts'
import { UNPROVEN_MAX } from './hello-flood.ts'

test('hellos of nodes that do not exist are shown out, and good nodes stay and are served', async () => {
  const { network, storm } = await setup()
  const good = await network.connect('a')
  const [before, asked] = [network.service.coordinator.sequence(), network.machine.logged.length]
  const closed = await storm({ perSecond: 500, seconds: 6, says: 'hello' })
  assert.equal(closed(), 3_000, 'each fake is shown out')
  assert.equal(good.closed(), null)
  assert.deepEqual(
    [...network.gateway.nodes.all()].map(({ nodeId, status }) => `${nodeId} ${status}`),
    ['a online'],
  )
  assert.equal(network.service.coordinator.sequence(), before, 'nothing of it is in the journal')
  const lines = network.machine.logged.length - asked
  assert.ok(lines < 150, `${lines} lines of 3000 fakes in the log`)
  const call = network.ask()
  await network.run(SECOND_MS)
  assert.equal(good.requests().length, 1)
  assert.deepEqual(call.heard, ['node a'])
})

test('of those that say nothing only so many wait, and a good node gets in beside them', async () => {
  const { network, storm } = await setup()
  const closed = await storm({ perSecond: 800, seconds: 3, says: 'nothing' })
  assert.ok(2_400 - closed() <= UNPROVEN_MAX, `${2_400 - closed()} wait`)
  const good = await network.connect('a')
  assert.equal(good.closed(), null)
  await network.run(6 * SECOND_MS)
  assert.equal(closed(), 2_400, 'whoever says nothing is shown out')
  assert.equal(good.closed(), null)
})

async function setup() {
  const network = await createTestNetwork()
  const fakes = network.world.machine('fakes')
  let number = 0

  async function storm(plan: { perSecond: number; seconds: number; says: 'hello' | 'nothing' }) {
    let closed = 0
    for (let tick = 0; tick < plan.seconds * 10; tick++) {
      for (let index = 0; index < plan.perSecond / 10; index++) {
        const hello = {
          protocol: 1,
          nodeId: `fake_${++number}`,
          session: 1,
          signature: 'ab',
          agentVersion: 'fake',
        }
        const link = fakes.host.network.connect('ws://g:80/agent', {
          onMessage() {
            if (plan.says === 'hello') link.send(encodeJsonFrame(FrameType.hello, 0, hello))
          },
          onClose: () => void closed++,
        })
      }
      await network.run(SECOND_MS / 10)
    }
    await network.run(SECOND_MS / 2)
    return () => closed
  }
  return { network, storm }
}
