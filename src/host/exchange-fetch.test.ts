import assert from 'node:assert/strict'
import { once } from 'node:events'
import { request } from 'node:http'
import { connect } from 'node:net'
import { afterEach, test } from 'node:test'
import { Problem } from '#protocol/problem.ts'
import { type FetchHandler, serveFetch } from './exchange-fetch.ts'
import { nodeClock } from './node/node-clock.ts'
import { createNodeNetwork } from './node/node-network.ts'

test('a handler gets method, URL, headers and body, and its answer arrives', async () => {
  const { url } = await setup(async (request) => {
    const body = await request.text()
    const seen = { method: request.method, url: request.url, type: request.headers.get('content-type'), body }
    return Response.json(seen, { status: 201, headers: { 'x-request-id': '7' } })
  })
  const headers = { 'content-type': 'text/plain' }
  const response = await fetch(`${url}/v1/keys?limit=1`, { method: 'POST', headers, body: 'grüße' })
  assert.equal(response.status, 201)
  assert.equal(response.headers.get('x-request-id'), '7')
  assert.ok(response.headers.get('content-length'), 'JSON leaves whole')
  assert.deepEqual(await response.json(), {
    method: 'POST',
    url: 'http://shoal.test/v1/keys?limit=1',
    type: 'text/plain',
    body: 'grüße',
  })
})

test('answers without a body, and to HEAD, carry none', async () => {
  const { url } = await setup(
    async ({ method }) => new Response(null, { status: method === 'DELETE' ? 204 : 200 }),
  )
  const deleted = await fetch(url, { method: 'DELETE' })
  assert.equal(deleted.status, 204)
  const head = await fetch(url, { method: 'HEAD' })
  assert.equal(head.headers.get('content-length'), null)
})

test('the URL keeps the origin of the server, whatever the target says', async () => {
  const { port } = await setup(async (request) => Response.json(request.url))
  const ask = (path: string): Promise<string> =>
    new Promise((resolve) => {
      request({ port, path }, async (response) => {
        let text = ''
        for await (const chunk of response) text += chunk
        resolve(text)
      }).end()
    })
  assert.equal(await ask('//evil.example/a'), '"http://shoal.test//evil.example/a"')
  assert.equal(await ask('http://evil.example/a?b'), '"http://shoal.test/a?b"')
  assert.equal(JSON.parse(await ask('*')).code, 'invalid_request')
})

test('a body beyond the limit is refused before the handler sees it', async () => {
  const { url } = await setup(async () => assert.fail('not asked'))
  const response = await fetch(url, { method: 'POST', body: 'x'.repeat(1_001) })
  assert.equal(response.status, 413)
  assert.equal(response.headers.get('content-type'), 'application/problem+json')
})

test('a problem is answered as itself, anything else as internal and told to the log', async () => {
  const { url, errors } = await setup(async (request) => {
    throw request.url.endsWith('/known') ? new Problem('conflict', 'Taken.') : new Error('boom')
  })
  const known = await fetch(`${url}/known`)
  assert.equal(known.status, 409)
  const unknown = await fetch(`${url}/unknown?secret=1`)
  assert.equal(unknown.status, 500)
  assert.doesNotMatch(await unknown.text(), /boom/)
  assert.equal(errors.length, 1)
  assert.match(errors[0] ?? '', /"path":"\/unknown".*boom/)
})

test('a method that fetch does not know is refused', async () => {
  const { port } = await setup(async () => assert.fail('not asked'))
  const socket = connect(port, '127.0.0.1')
  socket.write('TRACE / HTTP/1.1\r\nhost: x\r\n\r\n')
  const [data] = await once(socket, 'data')
  assert.match(String(data), /^HTTP\/1.1 405 /)
  socket.destroy()
})

test('a streamed answer is read only as fast as the client reads it', async () => {
  let pulled = 0
  const chunk = new Uint8Array(64 * 1024)
  const countMax = 1_000
  const stalled = Promise.withResolvers<void>()
  const { port } = await setup(async () => {
    const body = new ReadableStream<Uint8Array>({
      pull(controller) {
        pulled++
        if (pulled === 2) stalled.resolve()
        if (pulled === countMax) controller.close()
        else controller.enqueue(chunk)
      },
    })
    return new Response(body)
  })
  const socket = connect(port, '127.0.0.1')
  socket.pause()
  socket.write('GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n')
  await stalled.promise
  // The system takes a few MiB of the 64, however many turns it gets.
  for (let turns = 0; turns < 50; turns++) await new Promise((resolve) => void setImmediate(resolve))
  assert.ok(pulled < countMax, 'the source was held back')
  let bytes = 0
  for await (const data of socket) bytes += data.length
  assert.ok(bytes > (countMax - 1) * chunk.length)
  assert.equal(pulled, countMax)
})

test('a client that leaves aborts the signal and cancels the body, also one that waits for its source', async () => {
  const aborted = Promise.withResolvers<void>()
  const cancelled = Promise.withResolvers<void>()
  const { url } = await setup(async (request) => {
    request.signal.addEventListener('abort', () => aborted.resolve())
    const body = new ReadableStream({
      start: (controller) => controller.enqueue(new TextEncoder().encode('first')),
      cancel: () => cancelled.resolve(),
    })
    return new Response(body, { headers: { 'content-type': 'text/event-stream' } })
  })
  const leave = new AbortController()
  const response = await fetch(url, { signal: leave.signal })
  await response.body?.getReader().read()
  leave.abort()
  await Promise.all([aborted.promise, cancelled.promise])
})

test('a client that leaves before the answer aborts the signal, and nothing is told to the log', async () => {
  const asked = Promise.withResolvers<void>()
  const aborted = Promise.withResolvers<void>()
  const { url, errors } = await setup(async (request) => {
    asked.resolve()
    await once(request.signal, 'abort')
    aborted.resolve()
    return Response.json({})
  })
  const leave = new AbortController()
  const response = fetch(url, { signal: leave.signal })
  await asked.promise
  leave.abort()
  await assert.rejects(response)
  await aborted.promise
  assert.deepEqual(errors, [])
})

test('a stream that fails half-way is cut, so that it cannot look whole', async () => {
  const { url, errors } = await setup(async () => {
    let count = 0
    const body = new ReadableStream<Uint8Array>({
      pull(controller) {
        if (count++ === 0) controller.enqueue(new TextEncoder().encode('half'))
        else throw new Error('boom')
      },
    })
    return new Response(body)
  })
  await assert.rejects(fetch(url).then((response) => response.text()))
  assert.match(errors[0] ?? '', /boom/)
})

const cleanups: (() => unknown)[] = []
afterEach(async () => {
  for (const cleanup of cleanups.splice(0)) await cleanup()
})

async function setup(handler: FetchHandler) {
  const errors: string[] = []
  const log = {
    info() {},
    warn() {},
    error: (_: string, fields?: object) => void errors.push(JSON.stringify(fields)),
  }
  const network = createNodeNetwork({ clock: nodeClock, log })
  const options = { bytesMax: 1_000, origin: 'http://shoal.test', log }
  const listener = await network.listen(
    { hostname: '127.0.0.1', port: 0 },
    { onExchange: (exchange) => serveFetch(exchange, handler, options), onLink: () => null },
  )
  cleanups.push(() => listener.close(0))
  return { port: listener.port, url: `http://127.0.0.1:${listener.port}`, errors }
}
