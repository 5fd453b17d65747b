import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { text } from 'node:stream/consumers'
import { type TestContext, test } from 'node:test'
import { type ChaosProxy, openChaosProxy } from './chaos-proxy.ts'

test('without faults what comes passes, both ways, with its end', async (t) => {
  const { dial } = await setup(t)
  const socket = await dial()
  socket.end('hello')
  assert.equal(await text(socket), 'echo hello')
})

test('what is late, uneven and lost once comes in order, and not before its time', async (t) => {
  const { proxy, dial } = await setup(t)
  proxy.set({ latencyMs: 20, jitterMs: 10, dropPercent: 50, resendMs: 30 })
  const socket = await dial()
  const startedMs = performance.now()
  for (const piece of ['a', 'b', 'c', 'd', 'e', 'f']) {
    socket.write(piece)
    await new Promise((resolve) => setImmediate(resolve))
  }
  socket.end()
  assert.equal(await text(socket), 'echo abcdef')
  assert(performance.now() - startedMs >= 40, 'each way takes 20 ms')
})

test('what comes is as slow as it is let, and a flipped bit is counted', async (t) => {
  const { proxy, dial } = await setup(t)
  proxy.set({ bytesPerSecond: 50_000, corruptPer10k: 10_000 })
  const socket = await dial()
  const startedMs = performance.now()
  socket.end('x'.repeat(5_000))
  const back = await text(socket)
  assert.equal(back.length, 'echo '.length + 5_000)
  assert(performance.now() - startedMs >= 90, '5,000 bytes take 100 ms')
  assert(proxy.harmed() >= 2, 'there and back')
  assert.notEqual(back, `echo ${'x'.repeat(5_000)}`)
})

test('behind a cut nothing passes, one way or both; healed, all that waited does', async (t) => {
  const { proxy, dial, server } = await setup(t)
  const socket = await dial()
  const heard = once(await server, 'data')
  proxy.cut(['down'])
  socket.write('one')
  await heard
  assert.equal(socket.bytesRead, 0, 'the server heard, and its answer is held back')
  proxy.cut()
  socket.write('two')
  const later = await dial()
  later.end('late')
  proxy.heal()
  socket.end()
  assert.equal(await text(socket), 'echo onetwo')
  assert.equal(await text(later), 'echo late', 'a connection made behind the cut waits like the others')
})

test('a frozen connection is half open for ever, and a later one works', async (t) => {
  const { proxy, dial } = await setup(t)
  const frozen = await dial()
  proxy.freeze()
  frozen.write('lost')
  const later = await dial()
  later.end('found')
  assert.equal(await text(later), 'echo found')
  proxy.heal()
  assert.deepEqual([frozen.bytesRead, frozen.destroyed], [0, false])
})

test('a reset ends both sides with an error, and who is refused finds nobody', async (t) => {
  const { proxy, dial } = await setup(t)
  const socket = await dial()
  const reset = once(socket, 'error')
  proxy.reset()
  assert.equal(((await reset)[0] as NodeJS.ErrnoException).code, 'ECONNRESET')
  proxy.refuse(true)
  const refused = connect(proxy.port, '127.0.0.1')
  assert.equal(((await once(refused, 'error'))[0] as NodeJS.ErrnoException).code, 'ECONNRESET')
})

/** A server that answers `echo` and then what it hears; `server` is its side of the first connection. */
async function setup(t: TestContext): Promise<{
  proxy: ChaosProxy
  dial: () => Promise<Socket>
  server: Promise<Socket>
}> {
  const sides: Socket[] = []
  const first = Promise.withResolvers<Socket>()
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    sides.push(socket)
    socket.on('error', () => undefined)
    first.resolve(socket)
    socket.once('data', () => socket.write('echo '))
    socket.pipe(socket)
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const proxy = await openChaosProxy({ port: (server.address() as AddressInfo).port, seed: 7 })
  const dialled: Socket[] = []
  t.after(async () => {
    for (const socket of [...dialled, ...sides]) socket.destroy()
    await proxy.close()
    server.close()
  })
  return {
    proxy,
    async dial() {
      const socket = connect({ port: proxy.port, host: '127.0.0.1', allowHalfOpen: true })
      dialled.push(socket)
      await once(socket, 'connect')
      return socket
    },
    server: first.promise,
  }
}
