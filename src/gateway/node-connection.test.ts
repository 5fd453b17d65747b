import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Link } from '#host/host.ts'
import { NodeReport } from '#protocol/agent-link.ts'
import type { EngineRequest } from '#protocol/engine-request.ts'
import {
  decodeCredit,
  decodeFrames,
  decodeJson,
  encodeCreditFrame,
  encodeDataFrame,
  encodeEmptyFrame,
  encodeHeartbeatFrame,
  encodeJsonFrame,
  type Frame,
  FrameType,
} from '#protocol/frame.ts'
import { testCapability, testModel } from '#sim/scripted-agent.ts'
import { createTestWorld } from '#sim/test-world.ts'
import { createNodeConnection } from './node-connection.ts'

test('each request is a stream of its own, numbered from 1', () => {
  const { open, sent, connection } = setup()
  open()
  open()
  assert.deepEqual(
    sent().map(({ type, stream }) => [type, stream]),
    [
      [FrameType.request, 1],
      [FrameType.request, 2],
    ],
  )
  assert.deepEqual(decodeJson(sent()[0]?.payload ?? new Uint8Array()), request())
  assert.equal(connection.outstanding(), 2)
})

test('what a stream tells reaches its own sink, in order, up to its end', () => {
  const { open, receive, connection } = setup()
  const [first, second] = [open(), open()]
  receive(encodeJsonFrame(FrameType.started, 1, { promptTokens: 3 }))
  receive(delta(2, 'b'), delta(1, 'a1'), delta(1, 'a2'))
  receive(encodeJsonFrame(FrameType.end, 1, end))
  receive(delta(1, 'too late'), encodeJsonFrame(FrameType.problem, 1, { code: 'internal', message: 'late' }))
  assert.deepEqual(first.heard, ['started 3', 'data a1', 'data a2', 'end stop 3 2'])
  assert.deepEqual(second.heard, ['data b'])
  assert.equal(connection.outstanding(), 1)
})

test('vectors of an embedding come as numbers', () => {
  const { open, receive } = setup()
  const one = open()
  receive(
    encodeJsonFrame(FrameType.embedding, 1, {
      vectors: [
        [1, 2.5],
        [3, 4],
      ],
    }),
  )
  assert.deepEqual(one.heard, ['embedding [[1,2.5],[3,4]]'])
})

test('packed vectors are put together over frames, and told once all are there', () => {
  const { open, receive } = setup()
  const one = open(['x', 'y', 'z'])
  receive(embedding(1, ['AACAPwAAAD8=', 'AAAAQAAAAD8=']))
  assert.deepEqual(one.heard, [])
  receive(embedding(1, ['AABAwAAAAAA=']))
  assert.deepEqual(one.heard, ['embedding [[1,0.5],[2,0.5],[-3,0]]'])
})

const strange: readonly [name: string, packed: string[]][] = [
  ['more vectors than texts', ['AACAPw==', 'AACAPw==']],
  ['a vector of no numbers', ['']],
  ['half a number', ['AACA']],
  ['what is no number', ['AADAfw==']],
]
for (const [name, packed] of strange) {
  test(`${name}: that answer has failed, the connection has not`, () => {
    const { open, receive, malformed, sent } = setup()
    const [one, other] = [open(), open()]
    receive(embedding(1, packed), delta(2, 'on'))
    assert.deepEqual([one.heard, other.heard], [['problem node_failed - true'], ['data on']])
    assert.deepEqual([malformed(), sent().at(-1)?.type, sent().at(-1)?.stream], [0, FrameType.cancel, 1])
  })
}

test('a detail that is none costs the node that answer, and no other', () => {
  const details = [{ toolCalls: [{ index: 128, name: 'f' }] }, { logprobs: 'x' }, ['x']]
  for (const detail of details) {
    const { open, receive, malformed, sent, connection } = setup()
    const [one, other] = [open(), open()]
    receive(encodeJsonFrame(FrameType.detail, 1, detail), delta(1, 'x'), delta(2, 'on'))
    assert.deepEqual([one.heard, other.heard], [['problem node_failed - true'], ['data on']])
    assert.deepEqual([malformed(), connection.outstanding()], [0, 1])
    assert.deepEqual([sent().at(-1)?.type, sent().at(-1)?.stream], [FrameType.cancel, 1])
  }
})

