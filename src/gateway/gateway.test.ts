import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { EngineRequest } from '#protocol/engine-request.ts'
import { encodeEmptyFrame, FrameType } from '#protocol/frame.ts'
import { Problem } from '#protocol/problem.ts'
import type { ScriptedAgent } from '#sim/scripted-agent.ts'
import { API_KEY, createTestNetwork } from '#sim/test-network.ts'
import { createTestWorld, PAYER } from '#sim/test-world.ts'
import { QUEUE_WAIT_MS } from './admission.ts'
import { openGateway } from './gateway.ts'

test('an API key opens what its organisation may do', async () => {
  const { gateway } = await createTestNetwork()
  assert.deepEqual(gateway.authenticate(API_KEY), {
    keyId: 'key',
    organisationId: PAYER,
    scopes: ['developer'],
  })
})

test('no key, an unknown one and a revoked one open nothing, and say what to do', async () => {
  const { gateway, take, run } = await createTestNetwork()
  const refusals = [
    [null, /Authorization: Bearer/],
    ['', /Authorization: Bearer/],
    ['sk-shoal-another-key-of-somebody', /^The API key sk-shoal…body is unknown, expired or revoked/],
    ['too-short-to-show', /^The API key too-shor…show is unknown/],
    ['sixteen-letters.', /^The API key is unknown/],
  ] as const
  for (const [apiKey, message] of refusals) {
    const problem = gateway.authenticate(apiKey)
    assert.ok(problem instanceof Problem)
    assert.deepEqual(
      [problem.code, message.test(problem.message)],
      ['invalid_api_key', true],
      problem.message,
    )
  }
  take((turn) =>
    turn.organisations({ kind: 'revoke_key', keyId: 'key', organisationId: PAYER, nowMs: turn.nowMs }),
  )
  await run(1_500)
  assert.ok(gateway.authenticate(API_KEY) instanceof Problem)
})

test('before it has heard from the coordinator a gateway refuses nobody as unknown', async () => {
  const world = createTestWorld()
  const options = { gatewayId: 'g', keySecret: 's', onFatal: (problem: Problem) => assert.fail(problem) }
  const gateway = await world.settle(openGateway(world.machine('g').host, options))
  let isReady = false
  gateway.onReady(() => {
    isReady = true
  })
  await world.run(5_000)
  const problem = gateway.authenticate(API_KEY)
  assert.ok(problem instanceof Problem)
  assert.deepEqual([problem.code, isReady], ['unavailable', false])
})

test('once loaded it is ready, also for those who ask later', async () => {
  const { gateway } = await createTestNetwork()
  let isReady = false
  gateway.onReady(() => {
    isReady = true
  })
  assert.equal(isReady, true)
})

test('a model that no node serves is refused, with those that are served', async () => {
  const { ask, connect } = await createTestNetwork()
  await connect('a', [{ id: 'guide' }, { id: 'other' }])
  const call = ask()
  assert.deepEqual(call.heard, ['refused model_not_found'])
  assert.match(call.problem().message, /serves the model 'model'\. It serves: guide, other\./)
  assert.equal(call.problem().details['param'], 'model')
})

test('a model whose nodes are away just now is waited for', async () => {
  const { ask, connect, run } = await createTestNetwork()
  const a = await connect('a')
  await run(2_000)
  a.close()
  await run(2_000)
  const call = ask()
  await run(1_000)
  assert.deepEqual(call.heard, [])
  const again = await connect('a')
  await run(100)
  assert.equal(again.requests().length, 1)
})

test('waiting requests get free slots in their order, and no node gets more than its slots', async () => {
  const { ask, connect, run } = await createTestNetwork()
  const a = await connect('a', [{ slots: 2 }])
  const calls = Array.from({ length: 7 }, () => ask())
  const served: string[] = []
  for (let round = 0; round < 7; round++) {
    await run(100)
    const open = a.requests().filter(({ request }) => !served.includes(request.requestId))
    assert.equal(open.length, Math.min(2, 7 - round))
    const [oldest] = open
    assert.ok(oldest)
    served.push(oldest.request.requestId)
    finish(a, oldest.stream)
  }
  await run(100)
  assert.deepEqual(
    served,
    Array.from({ length: 7 }, (_, index) => `req_${index + 1}`),
  )
  assert.ok(calls.every((call) => call.heard.at(-1) === 'finish stop'))
})

