/** A request and its caller in the real gateway: who leaves, reads slowly or cannot pay. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { NETWORK_FEES, NETWORK_LOSSES, providerAccount } from '#ledger/ledger.ts'
import { decodeCredit, FrameType } from '#protocol/frame.ts'
import type { ScriptedAgent } from '#sim/scripted-agent.ts'
import { createTestNetwork } from '#sim/test-network.ts'
import { PROVIDER } from '#sim/test-world.ts'
import { QUEUE_WAIT_MS } from './admission.ts'
import { SLOW_READER_MS } from './run-watch.ts'

/** Nano-USD per token at the scripted nodes. */
const PROMPT = 100n
const COMPLETION = 1_000n

test('what an answer cost is what its caller pays, to the node’s owner and the network', async () => {
  const { ask, run, connect, service, money } = await createTestNetwork({ balance: 1_000_000_000n })
  const a = await connect('a')
  ask()
  await run(100)
  answer(a, 20, 3)
  await run(60_000)
  const { accounts } = service.coordinator.state.ledger
  const cost = 20n * PROMPT + 3n * COMPLETION
  assert.deepEqual(money(), { available: 1_000_000_000n - cost, held: 0n })
  assert.equal(accounts.get(providerAccount(PROVIDER))?.available, (cost * 95n) / 100n)
  assert.equal(accounts.get(NETWORK_FEES)?.available, (cost * 5n) / 100n)
  assert.equal(accounts.get(NETWORK_LOSSES)?.available, 0n)
})

test('a caller that leaves stops the engine and pays for what was delivered', async () => {
  const { ask, run, connect, outcomes } = await createTestNetwork()
  const a = await connect('a')
  const call = ask()
  await run(100)
  started(a, 1, 20)
  a.delta(1, 'Hel', 2)
  await run(100)
  call.run().cancel()
  call.run().cancel()
  a.delta(1, 'lo', 2)
  a.end(1, { promptTokens: 20, completionTokens: 4 })
  await run(100)
  assert.deepEqual(a.frames.at(-1)?.type, FrameType.cancel)
  assert.deepEqual(call.heard, ['node a', 'text Hel'])
  assert.deepEqual(
    outcomes.map(({ outcome, parts }) => [outcome, parts[0]?.promptTokens, parts[0]?.completionTokens]),
    [['cancelled', 20, 2]],
  )
})

test('a caller that leaves while it waits for a node pays nothing, and no node gets its request', async () => {
  const { ask, run, connect, outcomes, gateway } = await createTestNetwork()
  const a = await connect('a', [{ slots: 1 }])
  ask()
  await run(100)
  const waiting = ask()
  waiting.run().cancel()
  await run(100)
  answer(a, 20, 3)
  await run(100)
  assert.equal(a.requests().length, 1)
  assert.deepEqual(
    outcomes.map(({ outcome, parts }) => [outcome, parts.length]),
    [
      ['cancelled', 0],
      ['completed', 1],
    ],
  )
  assert.equal(gateway.requestsOpen(), 0)
})

test('a caller that leaves while its cost is being reserved holds no money', async () => {
  const { ask, run, connect, outcomes, money } = await createTestNetwork()
  const a = await connect('a')
  const call = ask()
  assert.equal(call.run().state, 'reserving')
  call.run().cancel()
  await run(60_000)
  assert.deepEqual([a.requests(), outcomes[0]?.outcome, money().held], [[], 'cancelled', 0n])
})

test('a caller that cannot pay the most it could cost is told so, at once', async () => {
  const { ask, run, connect } = await createTestNetwork({ balance: 100n * PROMPT + 50n * COMPLETION - 1n })
  const a = await connect('a')
  const call = ask()
  await run(100)
  assert.deepEqual([call.heard, a.requests()], [['problem funds_insufficient'], []])
  assert.match(call.problem().message, /\$0\.00006/)
})

