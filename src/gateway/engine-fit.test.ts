/** Requests go only where all that they ask for can be done, and are refused at once where nobody can. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { EngineRequest } from '#protocol/engine-request.ts'
import { encodeDataFrame, encodeJsonFrame, FrameType } from '#protocol/frame.ts'
import { createTestNetwork } from '#sim/test-network.ts'
import { type Preferences, readPreferences } from './preferences.ts'

const sampling = { temperature: 0, topP: 1, stop: [], frequencyPenalty: 0, presencePenalty: 0 }
const plain = {
  kind: 'chat',
  requestId: 'req_1',
  model: 'model',
  messages: [{ role: 'user', content: 'hi' }],
  maxTokens: 50,
  sampling,
} as const satisfies EngineRequest
const tools = { list: [{ name: 'f', isStrict: false }], choice: 'auto', mayBeParallel: true } as const

const rows: readonly (readonly [ask: EngineRequest, feature: string, param: string])[] = [
  [{ ...plain, topLogprobs: 0 }, 'logprobs', 'logprobs'],
  [{ ...plain, sampling: { ...sampling, logitBias: { 1: 1 } } }, 'logit_bias', 'logit_bias'],
  [{ ...plain, format: { type: 'json_object' } }, 'json_object', 'response_format'],
  [
    { ...plain, format: { type: 'json_schema', name: 'x', schema: {}, isStrict: true } },
    'json_schema',
    'response_format',
  ],
  [{ ...plain, tools: { ...tools, list: [...tools.list] } }, 'tools', 'tools'],
  [{ ...plain, messages: [{ role: 'tool', content: 'x', toolCallId: 'a' }] }, 'tools', 'tools'],
]

for (const [engine, feature, param] of rows) {
  test(`${feature}, asked for by ${param}, is refused where no node can do it, and sent where one can`, async () => {
    const network = await createTestNetwork()
    // An agent of an earlier version says nothing of what it can do.
    const old = await network.connect('a')
    const refused = network.ask({ engine })
    assert.deepEqual(
      [refused.problem()?.code, refused.problem()?.details['param']],
      ['unsupported_parameter', param],
    )
    const able = await network.connect('b', [{ features: [feature] }])
    network.ask({ engine })
    network.ask({ engine: plain })
    network.ask({ engine: plain })
    await network.run(100)
    const asked = [old, able].map((agent) => agent.requests().map(({ request }) => request))
    assert.equal(asked.flat().length, 3)
    assert.ok(asked[0]?.every((request) => JSON.stringify(request) === JSON.stringify(plain)))
  })
}

test('a feature of one node and a wish for another are refused together at once, with both by name', async () => {
  const network = await createTestNetwork()
  await network.connect('a', [{ features: ['logprobs'] }])
  await network.connect('b')
  const engine = { ...plain, topLogprobs: 0 }
  const only = (nodeId: string) => readPreferences({ only: [nodeId] }) as Preferences
  const refused = network.ask({ engine, preferences: only('b') })
  assert.deepEqual(
    [refused.problem().code, refused.problem().details['param']],
    ['no_matching_node', 'provider.only'],
  )
  assert.match(
    refused.problem().message,
    /^None of the 1 node that serves 'model' with logprobs is what you ask for/,
  )
  const served = [network.ask({ engine, preferences: only('a') }), network.ask({ preferences: only('b') })]
  await network.run(100)
  assert.deepEqual(
    served.map(({ heard }) => heard),
    [['node a'], ['node b']],
  )
})

test('what a piece carries beside text comes with it, and a piece without text is told all the same', async () => {
  const network = await createTestNetwork()
  const agent = await network.connect('a', [{ features: ['tools'] }])
  const call = network.ask({ engine: { ...plain, tools: { ...tools, list: [...tools.list] } } })
  await network.run(100)
  const toolCalls = [{ index: 0, name: 'f', arguments: '{}' }]
  agent.send(encodeJsonFrame(FrameType.detail, 1, { toolCalls }))
  agent.send(encodeDataFrame(1, { text: '', tokenIds: [1, 2], tokenCount: 2 }))
  agent.end(1, { promptTokens: 5, completionTokens: 2 })
  await network.run(100)
  assert.equal(call.heard[1], `text  ${JSON.stringify({ toolCalls })}`)
  assert.equal(call.result().completionTokens, 2)
})

test('a detail that no piece follows costs its sender the connection', async () => {
  const network = await createTestNetwork()
  const agent = await network.connect('a')
  network.ask()
  await network.run(100)
  agent.send(encodeJsonFrame(FrameType.detail, 1, { toolCalls: [] }))
  agent.send(encodeDataFrame(2, { text: 'x', tokenIds: [1], tokenCount: 1 }))
  await network.run(100)
  assert.ok(agent.closed())
})
