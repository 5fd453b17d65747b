import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Problem } from '#protocol/problem.ts'
import { createLocalBus } from './local-bus.ts'
import { nodeClock } from './node-clock.ts'

test('every subscriber gets a message, after publish has returned, in order', async () => {
  const { bus, settled } = setup()
  const received: string[] = []
  bus.subscribe('usage', (message) => received.push(`a${message}`))
  bus.subscribe('usage', (message) => received.push(`b${message}`))
  bus.subscribe('other', () => assert.fail('another subject'))
  bus.publish('usage', '1')
  bus.publish('usage', '2')
  assert.deepEqual(received, [])
  await settled()
  assert.deepEqual(received, ['a1', 'b1', 'a2', 'b2'])
})

test('one function subscribed twice is called twice, and closed by itself', async () => {
  const { bus, settled } = setup()
  const received: string[] = []
  const receive = (message: string): void => void received.push(message)
  const first = bus.subscribe('usage', receive)
  bus.subscribe('usage', receive)
  bus.publish('usage', '1')
  await settled()
  first.close()
  first.close()
  bus.publish('usage', '2')
  await settled()
  assert.deepEqual(received, ['1', '1', '2'])
})

test('a request gets the reply of the server, never inside a call of either side', async () => {
  const { bus } = setup()
  const order: string[] = []
  bus.serve('hold', (message, reply) => {
    order.push(`asked ${message}`)
    reply('granted')
    reply('twice')
    order.push('replied')
  })
  const done = Promise.withResolvers<void>()
  bus.request({ subject: 'hold', message: '5', timeoutMs: 60_000 }, (problem, reply) => {
    order.push(`${problem} ${reply}`)
    done.resolve()
  })
  order.push('requested')
  await done.promise
  assert.deepEqual(order, ['requested', 'asked 5', 'replied', 'null granted'])
})

test('a request that nobody serves, or that is not answered, times out with a problem', async () => {
  const { bus } = setup()
  const ask = (subject: string): Promise<Problem | null> =>
    new Promise((resolve) => bus.request({ subject, message: '', timeoutMs: 2 }, resolve))
  const unserved = await ask('hold')
  assert.equal(unserved?.code, 'bus_timeout')
  assert.equal(unserved?.message, 'No reply on "hold" within 2 ms: nothing serves it. Try again.')
  const late = Promise.withResolvers<(message: string) => void>()
  const server = bus.serve('slow', (_, reply) => late.resolve(reply))
  const unanswered = await ask('slow')
  assert.match(unanswered?.message ?? '', /its server has not replied/)
  const reply = await late.promise
  reply('too late')
  server.close()
  assert.match((await ask('slow'))?.message ?? '', /nothing serves it/)
})

test('a subject has one server at a time', () => {
  const { bus } = setup()
  const first = bus.serve('hold', () => {})
  assert.throws(() => bus.serve('hold', () => {}), { name: 'AssertionError' })
  first.close()
  bus.serve('hold', () => {})
  first.close()
  assert.throws(() => bus.serve('hold', () => {}), { name: 'AssertionError' })
})

test('beyond its bound the bus drops messages and says so once', async () => {
  const { bus, warnings, settled } = setup(2)
  const received: string[] = []
  bus.subscribe('usage', (message) => received.push(message))
  for (const message of ['1', '2', '3', '4']) bus.publish('usage', message)
  await settled()
  assert.deepEqual(received, ['1', '2'])
  assert.deepEqual(warnings, ['bus.overflowed'])
  bus.publish('usage', '5')
  await settled()
  assert.deepEqual(received, ['1', '2', '5'])
})

test('messages that cause messages for ever leave timers and sockets their turn', async () => {
  const { bus, settled } = setup()
  let rounds = 0
  const endless = bus.subscribe('echo', (message) => {
    rounds++
    bus.publish('echo', message)
  })
  bus.publish('echo', 'x')
  await settled()
  await new Promise<void>((resolve) => void nodeClock.after(1, resolve))
  endless.close()
  assert.ok(rounds > 0)
})

function setup(deliveriesMax?: number) {
  const warnings: string[] = []
  const log = { info() {}, warn: (event: string) => void warnings.push(event), error() {} }
  const bus = createLocalBus({ clock: nodeClock, log }, deliveriesMax)
  // Deliveries run in the next turn of the event loop, and this wait ends in the one after.
  const turn = (): Promise<void> => new Promise((resolve) => void setImmediate(resolve))
  return { bus, warnings, settled: () => turn().then(turn) }
}
