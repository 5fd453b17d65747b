/** Second nodes in the real gateway: when one is asked, who wins, and who is paid. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FrameType } from '#protocol/frame.ts'
import type { ScriptedAgent } from '#sim/scripted-agent.ts'
import { createTestNetwork } from '#sim/test-network.ts'

const COMPLETION = 1_000n
const PROMPT = 100n

test('a request that is later than nearly all others gets a second node: the first content wins, the other is stopped', async () => {
  const { call, first, second, run, outcomes, money, before } = await lateRequest()
  second.agent.delta(second.stream, 'hello', 3)
  await run(100)
  assert.equal(first.agent.frames.at(-1)?.type, FrameType.cancel)
  first.agent.delta(first.stream, 'HELLO', 3)
  second.agent.end(second.stream, { promptTokens: 20, completionTokens: 3 })
  await run(100)
  assert.deepEqual(call.heard, [`node ${first.id}`, `node ${second.id}`, 'text hello', 'finish stop'])
  assert.deepEqual(
    outcomes.at(-1)?.parts.map(({ nodeId, completionTokens }) => [nodeId, completionTokens]),
    [[second.id, 3]],
  )
  await run(60_000)
  assert.deepEqual(money(), { available: before - (20n * PROMPT + 3n * COMPLETION), held: 0n })
})

test('when the first is quicker after all, it goes on and the second is stopped', async () => {
  const { call, first, second, run } = await lateRequest()
  first.agent.delta(first.stream, 'hello', 3)
  await run(100)
  assert.equal(second.agent.frames.at(-1)?.type, FrameType.cancel)
  second.agent.delta(second.stream, 'HELLO', 3)
  first.agent.end(first.stream, { promptTokens: 20, completionTokens: 3 })
  await run(100)
  assert.deepEqual(call.heard, [`node ${first.id}`, 'text hello', 'finish stop'])
})

test('the one that lost is paid for the prompt that it read, out of the fee: no more than was read, and not by the caller', async () => {
  const { first, second, run, outcomes, money, before, earned, fees } = await lateRequest()
  const earnedBefore = earned()
  const feesBefore = fees()
  first.agent.sendJson(FrameType.started, first.stream, { promptTokens: 1_000 })
  await run(20)
  second.agent.delta(second.stream, 'hello', 3)
  second.agent.end(second.stream, { promptTokens: 20, completionTokens: 3 })
  await run(60_000)
  const cost = 20n * PROMPT + 3n * COMPLETION
  const losers = outcomes.at(-1)?.losers ?? []
  assert.deepEqual(
    losers.map(({ nodeId, promptTokens, completionTokens }) => [nodeId, promptTokens, completionTokens]),
    [[first.id, 20, 0]],
  )
  assert.deepEqual(money(), { available: before - cost, held: 0n })
  // All of the fee of 5 %: the prompt was worth more.
  assert.equal(earned() - earnedBefore, cost)
  assert.equal(fees(), feesBefore)
})

test('one that fails in a race is not paid for it', async () => {
  const { first, second, run, outcomes } = await lateRequest()
  first.agent.sendJson(FrameType.started, first.stream, { promptTokens: 20 })
  first.agent.fail(first.stream, 'engine_failed')
  await run(20)
  second.agent.delta(second.stream, 'hello', 3)
  second.agent.end(second.stream, { promptTokens: 20, completionTokens: 3 })
  await run(100)
  assert.equal(outcomes.at(-1)?.losers, undefined)
})

test('when one of both fails the other goes on alone, whichever it is', async () => {
  for (const which of ['first', 'second'] as const) {
    const parts = await lateRequest()
    const failed = parts[which]
    const other = which === 'first' ? parts.second : parts.first
    failed.agent.fail(failed.stream, 'engine_failed')
    await parts.run(20)
    other.agent.delta(other.stream, 'hello', 3)
    other.agent.end(other.stream, { promptTokens: 20, completionTokens: 3 })
    await parts.run(100)
    assert.deepEqual(parts.call.heard.slice(-2), ['text hello', 'finish stop'], which)
    assert.equal(parts.outcomes.at(-1)?.parts[0]?.nodeId, other.id)
  }
})

test('a caller that leaves stops both', async () => {
  const { call, first, second, run, outcomes } = await lateRequest()
  call.run().cancel()
  await run(20)
  for (const { agent } of [first, second]) assert.equal(agent.frames.at(-1)?.type, FrameType.cancel)
  assert.deepEqual(
    [outcomes.at(-1)?.outcome, outcomes.at(-1)?.parts.map((part) => part.completionTokens)],
    ['cancelled', [0]],
  )
})

test('second nodes are asked for a tenth of all requests at most, and for none before anything is known', async () => {
  const { ask, run, nodes } = await setup()
  ask()
  await run(5_000)
  assert.equal(openOf(nodes).length, 1, 'nothing is known of first tokens')
  for (let count = 0; count < 3; count++) await answerOne({ ask, run, nodes })
  assert.equal(openOf(nodes).length, 1, 'and one of four would be more than a tenth')
})

/** A request that one node has had for longer than usual, so that a second was asked. */
async function lateRequest() {
  const network = await setup()
  const { ask, run, nodes, money } = network
  for (let count = 0; count < 30; count++) await answerOne(network)
  await run(60_000)
  const before = money().available
  const call = ask()
  await run(20)
  const [first] = openOf(nodes)
  await run(1_500)
  const second = openOf(nodes).find(({ id }) => id !== first?.id)
  assert.ok(first && second, 'two nodes have the request')
  return { ...network, call, first, second, before }
}

async function answerOne({
  ask,
  run,
  nodes,
}: Pick<Awaited<ReturnType<typeof setup>>, 'ask' | 'run' | 'nodes'>) {
  const before = new Set(openOf(nodes).map(keyOf))
  ask()
  await run(100)
  const found = openOf(nodes).find((one) => !before.has(keyOf(one)))
  assert.ok(found, 'a node was asked')
  found.agent.delta(found.stream, 'hi', 1)
  found.agent.end(found.stream, { promptTokens: 0, completionTokens: 0 })
  answered.add(keyOf(found))
  await run(50)
}

interface Open {
  readonly id: string
  readonly agent: ScriptedAgent
  readonly stream: number
}
let answered = new Set<string>()
const keyOf = ({ id, stream }: Open): string => `${id} ${stream}`

/** Requests that nodes have and that were not answered. */
const openOf = (nodes: Readonly<Record<string, ScriptedAgent>>): Open[] =>
  Object.entries(nodes).flatMap(([id, agent]) =>
    agent
      .requests()
      .map(({ stream }) => ({ id, agent, stream }))
      .filter((one) => !answered.has(keyOf(one))),
  )

async function setup() {
  answered = new Set()
  const ids = ['a', 'b', 'c', 'd']
  const network = await createTestNetwork({ nodes: ids })
  const nodes: Record<string, ScriptedAgent> = {}
  for (const id of ids) nodes[id] = await network.connect(id)
  return { ...network, nodes }
}
