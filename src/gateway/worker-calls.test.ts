import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createHandClock } from '#host/node/test-clock.ts'
import { FORWARDED } from './forward.ts'
import { RecordedExchange } from './test-recorded-exchange.ts'
import { sendToKeeper, whereItBegins } from './worker-calls.ts'

test('it begins here at once where an agent here serves the model, and where there are no other workers', () => {
  assert.deepEqual(setup({ isServedHere: true }).begin(), ['here'])
  assert.deepEqual(setup({ hasPeers: false }).begin(), ['here'])
})

test('it goes to the worker that can begin it, unless it came from one', () => {
  assert.deepEqual(setup({ elsewhere: 'b' }).begin(), ['final to b'])
  assert.deepEqual(setup({ elsewhere: 'b', headers: { [FORWARDED]: 'keyed' } }).begin(), ['final to b'])
  assert.deepEqual(setup({ elsewhere: 'b', headers: { [FORWARDED]: 'final' } }).begin(), ['here'])
})

test('while nobody is known to serve the model it waits for others to tell, and goes there', () => {
  const { begin, state, clock, done } = setup()
  assert.deepEqual(begin(), [])
  clock.advance(300)
  assert.deepEqual(done, [])
  state.elsewhere = 'b'
  clock.advance(100)
  assert.deepEqual(done, ['final to b'])
})

test('after two seconds it begins here, which says what nobody serves', () => {
  const { begin, clock, done } = setup()
  begin()
  clock.advance(1_900)
  assert.deepEqual(done, [])
  clock.advance(200)
  assert.deepEqual(done, ['here'])
})

test('what goes wrong after the wait is answered, as at once', () => {
  const { begin, clock, exchange } = setup({ fails: true })
  begin()
  clock.advance(2_100)
  assert.equal(exchange.status, 500)
})

test('a key goes to its keeper first, once', () => {
  const keyed = setup({ headers: { 'idempotency-key': 'k' } })
  assert.equal(keyed.keep(), true)
  assert.deepEqual(keyed.done, ['keyed to keeper of key_1 k'])
  assert.equal(setup().keep(), false)
  assert.equal(setup({ headers: { 'idempotency-key': 'k', [FORWARDED]: 'keyed' } }).keep(), false)
})

interface World {
  readonly isServedHere: boolean
  readonly hasPeers: boolean
  readonly fails: boolean
  readonly headers: Record<string, string>
  elsewhere: string | null
}

function setup(given: Partial<World> = {}) {
  const state: World = {
    ...{ isServedHere: false, hasPeers: true, fails: false, headers: {}, elsewhere: null },
    ...given,
  }
  const clock = createHandClock()
  const done: string[] = []
  const exchange = new RecordedExchange({ headers: state.headers })
  const peer = (gatewayId: string) => ({ gatewayId, url: `http://127.0.0.1/${gatewayId}` })
  const parts = {
    clock,
    log: { info: () => undefined, warn: () => undefined, error: () => undefined },
    gateway: { roomOf: () => (state.isServedHere ? { slots: 1, busy: 0, waiting: 0 } : null) },
    peers: () =>
      state.hasPeers
        ? {
            peers: {
              elsewhere: () => (state.elsewhere === null ? null : peer(state.elsewhere)),
              keeperOf: (key: string) => peer(`keeper of ${key}`),
              models: () => [],
              close: () => undefined,
            },
            forwarder: {
              forward: (_exchange: unknown, { to, hop }: { to: { gatewayId: string }; hop: string }) =>
                void done.push(`${hop} to ${to.gatewayId}`),
              close: async () => undefined,
            },
          }
        : null,
  }
  const call = {
    exchange,
    requestId: 'req_1',
    caller: { keyId: 'key_1' },
    body: new Uint8Array(),
    timing: () => ({}),
  }
  return {
    state,
    clock,
    done,
    exchange,
    keep: () => sendToKeeper(parts, call, false),
    begin() {
      whereItBegins(parts, call, { model: 'm', isStream: false }, () => {
        if (state.fails) throw new Error('a bug')
        done.push('here')
      })
      return done
    },
  }
}