test('a request goes only to a node that serves its model for its kind of work', async () => {
  const { ask, connect, run } = await createTestNetwork({ nodes: ['a', 'b', 'c'] })
  const other = await connect('a', [{ id: 'other' }])
  const embedder = await connect('b', [{ tasks: ['embedding'] }])
  const right = await connect('c', [{ slots: 1 }])
  const calls = [ask(), ask()]
  await run(1_000)
  assert.deepEqual([other.requests(), embedder.requests()], [[], []])
  assert.equal(right.requests().length, 1)
  finish(right, 1)
  await run(100)
  assert.equal(right.requests().length, 2)
  finish(right, 2)
  await run(100)
  assert.deepEqual(
    calls.map(({ heard }) => heard.at(-1)),
    ['finish stop', 'finish stop'],
  )
})

const unable: readonly [tasks: ('chat' | 'completion' | 'embedding')[], ask: EngineRequest, says: RegExp][] =
  [
    [
      ['embedding'],
      chat(),
      /^This is not a chat model: .*'model' takes \/v1\/chat\/completions\. Ask it at \/v1\/embeddings,/,
    ],
    [['completion', 'embedding'], chat(), /Ask it at \/v1\/completions or \/v1\/embeddings,/],
    [
      ['chat', 'completion'],
      embedding(),
      /^This is not an embedding model: .* takes \/v1\/embeddings\. Ask it at/,
    ],
    [[], chat(), /takes \/v1\/chat\/completions\. Choose another model\.$/],
  ]
for (const [tasks, engine, says] of unable) {
  test(`${engine.kind} is refused at once where all nodes of the model serve it for ${tasks.join(' and ') || 'nothing'} alone`, async () => {
    const { ask, connect } = await createTestNetwork()
    await connect('a', [{ tasks }])
    const call = ask({ engine })
    assert.deepEqual(call.heard, ['refused model_not_found'])
    assert.match(call.problem().message, says)
    assert.equal(call.problem().details['param'], 'model')
  })
}

test('however many chats wait for a busy node, embeddings by the same model get the free one', async () => {
  const { ask, connect, run } = await createTestNetwork()
  const chats = await connect('a', [{ slots: 1, tasks: ['chat'] }])
  const embedder = await connect('b', [{ slots: 1, tasks: ['embedding'] }])
  for (let count = 0; count < 50; count++) ask()
  ask({ engine: embedding() })
  await run(100)
  assert.deepEqual([chats.requests().length, embedder.requests().length], [1, 1])
})

test('beyond 1,024 waiting requests the next is told to come again', async () => {
  const { ask, connect, run, gateway } = await createTestNetwork()
  const a = await connect('a', [{ slots: 1 }])
  ask()
  await run(100)
  assert.equal(a.requests().length, 1)
  for (let waiting = 0; waiting < 1_024; waiting++) assert.deepEqual(ask().heard, [])
  assert.deepEqual(ask().heard, ['refused queue_full'])
  assert.equal(gateway.requestsOpen(), 1_025)
})

test('garbage from a node fails its own work alone, also while others wait for a slot', async () => {
  const { ask, connect, run, machine } = await createTestNetwork()
  const hostile = await connect('a', [{ slots: 1 }])
  const running = ask()
  await run(100)
  const waiting = [ask(), ask()]
  hostile.send(new Uint8Array(7))
  await run(100)
  assert.equal(hostile.closed()?.code, 1002)
  assert.deepEqual(
    [running, ...waiting].map(({ heard }) => heard),
    [['node a'], [], []],
  )
  assert.ok(machine.logged.includes('node.frame_malformed'))
  const honest = await connect('b', [{ slots: 3 }])
  await run(100)
  for (const { stream } of honest.requests()) finish(honest, stream)
  await run(100)
  assert.deepEqual(
    [running, ...waiting].map(({ heard }) => heard.at(-1)),
    Array(3).fill('finish stop'),
  )
})

