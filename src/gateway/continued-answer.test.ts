/** Nodes that fail in the middle of an answer, and others that go on with it. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Turn } from '#coordinator/turn.ts'
import type { NanoUsd } from '#kernel/money.ts'
import { consumerAccount, EXTERNAL_TEST } from '#ledger/ledger.ts'
import type { EngineRequest } from '#protocol/engine-request.ts'
import { FrameType } from '#protocol/frame.ts'
import type { ScriptedAgent } from '#sim/scripted-agent.ts'
import { createTestNetwork } from '#sim/test-network.ts'
import { PAYER } from '#sim/test-world.ts'
import { QUEUE_WAIT_MS } from './admission.ts'
import { FIRST_TOKEN_WAIT_MS, STALL_MS } from './run-watch.ts'

/** Nano-USD per token at the scripted nodes. */
const PROMPT = 100n
const COMPLETION = 1_000n
const model = { resumes: true, fingerprint: 'weights' }

test('another node with the same weights goes on behind the tokens that were delivered, and the caller sees one answer', async () => {
  const { call, first, second, run, outcomes, money } = await begun()
  first.delta(1, 'Hel', 2)
  first.fail(1, 'engine_failed')
  await run(100)
  const { request } = only(second)
  assert.deepEqual([request.resumedIds, request.maxTokens], [[7, 7], 48])
  second.delta(1, 'lo', 3)
  second.end(1, { promptTokens: 20, completionTokens: 3 })
  await run(100)
  const texts = call.heard.filter((line) => !line.startsWith('node'))
  assert.deepEqual(texts, ['text Hel', 'text lo', 'finish stop'])
  const { promptTokens, completionTokens, cost, continuations } = call.result()
  assert.deepEqual([promptTokens, completionTokens, continuations], [20, 5, 1])
  assert.equal(cost, 20n * PROMPT + 5n * COMPLETION)
  assert.deepEqual(
    outcomes.map(({ outcome, parts }) => [
      outcome,
      parts.map((part) => [part.promptTokens, part.completionTokens]),
    ]),
    [
      [
        'completed',
        [
          [0, 2],
          [20, 3],
        ],
      ],
    ],
  )
  await run(60_000)
  assert.deepEqual(money(), { available: 1_000_000_000n - cost, held: 0n })
})

test('tokens that said nothing count for what is still to come, though not all of them are paid', async () => {
  const { call, first, second, run, outcomes } = await begun()
  // As the head of a call of a tool: nothing is told before its name is there.
  first.delta(1, '', 40)
  first.fail(1, 'engine_failed')
  await run(100)
  const { request } = only(second)
  assert.deepEqual([request.resumedIds?.length, request.maxTokens], [40, 10])
  second.delta(1, 'all the rest', 10)
  second.fail(1, 'engine_failed')
  await run(100)
  assert.equal(call.heard.at(-1), 'finish length')
  assert.deepEqual(
    outcomes[0]?.parts.map(({ completionTokens }) => completionTokens),
    [16, 10],
  )
  assert.equal(call.result().completionTokens, 26)
})

test('a node whose link breaks, and one that falls silent, are left alike', async () => {
  for (const leave of ['close', 'silence'] as const) {
    const { call, first, second, run } = await begun()
    first.delta(1, 'Hel', 2)
    if (leave === 'close') first.close()
    await run(leave === 'close' ? 100 : 2_600)
    second.delta(1, 'lo', 3)
    second.end(1, { promptTokens: 20, completionTokens: 3 })
    await run(100)
    assert.equal(call.heard.at(-1), 'finish stop', leave)
  }
})

test('a slow stream is not taken for a silent one', async () => {
  const { call, first, second, run } = await begun({ first: snail })
  for (let delta = 0; delta < 40; delta++) {
    first.delta(1, '.')
    // Its pace is known after a while: then it may pause for eight times as long.
    await run(delta < 30 ? 1_500 : 6_000)
  }
  assert.equal(call.heard.length, 41)
  assert.equal(second.requests().length, 0)
})

