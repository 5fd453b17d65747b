/** A server that is paid by the token serves what the network's own nodes cannot, and nothing else. */
import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { costOf } from '#ledger/price.ts'
import { readUsage, settle } from './books.ts'
import { until } from './process-group.ts'
import { openRig, startTiny } from './rig.ts'

const rig = openRig()
after(() => rig.dispose())

const price = { promptPerMillion: 150_000_000n, completionPerMillion: 600_000_000n }

test('it gets a request only while no other node is free, and is paid its own price', async () => {
  // Another whole network is the server of last resort: to this one it is an OpenAI API that takes money.
  const other = await startTiny(rig, rig.path('other'))
  const network = await startTiny(rig, rig.path('data'), ['--slots', '1'])
  const { token } = await network.operator.createEnrolmentToken({ body: { expiresInMs: 600_000 } })
  const { ready } = other
  assert(ready.apiKey)
  rig.start([
    ...[
      'provide',
      '--render',
      'off',
      '--data',
      rig.path('bought'),
      '--join',
      network.ready.apiUrl,
      '--token',
      token,
    ],
    ...['--upstream', ready.openaiBaseUrl, '--upstream-key', ready.apiKey, '--backstop-price', '0.15,0.60'],
    ...['--name', 'bought'],
  ])
  await until('both nodes', async () => {
    const { models } = await network.status()
    return models.some(({ model, nodes }) => model === 'tiny' && nodes === 2)
  })
  const nodes = (await network.operator.listNodes({ query: {} })).items
  const bought = nodes.find(({ name }) => name === 'bought')
  assert.deepEqual(
    bought?.models.map(({ promptPerMillion, completionPerMillion }) => ({
      promptPerMillion,
      completionPerMillion,
    })),
    [price],
  )
  const served = async (): Promise<string[]> =>
    (await readUsage(network.operator)).flatMap(({ nodeIds }) => nodeIds)

  for (let index = 0; index < 5; index++) await ask(20)
  await settle(network, 5)
  assert.equal((await served()).includes(bought?.nodeId ?? ''), false, 'alone the network needs nobody')

  const long = await network.openai.completions.create({
    ...{ model: 'tiny', prompt: 'Fish', max_tokens: 8_000, temperature: 0 },
    stream: true,
  })
  const pieces = long[Symbol.asyncIterator]()
  await pieces.next()
  await ask(20)
  while (!(await pieces.next()).done);
  const usage = await settle(network, 7)
  const paid = usage.filter(({ nodeIds }) => nodeIds.includes(bought?.nodeId ?? ''))
  assert.equal(paid.length, 1)
  for (const { cost, promptTokens, completionTokens } of paid)
    assert.equal(cost, costOf({ promptTokens, completionTokens }, price))

  async function ask(maxTokens: number): Promise<void> {
    const body = { model: 'tiny', prompt: 'Fish', max_tokens: maxTokens }
    await network.openai.completions.create(body, { maxRetries: 0 })
  }
})
