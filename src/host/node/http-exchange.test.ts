import assert from 'node:assert/strict'
import { once } from 'node:events'
import { test } from 'node:test'
import type { Exchange, ServerHandlers } from '#host/host.ts'
import { createHttpRig } from './http-rig.ts'

const { dial, serve } = createHttpRig()
const serveEach = (onExchange: ServerHandlers['onExchange']) => serve({ onExchange })

test('answers whole, with the length, and reads a body', async () => {
  const { url } = await serveEach((exchange) => {
    exchange.readBody(1_000, (problem, body) => {
      assert.equal(problem, null)
      exchange.respond(201, { 'x-method': exchange.method }, `${exchange.target} ${Buffer.from(body)}`)
    })
  })
  const response = await fetch(`${url}/a?b=c`, { method: 'POST', body: 'grüße' })
  assert.equal(response.status, 201)
  assert.equal(response.headers.get('x-method'), 'POST')
  const text = await response.text()
  assert.equal(text, '/a?b=c grüße')
  assert.equal(response.headers.get('content-length'), String(Buffer.byteLength(text)))
})

test('streams text and bytes of any size, told apart from nothing', async () => {
  const large = new Uint8Array(100_000).fill(65)
  const small = new TextEncoder().encode('äö')
  const { url, ended } = await serveEach((exchange) => {
    exchange.start(200, { 'content-type': 'text/event-stream' })
    exchange.write('ü\r\n')
    exchange.write('')
    exchange.write(small)
    exchange.write(new Uint8Array(0))
    setImmediate(() => {
      exchange.write(large)
      exchange.end()
    })
  })
  const text = await (await fetch(url)).text()
  assert.equal(text, `ü\r\näö${'A'.repeat(100_000)}`)
  assert.equal(await ended(), true)
})

test('the head and the chunks of one turn leave as one packet', async () => {
  const { port } = await serveEach((exchange) => {
    exchange.start(200, {})
    exchange.write('one')
    exchange.write('two')
  })
  const client = await dial(port)
  client.socket.write('GET / HTTP/1.1\r\nhost: x\r\n\r\n')
  const [packet] = await once(client.socket, 'data')
  assert.match(String(packet), /\r\n\r\n6\r\nonetwo\r\n$/)
})

test('the head of a started answer leaves without a first chunk', async () => {
  const { url } = await serveEach((exchange) => exchange.start(200, { 'x-here': 'yes' }))
  const abort = new AbortController()
  const response = await fetch(url, { signal: abort.signal })
  assert.equal(response.headers.get('x-here'), 'yes')
  abort.abort()
})

test('a slow reader makes write answer false, and onDrain runs when it has read', async () => {
  const drained = Promise.withResolvers<void>()
  let written = 0
  const { port, ended } = await serveEach((exchange) => {
    exchange.start(200, {})
    const fill = (): void => {
      for (const chunk = 'x'.repeat(16_384); written < 64 * 1024 * 1024; ) {
        written += chunk.length
        if (!exchange.write(chunk)) return
      }
    }
    exchange.onDrain(() => {
      exchange.end()
      drained.resolve()
    })
    fill()
  })
  const client = await dial(port)
  client.socket.pause()
  client.socket.write('GET / HTTP/1.1\r\nhost: x\r\n\r\n')
  await once(client.socket, 'readable')
  assert.ok(written < 64 * 1024 * 1024, 'the writer was stopped')
  client.socket.resume()
  await drained.promise
  assert.equal(await ended(), true)
})

test('a writer that was told to wait goes on, also when the system takes all of it at once', async () => {
  const chunk = 'x'.repeat(1_024)
  let left = 2_000
  const { port, ended } = await serveEach((exchange) => {
    exchange.start(200, {})
    const fill = (): void => {
      while (left-- > 0) if (!exchange.write(chunk)) return
      exchange.end()
    }
    exchange.onDrain(fill)
    fill()
  })
  const client = await dial(port)
  client.socket.resume()
  client.socket.write('GET / HTTP/1.1\r\nhost: x\r\n\r\n')
  assert.equal(await ended(), true)
})

test('a client that leaves mid-stream is told as unfinished, and later writes do nothing', async () => {
  const exchanges: Exchange[] = []
  const { port, ended } = await serveEach((exchange) => {
    exchanges.push(exchange)
    exchange.start(200, {})
    exchange.write('hello')
  })
  const client = await dial(port)
  client.socket.write('GET / HTTP/1.1\r\nhost: x\r\n\r\n')
  await once(client.socket, 'data')
  client.socket.destroy()
  assert.equal(await ended(), false)
  const [exchange] = exchanges
  assert.ok(exchange)
  assert.equal(exchange.write('more'), true)
  exchange.end()
  const late = Promise.withResolvers<boolean>()
  exchange.onClose(late.resolve)
  assert.equal(await late.promise, false)
})