test('a problem says whose fault it is: the request’s own, or the node’s', () => {
  const faults = [
    ['invalid_request', 'invalid_request', false],
    ['context_length_exceeded', 'context_length_exceeded', false],
    ['unsupported_parameter', 'unsupported_parameter', false],
    ['engine_failed', 'engine_failed', true],
    ['cancelled', 'cancelled', true],
    ['of a later version', 'node_failed', true],
    ['toString', 'node_failed', true],
    ['__proto__', 'node_failed', true],
  ] as const
  for (const [code, told, isNodeFault] of faults) {
    const { open, receive } = setup()
    const one = open()
    receive(encodeJsonFrame(FrameType.problem, 1, { code, message: 'm', param: 'p' }))
    assert.deepEqual(one.heard, [`problem ${told} p ${isNodeFault}`])
  }
})

test('a cancelled stream is told once and heard no more', () => {
  const { open, receive, sent, connection } = setup()
  const one = open()
  one.stream.cancel()
  one.stream.cancel()
  one.stream.credit(100)
  receive(delta(1, 'on its way'), encodeJsonFrame(FrameType.end, 1, end))
  assert.deepEqual(
    sent().map(({ type }) => type),
    [FrameType.request, FrameType.cancel],
  )
  assert.deepEqual([one.heard, connection.outstanding()], [[], 0])
})

test('credit goes to its stream', () => {
  const { open, sent } = setup()
  open().stream.credit(65_536)
  const credit = sent().at(-1)
  assert.deepEqual(
    [credit?.type, credit?.stream, decodeCredit(credit?.payload ?? new Uint8Array())],
    [FrameType.credit, 1, 65_536],
  )
})

test('frames for streams that never were, or are over, are passed over', () => {
  const { receive, malformed } = setup()
  receive(delta(9, 'x'), encodeJsonFrame(FrameType.started, 9, { promptTokens: 1 }))
  receive(
    encodeJsonFrame(FrameType.end, 9, end),
    encodeJsonFrame(FrameType.problem, 9, { code: 'x', message: 'x' }),
  )
  assert.equal(malformed(), 0)
})

const nonsense: readonly [name: string, message: Uint8Array][] = [
  ['bytes that are no frame', new Uint8Array(5)],
  ['a type that agents do not send', encodeJsonFrame(FrameType.request, 1, request())],
  ['a type that does not exist', encodeEmptyFrame(99 as FrameType, 1)],
  ['credit, which only gateways give', encodeCreditFrame(1, 1)],
  ['an end with a negative count', encodeJsonFrame(FrameType.end, 1, { ...ended(), completionTokens: -1 })],
  [
    'an end for a reason of its own',
    encodeJsonFrame(FrameType.end, 1, { ...ended(), finishReason: 'tired' }),
  ],
  ['a start without a count', encodeJsonFrame(FrameType.started, 1, {})],
  ['vectors that are none', encodeJsonFrame(FrameType.embedding, 1, { vectors: [['x']] })],
  [
    'a problem of endless length',
    encodeJsonFrame(FrameType.problem, 1, { code: 'x', message: 'x'.repeat(9_999) }),
  ],
  ['a report without a capability', encodeJsonFrame(FrameType.capability, 0, { askPerGpuHour: '1' })],
  ['an ask below zero', report({ askPerGpuHour: '-1' })],
  [
    'a speed below zero',
    report({ capability: { ...testCapability, models: [{ ...testModel, decodeTokensPerSecond: -1 }] } }),
  ],
]

for (const [name, message] of nonsense) {
  test(`${name}: malformed`, () => {
    const { open, receive, malformed } = setup()
    open()
    receive(message)
    assert.equal(malformed(), 1)
  })
}

