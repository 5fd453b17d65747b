import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Exchange, ServerHandlers } from '#host/host.ts'
import { Problem } from '#protocol/problem.ts'
import { createHttpRig } from './http-rig.ts'
import type { HttpLimits } from './http-server.ts'

const rig = createHttpRig()
const setup = (handlers: Partial<ServerHandlers> = {}, limits: Partial<HttpLimits> = {}) =>
  rig.serve(handlers, limits)

const GET = 'GET / HTTP/1.1\r\nhost: x\r\n\r\n'

test('bytes that are no HTTP get 400 with problem details', async () => {
  const { port } = await setup()
  const client = await dial(port)
  client.socket.write('\x16\x03\x01 hello\r\n\r\n')
  const { status, body } = await client.answer()
  assert.equal(status, 400)
  assert.equal(body.code, 'invalid_request')
  assert.equal(body.type, 'urn:shoal:problem:invalid_request')
})

test('what the peer goes on sending after a rejection is dropped', async () => {
  const { port } = await setup()
  const client = await dial(port)
  client.socket.write('nonsense\r\n\r\n'.repeat(10_000))
  client.socket.write('nonsense\r\n\r\n'.repeat(10_000))
  assert.equal((await client.answer()).status, 400)
})

test('headers beyond the limit get 431', async () => {
  const { port } = await setup()
  const client = await dial(port)
  client.socket.write(`GET / HTTP/1.1\r\nhost: x\r\nx-large: ${'x'.repeat(100_000)}\r\n\r\n`)
  const { status, body } = await client.answer()
  assert.equal(status, 431)
  assert.equal(body.status, 431)
  assert.match(body.detail, /16384 bytes/)
})

test('headers that trickle in too slowly get 408', async () => {
  const { port } = await setup({}, { headersTimeoutMs: 1, requestTimeoutMs: 1, timeoutCheckMs: 1 })
  const client = await dial(port)
  client.socket.write('GET / HTTP/1.1\r\nhost: x\r\n')
  assert.equal((await client.answer()).status, 408)
})

test('a body that trickles in too slowly gets 408 and ends its exchange', async () => {
  const ended = Promise.withResolvers<boolean>()
  const onExchange: ServerHandlers['onExchange'] = (exchange) => {
    exchange.onClose(ended.resolve)
    exchange.readBody(100, () => assert.fail('the body never came whole'))
  }
  const { port } = await setup(
    { onExchange },
    { headersTimeoutMs: 1, requestTimeoutMs: 1, timeoutCheckMs: 1 },
  )
  const client = await dial(port)
  client.socket.write('POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 10\r\n\r\nhalf')
  assert.equal((await client.answer()).status, 408)
  client.socket.destroy()
  assert.equal(await ended.promise, false)
})

test('a body that is taken as it comes may take longer', async () => {
  const limits = { headersTimeoutMs: 50, requestTimeoutMs: 50, timeoutCheckMs: 5 }
  const pieces: string[] = []
  const onExchange: ServerHandlers['onExchange'] = (exchange) => {
    if (exchange.method === 'GET') return
    exchange.streamBody?.(100, {
      onChunk: (chunk) => pieces.push(Buffer.from(chunk).toString()) > 0,
      onEnd: (problem) => exchange.respond(200, {}, problem ? 'problem' : pieces.join('|')),
    })
  }
  const { port } = await setup({ onExchange }, limits)
  const client = await dial(port)
  client.socket.write('POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 8\r\n\r\nhalf')
  // A later connection has used up its time.
  assert.equal((await (await dial(port)).answer()).status, 408)
  client.socket.write('done')
  assert.match(await client.received('half|done'), /^HTTP\/1\.1 200/)
})

test('a rest that nobody wants may not trickle in for ever', async () => {
  const limits = { headersTimeoutMs: 1, requestTimeoutMs: 1, timeoutCheckMs: 1 }
  const { port } = await setup({ onExchange: (exchange) => exchange.respond(401, {}, 'no') }, limits)
  const client = await dial(port)
  client.socket.write('POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 10\r\n\r\nhalf')
  await client.all()
})

