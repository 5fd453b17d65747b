import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { createRandom } from '#kernel/random.ts'
import {
  decodeCredit,
  decodeData,
  decodeFrames,
  decodeHeartbeat,
  decodeJson,
  encodeCreditFrame,
  encodeDataFrame,
  encodeEmptyFrame,
  encodeFrame,
  encodeHeartbeatFrame,
  encodeJsonFrame,
  FRAME_HEADER_BYTES,
  FRAME_PAYLOAD_BYTES_MAX,
  type Frame,
  FrameType,
} from './frame.ts'
import { Problem } from './problem.ts'

const u32 = fc.integer({ min: 0, max: 0xffff_ffff })
const type = fc.constantFrom(...Object.values(FrameType))
/** Text as UTF-8 can carry it: no half of a surrogate pair. */
const text = fc.string({ unit: 'binary' })

test('a frame reads back as it was written, alone and after others', () => {
  const frame = fc.record(
    { type, flags: fc.nat(255), stream: u32, payload: fc.uint8Array({ maxLength: 40 }) },
    { noNullPrototype: true },
  )
  fc.assert(
    fc.property(fc.array(frame, { maxLength: 5 }), (frames) => {
      const messages = frames.map((it) => encodeFrame(it.type, it.stream, it.payload, it.flags))
      assert.deepEqual(copied(decodeFrames(Buffer.concat(messages))), frames)
    }),
  )
})

test('text of a data frame is read in whatever message it comes, short or long, ASCII or not', () => {
  for (const text of ['', 'tok07 ', 'twelve bytes', 'thirteen byte', 'é', 'a😀', '\ufeffx', '\0', '\x7f']) {
    const alone = encodeDataFrame(7, { text, tokenIds: [1, 2], tokenCount: 2 })
    const [, frame] = decodeFrames(Buffer.concat([encodeEmptyFrame(FrameType.drain, 0), alone]))
    assert.ok(frame)
    for (const one of [frame, ...copied([frame])]) assert.equal(decodeData(one).text, text)
  }
})

test('a header is type, flags, two zeros, stream and length, big endian', () => {
  const message = encodeFrame(FrameType.data, 0x0102_0304, Uint8Array.of(0xaa, 0xbb), 1)
  assert.equal(Buffer.from(message).toString('hex'), '0c010000' + '01020304' + '00000002' + 'aabb')
})

test('JSON, heartbeats, credits and empty frames read back as they were written', () => {
  fc.assert(
    fc.property(fc.jsonValue(), u32, u32, u32, (value, stream, a, b) => {
      const json = one(encodeJsonFrame(FrameType.request, stream, value))
      assert.deepEqual([json.stream, decodeJson(json.payload)], [stream, JSON.parse(JSON.stringify(value))])
      const heartbeat = one(encodeHeartbeatFrame({ slotsBusy: a, queued: b }))
      assert.deepEqual(decodeHeartbeat(heartbeat.payload), { slotsBusy: a, queued: b })
      const credit = one(encodeCreditFrame(stream, a))
      assert.deepEqual([credit.stream, decodeCredit(credit.payload)], [stream, a])
      assert.equal(one(encodeEmptyFrame(FrameType.cancel, stream)).payload.length, 0)
    }),
  )
})

test('a delta reads back to the character, with its token ids where the engine has them', () => {
  fc.assert(
    fc.property(
      u32,
      text,
      fc.array(u32, { maxLength: 9 }),
      fc.boolean(),
      (stream, content, ids, areKnown) => {
        const tokenIds = areKnown ? ids : []
        const tokenCount = areKnown ? ids.length : ids.length + 1
        const frame = one(encodeDataFrame(stream, { text: content, tokenIds, tokenCount }))
        assert.equal(frame.stream, stream)
        assert.deepEqual(decodeData(frame), { text: content, tokenIds, tokenCount, idsKnown: areKnown })
      },
    ),
  )
})

test('text that begins with a byte order mark keeps it', () => {
  const delta = { text: '\uFEFFa', tokenIds: [1], tokenCount: 1 }
  assert.equal(decodeData(one(encodeDataFrame(1, delta))).text, '\uFEFFa')
})

test('a delta of more tokens than its count can hold is a bug', () => {
  assert.throws(() => encodeDataFrame(1, { text: '', tokenIds: [], tokenCount: 0x1_0000 }), {
    name: 'AssertionError',
  })
})

