/** Processes that die without a word, and what their callers, their neighbours and the books make of it. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import OpenAI from 'openai'
import { proveBooks, settle } from './books.ts'
import { type ChatResult, streamChat } from './chats.ts'
import { takeOff } from './crash-load.ts'
import { proveBilling } from './crowd-proofs.ts'
import { groupMembers, until } from './process-group.ts'
import { findNodeProcesses, type Network, openRig, startTiny, untilItsLimit } from './rig.ts'

const rig = openRig()
after(() => rig.dispose())
let network: Network
before(async () => {
  network = await startTiny(rig, rig.path('data'))
})

test('a coordinator that is killed is back by itself, its node still warm, and every completed request billed once', async () => {
  const node = await findNodeProcesses(network)
  // The tables are there: a kill while they are made the first time only makes them anew, which takes its time.
  await settle(network, 0)
  const results: ChatResult[] = []
  const coordinators = new Set<number>()
  for (let round = 0; round < 3; round++) {
    const { coordinator } = (await network.status()).processes
    coordinators.add(coordinator)
    const flight = takeOff(network, { count: 100, completed: 10 })
    await flight.someCompleted
    process.kill(coordinator, 'SIGKILL')
    const landed = await flight.results
    assert(
      landed.some(({ error }) => error !== null),
      'some were under way',
    )
    results.push(...landed, await chatAgain())
  }
  assert.equal(coordinators.size, 3)
  assert.deepEqual(await findNodeProcesses(network), node)
  const completed = results.filter(({ error }) => error === null)
  const usage = await settle(network, completed.length)
  proveBilling(results, usage)
  await proveBooks(network.operator, usage)
})

/** The first chat that is taken in again, which must then be served to its end. */
const chatAgain = (): Promise<ChatResult> =>
  until('a chat to be served again', async () => {
    const result = await streamChat(network.openai, { prompt: 'Are you there?', maxTokens: 8 })
    return isRefusedConnection(result.error) ? null : result
  }).then((result) => {
    assert.equal(result.error, null)
    return result
  })

const isRefusedConnection = (error: unknown): boolean => error instanceof OpenAI.APIConnectionError

test('an engine that is killed comes back, and goes on with every answer that it had begun', async () => {
  const node = await findNodeProcesses(network)
  const begun = Promise.withResolvers<void>()
  let streaming = 0
  // All at once, and all as long: 16 of these 20 are computed, the others wait for their turn until one of those is over.
  const whole = network.openai.chat.completions.create({
    ...{ model: 'tiny', max_tokens: GOING_ON_TOKENS, ...untilItsLimit },
    messages: [{ role: 'user', content: 'Whole' }],
  })
  const streams = Array.from({ length: 19 }, (_, index) =>
    streamChat(network.openai, {
      prompt: `Stream ${index}`,
      maxTokens: GOING_ON_TOKENS,
      onChunk: (chunks) => chunks === 1 && ++streaming === 15 && begun.resolve(),
    }),
  )
  await until('all to be taken in', async () => (await network.status()).requestsInFlight === 20)
  await begun.promise
  process.kill(node.engine, 'SIGKILL')
  const results = await Promise.all(streams)
  for (const { error, finishReason, usage } of results)
    assert.deepEqual([error, finishReason, usage?.completion_tokens], [null, 'length', GOING_ON_TOKENS])
  assert.ok(results.filter(({ continuations }) => continuations > 0).length >= 15, 'those that had begun')
  const { choices, usage } = await whole
  assert.deepEqual([choices[0]?.finish_reason, usage?.completion_tokens], ['length', GOING_ON_TOKENS])
  const after = await findNodeProcesses(network)
  assert.equal(after.agent, node.agent)
  assert.notEqual(after.engine, node.engine)
  proveBilling(results, await settle(network, 0))
})

/** So many that the engine is killed in the middle of those that it computes. */
const GOING_ON_TOKENS = 1_500

test('a network that is killed comes back on its folder as it was: its keys, its balances, its node', async () => {
  const usage = await settle(network, 0)
  const { accounts } = await proveBooks(network.operator, usage)
  const [node] = (await network.operator.listNodes()).items
  const { ready, operatorKey } = network
  network.program.signal('SIGKILL')
  await network.program.end
  network = await startTiny(rig, network.folder)
  assert.deepEqual([network.ready.apiKey, network.operatorKey], [ready.apiKey, operatorKey])
  const again = (await network.operator.listNodes()).items
  assert.deepEqual(
    again.map(({ nodeId, publicKey }) => [nodeId, publicKey]),
    [[node?.nodeId, node?.publicKey]],
  )
  const usageNow = await settle(network, usage.length)
  assert.deepEqual(usageNow, usage)
  const { accounts: accountsNow } = await proveBooks(network.operator, usageNow)
  assert.deepEqual(balancesOf(accountsNow), balancesOf(accounts))
  assert.equal((await streamChat(network.openai, { prompt: 'Back again?', maxTokens: 8 })).error, null)
})

/** Money that is held for work moves between the two parts of a balance. */
const balancesOf = (accounts: Awaited<ReturnType<typeof proveBooks>>['accounts']) =>
  [...accounts.values()].map(({ accountId, available, held }) => [accountId, available + held])

test('Ctrl-C lets what runs end, exits with 0 and leaves no process behind', async () => {
  const { program } = network
  const stream = await streamChat(network.openai, {
    prompt: 'Before you go',
    maxTokens: 1_500,
    onChunk: (chunks) => chunks === 1 && program.signalGroup('SIGINT'),
  })
  assert.deepEqual([stream.error, stream.usage?.completion_tokens], [null, 1_500])
  const { code } = await program.end
  assert.deepEqual([code, groupMembers(program.pid)], [0, []])
})
