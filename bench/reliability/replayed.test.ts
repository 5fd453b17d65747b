import assert from 'node:assert/strict'
import { test } from 'node:test'
import { encodeJsonFrame, FrameType } from '#protocol/frame.ts'
import type { UsageLine } from '#protocol/usage-page.ts'
import { countChanged, countNotOnce, judgeAnswers, readAnswers } from './replayed.ts'

const CHALLENGE = message(2, encodeJsonFrame(FrameType.challenge, 0, { nonce: 'ab', gatewayId: 'gw_1' }))
const ADMIT = message(2, encodeJsonFrame(FrameType.admit, 0, { gatewayId: 'gw_1' }))
const DENY = message(
  2,
  encodeJsonFrame(FrameType.deny, 0, { code: 'signature_wrong', message: 'x'.repeat(200) }),
)

test('a connection that is admitted is seen behind its challenge', () => {
  const admitted = readAnswers(Buffer.concat([head(), CHALLENGE, ADMIT]))
  assert.deepEqual(admitted, { isAsked: true, isRefused: false, isAdmitted: true })
})

test('a connection that is refused, with a reason or without, was judged and not admitted', () => {
  const refused = { isAsked: true, isRefused: true, isAdmitted: false }
  assert.deepEqual(readAnswers(Buffer.concat([head(), CHALLENGE, DENY])), refused)
  const closed = message(8, Buffer.from([0x03, 0xf0]))
  assert.deepEqual(readAnswers(Buffer.concat([head(), CHALLENGE, closed])), refused)
})

test('a connection of HTTP, or one that said nothing at the door, was not judged', () => {
  const nobody = { isAsked: false, isRefused: false, isAdmitted: false }
  assert.deepEqual(readAnswers(Buffer.from('HTTP/1.1 409 Conflict\r\n\r\n{"gatewayId":"gw_1"}')), nobody)
  assert.deepEqual(readAnswers(Buffer.alloc(0)), nobody)
  const cut = readAnswers(Buffer.concat([head(), CHALLENGE, ADMIT.subarray(0, 9)]))
  assert.deepEqual(cut, { ...nobody, isAsked: true })
})

test('an admitted replay, and one that never came as far as the door, do not pass', () => {
  const [refused, admitted] = [DENY, ADMIT].map((said) =>
    readAnswers(Buffer.concat([head(), CHALLENGE, said])),
  )
  assert(refused && admitted)
  const failed = (...answers: (typeof refused)[]) => judgeAnswers(answers).filter(({ isPassed }) => !isPassed)
  assert.deepEqual(failed(refused), [])
  assert.equal(failed(refused, admitted)[0]?.what, 'replayed connections that were admitted')
  assert.equal(
    failed(readAnswers(Buffer.from('HTTP/1.1 404 Not Found\r\n\r\n')))[0]?.what,
    'greetings said again that the door judged and refused',
  )
})

test('a reading that was changed, added, lost or doubled counts', () => {
  const [one, two] = [reading('req_1', 5n), reading('req_2', 5n)]
  assert.equal(countChanged([one, two], [two, one]), 0)
  assert.equal(countChanged([one, two], [one, reading('req_2', 6n)]), 1)
  assert.equal(countChanged([one], [one, two]), 1)
  assert.equal(countChanged([one, two], [one]), 1)
  assert.equal(countChanged([one], [one, one]), 1)
  assert.equal(countChanged([one], [two]), 2, 'one that came for another')
})

test('a deposit that counted twice does not make up for one that is lost', () => {
  const line = (transferId: string, amount = 7n) => ({ transferId, amount })
  const asked = { ids: ['a', 'b', 'c'], amount: 7n }
  assert.equal(countNotOnce([line('a'), line('b'), line('c'), line('other')], asked), 0)
  assert.equal(countNotOnce([line('a'), line('a'), line('c')], asked), 2)
  assert.equal(countNotOnce([line('a'), line('b'), line('c', 14n)], asked), 1)
})

function head(): Buffer {
  return Buffer.from('HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\n\r\n')
}

function message(opcode: number, payload: Uint8Array): Buffer {
  const { length } = payload
  const head = length < 126 ? [0x80 | opcode, length] : [0x80 | opcode, 126, length >> 8, length & 0xff]
  return Buffer.concat([Buffer.from(head), payload])
}

const reading = (requestId: string, cost: bigint) => ({ requestId, cost }) as UsageLine