test('a balance for one request at a time serves one after the other', async () => {
  const { ask, run, connect } = await createTestNetwork({ balance: 100n * PROMPT + 50n * COMPLETION })
  const a = await connect('a')
  const first = ask()
  await run(100)
  answer(a, 0, 0)
  await run(100)
  const second = ask()
  await run(100)
  answer(a, 0, 0)
  await run(100)
  assert.deepEqual([first.heard.at(-1), second.heard.at(-1)], ['finish stop', 'finish stop'])
})

test('while the coordinator is away the first request of an account waits, then it is told', async () => {
  const { ask, run, connect, world, money } = await createTestNetwork()
  await connect('a')
  world.faults.cutOff.add('coordinator')
  const call = ask()
  await run(QUEUE_WAIT_MS - 1_000)
  assert.deepEqual(call.heard, [])
  await run(2_000)
  assert.equal(call.problem().code, 'unavailable')
  world.faults.cutOff.clear()
  await run(120_000)
  assert.deepEqual(money(), { available: 1_000_000_000n, held: 0n })
})

test('a request that waited for its reservation is served when the coordinator is back', async () => {
  const { ask, run, connect, world } = await createTestNetwork()
  const a = await connect('a')
  world.faults.cutOff.add('coordinator')
  const call = ask()
  await run(7_000)
  world.faults.cutOff.clear()
  await run(5_000)
  answer(a, 20, 3)
  await run(100)
  assert.equal(call.heard.at(-1), 'finish stop')
})

test('while the coordinator is away those with a slice are served, and billed when it is back', async () => {
  const { ask, run, connect, world, money } = await createTestNetwork()
  const a = await connect('a')
  ask()
  await run(100)
  answer(a, 20, 3)
  await run(100)
  world.faults.cutOff.add('coordinator')
  const call = ask()
  await run(100)
  answer(a, 20, 3)
  await run(100)
  assert.equal(call.heard.at(-1), 'finish stop')
  world.faults.cutOff.clear()
  await run(60_000)
  assert.deepEqual(money(), { available: 1_000_000_000n - 2n * (20n * PROMPT + 3n * COMPLETION), held: 0n })
})

test('text is credited again by and by, and not while its reader is slow', async () => {
  const { ask, run, connect } = await createTestNetwork()
  const a = await connect('a')
  const call = ask()
  await run(100)
  const credits = () =>
    a.frames.filter(({ type }) => type === FrameType.credit).map(({ payload }) => decodeCredit(payload))
  const piece = 'x'.repeat(10_000)
  a.delta(1, piece)
  await run(50)
  assert.deepEqual(credits(), [])
  a.delta(1, piece)
  await run(50)
  assert.deepEqual(credits(), [20_000])
  call.run().pause()
  a.delta(1, piece)
  a.delta(1, piece)
  await run(50)
  assert.deepEqual(credits(), [20_000])
  call.run().resume()
  await run(50)
  assert.deepEqual(credits(), [20_000, 20_000])
})

test('a slow reader is no stalled node; one that stands still for a minute is cut, and pays for what was sent', async () => {
  const { ask, run, connect, outcomes } = await createTestNetwork()
  const a = await connect('a')
  const call = ask()
  await run(100)
  started(a, 1, 20)
  a.delta(1, 'Hel', 2)
  await run(100)
  call.run().pause()
  await run(SLOW_READER_MS - 1_000)
  assert.deepEqual(call.heard, ['node a', 'text Hel'])
  await run(2_000)
  assert.deepEqual(call.heard, ['node a', 'text Hel', 'cut'])
  assert.deepEqual(
    outcomes.map(({ outcome, parts }) => [outcome, parts[0]?.completionTokens]),
    [['cancelled', 2]],
  )
})

const started = (agent: ScriptedAgent, stream: number, promptTokens: number): void =>
  agent.sendJson(FrameType.started, stream, { promptTokens })

/** Answers the newest request of `agent` with `hello`. */
function answer(agent: ScriptedAgent, promptTokens: number, completionTokens: number): void {
  const { stream } = agent.requests().at(-1) ?? assert.fail('the node has a request')
  started(agent, stream, promptTokens)
  agent.delta(stream, 'hello', completionTokens)
  agent.end(stream, { promptTokens, completionTokens })
}
