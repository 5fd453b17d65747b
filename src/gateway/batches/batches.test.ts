import assert from 'node:assert/strict'
import { test } from 'node:test'
import { MINUTE_MS } from '#kernel/time.ts'
import { consumerAccount, EXTERNAL_TEST } from '#ledger/ledger.ts'
import { FrameType } from '#protocol/frame.ts'
import { Problem } from '#protocol/problem.ts'
import { PAYER } from '#sim/test-world.ts'
import { batchNetwork, line, openTestHome, takeBatches } from './test-batches.ts'

test('what is not done when the window ends has expired, and the rest is delivered and paid', async () => {
  const { home, node, run, outcomes } = await batchNetwork({ windowMs: 10 * MINUTE_MS })
  const id = await home.order([line('a'), line('b'), line('c'), line('d'), line('e')])
  await run(2_000)
  assert.equal(node.answer(2), 2)
  await run(5_000)
  assert.equal((await home.batch(id)).request_counts.completed, 2)
  // The node answers no more; the window ends with requests under way, which are given time.
  await run(10 * MINUTE_MS)
  assert.equal((await home.batch(id)).status, 'in_progress')
  await run(10 * MINUTE_MS)
  const batch = await home.batch(id)
  assert.deepEqual([batch.status, batch.completed_at, typeof batch.expired_at], ['expired', null, 'number'])
  const good = await home.results(batch.output_file_id)
  const bad = await home.results(batch.error_file_id)
  assert.deepEqual([good.size, good.size + bad.size], [2, 5])
  const paid = outcomes.filter(({ outcome }) => outcome === 'completed')
  assert.equal(paid.length, 2)
  assert(bad.size > 0)
})

test('a line that is far longer read than written is refused by itself, and the others are served', async () => {
  const { home, node, run, agent } = await batchNetwork()
  takeBatches(agent, { features: ['tools'] })
  // As the file has it: `JSON.stringify` would write out all of its digits.
  const { rawJSON } = JSON as unknown as { rawJSON(text: string): unknown }
  const parameters = { type: 'object', 'x-a': Array(40_000).fill(rawJSON('1e20')) }
  const tools = Array.from({ length: 19 }, (_, index) => ({
    type: 'function',
    function: { name: `f${index}`, parameters },
  }))
  const id = await home.order([line('a', { tools }), line('b')])
  await run(2_000)
  assert.equal(node.answer(), 1)
  await run(5_000)
  const batch = await home.batch(id)
  assert.deepEqual([batch.status, batch.request_counts.failed], ['completed', 1])
  const refused = (await home.results(batch.error_file_id)).get('a')
  const error = { code: 'invalid_request', param: 'tools' }
  assert.partialDeepStrictEqual(refused?.response, { status_code: 400, body: { error } })
})

test('a batch that stands still expires line by line', async () => {
  const { home, run, agent } = await batchNetwork({ windowMs: 10 * MINUTE_MS })
  agent.drain()
  const id = await home.order([line('a'), line('b')])
  await run(9 * MINUTE_MS)
  const waiting = await home.batch(id)
  assert.match(waiting.x_shoal.waiting_for ?? '', /a node that takes work of batches/)
  await run(2 * MINUTE_MS)
  const batch = await home.batch(id)
  assert.equal(batch.status, 'expired')
  const bad = await home.results(batch.error_file_id)
  assert.deepEqual([...bad.keys()], ['a', 'b'])
  for (const { response, error } of bad.values())
    assert.deepEqual([response, error?.code], [null, 'batch_expired'])
})

test('batches leave a part of the slots free, and nothing of them begins while anybody else waits', async () => {
  const { home, node, run, ask, agent } = await batchNetwork({ slots: 4 })
  await home.order(Array.from({ length: 10 }, (_, index) => line(`l${index}`)))
  await run(2_000)
  assert.equal(node.open().length, 3)
  const first = ask()
  await run(100)
  assert.equal(node.open().length, 4, 'who comes by himself has the slot that was left')
  const second = ask()
  await run(100)
  assert.deepEqual(second.heard, [])
  // One of the batch ends: the slot is for the one who waits.
  const [ofBatch] = node.open()
  assert.ok(ofBatch)
  agent.delta(ofBatch.stream, 'x', 1)
  agent.end(ofBatch.stream, { promptTokens: 4, completionTokens: 1 })
  await run(500)
  assert.match(second.heard.join(), /node a/)
  assert.equal(first.heard.length > 0, true)
})

