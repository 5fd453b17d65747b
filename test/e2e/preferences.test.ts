/** What callers ask of the node that answers, on a real network. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { APIError } from 'openai'
import type { ProviderPreferences } from '#protocol/provider-preferences.ts'
import { until } from './process-group.ts'
import { type Network, openRig, startTiny } from './rig.ts'

const rig = openRig()
after(() => rig.dispose())
let network: Network
before(async () => {
  network = await startTiny(rig, rig.path('data'), ['--region', 'de-berlin'])
})

test('a node answers where it is what the caller asks for, and else the caller hears why not', async () => {
  assert.equal(await ask({ regions: ['us', 'de'], data_collection: 'deny', sort: 'price' }), 'answered')
  assert.match(
    await ask({ regions: ['fr'] }),
    /^404 no_matching_node provider\.regions: .*None of the 1 node that serves 'tiny'.* Nearest: regions de-berlin, for 1 node\.$/,
  )
  assert.match(await ask({ max_price: { completion: 0 } }), /Nearest: max_price of at least \$0\.0/)
  const [node] = (await network.operator.listNodes({ query: {} })).items
  assert(node)
  assert.match(await ask({ ignore: [node.nodeId] }), /no_matching_node provider\.ignore/)
  assert.equal(await ask({ only: [node.organisationId] }), 'answered')
})

test('an operator vouches for a node, and callers who ask for such nodes reach it', async () => {
  assert.match(await ask({ class: 'vetted' }), /Nearest: class 'community' instead of 'vetted'/)
  const [node] = (await network.operator.listNodes({ query: {} })).items
  assert(node)
  const params = { nodeId: node.nodeId }
  await network.operator.classNode({ params, body: { nodeClass: 'vetted' } })
  await until('the gateway to hear of it', async () => (await ask({ class: 'vetted' })) === 'answered')
  const attested = network.operator.classNode({ params, body: { nodeClass: 'attested' } })
  await assert.rejects(attested, /No node can be 'attested' yet/)
})

test('wishes that do not parse are refused by name', async () => {
  const wrong = { sort: 'cheap' } as unknown as ProviderPreferences
  assert.match(await ask(wrong), /^400 invalid_value provider\.sort/)
  const unknown = { order: ['x'] } as unknown as ProviderPreferences
  assert.match(await ask(unknown), /^400 unknown_parameter provider\.order/)
})

async function ask(provider: ProviderPreferences): Promise<string> {
  const body = { model: 'tiny', prompt: 'Fish', max_tokens: 2, provider }
  try {
    await network.openai.completions.create(body, { maxRetries: 0 })
    return 'answered'
  } catch (error) {
    assert(error instanceof APIError)
    return `${error.status} ${error.code} ${error.param}: ${error.message}`
  }
}
