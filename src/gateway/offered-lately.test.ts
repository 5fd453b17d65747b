import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createTestWorld } from '#sim/test-world.ts'
import { createOfferedLately, OFFERED_MS } from './offered-lately.ts'

test('a model is offered until an hour after no node did any more, and again at once', async () => {
  const { run, offers, lately } = setup()
  offers.set('another', {})
  offers.set('model', {})
  await run(3 * OFFERED_MS)
  assert.equal(lately.isUnoffered('model'), false)
  offers.delete('model')
  await run(OFFERED_MS / 2)
  assert.equal(lately.isUnoffered('model'), false)
  await run(OFFERED_MS / 2)
  assert.equal(lately.isUnoffered('model'), true)
  offers.set('model', {})
  assert.equal(lately.isUnoffered('model'), false)
  offers.delete('model')
  assert.equal(lately.isUnoffered('model'), true)
  lately.saw('model')
  assert.equal(lately.isUnoffered('model'), false)
})

test('what nobody offers since the gateway began is taken for offered until it can know better', async () => {
  const { run, offers, lately } = setup()
  offers.set('another', {})
  await run(OFFERED_MS - 1)
  assert.equal(lately.isUnoffered('gone'), false)
  await run(1)
  assert.equal(lately.isUnoffered('gone'), true)
})

test('what the network hosts, and what nodes of other gateways have, is offered', async () => {
  const { run, offers, lately } = setup()
  offers.set('another', {})
  await run(OFFERED_MS)
  assert.deepEqual(
    ['hosted', 'elsewhere', 'gone'].map((model) => lately.isUnoffered(model)),
    [false, false, true],
  )
})

test('where no node offers anything, here or elsewhere, the network is out, and nothing is unoffered', async () => {
  const { run, offers, lately, elsewhere } = setup()
  offers.set('model', {})
  await run(OFFERED_MS)
  offers.clear()
  elsewhere.clear()
  await run(20 * OFFERED_MS)
  assert.equal(lately.isUnoffered('model'), false)
  elsewhere.add('another')
  assert.equal(lately.isUnoffered('model'), true)
})

function setup() {
  const world = createTestWorld()
  const offers = new Map<string, unknown>()
  const elsewhere = new Set(['elsewhere'])
  const { clock } = world.machine('gateway').host
  const nodes = [{ nodeId: 'here', offers: offers as never }]
  const directory = {
    catalogued: (model: string) => (model === 'hosted' ? ({} as never) : undefined),
    isUpElsewhere: (model: string | null, here: ReadonlySet<string>) =>
      here.has('here') && (model === null ? elsewhere.size > 0 : elsewhere.has(model)),
  }
  const lately = createOfferedLately(clock, directory, () => ({ all: () => nodes, ready: () => nodes }))
  const look = (): void => {
    clock.after(5_000, look)
    lately.look()
  }
  look()
  return { run: world.run, offers, lately, elsewhere }
}
