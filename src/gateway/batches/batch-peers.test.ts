import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Bus } from '#host/host.ts'
import { batchNetwork, line, openTestHome } from './test-batches.ts'

test('a list is whole, and no reply of another gateway to it is longer than a bus takes', async () => {
  const network = await batchNetwork()
  const { home, world, run } = network
  const machine = world.machine('h')
  const { bus } = machine.host
  const bytes: number[] = []
  const measured: Bus = {
    publish: bus.publish.bind(bus),
    subscribe: bus.subscribe.bind(bus),
    request: bus.request.bind(bus),
    serve: (subject, answer) =>
      bus.serve(subject, (message, reply) =>
        answer(message, (text) => {
          bytes.push(Buffer.byteLength(text))
          reply(text)
        }),
      ),
  }
  const other = await openTestHome(network, { ...machine, host: { ...machine.host, bus: measured } })
  await run(1_000)
  const first = await other.order([line('a')])
  const { input_file_id, endpoint } = await other.batch(first)
  const metadata = Object.fromEntries(Array.from({ length: 16 }, (_, key) => [key, '\u{1f600}'.repeat(256)]))
  const body = { input_file_id, endpoint, completion_window: '24h', metadata }
  const made = [first]
  for (let count = 1; count < 40; count++)
    made.unshift(String((await other.call('POST', '/v1/batches', body)).json['id']))
  for (const [limit, hasMore] of [
    [39, true],
    [40, false],
  ] as const) {
    const { json } = await home.call('GET', `/v1/batches?limit=${limit}`)
    const ids = (json['data'] as { id: string }[]).map(({ id }) => id)
    assert.deepEqual([ids, json['has_more']], [made.slice(0, limit), hasMore])
  }
  assert.ok(bytes.length > 4 && Math.max(...bytes) < 300 * 1024, `${Math.max(...bytes)} bytes`)
})