test('a stream far below what its node says of itself goes on elsewhere, and the node is put out and named', async () => {
  const { call, first, second, run, outcomes } = await begun()
  for (let delta = 0; delta < 3; delta++) {
    first.delta(1, '.')
    await run(1_000)
  }
  assert.equal(second.requests().length, 0, 'a short while says little')
  for (let delta = 0; delta < 3 && second.requests().length === 0; delta++) {
    first.delta(1, '.')
    await run(1_000)
  }
  assert.equal(second.requests().length, 1)
  second.delta(1, 'lo', 3)
  second.end(1, { promptTokens: 20, completionTokens: 3 })
  await run(100)
  assert.equal(call.heard.at(-1), 'finish stop')
  assert.deepEqual(outcomes[0]?.failed, [{ nodeId: 'a', how: 'slow' }])
  assert.ok((outcomes[0]?.parts[0]?.pace ?? 1_000) < 50)
})

test('a slow stream stays where it is while nobody else could go on with it', async () => {
  const { call, first, run } = await begun({ others: [] })
  for (let delta = 0; delta < 10; delta++) {
    first.delta(1, '.')
    await run(1_000)
  }
  assert.equal(call.heard.length, 11)
})

test('other weights, and nodes that cannot resume, never go on with it: it is refused after a while', async () => {
  const { call, first, second, third, run, outcomes } = await begun({
    others: [
      { resumes: true, fingerprint: 'other weights' },
      { resumes: false, fingerprint: 'weights' },
    ],
  })
  first.delta(1, 'Hel', 2)
  first.fail(1, 'engine_failed')
  await run(QUEUE_WAIT_MS - 1_000)
  assert.deepEqual([second.requests().length, third?.requests().length], [0, 0])
  await run(2_000)
  assert.equal(call.heard.at(-1), 'problem node_failed')
  assert.match(call.problem().message, /no other node with the same weights/)
  assert.deepEqual(outcomes[0]?.parts, [])
})

test('the node itself goes on once its engine is back', async () => {
  const { call, first, run } = await begun({ others: [] })
  first.delta(1, 'Hel', 2)
  first.fail(1, 'engine_failed')
  await run(500)
  first.report([model])
  await run(100)
  assert.deepEqual(first.requests()[1]?.request.kind === 'chat' && first.requests()[1]?.stream, 2)
  first.delta(2, 'lo', 1)
  first.end(2, { promptTokens: 20, completionTokens: 1 })
  await run(100)
  assert.equal(call.heard.at(-1), 'finish stop')
})

test('when only the end was missing the answer is complete', async () => {
  const { call, first, second, run, outcomes } = await begun()
  first.sendJson(started, 1, { promptTokens: 20 })
  first.delta(1, 'all of it, in as many bytes as it has tokens, or more', 50)
  first.fail(1, 'engine_failed')
  await run(100)
  assert.equal(call.heard.at(-1), 'finish length')
  assert.equal(second.requests().length, 0)
  assert.deepEqual(
    outcomes[0]?.parts.map(({ promptTokens, completionTokens }) => [promptTokens, completionTokens]),
    [[20, 50]],
  )
})

test('a caller that leaves while nobody goes on pays for what it got, the prompt once', async () => {
  const { call, first, run, outcomes } = await begun({ others: [] })
  first.sendJson(started, 1, { promptTokens: 20 })
  first.delta(1, 'Hel', 2)
  first.fail(1, 'engine_failed')
  await run(100)
  call.run().cancel()
  await run(100)
  assert.deepEqual(
    outcomes.map(({ outcome, parts }) => [
      outcome,
      parts.map(({ promptTokens, completionTokens }) => [promptTokens, completionTokens]),
    ]),
    [['cancelled', [[20, 2]]]],
  )
})

test('an answer survives many failures, as long as each node brings it further', async () => {
  const { call, first, second, run } = await begun()
  const nodes = [first, second]
  for (let turn = 0; turn < 9; turn++) {
    const node = nodes[turn % 2] as ScriptedAgent
    const stream = Math.floor(turn / 2) + 1
    node.delta(stream, `${turn}`, 2)
    node.fail(stream, 'engine_failed')
    await run(100)
    // Only a node that reports again is asked again.
    node.report([model])
    await run(100)
  }
  second.delta(5, '!', 1)
  second.end(5, { promptTokens: 20, completionTokens: 1 })
  await run(100)
  const text = call.heard.filter((line) => line.startsWith('text ')).map((line) => line.slice(5))
  assert.equal(text.join(''), '012345678!')
  assert.deepEqual([call.result().completionTokens, call.result().continuations], [19, 9])
})

test('a node that falls silent with nobody to go on is waited for longer', async () => {
  const { call, first, run } = await begun({ others: [] })
  first.delta(1, 'Hel', 2)
  await run(STALL_MS - 1_000)
  first.delta(1, 'lo', 1)
  first.end(1, { promptTokens: 20, completionTokens: 3 })
  await run(100)
  assert.equal(call.heard.at(-1), 'finish stop')
  assert.ok(STALL_MS < FIRST_TOKEN_WAIT_MS)
})

