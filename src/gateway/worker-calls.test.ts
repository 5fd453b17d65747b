import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createHandClock } from '#host/node/test-clock.ts'
import { Problem } from '#protocol/problem.ts'
import type { Caller } from './gateway.ts'
import { RecordedExchange } from './test-recorded-exchange.ts'
import { countAtKeeper, sendToKeeper, type WorkerCall, whereItBegins } from './worker-calls.ts'

test('it begins here at once where an agent here serves the model, and where there are no other workers', () => {
  assert.deepEqual(setup({ isServedHere: true }).begin(), ['here'])
  assert.deepEqual(setup({ hasPeers: false }).begin(), ['here'])
})

test('it goes to the worker that can begin it, unless it came from one', () => {
  assert.deepEqual(setup({ elsewhere: 'b' }).begin(), ['final to b'])
  assert.deepEqual(setup({ elsewhere: 'b', hop: 'keyed' }).begin(), ['final to b'])
  assert.deepEqual(setup({ elsewhere: 'b', hop: 'final' }).begin(), ['here'])
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
  assert.equal(setup({ headers: { 'idempotency-key': 'k' }, hop: 'keyed' }).keep(), false)
})

test('a call whose limits of requests are too small to share goes to the keeper of the limits, with or without a key', () => {
  for (const headers of [{}, { 'idempotency-key': 'k' }]) {
    const kept = setup({ isKept: true, headers })
    assert.equal(kept.keep(), true)
    assert.deepEqual(kept.done, ['keyed to keeper of limits of budget'])
  }
  assert.equal(setup({ isKept: true, hop: 'keyed' }).keep(), false)
  assert.equal(setup({ isKept: true, hasPeers: false }).keep(), false)
})

test('its keeper counts it, wherever it then runs, and where it runs only the other limits hold', () => {
  const { count, done, exchange, begin } = setup({ isKept: true, hop: 'keyed', elsewhere: 'b' })
  const counted = count(2)
  assert.deepEqual(counted.caller.limited, { budgetId: 'budget', limits: { tokensPerDay: 9 } })
  begin(counted)
  assert.deepEqual(done, ['2 counted of 3 workers', 'counted to b'])
  counted.exchange.respond(200, { 'x-other': 'o' }, '')
  assert.deepEqual(exchange.sentHeaders, { 'x-ratelimit-remaining-requests': '0', 'x-other': 'o' })
  exchange.close(true)
  assert.equal(done.at(-1), 'ended, served')

  const there = setup({ isKept: true, hop: 'counted', elsewhere: 'b' })
  const running = there.count(2)
  assert.deepEqual(running.caller.limited, counted.caller.limited)
  assert.deepEqual(there.begin(running), ['here'])
})

test('a call that its keeper has no room for ends there; one that fails, or whose client leaves, was not served', () => {
  const { overLimit, limited } = setup({ isKept: true, isOver: true }).count(1).caller
  assert.deepEqual([overLimit?.code, limited?.limits], ['rate_limited', { tokensPerDay: 9 }])
  for (const [status, finished] of [
    [503, true],
    [200, false],
  ] as const) {
    const { count, done, exchange } = setup({ isKept: true })
    const counted = count(1)
    counted.exchange.respond(status, {}, '')
    exchange.close(finished)
    assert.equal(done.at(-1), 'ended')
  }
})

test('limits that are large enough to share, and those of no limits, are counted where a call runs', () => {
  for (const world of [{}, { isKept: true, hasPeers: false }, { isKept: true, hop: 'final' }] as const) {
    const { count, call } = setup(world)
    assert.equal(count(1), call)
  }
})

interface World {
  readonly isServedHere: boolean
  readonly hasPeers: boolean
  readonly fails: boolean
  readonly headers: Record<string, string>
  readonly hop: 'keyed' | 'final' | 'counted' | null
  /** The caller's limits are kept by one worker; it has no room left. */
  readonly isKept: boolean
  readonly isOver: boolean
  elsewhere: string | null
}

function setup(given: Partial<World> = {}) {
  const state: World = {
    ...{ isServedHere: false, hasPeers: true, fails: false, headers: {}, elsewhere: null },
    ...{ hop: null, isKept: false, isOver: false },
    ...given,
  }
  const clock = createHandClock()
  const done: string[] = []
  const exchange = new RecordedExchange({ headers: state.headers })
  const peer = (gatewayId: string) => ({ gatewayId, url: `http://127.0.0.1/${gatewayId}` })
  const parts = {
    clock,
    log: { info: () => undefined, warn: () => undefined, error: () => undefined },
    gateway: {
      roomOf: () => (state.isServedHere ? { slots: 1, busy: 0, waiting: 0 } : null),
      limits: {
        isKept: () => state.isKept,
        count(_key: unknown, calls: number, workers: number) {
          if (state.isOver) return new Problem('rate_limited', 'Enough.')
          done.push(`${calls} counted of ${workers} workers`)
          return {
            headers: () => ({ 'x-ratelimit-remaining-requests': '0' }),
            end: (isServed: boolean) => void done.push(isServed ? 'ended, served' : 'ended'),
          }
        },
      },
    },
    peers: () =>
      state.hasPeers
        ? {
            peers: {
              elsewhere: () => (state.elsewhere === null ? null : peer(state.elsewhere)),
              keeperOf: (key: string) => peer(`keeper of ${key}`),
              count: () => 2,
              models: () => [],
              close: () => undefined,
            },
            forwarder: {
              forward: (_exchange: unknown, { to, hop }: { to: { gatewayId: string }; hop: string }) =>
                void done.push(`${hop} to ${to.gatewayId}`),
              hopOf: () => state.hop,
              close: async () => undefined,
            },
          }
        : null,
  }
  const call = {
    exchange,
    requestId: 'req_1',
    caller: {
      keyId: 'key_1',
      limited: { budgetId: 'budget', limits: { requestsAtOnce: 1, tokensPerDay: 9 } },
    } satisfies Partial<Caller>,
    body: new Uint8Array(),
    timing: () => ({}),
  }
  return {
    state,
    clock,
    done,
    exchange,
    call,
    keep: () => sendToKeeper(parts, call, false),
    count: (requests: number) => countAtKeeper<WorkerCall>(parts, call, requests),
    begin(begun: WorkerCall = call) {
      whereItBegins(parts, begun, { kind: 'chat', model: 'm', isStream: false }, () => {
        if (state.fails) throw new Error('a bug')
        done.push('here')
      })
      return done
    },
  }
}
