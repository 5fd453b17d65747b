/** The life of a request in the real gateway, answered by nodes that follow a script. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { NodeReport } from '#protocol/agent-link.ts'
import type { EngineRequest } from '#protocol/engine-request.ts'
import { FrameType } from '#protocol/frame.ts'
import { type ScriptedAgent, testCapability, testModel } from '#sim/scripted-agent.ts'
import { createTestNetwork } from '#sim/test-network.ts'
import { QUEUE_WAIT_MS } from './admission.ts'
import { FIRST_TOKEN_WAIT_MS, STALL_MS } from './run-watch.ts'

/** Nano-USD per token at the scripted nodes. */
const PROMPT = 100n
const COMPLETION = 1_000n

test('an answer goes out as it comes, and ends when its reading is durable', async () => {
  const { ask, run, connect, machine, outcomes } = await createTestNetwork()
  const a = await connect('a')
  const call = ask()
  await run(100)
  const { stream, request } = only(a)
  assert.equal(request.requestId, 'req_1')
  started(a, stream, 20)
  a.delta(stream, 'Hel')
  a.delta(stream, 'lo', 2)
  await run(50)
  assert.deepEqual(call.heard, ['node a', 'text Hel', 'text lo'])
  a.end(stream, { promptTokens: 20, completionTokens: 3 })
  while (call.heard.length < 4) {
    assert.equal(machine.disk.durable('spool').length, 0)
    await run(1)
  }
  assert.equal(call.heard[3], 'finish stop')
  const { nodeId, promptTokens, completionTokens, cost } = call.result()
  assert.deepEqual(
    [nodeId, promptTokens, completionTokens, cost],
    ['a', 20, 3, 20n * PROMPT + 3n * COMPLETION],
  )
  assert.deepEqual(
    outcomes.map(({ requestId, outcome }) => [requestId, outcome]),
    [['req_1', 'completed']],
  )
})

test('what a node had read before costs what it asks for that, never for more than its prompt has', async () => {
  for (const [cached, saved] of [
    [8, 8],
    [1_000_000, 20],
  ] as const) {
    const { ask, run, connect, outcomes } = await createTestNetwork()
    const a = await connect('a')
    const capability = { ...testCapability, models: [testModel], cachedDiscountBps: 5_000 }
    a.sendJson(FrameType.capability, 0, NodeReport.encode({ capability, askPerGpuHour: 360_000_000n }))
    await run(100)
    const call = ask()
    await run(100)
    a.sendJson(FrameType.started, 1, { promptTokens: 20, cachedPromptTokens: cached })
    a.delta(1, 'Hello', 3)
    a.end(1, { promptTokens: 20, completionTokens: 3 })
    await run(100)
    const { cost, cachedPromptTokens } = call.result()
    assert.deepEqual(
      [cachedPromptTokens, cost],
      [saved, 20n * PROMPT + 3n * COMPLETION - (BigInt(saved) * PROMPT) / 2n],
    )
    assert.equal(outcomes[0]?.parts[0]?.cachedPromptTokens, saved)
  }
})

test('a node that fails before the first token is replaced by another, and earns nothing', async () => {
  const { ask, run, connect, outcomes } = await createTestNetwork()
  const nodes = { a: await connect('a'), b: await connect('b') }
  const call = ask()
  await run(100)
  const [first, second] = nodes.a.requests().length > 0 ? [nodes.a, nodes.b] : [nodes.b, nodes.a]
  started(first, 1, 20)
  first.fail(1, 'engine_failed')
  await run(100)
  assert.equal(first.requests().length, 1, 'it is not asked again')
  answer(second, 20, 3)
  await run(100)
  assert.equal(call.heard.at(-1), 'finish stop')
  assert.deepEqual(
    outcomes.map(({ outcome, parts }) => [outcome, parts.map(({ nodeId }) => nodeId)]),
    [['completed', [call.result().nodeId]]],
  )
})

test('a link that breaks before the first token is a failed node too', async () => {
  const { ask, run, connect } = await createTestNetwork()
  const a = await connect('a')
  const call = ask()
  await run(100)
  const b = await connect('b')
  a.close()
  await run(100)
  answer(b, 20, 3)
  await run(100)
  assert.deepEqual(call.heard, ['node a', 'node b', 'text hello', 'finish stop'])
})