test('the limits on a request do not touch a long answer', async () => {
  const exchanges: Exchange[] = []
  const limits = { headersTimeoutMs: 100, requestTimeoutMs: 100, timeoutCheckMs: 10 }
  const onExchange = (exchange: Exchange): void => {
    exchanges.push(exchange)
    exchange.start(200, {})
  }
  const { port } = await setup({ onExchange }, limits)
  const reader = await dial(port)
  reader.socket.write(GET)
  await reader.received('\r\n\r\n')
  // A later connection has used up its time: so has the earlier one, if an answer counted.
  const slow = await dial(port)
  assert.equal((await slow.answer()).status, 408)
  exchanges[0]?.write('still here')
  await reader.received('still here')
})

test('a broken body is answered 400, and its exchange ends', async () => {
  const ended = Promise.withResolvers<boolean>()
  const onExchange: ServerHandlers['onExchange'] = (exchange) => {
    exchange.onClose(ended.resolve)
    exchange.readBody(100, () => assert.fail('the body is broken'))
  }
  const { port } = await setup({ onExchange })
  const client = await dial(port)
  client.socket.write('POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\nnot hex\r\n')
  assert.equal((await client.answer()).status, 400)
  assert.equal(await ended.promise, false)
})

test('nonsense behind an open request cuts the connection: an answer could be taken for the first one', async () => {
  const { port } = await setup({ onExchange: () => {} })
  const client = await dial(port)
  client.socket.write(`${GET}nonsense\r\n\r\n`)
  assert.equal(await client.all(), '')
})

test('an upgrade to something else gets an ordinary answer', async () => {
  const { port } = await setup()
  const client = await dial(port)
  client.socket.write('GET / HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: h2c\r\n\r\n')
  assert.match(await client.received('served'), /^HTTP\/1.1 200 /)
})

test('an upgrade behind an open request cuts the connection', async () => {
  const { port } = await setup({ onExchange: () => {}, onLink: () => assert.fail('not asked') })
  const client = await dial(port)
  client.socket.write(`${GET}GET / HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n`)
  assert.equal(await client.all(), '')
})

test('a request without a host is told so', async () => {
  const { port } = await setup()
  const client = await dial(port)
  client.socket.write('GET / HTTP/1.1\r\n\r\n')
  assert.match(await client.received('}'), /^HTTP\/1.1 400 .*no host header/s)
})

test('connections beyond the limit are closed, and the others serve on', async () => {
  const { port, warnings } = await setup({}, { connectionsMax: 1 })
  const first = await dial(port)
  const second = await dial(port)
  assert.equal(await second.all(), '')
  assert.deepEqual(warnings, ['http.connection_refused'])
  first.socket.write(GET)
  await first.received('served')
})

test('a taken port is told with the way out', async () => {
  const { port, network } = await setup()
  await assert.rejects(network.listen({ hostname: '127.0.0.1', port }, handlers), {
    code: 'port_taken',
    message: `Port ${port} on 127.0.0.1 is taken by another program. Stop it or choose another with --port.`,
  })
})

test('an address of another machine cannot be listened on', async () => {
  const { network } = await setup()
  await assert.rejects(network.listen({ hostname: '192.0.2.1', port: 0 }, handlers), (error) => {
    assert.ok(error instanceof Problem)
    assert.equal(error.code, 'address_unavailable')
    assert.match(error.message, /cannot listen on 192\.0\.2\.1/)
    return true
  })
})

const handlers: ServerHandlers = { onExchange() {}, onLink: () => null }

/** A raw client that expects a refusal in words. */
async function dial(port: number) {
  const client = await rig.dial(port)
  client.socket.on('error', () => {})
  return {
    ...client,
    async answer() {
      const [head = '', body = ''] = (await client.received('}')).split('\r\n\r\n')
      assert.match(head, /connection: close/i)
      assert.match(head, /content-type: application\/problem\+json/i)
      const details = JSON.parse(body) as { status: number; code: string; type: string; detail: string }
      return { status: Number(head.split(' ')[1]), body: details }
    },
  }
}