const malformed: readonly [name: string, message: Uint8Array, read?: (frame: Frame) => unknown][] = [
  ['a header cut short', new Uint8Array(FRAME_HEADER_BYTES - 1)],
  ['a payload cut short', encodeFrame(FrameType.data, 1, new Uint8Array(4)).subarray(0, -1)],
  ['a length beyond the maximum', announcing(FRAME_PAYLOAD_BYTES_MAX + 1)],
  ['the largest length there is', announcing(0xffff_ffff)],
  [
    'a heartbeat cut short',
    encodeFrame(FrameType.heartbeat, 0, new Uint8Array(7)),
    ({ payload }) => decodeHeartbeat(payload),
  ],
  [
    'a credit cut short',
    encodeFrame(FrameType.credit, 1, new Uint8Array(3)),
    ({ payload }) => decodeCredit(payload),
  ],
  ['a delta without a count', encodeFrame(FrameType.data, 1, new Uint8Array(1)), decodeData],
  [
    'a delta with fewer ids than it counts',
    encodeFrame(FrameType.data, 1, Uint8Array.of(0, 2, 0, 0, 0, 1)),
    decodeData,
  ],
  ['a delta that is not UTF-8', encodeFrame(FrameType.data, 1, Uint8Array.of(0, 0, 0xff)), decodeData],
  [
    'JSON that is none',
    encodeFrame(FrameType.hello, 0, Uint8Array.of(0x7b)),
    ({ payload }) => decodeJson(payload),
  ],
  [
    'JSON that is not UTF-8',
    encodeFrame(FrameType.hello, 0, Uint8Array.of(0x22, 0xc0, 0x22)),
    ({ payload }) => decodeJson(payload),
  ],
]

for (const [name, message, read] of malformed) {
  test(`${name} is an invalid request`, () => {
    assert.throws(
      () => {
        for (const frame of decodeFrames(message)) read?.(frame)
      },
      (error) => error instanceof Problem && error.code === 'invalid_request',
    )
  })
}

test('a message cut anywhere is read up to whole frames or refused, never anything else', () => {
  const messages = [
    encodeJsonFrame(FrameType.hello, 0, { protocol: 1, nodeId: 'node' }),
    encodeDataFrame(7, { text: 'grüße', tokenIds: [1, 2, 3], tokenCount: 3 }),
    encodeHeartbeatFrame({ slotsBusy: 1, queued: 2 }),
    encodeCreditFrame(7, 65_536),
  ]
  const whole = Buffer.concat(messages)
  const boundaries = new Set(messages.map((_, index) => Buffer.concat(messages.slice(0, index)).length))
  for (let length = 0; length < whole.length; length++) {
    assert.equal(
      readAll(whole.subarray(0, length)),
      boundaries.has(length) ? 'read' : 'refused',
      `${length} bytes`,
    )
  }
  assert.equal(readAll(whole), 'read')
})

test('10,000 messages, of garbage or with a few bytes changed, are read or refused', () => {
  const random = createRandom(1)
  const valid = Buffer.concat([
    encodeDataFrame(7, { text: 'some text', tokenIds: [1, 2], tokenCount: 2 }),
    encodeJsonFrame(FrameType.end, 7, { finishReason: 'stop', promptTokens: 1, completionTokens: 2 }),
    encodeHeartbeatFrame({ slotsBusy: 1, queued: 2 }),
  ])
  const outcomes = { read: 0, refused: 0 }
  for (let round = 0; round < 5_000; round++) {
    outcomes[readAll(Uint8Array.from({ length: random.int(64) }, () => random.int(256)))]++
    const harmed = Uint8Array.from(valid)
    for (let change = random.int(4); change >= 0; change--)
      harmed[random.int(harmed.length)] = random.int(256)
    outcomes[readAll(harmed)]++
  }
  assert.ok(outcomes.read > 500 && outcomes.refused > 500, JSON.stringify(outcomes))
})

/** Reads all that a message holds, each frame as what its type says. Throws what is no `Problem('invalid_request')`. */
function readAll(message: Uint8Array): 'read' | 'refused' {
  try {
    for (const frame of decodeFrames(message)) {
      if (frame.type === FrameType.data) decodeData(frame)
      else if (frame.type === FrameType.heartbeat) decodeHeartbeat(frame.payload)
      else if (frame.type === FrameType.credit) decodeCredit(frame.payload)
      else decodeJson(frame.payload)
    }
    return 'read'
  } catch (error) {
    if (error instanceof Problem && error.code === 'invalid_request') return 'refused'
    throw error
  }
}

function one(message: Uint8Array): Frame {
  const [frame, ...others] = decodeFrames(message)
  assert.ok(frame && others.length === 0, 'one frame')
  return frame
}

function announcing(length: number): Uint8Array {
  const message = Buffer.alloc(FRAME_HEADER_BYTES + 100)
  message[0] = FrameType.data
  message.writeUInt32BE(length, 8)
  return message
}

const copied = (frames: Frame[]): Frame[] =>
  frames.map(({ type, flags, stream, payload }) => ({
    type,
    flags,
    stream,
    payload: Uint8Array.from(payload),
  }))