test('after four failed nodes the request fails, and costs nothing', async () => {
  const names = ['a', 'b', 'c', 'd', 'e']
  const { ask, run, connect, outcomes, money } = await createTestNetwork({ nodes: names })
  const nodes: ScriptedAgent[] = []
  for (const name of names) nodes.push(await connect(name))
  const call = ask()
  const failed = new Set<ScriptedAgent>()
  for (let attempt = 0; attempt < 4; attempt++) {
    await run(100)
    const node =
      nodes.find((one) => one.requests().length > 0 && !failed.has(one)) ?? assert.fail('a node is asked')
    failed.add(node)
    node.fail(1, 'engine_failed', 'out of memory')
  }
  await run(100)
  assert.match(call.problem().message, /out of memory/)
  assert.deepEqual(
    [call.heard.at(-1), outcomes[0]?.outcome, outcomes[0]?.parts],
    ['problem node_failed', 'failed', []],
  )
  await run(60_000)
  assert.equal(money().held, 0n)
})

test('when every node has failed the request, it waits for another until its time is up', async () => {
  const { ask, run, connect } = await createTestNetwork()
  const a = await connect('a')
  const call = ask()
  await run(100)
  a.fail(1, 'engine_failed')
  await run(QUEUE_WAIT_MS - 1_000)
  assert.deepEqual(call.heard, ['node a'])
  await run(2_000)
  assert.match(call.problem().message, /1 is connected, 1 failed this request/)
  assert.equal(call.problem().code, 'no_node_available')
})

test('a node that fails after the first token ends the request, which costs nothing', async () => {
  const { ask, run, connect, outcomes, money } = await createTestNetwork()
  const a = await connect('a')
  const b = await connect('b')
  const call = ask()
  await run(100)
  const node = a.requests().length > 0 ? a : b
  node.delta(1, 'Hel')
  node.fail(1, 'engine_failed')
  await run(100)
  assert.deepEqual(call.heard.slice(1), ['text Hel', 'problem node_failed'])
  assert.deepEqual(
    outcomes.map(({ outcome, parts }) => [outcome, parts]),
    [['failed', []]],
  )
  assert.equal(a.requests().length + b.requests().length, 1)
  await run(60_000)
  assert.deepEqual(money(), { available: 1_000_000_000n, held: 0n })
})

test('a request that is at fault itself is not tried elsewhere', async () => {
  const { ask, run, connect } = await createTestNetwork()
  const a = await connect('a')
  const call = ask()
  await run(100)
  const b = await connect('b')
  a.fail(1, 'context_length_exceeded')
  await run(100)
  assert.deepEqual([call.heard, b.requests()], [['node a', 'problem context_length_exceeded'], []])
})

test('a node that says nothing for a minute is given up for another', async () => {
  const { ask, run, connect } = await createTestNetwork()
  const a = await connect('a')
  const call = ask()
  await run(100)
  const b = await connect('b')
  await run(FIRST_TOKEN_WAIT_MS - 1_000)
  assert.equal(b.requests().length, 0)
  await run(2_000)
  assert.equal(a.frames.at(-1)?.type, FrameType.cancel)
  answer(b, 20, 3)
  await run(100)
  assert.deepEqual(call.heard, ['node a', 'node b', 'text hello', 'finish stop'])
})

test('a node that stalls in the middle of its answer ends the request', async () => {
  const { ask, run, connect } = await createTestNetwork()
  const a = await connect('a')
  const call = ask()
  await run(100)
  a.delta(1, 'Hel')
  await run(STALL_MS - 1_000)
  a.delta(1, 'lo')
  await run(STALL_MS - 1_000)
  assert.deepEqual(call.heard, ['node a', 'text Hel', 'text lo'])
  await run(2_000)
  assert.equal(call.heard.at(-1), 'problem node_failed')
  assert.match(call.problem().message, /sent nothing for 20 s/)
  assert.equal(a.frames.at(-1)?.type, FrameType.cancel)
})

test('a request waits half a minute for a free slot, then it is told why there was none', async () => {
  const { ask, run, connect } = await createTestNetwork()
  const a = await connect('a', [{ slots: 1 }])
  ask()
  await run(100)
  started(a, 1, 20)
  const waiting = ask()
  await run(QUEUE_WAIT_MS - 1_000)
  assert.deepEqual(waiting.heard, [])
  await run(2_000)
  assert.equal(waiting.problem().code, 'no_node_available')
  assert.match(waiting.problem().message, /1 is connected, and no slot came free/)
})

test('a node is paid for no more than it delivered, and for no more prompt than there can be', async () => {
  const { ask, run, connect, outcomes } = await createTestNetwork()
  const a = await connect('a')
  const call = ask()
  await run(100)
  a.delta(1, 'hello', 3)
  a.end(1, { promptTokens: 1_000_000, completionTokens: 50 })
  await run(100)
  assert.deepEqual([call.result().promptTokens, call.result().completionTokens], [100, 3])
  assert.deepEqual(
    outcomes[0]?.parts.map(({ promptTokens, completionTokens }) => [promptTokens, completionTokens]),
    [[100, 3]],
  )
})

