import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { test } from 'node:test'
import type { ServerHandlers } from '#host/host.ts'
import { Problem } from '#protocol/problem.ts'
import { createHttpRig } from './http-rig.ts'

const rig = createHttpRig()
const setup = (handlers: Partial<ServerHandlers> = {}) => rig.serve(handlers)

test('fetch names who cannot be reached and what to look at', async () => {
  const { network } = await setup()
  const port = await freePort()
  await assert.rejects(network.fetch(new Request(`http://127.0.0.1:${port}/x`)), {
    code: 'network_unreachable',
    message: `Nothing listens at 127.0.0.1:${port}. Check that it is running, and that the port is right.`,
  })
  await assert.rejects(network.fetch(new Request('http://name.invalid/x')), {
    code: 'network_unreachable',
    message: /The name in name\.invalid:80 could not be found/,
  })
})

test('fetch tells a connection that closed unanswered, and one that does not speak TLS', async () => {
  const { network } = await setup()
  const silent = createServer((socket) => socket.destroy()).listen(0, '127.0.0.1')
  rig.onCleanup(() => silent.close())
  await once(silent, 'listening')
  const { port } = silent.address() as { port: number }
  await assert.rejects(network.fetch(new Request(`http://127.0.0.1:${port}`)), {
    code: 'network_unreachable',
  })
  const plain = await setup()
  await assert.rejects(network.fetch(new Request(`https://127.0.0.1:${plain.port}`)), {
    code: 'network_unreachable',
    message: /does not speak TLS/,
  })
})

test('fetch streams a body as it comes, and a break in it is a problem', async () => {
  const started = Promise.withResolvers<{ abort(): void }>()
  const { port, network } = await setup({
    onExchange(exchange) {
      exchange.start(200, { 'x-kind': 'model' })
      exchange.write('first')
      started.resolve(exchange)
    },
  })
  const response = await network.fetch(new Request(`http://127.0.0.1:${port}`))
  assert.equal(response.headers.get('x-kind'), 'model')
  const reader = (response.body ?? assert.fail()).getReader()
  const { value } = await reader.read()
  assert.equal(Buffer.from(value ?? []).toString(), 'first')
  const exchange = await started.promise
  exchange.abort()
  await assert.rejects(reader.read(), { name: 'Problem', code: 'network_unreachable' })
})

test('fetch follows the signal of its request, before the head and within the body', async () => {
  const { port, network } = await setup({ onExchange() {} })
  const request = (signal: AbortSignal): Promise<Response> =>
    network.fetch(new Request(`http://127.0.0.1:${port}`, { signal }))
  await assert.rejects(request(AbortSignal.timeout(1)), { code: 'network_timeout' })
  await assert.rejects(request(AbortSignal.abort()), { code: 'cancelled' })
  const reason = new Problem('unavailable', 'Enough.')
  await assert.rejects(request(AbortSignal.abort(reason)), reason)

  const streaming = await setup({ onExchange: (exchange) => exchange.start(200, {}) })
  const abort = new AbortController()
  const { signal } = abort
  const response = await network.fetch(new Request(`http://127.0.0.1:${streaming.port}`, { signal }))
  const body = response.text()
  abort.abort()
  await assert.rejects(body, { code: 'cancelled' })
})

test('a body that its reader gives up closes the connection', async () => {
  const ended = Promise.withResolvers<boolean>()
  const { port, network } = await setup({
    onExchange(exchange) {
      exchange.onClose(ended.resolve)
      exchange.start(200, {})
    },
  })
  const response = await network.fetch(new Request(`http://127.0.0.1:${port}`))
  await response.body?.cancel()
  assert.equal(await ended.promise, false)
})

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as { port: number }
  server.close()
  await once(server, 'close')
  return port
}
