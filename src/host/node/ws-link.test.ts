import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'
import { afterEach, test } from 'node:test'
import { WebSocket } from 'ws'
import type { Link, LinkHandlers, Listener, ServerHandlers } from '#host/host.ts'
import { nodeClock } from './node-clock.ts'
import { createNodeNetwork } from './node-network.ts'
import type { LinkLimits } from './ws-link.ts'

const MIB = 1024 * 1024

test('a megabyte goes there and back unchanged', async () => {
  const { open } = await setup(echo)
  const client = open()
  const sent = new Uint8Array(MIB).map((_, index) => index % 251)
  client.link.send(Uint8Array.from(sent))
  assert.deepEqual(new Uint8Array(await client.message(0)), sent)
})

test('messages keep their order and their borders, also those sent before the link is open', async () => {
  const { open } = await setup(echo)
  const client = open()
  client.link.send(Buffer.from('one'))
  client.link.send(Buffer.from(''))
  await client.opened
  client.link.send(Buffer.from('two'))
  client.link.send(Buffer.from('three'))
  await client.message(3)
  assert.deepEqual(client.messages.map(String), ['one', '', 'two', 'three'])
})

test('a server greets within the upgrade, and is told when the link is open', async () => {
  const opened = Promise.withResolvers<string>()
  const { open } = await setup((path, link) => {
    link.send(Buffer.from('challenge'))
    return { onOpen: () => opened.resolve(path), onMessage() {}, onClose() {} }
  })
  const client = open('/agent?token=x')
  assert.equal(String(await client.message(0)), 'challenge')
  assert.equal(await opened.promise, '/agent', 'the path comes without its query')
})

test('both sides hear the code and reason of a close, once', async () => {
  const { open, closed } = await setup(echo)
  const client = open()
  await client.opened
  client.link.close(4001, 'done')
  client.link.close(4002, 'again')
  client.link.send(Buffer.from('too late'))
  assert.deepEqual(await client.closed, [4001, 'done'])
  assert.deepEqual(await closed(), [4001, 'done'])
  assert.equal(client.closeCount(), 1)
  assert.equal(client.link.bufferedBytes(), 0)
})

test('a reason longer than a close frame is cut between characters', async () => {
  const { open, closed } = await setup(echo)
  const client = open()
  await client.opened
  client.link.close(4001, 'ü'.repeat(100))
  assert.deepEqual(await closed(), [4001, 'ü'.repeat(61)])
})

test('a close code that only tells of failures cannot be sent', async () => {
  const { open } = await setup(echo)
  const client = open()
  assert.throws(() => client.link.close(1006, ''), { name: 'AssertionError' })
})

test('a server that closes within the upgrade says so by a close frame', async () => {
  const { open } = await setup((_path, link) => {
    link.close(4003, 'banned')
    return { onMessage() {}, onClose() {} }
  })
  assert.deepEqual(await open().closed, [4003, 'banned'])
})

test('a path that nobody serves is told with its status', async () => {
  const { open, place } = await setup(() => null)
  assert.deepEqual(await open('/nowhere').closed, [
    1006,
    `${place} answered 404 instead of opening a link. Check the path of the address.`,
  ])
})

test('a handler that throws at an upgrade or at a message closes its link alone', async () => {
  const { open, errors } = await setup((path) => {
    if (path === '/broken') throw new Error('boom')
    return { onMessage: () => assert.fail('boom'), onClose() {} }
  })
  const [code, reason] = await open('/broken').closed
  assert.equal(code, 1006)
  assert.match(reason, /answered 500/)
  const client = open()
  client.link.send(Buffer.from('x'))
  assert.deepEqual(await client.closed, [1011, 'internal error'])
  assert.deepEqual(errors, ['link.handler_failed', 'link.handler_failed'])
})

test('a message beyond the limit closes the link with 1009 on both sides', async () => {
  const { open, closed } = await setup(echo, { messageBytesMax: 1_000 })
  const client = open()
  client.link.send(new Uint8Array(1_001))
  assert.equal((await client.closed)[0], 1009)
  assert.equal((await closed())[0], 1009)
})

test('a text message closes the link with 1003', async () => {
  const { url } = await setup(echo)
  const webSocket = new WebSocket(url)
  await once(webSocket, 'open')
  webSocket.send('text')
  const [code] = await once(webSocket, 'close')
  assert.equal(code, 1003)
})

