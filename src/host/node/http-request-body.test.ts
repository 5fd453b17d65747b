import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Exchange, ServerHandlers } from '#host/host.ts'
import { createHttpRig } from './http-rig.ts'

const { dial, serve } = createHttpRig()
const serveEach = (onExchange: ServerHandlers['onExchange']) => serve({ onExchange })

test('a request without a body is read as an empty one, after the call returned', async () => {
  const order: string[] = []
  const { url } = await serveEach((exchange) => {
    exchange.readBody(10, (_, body) => {
      order.push(`body of ${body.length}`)
      exchange.respond(200, {}, '')
    })
    order.push('returned')
  })
  await fetch(url)
  assert.deepEqual(order, ['returned', 'body of 0'])
})

test('a client that leaves mid-body ends the exchange and is never heard of again', async () => {
  const { port, ended, requested } = await serveEach((exchange) => {
    exchange.readBody(1_000, () => assert.fail('half a body is no body'))
  })
  const client = await dial(port)
  client.socket.write('POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 10\r\n\r\nhalf')
  await requested(1)
  client.socket.destroy()
  assert.equal(await ended(), false)
})

test('one connection carries requests one after the other, with small unread bodies dropped', async () => {
  const { port, sockets } = await serveEach((exchange) => exchange.respond(200, {}, exchange.target))
  const client = await dial(port)
  for (const path of ['/one', '/two', '/three']) {
    client.socket.write(`POST ${path} HTTP/1.1\r\nhost: x\r\ncontent-length: 4\r\n\r\nbody`)
    await client.received(`\r\n\r\n${path}`)
  }
  assert.equal(sockets.size, 1)
})

test('an announced body of 100 MB is refused at once, and the answer arrives', async () => {
  const { port, ended } = await serveEach((exchange) => refuse(exchange, 1_000))
  const client = await dial(port)
  client.socket.write(`POST / HTTP/1.1\r\nhost: x\r\ncontent-length: ${100 * 1024 * 1024}\r\n\r\n`)
  const text = await client.received('}')
  assert.match(text, /^HTTP\/1.1 413 /)
  assert.match(text, /connection: close/i)
  assert.match(text, /"code":"body_too_large"/)
  assert.equal(await ended(), true)
})

test('a client that is still sending when it is refused can go on, and read the answer then', async () => {
  const { port, ended } = await serveEach((exchange) => refuse(exchange, 1_000))
  const client = await dial(port)
  client.socket.pause()
  client.socket.write(`POST / HTTP/1.1\r\nhost: x\r\ncontent-length: ${100 * 1024 * 1024}\r\n\r\n`)
  assert.equal(await ended(), true)
  for (let count = 0; count < 3; count++) {
    await new Promise<void>((resolve, reject) => {
      client.socket.write('x'.repeat(16_384), (error) => (error ? reject(error) : setImmediate(resolve)))
    })
  }
  client.socket.resume()
  assert.match(await client.received('}'), /^HTTP\/1.1 413 /)
})

test('a client that sends 100 MB all the same still reads its refusal', async () => {
  const { url, sockets } = await serveEach((exchange) => refuse(exchange, 1_000))
  const response = await fetch(url, { method: 'POST', body: new Uint8Array(100 * 1024 * 1024) })
  assert.equal(response.status, 413)
  assert.match(await response.text(), /at most 1000 bytes is taken here, and this one has 104857600/)
  const [socket] = sockets
  assert.ok(socket && socket.bytesRead < 4 * 1024 * 1024, 'most of it was never read')
})

test('a body without a length is refused where it passes the limit', async () => {
  const { port, requested } = await serveEach((exchange) => refuse(exchange, 1_000))
  const client = await dial(port)
  client.socket.write('POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n')
  client.socket.write(`3e8\r\n${'x'.repeat(1_000)}\r\n`)
  await requested(1)
  client.socket.write('1\r\nx\r\n')
  assert.match(await client.received('}'), /^HTTP\/1.1 413 /)
})

test('a body as long as the limit is taken, with and without a length', async () => {
  const { url } = await serveEach((exchange) => {
    exchange.readBody(1_000, (problem, body) => {
      exchange.respond(problem ? 413 : 200, {}, String(body.length))
    })
  })
  const body = 'x'.repeat(1_000)
  assert.equal(await (await fetch(url, { method: 'POST', body })).text(), '1000')
  const stream = new Blob([body]).stream()
  const chunked = await fetch(url, { method: 'POST', body: stream, duplex: 'half' } as RequestInit)
  assert.equal(await chunked.text(), '1000')
})

test('a client that asks first is told to go on only when its body is wanted', async () => {
  const { port } = await serveEach((exchange) => {
    if (exchange.target === '/no') exchange.respond(401, {}, 'no')
    else exchange.readBody(10, (_, body) => exchange.respond(200, {}, body))
  })
  const head = 'HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-length: 4\r\n\r\n'
  const wanted = await dial(port)
  wanted.socket.write(`POST /yes ${head}`)
  await wanted.received('HTTP/1.1 100 Continue\r\n\r\n')
  wanted.socket.write('body')
  await wanted.received('\r\n\r\nbody')
  const unwanted = await dial(port)
  unwanted.socket.write(`POST /no ${head}`)
  const text = await unwanted.received('\r\n\r\nno')
  assert.match(text, /^HTTP\/1.1 401 .*connection: close/is)
})

const refuse = (exchange: Exchange, bytesMax: number): void =>
  exchange.readBody(bytesMax, (problem) => {
    assert.ok(problem)
    exchange.respond(problem.status, {}, JSON.stringify({ code: problem.code, message: problem.message }))
  })
