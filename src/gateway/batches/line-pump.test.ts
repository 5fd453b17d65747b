/** Lines that cannot be done, or not yet, beside those that can. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { MINUTE_MS } from '#kernel/time.ts'
import { FrameType } from '#protocol/frame.ts'
import type { Problem } from '#protocol/problem.ts'
import { PAYER } from '#sim/test-world.ts'
import { openGateway } from '../gateway.ts'
import { batchNetwork, line, openTestHome, takeBatches } from './test-batches.ts'

test('a line that is nested beyond what can be written out again is refused by itself', async () => {
  const { home, node, run } = await batchNetwork()
  const deep = `${'['.repeat(100_000)}${']'.repeat(100_000)}`
  const nested = JSON.stringify(line('deep', { stop: '?' })).replace('"?"', deep)
  const id = await home.order([nested, line('good')])
  await run(2_000)
  assert.equal(node.answer(), 1)
  await run(5_000)
  const batch = await home.batch(id)
  assert.deepEqual([batch.status, batch.request_counts.failed], ['completed', 1])
  const refused = (await home.results(batch.error_file_id)).get('deep')
  assert.partialDeepStrictEqual(refused?.response, {
    status_code: 400,
    body: { error: { code: 'invalid_value', param: 'body' } },
  })
})

test('lines that only nodes without batches could serve are refused at once, and hold nobody up', async () => {
  const { home, node, run, connect } = await batchNetwork({ nodes: ['a', 'x'] })
  // The other node serves the model, with tools, but takes no work of batches.
  await connect('x', [{ features: ['tools'] }])
  await run(200)
  const tools = [{ type: 'function', function: { name: 'f' } }]
  const wishes = Array.from({ length: 4 }, (_, index) =>
    line(`w${index}`, index < 2 ? { provider: { only: ['x'] } } : { tools }),
  )
  const id = await home.order(wishes)
  const other = await home.order([line('other')])
  await run(2_000)
  assert.equal(node.answer(), 1)
  await run(5_000)
  assert.equal((await home.batch(other)).status, 'completed')
  const batch = await home.batch(id)
  assert.deepEqual([batch.status, batch.request_counts.failed], ['completed', 4])
  const bad = await home.results(batch.error_file_id)
  const statuses = [...bad.values()].map(({ response }) => (response as { status_code: number }).status_code)
  assert.deepEqual(statuses, [404, 404, 400, 400])
})

test('requests of batches that wait for the nodes of one model leave those of another their room', async () => {
  const { node, run, ask, connect, gateway, home } = await batchNetwork({ nodes: ['a', 'b'] })
  const second = await connect('b', [{ id: 'second' }])
  takeBatches(second, { id: 'second', slots: 4 })
  await home.order(Array.from({ length: 3 }, (_, index) => line(`l${index}`)))
  await run(1_000)
  assert.equal(node.open().length, 3)
  const waiting = Array.from({ length: 3 }, () => ask({ batch: { keep: () => '' } }))
  await run(1_000)
  assert.deepEqual(
    waiting.map(({ heard }) => heard),
    [[], [], []],
  )
  assert.deepEqual([gateway.batchRoom('model'), gateway.batchRoom('second')], [0, 3])
})

test('a line of more tokens than its key ever has is refused by itself, and the others are served', async () => {
  const { home, node, run, take } = await batchNetwork()
  limitKey(take, { tokensPerMinute: 2_000 })
  await run(1_500)
  const id = await home.order([line('large', { max_tokens: 3_000 }), line('b'), line('c')])
  await run(5_000)
  assert.equal(node.answer(), 2)
  await run(5_000)
  const batch = await home.batch(id)
  assert.deepEqual([batch.status, batch.request_counts.failed], ['completed', 1])
  const refused = (await home.results(batch.error_file_id)).get('large')
  const error = { code: 'rate_limit_exceeded', type: 'tokens' }
  assert.partialDeepStrictEqual(refused?.response, { status_code: 429, body: { error } })
})

test('a line that is too large for what is left of its key’s day does not keep smaller ones from it', async () => {
  const { home, node, run, take, agent } = await batchNetwork()
  limitKey(take, { tokensPerDay: 5_000 })
  await run(1_500)
  await home.order([
    line('first', { max_tokens: 2_000 }),
    line('large', { max_tokens: 3_000 }),
    line('small'),
  ])
  await run(2_000)
  const [first] = node.open()
  assert.ok(first)
  for (let seconds = 0; seconds < 70; seconds += 10) {
    agent.delta(first.stream, 'x', 1)
    await run(10_000)
  }
  const asked = agent.requests().map(({ request }) => request.kind === 'chat' && request.messages[0]?.content)
  assert.deepEqual([...new Set(asked)], ['first', 'small'])
})

for (const isReopened of [false, true]) {
  const when = isReopened ? ', also when its home was opened again' : ''
  test(`a line that waits for its other choice too long is given up, and readings leave the spool${when}`, async () => {
    const network = await batchNetwork()
    const { node, run, agent, world } = network
    let { home, machine } = network
    const id = await home.order([line('a', { n: 2 }), line('b')])
    await run(1_000)
    const [first, second, other] = node.open()
    assert.ok(first && second && other)
    for (const { stream } of [first, other]) {
      agent.sendJson(FrameType.started, stream, { promptTokens: 4 })
      agent.delta(stream, 'ok', 2)
      agent.end(stream, { promptTokens: 4, completionTokens: 2 })
    }
    agent.fail(second.stream, 'engine_failed')
    agent.drain()
    await run(MINUTE_MS)
    if (isReopened) {
      machine.process.kill()
      machine.disk.crash(machine.process)
      machine = world.machine('g', machine.disk)
      const onFatal = (problem: Problem) => assert.fail(problem)
      const gateway = await world.settle(
        openGateway(machine.host, { gatewayId: 'g', keySecret: 'test', onFatal }),
      )
      await world.settle(new Promise<void>((resolve) => gateway.onReady(resolve)))
      home = await openTestHome({ ...network, gateway }, machine, { store: home.store })
    }
    await run(58 * MINUTE_MS)
    const waiting = await home.batch(id)
    assert.deepEqual([waiting.status, waiting.request_counts.completed], ['in_progress', 1])
    assert(machine.disk.durable('spool').length > 0)
    await run(5 * MINUTE_MS)
    const batch = await home.batch(id)
    assert.deepEqual([batch.status, batch.request_counts.failed], ['completed', 1])
    assert.equal(batch.usage.output_tokens, 4)
    const refused = (await home.results(batch.error_file_id)).get('a')
    assert.partialDeepStrictEqual(refused?.response, { status_code: 503 })
    assert.equal(machine.disk.durable('spool').length, 0)
  })
}

function limitKey(
  take: Awaited<ReturnType<typeof batchNetwork>>['take'],
  limits: { tokensPerMinute?: number; tokensPerDay?: number },
): void {
  take((turn) => {
    const { nowMs } = turn
    return turn.organisations({ kind: 'limit_key', keyId: 'key', organisationId: PAYER, limits, nowMs })
  })
}