test('a link whose reader takes nothing is dropped at the limit', async () => {
  const { open, closed } = await setup(
    (_path, link) => ({
      onOpen: () => link.send(new Uint8Array(32 * MIB)),
      onMessage() {},
      onClose() {},
    }),
    { bufferedBytesMax: 16 * MIB },
  )
  open()
  const [code, reason] = await closed()
  assert.equal(code, 1006)
  assert.match(reason, /bytes wait to be sent/)
})

test('bytes that the system has not taken count as buffered', async () => {
  const links: Link[] = []
  const ready = Promise.withResolvers<void>()
  const { port } = await setup((_path, link) => {
    links.push(link)
    return { onOpen: ready.resolve, onMessage() {}, onClose() {} }
  })
  const socket = await rawUpgrade(port)
  socket.pause()
  await ready.promise
  links[0]?.send(new Uint8Array(32 * MIB))
  assert.ok((links[0]?.bufferedBytes() ?? 0) > 16 * MIB)
})

test('a client that answers no ping is dropped by the server', async () => {
  const { port, closed } = await setup(echo, { pingEveryMs: 5, silenceMs: 15 })
  const socket = await rawUpgrade(port)
  socket.resume()
  assert.deepEqual(await closed(), [1006, 'nothing was heard for 15 ms'])
})

test('a server that answers no ping is dropped by the client', async () => {
  const { connectTo } = await setup(echo, { pingEveryMs: 5, silenceMs: 15 })
  const port = await mute((socket) => socket.resume())
  const client = connectTo(`ws://127.0.0.1:${port}`)
  assert.deepEqual(await client.closed, [1006, 'nothing was heard for 15 ms'])
})

test('pongs keep a silent link, as long as they come', async () => {
  const { connectTo } = await setup(echo, { pingEveryMs: 20, silenceMs: 60 })
  const pongs = 8
  const port = await mute((socket) => {
    let pings = 0
    socket.on('data', (data: Buffer) => {
      // A masked ping without a payload is six bytes, opcode 9.
      for (let at = 0; at + 6 <= data.length; at += 6) if ((data[at] ?? 0) === 0x89) pings++
      if (pings <= pongs) socket.write(Buffer.from([0x8a, 0]))
      else socket.write(Buffer.from([0x88, 2, 0x0f, 0xa1]))
    })
  })
  assert.deepEqual(await connectTo(`ws://127.0.0.1:${port}`).closed, [4001, ''])
})

test('a connection that breaks is told as 1006', async () => {
  const { port, closed } = await setup(echo)
  const socket = await rawUpgrade(port)
  socket.destroy()
  assert.deepEqual(await closed(), [1006, 'the connection broke'])
})

test('a link that cannot open tells why, once, after connect returned', async () => {
  const { connectTo, limits } = await setup(echo, { openTimeoutMs: 20 })
  const silent = createServer((socket) => socket.resume()).listen(0, '127.0.0.1')
  await once(silent, 'listening')
  const { port } = silent.address() as { port: number }
  const waiting = connectTo(`ws://127.0.0.1:${port}`)
  const text = `127.0.0.1:${port} did not open a link within ${limits.openTimeoutMs} ms. Check the address or try again.`
  assert.deepEqual(await waiting.closed, [1006, text])
  silent.close()
  await once(silent, 'close')

  const refused = connectTo(`ws://127.0.0.1:${port}`)
  assert.equal(refused.closeCount(), 0)
  assert.match((await refused.closed)[1], /^Nothing listens at 127\.0\.0\.1/)
  for (const url of ['nonsense', 'http://127.0.0.1:1']) {
    const client = connectTo(url)
    assert.equal(client.closeCount(), 0)
    assert.match((await client.closed)[1], /is not an address of the form ws:/)
    assert.equal(client.closeCount(), 1)
  }
})

test('a link closed before it opened tells its own code', async () => {
  const { open } = await setup(echo)
  const client = open()
  client.link.close(1000, 'changed my mind')
  assert.deepEqual(await client.closed, [1000, 'changed my mind'])
})