test('a frame that only gateways send is garbage too', async () => {
  const { connect, run } = await createTestNetwork()
  const hostile = await connect('a')
  hostile.send(encodeEmptyFrame(FrameType.admit, 0))
  await run(100)
  assert.equal(hostile.closed()?.reason, 'malformed frame')
})

test('models are listed with what their nodes ask and do together', async () => {
  const { gateway, connect } = await createTestNetwork()
  await connect('a', [{ slots: 2, contextTokens: 4_096, tasks: ['chat'] }])
  await connect('b', [{ slots: 3, contextTokens: 8_192, tasks: ['embedding'], decodeTokensPerSecond: 50 }])
  assert.deepEqual(gateway.models().get('model'), {
    id: 'model',
    contextTokens: 8_192,
    nodes: 2,
    slots: 5,
    tasks: ['chat', 'embedding'],
    promptPerMillionMin: 100_000_000n,
    promptPerMillionMax: 100_000_000n,
    cachedPerMillionMin: 100_000_000n,
    completionPerMillionMin: 1_000_000_000n,
    completionPerMillionMax: 2_000_000_000n,
    decodeTokensPerSecond: 150,
    decodeTokensPerSecondSingle: 50,
    features: [],
    resumes: false,
    classes: ['community'],
  })
  assert.deepEqual([gateway.contextTokens('model'), gateway.contextTokens('other')], [8_192, null])
})

test('the coordinator learns who is here, and again after it was away', async () => {
  const { service, connect, run, world } = await createTestNetwork()
  await connect('a')
  const node = service.coordinator.state.fleet.nodes.get('a')
  assert.equal(node?.presence, 'online')
  world.faults.cutOff.add('g')
  await run(10_000)
  assert.equal(node?.presence, 'suspect')
  world.faults.cutOff.clear()
  await run(5_000)
  assert.equal(node?.presence, 'online')
})

test('a node that its owner drains gets no more work and keeps what it has', async () => {
  const { ask, take, connect, run } = await createTestNetwork()
  const a = await connect('a')
  const running = ask()
  await run(100)
  take((turn) => turn.fleet({ kind: 'drain', nodeId: 'a', nowMs: turn.nowMs }))
  await run(1_500)
  const waiting = ask()
  await run(1_000)
  assert.equal(a.requests().length, 1)
  finish(a, 1)
  await run(100)
  assert.deepEqual([running.heard.at(-1), waiting.heard], ['finish stop', []])
  await run(QUEUE_WAIT_MS)
  assert.match(
    waiting.problem().message,
    /: none that gets work is connected; of others that have it 1 is drained\./,
  )
})

test('a gateway that stops takes nothing more', async () => {
  const { world, ask, gateway, connect } = await createTestNetwork()
  const a = await connect('a')
  await world.settle(gateway.close())
  assert.deepEqual(ask().heard, ['refused unavailable'])
  await world.run(100)
  assert.equal(a.closed()?.code, 1001)
})

function chat(): EngineRequest {
  const sampling = { temperature: 0, topP: 1, stop: [], frequencyPenalty: 0, presencePenalty: 0 }
  const messages = [{ role: 'user' as const, content: 'hello' }]
  return { kind: 'chat', requestId: 'req', model: 'model', messages, maxTokens: 50, sampling }
}

function embedding(): EngineRequest {
  return { kind: 'embedding', requestId: 'req', model: 'model', inputs: ['hello'] }
}

function finish(agent: ScriptedAgent, stream: number): void {
  agent.delta(stream, 'hello')
  agent.end(stream, { promptTokens: 1, completionTokens: 1 })
}
