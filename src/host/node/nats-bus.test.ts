import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type TestContext, test } from 'node:test'
import type { Problem } from '#protocol/problem.ts'
import { type NatsBus, openNatsBus, readUrl } from './nats-bus.ts'
import { nodeClock } from './node-clock.ts'
import { natsMissing, startNats } from './test-nats.ts'

const silent = { info() {}, warn() {}, error() {} }

test('a message reaches every subscriber in other processes’ connections, in order', {
  skip: natsMissing,
}, async (t) => {
  const { open } = await setup(t)
  const [a, b] = [await open(), await open()]
  const received: string[] = []
  const both = Promise.withResolvers<void>()
  for (const bus of [a, b]) {
    bus.subscribe('usage', (message) => {
      received.push(message)
      if (received.length === 4) both.resolve()
    })
    await answered(bus)
  }
  a.publish('usage', '1')
  a.publish('usage', '2')
  a.publish('other', '3')
  await both.promise
  assert.deepEqual(received.toSorted(), ['1', '1', '2', '2'])
  assert.ok(received.indexOf('1') < received.indexOf('2'))
})

test('a request is answered by whoever serves it', { skip: natsMissing }, async (t) => {
  const { open } = await setup(t)
  const [a, b] = [await open(), await open()]
  b.serve('hold', (message, reply) => reply(`granted ${message} ${'ü'.repeat(1_000)}`))
  await answered(b)
  const { problem, reply } = await ask(a, 'hold', { message: '5' })
  assert.equal(problem, null)
  assert.equal(reply, `granted 5 ${'ü'.repeat(1_000)}`)
})

test('networks with different prefixes do not hear each other', { skip: natsMissing }, async (t) => {
  const { open } = await setup(t)
  const [a, b] = [await open('/one'), await open('/two')]
  b.serve('hold', (_message, reply) => reply('granted'))
  await answered(b)
  assert.equal((await ask(a, 'hold')).problem?.code, 'bus_timeout')
})

test('what nobody serves, what is not answered and what is too long for the server: bus_timeout, each with its reason', {
  skip: natsMissing,
}, async (t) => {
  const { open } = await setup(t)
  const bus = await open()
  bus.serve('silent', () => {})
  assert.match((await ask(bus, 'hold')).problem?.message ?? '', /nothing serves it/)
  assert.match((await ask(bus, 'silent')).problem?.message ?? '', /has not replied/)
  const long = await ask(bus, 'silent', { message: 'x'.repeat(2_000_000) })
  assert.match(long.problem?.message ?? '', /too long/)
})

test('when the server is gone requests time out, and go through once it is back', {
  skip: natsMissing,
}, async (t) => {
  const { open, restart } = await setup(t)
  const [a, b] = [await open(), await open()]
  b.serve('hold', (_message, reply) => reply('granted'))
  await answered(b)
  await restart(async () => assert.equal((await ask(a, 'hold')).problem?.code, 'bus_timeout'))
  let tries = 0
  for (; (await ask(a, 'hold', { timeoutMs: 500 })).problem; tries++) assert.ok(tries < 40, 'it comes back')
})

test('a server that does not know us for a moment is asked again, and nothing breaks meanwhile', {
  skip: natsMissing,
}, async (t) => {
  const { open, restart, refuse } = await setup(t)
  const bus = await open()
  bus.serve('hold', (_message, reply) => reply('granted'))
  await answered(bus)
  await refuse(4)
  bus.publish('usage', 'lost')
  await restart(async () => undefined)
  let tries = 0
  for (; (await ask(bus, 'hold', { timeoutMs: 500 })).problem; tries++) assert.ok(tries < 40, 'it comes back')
})

test('a bus that is closed loses what is published', { skip: natsMissing }, async (t) => {
  const { open } = await setup(t)
  const bus = await open()
  await bus.close()
  bus.publish('usage', 'lost')
})

test('without a server the problem says how to start one', { skip: natsMissing }, async () => {
  const opening = openNatsBus({ clock: nodeClock, log: silent }, { url: 'nats://127.0.0.1:1', name: 'test' })
  await assert.rejects(opening, /The message server 127\.0\.0\.1:1 does not let us in: .*nats-server/)
})

test('a bus URL names servers, user and prefix', () => {
  assert.deepEqual(readUrl('nats://ann:p%40ss@a:4222,b:4223/cell-7'), {
    servers: ['a:4222', 'b:4223'],
    prefix: 'cell-7',
    user: 'ann',
    pass: 'p@ss',
    tls: false,
  })
  assert.equal(readUrl('tls://a').tls, true)
  assert.equal(readUrl('nats://a').prefix, 'shoal')
  for (const wrong of ['', 'http://a', 'nats://', 'nats://a/B c', 'nats://a/x/y']) {
    assert.throws(() => readUrl(wrong), /not of the form nats:/, wrong)
  }
  for (const wrong of ['nats://ann:50%off@a', 'nats://50%off:p@a']) {
    assert.throws(() => readUrl(wrong), { code: 'config_invalid', message: /write % as %25/ }, wrong)
  }
})

function ask(
  bus: NatsBus,
  subject: string,
  { message = '', timeoutMs = 300 } = {},
): Promise<{ problem: Problem | null; reply: string }> {
  return new Promise((resolve) => {
    bus.request({ subject, message, timeoutMs }, (problem, reply) => resolve({ problem, reply }))
  })
}

/** Resolves when the server has taken what `bus` subscribed to so far. */
async function answered(bus: NatsBus): Promise<void> {
  const probe = bus.serve('probe', (_message, reply) => reply('here'))
  assert.equal((await ask(bus, 'probe', { timeoutMs: 5_000 })).reply, 'here')
  probe.close()
}

async function setup(t: TestContext) {
  let server = await startNats()
  const buses: NatsBus[] = []
  t.after(async () => {
    for (const bus of buses) await bus.close()
    await server.stop()
  })
  return {
    async open(path = ''): Promise<NatsBus> {
      const bus = await openNatsBus(
        { clock: nodeClock, log: silent },
        { url: `${server.url}${path}`, name: 'test' },
      )
      buses.push(bus)
      return bus
    },
    /** Starts the server anew with other users, and waits until it has turned `count` connections away. */
    async refuse(count: number): Promise<void> {
      await server.stop()
      server = await startNats(Number(new URL(server.url).port), ['--user', 'other', '--pass', 'other'])
      let text = ''
      let seen = 0
      const { stderr } = server.process
      while (seen < count && stderr) {
        text += (await once(stderr, 'data')).join('')
        seen = text.split('authentication error').length - 1
      }
    },
    async restart(meanwhile: () => Promise<void>): Promise<void> {
      await server.stop()
      await meanwhile()
      server = await startNats(Number(new URL(server.url).port))
    },
  }
}
