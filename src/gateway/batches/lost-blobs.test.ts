/** Batches whose files the disk does not give back. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { MINUTE_MS } from '#kernel/time.ts'
import { batchNetwork, line, openTestHome } from './test-batches.ts'

test('a disk that fails in the middle of a download cuts it, and one that fails before is a problem', async () => {
  const { home } = await batchNetwork()
  const file = await home.call('POST', '/v1/files', 'x'.repeat(600_000))
  const download = () => home.call('GET', `/v1/files/${file.json['id']}/content`)
  home.store.readProblem = { offset: 300_000, error: new Error('EIO: i/o error') }
  const cut = await download()
  assert.deepEqual([cut.status, cut.text.length], [-1, 512 * 1024])
  home.store.readProblem = { offset: 0, error: new Error('EIO: i/o error') }
  assert.equal((await download()).status, 500)
  home.store.readProblem = null
  assert.equal((await download()).text.length, 600_000)
})

test('batches whose input is gone from the disk end all the same, with the results that are there', async () => {
  const windowMs = 10 * MINUTE_MS
  const network = await batchNetwork({ windowMs, slots: 2 })
  const { home, node, run } = network
  const ids = [await home.order([line('a'), line('b')]), await home.order([line('c')])]
  await run(1_000)
  assert.equal(node.answer(), 1)
  await run(5_000)
  ids.push(await home.order([line('d')]))
  const batches = await Promise.all(ids.map(home.batch))
  assert.deepEqual(
    batches.map(({ status, request_counts: { completed } }) => [status, completed]),
    [
      ['in_progress', 1],
      ['in_progress', 0],
      ['validating', 0],
    ],
  )
  await home.close()
  for (const { input_file_id } of batches) home.store.blobs.delete(input_file_id)
  const again = await openTestHome(network, network.machine, { store: home.store, windowMs })
  assert.equal((await again.call('POST', `/v1/batches/${ids[1]}/cancel`)).status, 200)
  await run(11 * MINUTE_MS)
  const [expired, cancelled, failed] = await Promise.all(ids.map(again.batch))
  assert.ok(expired && cancelled && failed)
  assert.deepEqual([expired.status, cancelled.status, failed.status], ['expired', 'cancelled', 'failed'])
  assert.deepEqual([...(await again.results(expired.output_file_id)).keys()], ['a'])
  assert.equal(failed.errors?.data[0]?.code, 'file_missing')
})

test('a batch whose results are gone from the disk in part ends, and tells of those', async () => {
  const network = await batchNetwork({ slots: 4 })
  const { home, node, run } = network
  const id = await home.order([line('a'), line('b'), line('c')])
  await run(1_000)
  node.answer(1)
  await run(5_000)
  await home.close()
  const chunks = [...home.store.blobs.keys()].filter((name) => name.startsWith('batch_'))
  assert.equal(chunks.length, 1)
  for (const name of chunks) home.store.blobs.delete(name)
  const again = await openTestHome(network, network.machine, { store: home.store })
  await run(5_000)
  node.answer()
  await run(10_000)
  const batch = await again.batch(id)
  assert.equal(batch.status, 'completed')
  assert.deepEqual([...(await again.results(batch.output_file_id)).keys()].sort(), ['b', 'c'])
  const bad = [...(await again.results(batch.error_file_id))].map(([key, { error }]) => [key, error?.code])
  assert.deepEqual(bad, [['a', 'result_lost']])
})