test('a dearer node goes on when the balance covers the whole, though not beside what was reserved before', async () => {
  const { call, first, second, run, money } = await begun({ others: [dearer], balance: DEARER_COST_MAX })
  first.delta(1, 'Hel', 2)
  first.fail(1, 'engine_failed')
  await run(100)
  second.delta(1, 'lo', 3)
  second.end(1, { promptTokens: 20, completionTokens: 3 })
  await run(100)
  assert.equal(call.heard.at(-1), 'finish stop')
  const { cost } = call.result()
  assert.equal(cost, 2n * COMPLETION + 20n * PROMPT + 3n * 2n * COMPLETION)
  await run(60_000)
  assert.deepEqual(money(), { available: DEARER_COST_MAX - cost, held: 0n })
})

test('a dearer node that the balance does not cover is not asked, and the answer that breaks off costs nothing', async () => {
  const balance = DEARER_COST_MAX - 1n
  const { call, first, second, run, money } = await begun({ others: [dearer], balance })
  first.delta(1, 'Hel', 2)
  first.fail(1, 'engine_failed')
  await run(100)
  assert.deepEqual([call.heard.at(-1), second.requests()], ['problem funds_insufficient', []])
  await run(60_000)
  assert.deepEqual(money(), { available: balance, held: 0n })
})

test('a caller that leaves while a dearer node is being paid for pays from what was reserved before', async () => {
  const { call, first, second, run, outcomes, take, service } = await begun({
    others: [dearer],
    balance: COST_MAX,
  })
  const captures: unknown[] = []
  service.coordinator.onEvent((event) => {
    if (event.type === 'ledger.captured') captures.push([event.fromHold, event.fromAvailable])
  })
  take((turn) => deposit(turn, DEARER_COST_MAX))
  first.delta(1, 'Hel', 2)
  first.fail(1, 'engine_failed')
  while (call.run().state !== 'reserving') await run(1)
  call.run().cancel()
  await run(5_000)
  assert.deepEqual([outcomes[0]?.outcome, second.requests()], ['cancelled', []])
  assert.deepEqual(captures, [[2n * COMPLETION, 0n]])
})

const { started } = FrameType
/** The most that a request can cost at the first node. */
const COST_MAX = 100n * PROMPT + 50n * COMPLETION
/** Half as fast at the same ask: its tokens cost twice as much. */
const dearer = { ...model, decodeTokensPerSecond: 50 }
/** It says itself how slow it is. */
const snail = { ...model, decodeTokensPerSecond: 1, decodeTokensPerSecondSingle: 0.5 }
/** The most that it can cost when it goes on there after two tokens. */
const DEARER_COST_MAX = 2n * COMPLETION + 100n * PROMPT + 48n * 2n * COMPLETION

/** A request whose first node is `first`: it was alone when the request came. */
async function begun({
  first: part = model,
  others = [model],
  balance,
}: {
  first?: object
  others?: readonly object[]
  balance?: NanoUsd
} = {}) {
  const ids = ['a', 'b', 'c']
  const network = await createTestNetwork({ nodes: ids, ...(balance === undefined ? {} : { balance }) })
  const first = await network.connect('a', [part])
  const call = network.ask()
  await network.run(100)
  const rest: ScriptedAgent[] = []
  for (const [index, part] of others.entries()) rest.push(await network.connect(ids[index + 1] ?? '', [part]))
  const [second = first, third] = rest
  assert.equal(first.requests().length, 1)
  return { ...network, call, first, second, third }
}

function deposit(turn: Turn, amount: NanoUsd): void {
  const { nowMs } = turn
  const accounts = { debitAccountId: EXTERNAL_TEST, creditAccountId: consumerAccount(PAYER) }
  const transfer = { transferId: 'more', ...accounts, amount, memo: 'deposit', createdAtMs: nowMs, nowMs }
  assert.equal(turn.ledger({ kind: 'transfer', ...transfer }), null)
}

function only(agent: ScriptedAgent): { stream: number; request: Extract<EngineRequest, { kind: 'chat' }> } {
  const [one, ...others] = agent.requests()
  assert.ok(one && others.length === 0 && one.request.kind === 'chat')
  return { stream: one.stream, request: one.request }
}