test('a client that leaves while a slow answer waits is told as unfinished', async () => {
  const { port, ended } = await serveEach((exchange) => {
    exchange.respond(200, {}, new Uint8Array(32 * 1024 * 1024))
  })
  const client = await dial(port)
  client.socket.pause()
  client.socket.write('GET / HTTP/1.1\r\nhost: x\r\n\r\n')
  await once(client.socket, 'readable')
  client.socket.destroy()
  assert.equal(await ended(), false)
})

test('an aborted stream is an error to the client, after what was written', async () => {
  const { url, ended } = await serveEach((exchange) => {
    exchange.start(200, {})
    exchange.write('the last words')
    setImmediate(() => exchange.abort())
  })
  const response = await fetch(url)
  const reader = (response.body ?? assert.fail()).pipeThrough(new TextDecoderStream()).getReader()
  assert.equal((await reader.read()).value, 'the last words')
  await assert.rejects(reader.read())
  assert.equal(await ended(), false)
})

test('an abort in the turn of a write sends what was written and no end', async () => {
  const { port } = await serveEach((exchange) => {
    exchange.start(200, {})
    exchange.write('why')
    exchange.abort()
  })
  const client = await dial(port)
  client.socket.write('GET / HTTP/1.1\r\nhost: x\r\n\r\n')
  const text = await client.all()
  assert.match(text, /3\r\nwhy\r\n$/)
})

test('an aborted answer to HTTP/1.0, which has no chunks, resets the connection', async () => {
  const { port } = await serveEach((exchange) => {
    exchange.start(200, {})
    exchange.write('half')
    setImmediate(() => exchange.abort())
  })
  const client = await dial(port)
  client.socket.write('GET / HTTP/1.0\r\n\r\n')
  const [error] = await once(client.socket, 'error')
  assert.equal(error.code, 'ECONNRESET')
})

test('an answer to HTTP/1.0 streams unframed and ends with the connection', async () => {
  const { port, ended } = await serveEach((exchange) => {
    exchange.start(200, {})
    exchange.write('all of it')
    exchange.end()
  })
  const client = await dial(port)
  client.socket.write('GET / HTTP/1.0\r\n\r\n')
  assert.match(await client.all(), /\r\n\r\nall of it$/)
  assert.equal(await ended(), true)
})

test('pipelined requests are answered in order, whichever is ready first', async () => {
  const waiting = new Map<string, Exchange>()
  const { port, ended } = await serveEach((exchange) => {
    waiting.set(exchange.target, exchange)
    if (exchange.target !== '/2') return
    exchange.start(200, {})
    exchange.write('second')
    exchange.end()
    waiting.get('/1')?.respond(200, {}, 'first')
  })
  const client = await dial(port)
  client.socket.write('GET /1 HTTP/1.1\r\nhost: x\r\n\r\nGET /2 HTTP/1.1\r\nhost: x\r\n\r\n')
  const text = await client.received('0\r\n\r\n')
  assert.ok(text.indexOf('first') < text.indexOf('6\r\nsecond'))
  assert.deepEqual([await ended(), await ended()], [true, true])
})

test('a client that leaves a pipeline ends every exchange in it', async () => {
  const { port, ended, requested } = await serveEach(() => {})
  const client = await dial(port)
  client.socket.write('GET /1 HTTP/1.1\r\nhost: x\r\n\r\nGET /2 HTTP/1.1\r\nhost: x\r\n\r\n')
  await requested(2)
  client.socket.destroy()
  assert.deepEqual([await ended(), await ended()], [false, false])
})

test('HEAD gets the head alone and keeps the connection', async () => {
  const { port } = await serveEach((exchange) => {
    if (exchange.target === '/whole') exchange.respond(200, {}, 'body')
    else {
      exchange.start(200, {})
      exchange.write('body')
      exchange.end()
    }
  })
  const client = await dial(port)
  client.socket.write('HEAD /whole HTTP/1.1\r\nhost: x\r\n\r\n')
  assert.match(await client.received('\r\n\r\n'), /content-length: 4\r\n/i)
  client.socket.write('HEAD /stream HTTP/1.1\r\nhost: x\r\n\r\n')
  await client.received('\r\n\r\n', 2)
  client.socket.write('GET /whole HTTP/1.1\r\nhost: x\r\n\r\n')
  const text = await client.received('\r\n\r\nbody')
  assert.equal(text.match(/body/g)?.length, 1)
})
