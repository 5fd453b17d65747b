import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect } from 'node:net'
import { test } from 'node:test'
import type { Exchange, ServerHandlers } from '#host/host.ts'
import { Problem } from '#protocol/problem.ts'
import { createHttpRig } from './http-rig.ts'

const { dial, serve } = createHttpRig()
const serveEach = (onExchange: ServerHandlers['onExchange']) => serve({ onExchange })

test('a handler that throws costs its own exchange: 500 before the answer, a cut after', async () => {
  const { url, port, errors } = await serveEach((exchange) => {
    if (exchange.target === '/stream') exchange.start(200, {})
    if (exchange.target === '/body') exchange.readBody(10, () => explode())
    else explode()
  })
  for (const method of ['GET', 'POST']) {
    const response = await fetch(`${url}/body`, { method })
    assert.equal(response.status, 500)
    const details = (await response.json()) as { code: string; detail: string }
    assert.equal(details.code, 'internal')
    assert.doesNotMatch(details.detail, /boom/)
  }
  const client = await dial(port)
  client.socket.write('GET /stream HTTP/1.1\r\nhost: x\r\n\r\n')
  assert.doesNotMatch(await client.all(), /\r\n0\r\n/)
  assert.equal(errors.length, 3)
  assert.match(String(errors[0]?.['reason']), /boom/)
})

test('a problem that a handler throws is the answer', async () => {
  const { url } = await serveEach(() => {
    throw new Problem('conflict', 'Taken.')
  })
  const response = await fetch(url)
  assert.equal(response.status, 409)
  assert.equal(response.headers.get('content-type'), 'application/problem+json')
})

test('an answer given twice is a bug, told in the log; the first one stands', async () => {
  const { url, errors } = await serveEach((exchange) => {
    exchange.respond(200, {}, 'one')
    exchange.respond(200, {}, 'two')
  })
  assert.equal(await (await fetch(url)).text(), 'one')
  assert.match(String(errors[0]?.['reason']), /answered once/)
})

test('what is written without a start, or after the end, is a bug', async () => {
  const { url } = await serveEach((exchange) => {
    assert.throws(() => exchange.write('x'), { name: 'AssertionError' })
    assert.throws(() => exchange.end(), { name: 'AssertionError' })
    exchange.start(200, {})
    assert.throws(() => exchange.respond(200, {}, ''), { name: 'AssertionError' })
    exchange.end()
    assert.throws(() => exchange.write('x'), { name: 'AssertionError' })
    assert.throws(() => exchange.readBody(1, () => {}), { name: 'AssertionError' })
  })
  assert.equal(await (await fetch(url)).text(), '')
})

test('a header that cannot be sent costs the exchange, not the server', async () => {
  const { url, errors } = await serveEach((exchange) => exchange.respond(200, { 'x-bad': 'a\r\nb: c' }, ''))
  assert.equal((await fetch(url)).status, 500)
  assert.equal(errors.length, 1)
})

test('close lets an open exchange end and refuses what comes after', async () => {
  const exchanges: Exchange[] = []
  const { port, listener } = await serveEach((exchange) => {
    exchanges.push(exchange)
    exchange.start(200, {})
    exchange.write('one')
  })
  const idle = await dial(port)
  const busy = await dial(port)
  busy.socket.write('GET / HTTP/1.1\r\nhost: x\r\n\r\n')
  await busy.received('one')
  const closed = listener.close(60_000)
  await idle.all()
  const [refused] = await once(connect(port, '127.0.0.1'), 'error')
  assert.equal(refused.code, 'ECONNREFUSED')
  exchanges[0]?.write('two')
  exchanges[0]?.end()
  assert.match(await busy.all(), /two\r\n0\r\n\r\n$/)
  await closed
})

test('close cuts what is still open after the grace', async () => {
  const { port, listener, ended } = await serveEach((exchange) => {
    exchange.start(200, {})
    exchange.write('one')
  })
  const client = await dial(port)
  client.socket.write('GET / HTTP/1.1\r\nhost: x\r\n\r\n')
  await client.received('one')
  await Promise.all([listener.close(0), listener.close(0)])
  assert.doesNotMatch(await client.all(), /\r\n0\r\n/)
  assert.equal(await ended(), false)
})

const explode = (): never => {
  throw new Error('boom')
}