test('an answer of a batch is billed at the price for batches, which the node chose', async () => {
  const { home, node, run, outcomes, agent } = await batchNetwork()
  takeBatches(agent, { batchDiscountBps: 7_500 })
  await run(200)
  const id = await home.order([line('a')])
  await run(1_000)
  node.answer()
  await run(5_000)
  assert.equal((await home.batch(id)).status, 'completed')
  const [part] = outcomes.at(-1)?.parts ?? []
  // A quarter of $0.10 and $1 per million.
  assert.deepEqual([part?.promptPerMillion, part?.completionPerMillion], [25_000_000n, 250_000_000n])
})

test('a node that gives less than batches are promised gets none of them', async () => {
  const { home, node, run, agent } = await batchNetwork()
  takeBatches(agent, { batchDiscountBps: 4_999 })
  await run(200)
  const id = await home.order([line('a')])
  await run(5_000)
  assert.equal(node.open().length, 0)
  takeBatches(agent)
  await run(1_000)
  node.answer()
  await run(5_000)
  assert.equal((await home.batch(id)).status, 'completed')
})

test('a line that every node fails on is an error of its own, and the others are answered', async () => {
  const { home, node, run, agent } = await batchNetwork()
  const id = await home.order([line('poison'), line('good')])
  for (let round = 0; round < 60; round++) {
    await run(5_000)
    for (const { stream, request } of node.open()) {
      if (request.kind !== 'chat' || request.messages[0]?.content === 'poison')
        agent.fail(stream, 'engine_failed')
    }
    // What failed is no longer to be answered.
    const good = node
      .open()
      .filter(({ request }) => request.kind === 'chat' && request.messages[0]?.content === 'good')
    if (good.length > 0) node.answer()
    takeBatches(agent)
  }
  const batch = await home.batch(id)
  assert.deepEqual([batch.status, batch.request_counts], ['completed', { total: 2, completed: 1, failed: 1 }])
  const bad = await home.results(batch.error_file_id)
  assert.deepEqual([...bad.keys()], ['poison'])
})

test('of a line that fails in one of its choices the other is paid, told in the cost, and kept no longer', async () => {
  const { home, node, run, agent, machine, outcomes } = await batchNetwork()
  const id = await home.order([line('a', { n: 2 })])
  await run(1_000)
  const [first, second] = node.open()
  assert.ok(first && second)
  agent.sendJson(FrameType.started, first.stream, { promptTokens: 4 })
  agent.delta(first.stream, 'ok', 2)
  // The one is about to be metered when the other fails.
  agent.end(first.stream, { promptTokens: 4, completionTokens: 2 })
  agent.fail(second.stream, 'invalid_request')
  await run(5_000)
  const batch = await home.batch(id)
  assert.deepEqual([batch.status, batch.request_counts.failed], ['completed', 1])
  const paid = outcomes.filter(({ outcome }) => outcome === 'completed')
  assert.equal(paid.length, 1)
  assert.deepEqual([batch.usage.input_tokens, batch.usage.output_tokens], [4, 2])
  await run(5_000)
  assert.equal(machine.disk.durable('spool').length, 0)
})

test('without money a batch waits and says so, and with money it goes on', async () => {
  const { home, node, run, take } = await batchNetwork({ balance: 1n })
  const id = await home.order([line('a')])
  await run(5_000)
  assert.equal(node.open().length, 0)
  assert.match((await home.batch(id)).x_shoal.waiting_for ?? '', /account cannot cover/)
  take((turn) => {
    const { nowMs } = turn
    const accounts = { debitAccountId: EXTERNAL_TEST, creditAccountId: consumerAccount(PAYER) }
    const transfer = {
      transferId: 'more',
      ...accounts,
      amount: 10n ** 9n,
      memo: '',
      createdAtMs: nowMs,
      nowMs,
    }
    return turn.ledger({ kind: 'transfer', ...transfer })
  })
  await run(30_000)
  node.answer()
  await run(5_000)
  const batch = await home.batch(id)
  assert.deepEqual([batch.status, batch.x_shoal.waiting_for], ['completed', null])
})