test('an upgrade that is no handshake is refused in words', async () => {
  const { port } = await setup(() => assert.fail('not asked'))
  const socket = connect(port, '127.0.0.1')
  socket.write('GET / HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n')
  const [data] = await once(socket, 'data')
  assert.match(String(data), /^HTTP\/1.1 400 .*no WebSocket handshake/s)
  socket.destroy()
})

test('a server that stops says 1001 to its links, after its exchanges have ended', async () => {
  const { open, url, listener } = await setup(echo)
  const client = open()
  await client.opened
  const response = await fetch(url.replace('ws:', 'http:'))
  const closed = listener.close(60_000)
  client.link.send(Buffer.from('still served'))
  assert.equal(String(await client.message(0)), 'still served')
  await response.body?.cancel()
  assert.deepEqual(await client.closed, [1001, 'the server is stopping'])
  await closed
})

const echo: ServerHandlers['onLink'] = (_path, link) => ({
  onMessage: (message) => link.send(message),
  onClose() {},
})

const cleanups: (() => unknown)[] = []
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
})

async function setup(onLink: ServerHandlers['onLink'], limits: Partial<LinkLimits> = {}) {
  const errors: string[] = []
  const log = { info() {}, warn() {}, error: (event: string) => void errors.push(event) }
  const network = createNodeNetwork({ clock: nodeClock, log }, { link: limits })
  const end = Promise.withResolvers<[number, string]>()
  const listener: Listener = await network.listen(
    { hostname: '127.0.0.1', port: 0 },
    {
      onExchange: (exchange) => exchange.start(200, {}),
      onLink(path, link, headers) {
        const handlers = onLink(path, link, headers)
        return handlers && { ...handlers, onClose: (code, reason) => end.resolve([code, reason]) }
      },
    },
  )
  cleanups.push(() => listener.close(0))
  const connectTo = (url: string) => {
    const client = receiver()
    const link = network.connect(url, client.handlers)
    cleanups.push(() => link.close(1000, ''))
    return { ...client, link }
  }
  const url = `ws://127.0.0.1:${listener.port}`
  return {
    url,
    place: `127.0.0.1:${listener.port}`,
    port: listener.port,
    listener,
    limits,
    errors,
    connectTo,
    open: (path = '/') => connectTo(url + path),
    /** How the first link of the server ended. */
    closed: () => end.promise,
  }
}

function receiver() {
  const messages: Uint8Array[] = []
  const opened = Promise.withResolvers<void>()
  const closed = Promise.withResolvers<[code: number, reason: string]>()
  let closeCount = 0
  let wake = Promise.withResolvers<void>()
  const handlers: LinkHandlers = {
    onOpen: opened.resolve,
    onMessage(message) {
      messages.push(message)
      wake.resolve()
      wake = Promise.withResolvers()
    },
    onClose(code, reason) {
      closeCount++
      closed.resolve([code, reason])
    },
  }
  const message = async (index: number): Promise<Uint8Array> => {
    while (messages.length <= index) await wake.promise
    return messages[index] ?? assert.fail()
  }
  return {
    handlers,
    messages,
    message,
    opened: opened.promise,
    closed: closed.promise,
    closeCount: () => closeCount,
  }
}

/** A client that does the handshake by hand and nothing after it. */
async function rawUpgrade(port: number): Promise<Socket> {
  const socket = connect(port, '127.0.0.1')
  cleanups.push(() => socket.destroy())
  socket.on('error', () => {})
  socket.write(
    'GET / HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: websocket\r\n' +
      'sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n',
  )
  await once(socket, 'readable')
  return socket
}

/** A server that does the handshake by hand and leaves the rest to `serve`. */
async function mute(serve: (socket: Socket) => void): Promise<number> {
  const server = createServer((socket) => {
    cleanups.push(() => socket.destroy())
    socket.on('error', () => {})
    socket.once('data', (head) => {
      const key = /sec-websocket-key: (.*)\r\n/i.exec(String(head))?.[1] ?? ''
      const accept = createHash('sha1').update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64')
      socket.write(
        `HTTP/1.1 101 Switching\r\nconnection: upgrade\r\nupgrade: websocket\r\nsec-websocket-accept: ${accept}\r\n\r\n`,
      )
      serve(socket)
    })
  }).listen(0, '127.0.0.1')
  cleanups.push(() => server.close())
  await once(server, 'listening')
  return (server.address() as { port: number }).port
}
