import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Clock } from '#host/host.ts'
import { nodeCrypto } from '#host/node/node-crypto.ts'
import { Problem } from '#protocol/problem.ts'
import { createIdempotentReplies } from './idempotent-replies.ts'
import { RecordedExchange } from './test-recorded-exchange.ts'

test('a call that comes again is answered as before, for ten minutes', () => {
  const { ask, answer, time } = setup()
  answer(ask('k', 'body'), 'first')
  const again = new RecordedExchange()
  assert.equal(ask('k', 'body', { exchange: again }), null)
  assert.deepEqual(
    [again.status, again.text, again.sentHeaders['idempotent-replayed']],
    [200, 'first', 'true'],
  )
  time.ms += 10 * 60_000 + 1
  answer(ask('k', 'body'), 'second')
})

test('while it is under way it is refused, and so is its key with another body; other callers and paths are not touched', () => {
  const { ask, answer } = setup()
  const first = ask('k', 'body')
  assert.deepEqual(codeOf(ask('k', 'body')), ['conflict', 'idempotency_key_in_use'])
  assert.deepEqual(codeOf(ask('k', 'other')), ['invalid_request', 'idempotency_key_reused'])
  answer(ask('k', 'body', { scope: 'someone else' }), 'theirs')
  answer(first, 'mine')
  assert.deepEqual(codeOf(ask('k', 'other')), ['invalid_request', 'idempotency_key_reused'])
  assert.deepEqual(codeOf(ask('k'.repeat(256), 'body')), ['invalid_request', undefined])
})

test('what failed, what its caller left and what was streamed may be tried anew', () => {
  const { ask, answer, exchanges } = setup()
  answer(ask('a', 'body'), 'no', 503)
  answer(ask('a', 'body'), 'yes')
  ask('b', 'body')
  exchanges.at(-1)?.close(false)
  answer(ask('b', 'body'), 'yes')
  const stream = ask('c', 'body', { isStream: true })
  assert.ok(stream && !(stream instanceof Problem))
  stream.start(200, {})
  assert.deepEqual(codeOf(ask('c', 'body')), ['conflict', 'idempotency_key_in_use'])
  stream.end()
  exchanges.find((exchange) => exchange === stream)?.close(true)
  answer(ask('c', 'body'), 'yes')
})

test('memory is bounded: a large reply is not kept, and of many the oldest go', () => {
  const { ask, answer, replies } = setup()
  answer(ask('large', 'body'), 'x'.repeat(3 * 1024 * 1024))
  assert.equal(replies.bytes(), 0)
  const megabyte = 'x'.repeat(1024 * 1024)
  for (let index = 0; index < 100; index++) answer(ask(`k${index}`, 'body'), megabyte)
  assert.ok(replies.bytes() <= 65 * 1024 * 1024, String(replies.bytes()))
  assert.equal(ask('k99', 'body'), null)
  answer(ask('k0', 'body'), 'anew')
  for (let index = 0; index < 20_000; index++) answer(ask(`n${index}`, 'body'), '')
  answer(ask('n0', 'body'), 'anew')
})

const codeOf = (found: unknown): unknown[] => {
  assert.ok(found instanceof Problem)
  return [found.code, found.details['code']]
}

function setup() {
  const time = { ms: 0 }
  const clock = { elapsedMs: () => time.ms } as Clock
  const replies = createIdempotentReplies({ clock, crypto: nodeCrypto })
  const exchanges: RecordedExchange[] = []
  const ask = (
    key: string,
    body: string,
    { exchange = new RecordedExchange(), scope = 'me', isStream = false } = {},
  ) => {
    exchanges.push(exchange)
    return replies.claim({ exchange, body: Buffer.from(body), scope, key, isStream })
  }
  const answer = (claimed: ReturnType<typeof ask>, text: string, status = 200): void => {
    assert.ok(claimed && !(claimed instanceof Problem), 'it is to be computed')
    claimed.respond(status, {}, text)
    for (const exchange of exchanges.splice(0))
      if (exchange.status > 0) exchange.close(true)
      else exchanges.push(exchange)
  }
  return { ask, answer, replies, time, exchanges }
}