test('a key that is revoked pays for nothing more', async () => {
  const { home, node, run, take } = await batchNetwork({ slots: 2 })
  const id = await home.order([line('a'), line('b'), line('c')])
  await run(35_000)
  take((turn) =>
    turn.organisations({ kind: 'revoke_key', keyId: 'key', organisationId: PAYER, nowMs: turn.nowMs }),
  )
  await run(5_000)
  const answered = node.answer()
  await run(10_000)
  const batch = await home.batch(id)
  assert.equal(batch.status, 'completed')
  assert.deepEqual(batch.request_counts, { total: 3, completed: answered, failed: 3 - answered })
})

test('a disk that is full holds a batch up and loses nothing of it', async () => {
  const { home, node, run } = await batchNetwork()
  const id = await home.order([line('a')])
  await run(1_000)
  home.store.problem = new Problem('disk_full', 'The disk is full.')
  node.answer()
  await run(5_000)
  const held = await home.batch(id)
  assert.deepEqual([held.status, held.x_shoal.waiting_for], ['in_progress', 'The disk is full.'])
  home.store.problem = null
  await run(30_000)
  assert.equal((await home.batch(id)).status, 'completed')
})

test('a home that is opened again goes on where it was, and keeps nothing that nobody knows of', async () => {
  const { home, node, run, world, ...network } = await batchNetwork()
  const id = await home.order([line('a'), line('b')])
  await run(1_000)
  node.answer(1)
  await run(10_000)
  await home.close()
  home.store.blobs.set('file-stray', new Uint8Array(1))
  const again = await openTestHome({ ...network, world, run }, network.machine, { store: home.store })
  await run(5_000)
  node.answer()
  await run(10_000)
  const batch = await again.batch(id)
  assert.deepEqual([batch.status, batch.request_counts.completed], ['completed', 2])
  assert.equal(home.store.blobs.has('file-stray'), false)
  assert.deepEqual(
    [...home.store.blobs.keys()].filter((name) => name.startsWith('batch_')),
    [],
  )
})

test('files and batches are served by every gateway of the network, wherever they are', async () => {
  const network = await batchNetwork()
  const { home, node, run, world } = network
  const other = await openTestHome(network, world.machine('h'))
  await run(1_000)
  const id = await home.order([line('a')])
  await run(1_000)
  node.answer()
  await run(5_000)
  const batch = await other.batch(id)
  assert.equal(batch.status, 'completed')
  assert.equal((await other.results(batch.output_file_id)).size, 1)
  const elsewhere = await other.order([line('b')])
  const listed = await home.call('GET', '/v1/batches')
  assert.deepEqual(
    (listed.json['data'] as { id: string }[]).map((one) => one.id),
    [elsewhere, id],
  )
  // A batch is where its file is, whoever was asked for it.
  const body = {
    input_file_id: batch.input_file_id,
    endpoint: '/v1/chat/completions',
    completion_window: '24h',
  }
  const third = await other.call('POST', '/v1/batches', body)
  assert.equal(third.status, 200)
  assert.equal(String(third.json['id']).slice(6, 14), id.slice(6, 14))
  const foreign = { organisationId: 'org_other' }
  for (const path of [`/v1/batches/${id}`, `/v1/files/${batch.output_file_id}/content`]) {
    assert.equal((await other.call('GET', path, undefined, foreign)).status, 404)
  }
  await home.close()
  assert.equal((await other.call('GET', `/v1/batches/${id}`)).status, 503)
  assert.equal((await other.call('GET', '/v1/batches')).status, 503, 'a list that lacks something is none')
  await run(5 * 60_000)
  assert.equal((await other.call('GET', '/v1/batches')).status, 200)
})