test('an engine that counts fewer tokens than its deltas claimed is right', async () => {
  const { ask, run, connect } = await createTestNetwork()
  const a = await connect('a')
  const call = ask()
  await run(100)
  a.delta(1, 'hello', 3)
  a.end(1, { promptTokens: 20, completionTokens: 2 })
  await run(100)
  assert.equal(call.result().completionTokens, 2)
})

test('a node that sends more tokens than it was asked for has failed', async () => {
  const { ask, run, connect, outcomes } = await createTestNetwork()
  const a = await connect('a')
  const call = ask()
  await run(100)
  a.delta(1, 'a lot', 30)
  a.delta(1, 'too much', 21)
  await run(100)
  assert.deepEqual(call.heard, ['node a', 'text a lot', 'problem node_failed'])
  assert.deepEqual([a.frames.at(-1)?.type, outcomes[0]?.parts], [FrameType.cancel, []])
})

test('an embedding is answered with its vectors', async () => {
  const { ask, run, connect } = await createTestNetwork()
  const a = await connect('a')
  const engine: EngineRequest = { kind: 'embedding', requestId: 'req_1', model: 'model', inputs: ['x'] }
  const call = ask({ engine, completionTokensMax: 0 })
  await run(100)
  a.sendJson(FrameType.embedding, 1, { vectors: [[1, 2]] })
  a.end(1, { promptTokens: 5, completionTokens: 0 })
  await run(100)
  assert.deepEqual(call.heard, ['node a', 'embedding [[1,2]]', 'finish stop'])
  assert.equal(call.result().cost, 5n * PROMPT)
})

test('the vectors of many texts come in several frames, and a node that sends more of them is left', async () => {
  const inputs = Array.from({ length: 40 }, (_, index) => `text ${index}`)
  const engine: EngineRequest = { kind: 'embedding', requestId: 'req_1', model: 'model', inputs }
  const packed = Array(20).fill('AACAPwAAAD8=')
  for (const last of [[], packed.slice(0, 1)]) {
    const { ask, run, connect } = await createTestNetwork()
    const a = await connect('a')
    const call = ask({ engine, completionTokensMax: 0 })
    await run(100)
    assert.partialDeepStrictEqual(only(a).request, { inputs, takesParts: true })
    a.sendJson(FrameType.embedding, 1, { packed })
    a.sendJson(FrameType.embedding, 1, { packed: [...packed, ...last] })
    if (last.length === 0) a.end(1, { promptTokens: 5, completionTokens: 0 })
    await run(100)
    const vectors = JSON.stringify(Array(40).fill([1, 0.5]))
    if (last.length === 0) assert.deepEqual(call.heard, ['node a', `embedding ${vectors}`, 'finish stop'])
    else assert.deepEqual([call.heard, a.closed(), a.requests()], [['node a'], null, []])
  }
})

test('a request that no frame holds fails alone: its slot is free again, and those behind it are served', async () => {
  const { ask, run, connect, outcomes } = await createTestNetwork()
  const a = await connect('a', [{ slots: 1 }])
  const endless = ask({ engine: { ...chat(), messages: [{ role: 'user', content: 'x'.repeat(9_000_000) }] } })
  await run(100)
  assert.deepEqual(endless.heard, ['problem internal'])
  const next = ask()
  await run(100)
  const { stream } = only(a)
  a.delta(stream, 'Hi', 1)
  a.end(stream, { promptTokens: 5, completionTokens: 1 })
  await run(100)
  assert.deepEqual(next.heard, ['node a', 'text Hi', 'finish stop'])
  assert.deepEqual(
    outcomes.map(({ outcome, parts }) => [outcome, parts.length]),
    [
      ['failed', 0],
      ['completed', 1],
    ],
  )
})

const chat = (): Extract<EngineRequest, { kind: 'chat' }> => ({
  ...{ kind: 'chat', requestId: 'req_1', model: 'model', messages: [], maxTokens: 50 },
  sampling: { temperature: 0, topP: 1, stop: [], frequencyPenalty: 0, presencePenalty: 0 },
})

function only(agent: ScriptedAgent) {
  const [one, ...others] = agent.requests()
  assert.ok(one && others.length === 0, 'the node has one request')
  return one
}

const started = (agent: ScriptedAgent, stream: number, promptTokens: number): void =>
  agent.sendJson(FrameType.started, stream, { promptTokens })

/** Answers the newest request of `agent` with `hello`. */
function answer(agent: ScriptedAgent, promptTokens: number, completionTokens: number): void {
  const { stream } = agent.requests().at(-1) ?? assert.fail('the node has a request')
  started(agent, stream, promptTokens)
  agent.delta(stream, 'hello', completionTokens)
  agent.end(stream, { promptTokens, completionTokens })
}
