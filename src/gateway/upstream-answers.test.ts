/** Answers of servers behind a node that think before they answer, count what nobody sees, or have enough to do. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { problemOfStatus } from '#engines/openai/upstream-replies.ts'
import type { EngineRequest } from '#protocol/engine-request.ts'
import { encodeDataFrame, encodeJsonFrame, FrameType } from '#protocol/frame.ts'
import type { ScriptedAgent } from '#sim/scripted-agent.ts'
import { createTestNetwork } from '#sim/test-network.ts'
import { type Preferences, readPreferences } from './preferences.ts'
import { noTelemetry } from './telemetry.ts'

test('what a model thinks is told as it comes, however long it is, and paid as its answer is', async () => {
  const { ask, node, run, ejected } = await setup()
  for (let answer = 1; answer <= 4; answer++) {
    const call = ask()
    await run(10)
    for (let token = 0; token < 700; token++) {
      node.send(encodeJsonFrame(FrameType.detail, answer, { reasoning: 'so' }))
      unseen(node, answer, 1)
    }
    node.send(encodeDataFrame(answer, { text: 'Yes', tokenIds: [], tokenCount: 1 }))
    node.end(answer, { promptTokens: 20, completionTokens: 701 })
    await run(100)
    assert.deepEqual(call.heard.slice(1, 3), Array(2).fill('text  {"reasoning":"so"}'))
    assert.deepEqual(call.heard.slice(-2), ['text Yes', 'finish stop'])
    assert.equal(call.result().completionTokens, 701)
  }
  assert.deepEqual(ejected, [])
})

test('tokens that a server counts and does not show are not paid, and its node is not put out for them', async () => {
  const { ask, node, run, ejected } = await setup()
  for (let answer = 1; answer <= 5; answer++) {
    const call = ask()
    await run(10)
    node.send(encodeDataFrame(answer, { text: 'Yes', tokenIds: [], tokenCount: 1 }))
    unseen(node, answer, 700)
    node.end(answer, { promptTokens: 20, completionTokens: 701 })
    await run(100)
    assert.equal(call.heard.at(-1), 'finish stop')
    assert.equal(call.result().completionTokens, 'Yes'.length + 16)
  }
  assert.deepEqual(ejected, [])
})

test('a node that makes up tokens of its own engine is put out', async () => {
  const { ask, node, run, ejected } = await setup()
  for (let answer = 1; answer <= 3; answer++) {
    ask()
    await run(10)
    node.delta(answer, 'Yes', 701)
    node.end(answer, { promptTokens: 20, completionTokens: 701 })
    await run(100)
  }
  assert.deepEqual(ejected, ['a'])
})

test('a node whose server has enough to do is full: neither blamed nor put out, and another is asked', async () => {
  const { ask, node, other, run, ejected, outcomes } = await setup()
  for (let answer = 1; answer <= 6; answer++) {
    const call = ask()
    await run(10)
    const { code, message } = problemOfStatus(429, '', 'here')
    node.fail(answer, code, message)
    await run(10)
    other.delta(answer, 'Yes')
    other.end(answer, { promptTokens: 20, completionTokens: 1 })
    await run(6_000)
    assert.equal(call.heard.at(-1), 'finish stop')
  }
  assert.deepEqual(ejected, [])
  assert.deepEqual(
    outcomes.flatMap(({ failed }) => failed ?? []),
    [],
  )
})

/** Counts tokens with no ids and nothing to see. */
const unseen = (node: ScriptedAgent, stream: number, tokenCount: number): void =>
  node.send(encodeDataFrame(stream, { text: '', tokenIds: [], tokenCount }))

/** Requests go to `a` first, which is the cheaper. */
async function setup() {
  const ejected: string[] = []
  const network = await createTestNetwork({
    telemetry: { ...noTelemetry, onEjected: ({ nodeId }) => void ejected.push(nodeId) },
  })
  const node = await network.connect('a', [{ decodeTokensPerSecond: 200 }])
  const other = await network.connect('b')
  const sampling = { temperature: 0, topP: 1, stop: [], frequencyPenalty: 0, presencePenalty: 0 }
  const messages = [{ role: 'user' as const, content: 'hello' }]
  const engine: EngineRequest = {
    ...{ kind: 'chat', requestId: 'r', model: 'model', messages, maxTokens: 1_000, sampling },
    withReasoning: true,
  }
  const preferences = readPreferences({ sort: 'price' }) as Preferences
  return {
    ...network,
    ...{ node, other, ejected },
    ask: () => network.ask({ engine, preferences, completionTokensMax: 1_000 }),
  }
}