test('a closed connection fails what is open on it, as the node’s fault, and hears nothing more', () => {
  const { open, receive, connection, closed, reports } = setup()
  const [first, second] = [open(), open()]
  connection.close(1008, 'replaced')
  connection.close(1008, 'again')
  connection.lost('gone')
  receive(delta(1, 'x'), report({}))
  receive(new Uint8Array(3))
  assert.deepEqual(
    [first.heard, second.heard],
    [['problem node_failed - true'], ['problem node_failed - true']],
  )
  assert.deepEqual([closed(), connection.outstanding(), reports()], [['1008 replaced'], 0, 0])
  assert.throws(() => open(), { name: 'AssertionError' })
})

test('a lost link fails what was open on it', () => {
  const { open, connection, closed } = setup()
  const one = open()
  connection.lost('connection reset')
  assert.deepEqual([one.heard, closed()], [['problem node_failed - true'], []])
})

test('a report makes offers, and the next one takes their place', () => {
  const { receive, connection, reports } = setup()
  receive(report({ capability: { ...testCapability, models: [testModel, { ...testModel, id: 'other' }] } }))
  assert.deepEqual([...connection.offers.keys()], ['model', 'other'])
  receive(report({ capability: { ...testCapability, models: [] } }))
  assert.deepEqual([connection.offers.size, reports()], [0, 2])
})

test('any message is a sign of life, and draining is noted', async () => {
  const { receive, connection, run } = setup()
  await run(5_000)
  receive(encodeHeartbeatFrame({ slotsBusy: 0, queued: 0 }))
  assert.equal(connection.lastHeardMs, 5_000)
  receive(encodeEmptyFrame(FrameType.drain, 0))
  assert.equal(connection.isDraining, true)
})

function request(inputs = ['x']): EngineRequest {
  return { kind: 'embedding', requestId: 'r', model: 'm', inputs }
}

const embedding = (stream: number, packed: readonly string[]): Uint8Array =>
  encodeJsonFrame(FrameType.embedding, stream, { packed })

function ended() {
  return { finishReason: 'stop', promptTokens: 3, completionTokens: 2 }
}

function report(part: object): Uint8Array {
  const whole = NodeReport.encode({ capability: testCapability, askPerGpuHour: 1n })
  return encodeJsonFrame(FrameType.capability, 0, { ...whole, ...part })
}

const end = ended()

const delta = (stream: number, text: string): Uint8Array =>
  encodeDataFrame(stream, { text, tokenIds: [1], tokenCount: 1 })

/** A connection of node a, and what went out on its link. */
function setup() {
  const world = createTestWorld()
  const { host } = world.machine('g')
  const messages: Uint8Array[] = []
  const closed: string[] = []
  const link: Link = {
    send: (message) => void messages.push(message),
    bufferedBytes: () => 0,
    close: (code, reason) => void closed.push(`${code} ${reason}`),
  }
  let malformed = 0
  let reports = 0
  const connection = createNodeConnection({
    clock: host.clock,
    log: host.log,
    link,
    nodeId: 'a',
    session: 1,
    onReport: () => {
      reports++
    },
    onAvailable: () => {},
    onMalformed: () => {
      malformed++
    },
  })
  function open(inputs?: string[]) {
    const heard: string[] = []
    const stream = connection.open(request(inputs), {
      onStarted: (promptTokens) => heard.push(`started ${promptTokens}`),
      onData: ({ text }) => heard.push(`data ${text}`),
      onEmbedding: (vectors) => heard.push(`embedding ${JSON.stringify(vectors)}`),
      onEnd: ({ finishReason, promptTokens, completionTokens }) =>
        heard.push(`end ${finishReason} ${promptTokens} ${completionTokens}`),
      onProblem: (problem, isNodeFault) =>
        heard.push(`problem ${problem.code} ${problem.details['param'] ?? '-'} ${isNodeFault}`),
    })
    return { stream, heard }
  }
  return {
    run: world.run,
    connection,
    open,
    receive: (...parts: Uint8Array[]) => connection.receive(Buffer.concat(parts)),
    sent: (): Frame[] => messages.flatMap((message) => decodeFrames(message)),
    closed: () => closed,
    malformed: () => malformed,
    reports: () => reports,
  }
}
