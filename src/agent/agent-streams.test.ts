import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Engine, EngineSink } from '#engines/engine.ts'
import type { Link } from '#host/host.ts'
import { STREAM_CREDIT_BYTES } from '#protocol/agent-link.ts'
import type { EngineRequest } from '#protocol/engine-request.ts'
import {
  decodeData,
  decodeFrames,
  decodeJson,
  encodeCreditFrame,
  encodeEmptyFrame,
  encodeJsonFrame,
  type Frame,
  FrameType,
} from '#protocol/frame.ts'
import { Problem } from '#protocol/problem.ts'
import { createAgentStreams } from './agent-streams.ts'

test('a request starts the engine, and what that tells goes out on its stream, in order', () => {
  const { request, sent, engine, streams } = setup()
  request(3)
  const sink = engine.sinkOf('r3')
  sink.onStarted(20)
  sink.onDelta({ text: 'Hel', tokenIds: [1], tokenCount: 1 })
  sink.onDelta({ text: 'lo', tokenIds: [], tokenCount: 2 })
  sink.onEnd({ finishReason: 'stop', promptTokens: 20, completionTokens: 3 })
  const [started, first, second, end] = sent()
  assert.ok(started && first && second && end)
  assert.ok(sent().every(({ stream }) => stream === 3))
  assert.deepEqual(decodeJson(started.payload), { promptTokens: 20 })
  assert.deepEqual(decodeData(first), { text: 'Hel', tokenIds: [1], tokenCount: 1, idsKnown: true })
  assert.deepEqual(decodeData(second), { text: 'lo', tokenIds: [], tokenCount: 2, idsKnown: false })
  assert.deepEqual(decodeJson(end.payload), { finishReason: 'stop', promptTokens: 20, completionTokens: 3 })
  assert.equal(streams.count(), 0)
})

test('vectors go out as numbers', () => {
  const { request, sent, engine } = setup()
  request(1)
  engine.sinkOf('r1').onEmbedding([Float32Array.of(1, 2.5)])
  assert.deepEqual(
    sent().map(({ payload }) => decodeJson(payload)),
    [{ vectors: [[1, 2.5]] }],
  )
})

test('many vectors go out in several frames where the gateway takes them so', () => {
  const { request, sent, engine, streams } = setup()
  request(1, { takesParts: true })
  const vectors = Array.from({ length: 2_048 }, (_, index) => new Float32Array(1_024).fill(index / 3))
  engine.sinkOf('r1').onEmbedding(vectors)
  engine.sinkOf('r1').onEnd({ finishReason: 'stop', promptTokens: 2_048, completionTokens: 0 })
  const frames = sent()
  assert.deepEqual([frames.at(-1)?.type, streams.count(), engine.calls], [FrameType.end, 0, []])
  const packed = frames.slice(0, -1).flatMap(({ type, payload }) => {
    assert.deepEqual([type, payload.length < 2 * 1024 * 1024], [FrameType.embedding, true])
    return (decodeJson(payload) as { packed: string[] }).packed
  })
  assert.equal(packed.length, 2_048)
  for (const [index, text] of packed.entries()) {
    const bytes = Buffer.from(text, 'base64')
    assert.deepEqual([bytes.length, bytes.readFloatLE(4_092)], [4_096, Math.fround(index / 3)])
  }
})

test('a packed vector is its float32s in base64, little end first', () => {
  const { request, sent, engine } = setup()
  request(1, { takesParts: true })
  engine.sinkOf('r1').onEmbedding([Float32Array.of(1, 0.5)])
  assert.deepEqual(decodeJson(sent()[0]?.payload ?? new Uint8Array()), { packed: ['AACAPwAAAD8='] })
})

test('vectors that no frame of the gateway holds are refused with how many fit, and no other stream hears of it', () => {
  const many = (count: number, dimensions: number) =>
    Array.from({ length: count }, () => new Float32Array(dimensions).fill(1 / 3))
  const rows = [
    [{}, many(512, 1_024), 'Send at most 431 of them in one request.'],
    [{ takesParts: true }, many(1_024, 4_096), 'Send at most 512 of them in one request.'],
  ] as const
  for (const [part, vectors, advice] of rows) {
    const { request, sent, engine, streams } = setup()
    request(1, part)
    request(2)
    const sink = engine.sinkOf('r1')
    sink.onEmbedding(vectors)
    sink.onEnd({ finishReason: 'stop', promptTokens: 5, completionTokens: 0 })
    const [problem, ...others] = sent()
    assert.ok(problem)
    const told = decodeJson(problem.payload) as { message: string }
    assert.partialDeepStrictEqual(told, { code: 'invalid_request', param: 'input' })
    assert.ok(told.message.endsWith(advice), told.message)
    assert.deepEqual(
      [problem.type, problem.stream, others, streams.count(), engine.calls],
      [FrameType.problem, 1, [], 1, ['cancel r1']],
    )
  }
})

test('a request that the node cannot read is answered, and costs no other stream anything', () => {
  const { request, receive, sent, streams } = setup()
  request(1)
  const sampling = {
    ...{ temperature: 0, topP: 1, stop: [], frequencyPenalty: 0, presencePenalty: 0 },
    seed: Number.MAX_SAFE_INTEGER + 1,
  }
  const wrong = { kind: 'chat', requestId: 'r2', model: 'm', messages: [], maxTokens: 5, sampling }
  receive(encodeJsonFrame(FrameType.request, 2, wrong))
  receive(encodeJsonFrame(FrameType.request, 3, { kind: 'chat' }))
  assert.deepEqual(
    sent().map(({ type, stream }) => [type, stream]),
    [
      [FrameType.problem, 2],
      [FrameType.problem, 3],
    ],
  )
  const told = decodeJson(sent()[0]?.payload ?? new Uint8Array()) as { code: string; message: string }
  assert.equal(told.code, 'invalid_request')
  assert.match(told.message, /'sampling\.seed' of the request is nothing that this node can read/)
  assert.equal(streams.count(), 1)
})

test('a problem of the engine ends its stream, with the parameter it is about', () => {
  const { request, sent, engine, streams } = setup()
  request(1)
  const details = { param: 'prompt' }
  engine.sinkOf('r1').onProblem(new Problem('context_length_exceeded', 'Too long.', { details }))
  const message = { code: 'context_length_exceeded', message: 'Too long.', param: 'prompt' }
  assert.deepEqual(
    sent().map(({ type, payload }) => [type, decodeJson(payload)]),
    [[FrameType.problem, message]],
  )
  assert.equal(streams.count(), 0)
})

test('a cancelled request stops its engine run and no other', () => {
  const { request, receive, engine, streams } = setup()
  request(1)
  request(2)
  receive(encodeEmptyFrame(FrameType.cancel, 1))
  receive(encodeEmptyFrame(FrameType.cancel, 9))
  assert.deepEqual([engine.calls, streams.count()], [['cancel r1'], 1])
})

test('without credit the engine pauses, and goes on when there is some', () => {
  const { request, receive, engine } = setup()
  request(1)
  const sink = engine.sinkOf('r1')
  const send = (bytes: number): void => sink.onDelta({ text: 'x'.repeat(bytes), tokenIds: [], tokenCount: 1 })
  send(STREAM_CREDIT_BYTES - 1)
  assert.deepEqual(engine.calls, [])
  send(1)
  assert.deepEqual(engine.calls, ['pause r1'])
  // What was under way still goes out, and counts.
  send(100)
  receive(encodeCreditFrame(1, 100))
  assert.deepEqual(engine.calls, ['pause r1'])
  receive(encodeCreditFrame(1, 1))
  assert.deepEqual(engine.calls, ['pause r1', 'resume r1'])
  send(1)
  assert.deepEqual(engine.calls, ['pause r1', 'resume r1', 'pause r1'])
})

test('credit of one stream is no other’s, and credit that comes too late is passed over', () => {
  const { request, receive, engine } = setup()
  request(1)
  engine.sinkOf('r1').onDelta({ text: 'x'.repeat(STREAM_CREDIT_BYTES), tokenIds: [], tokenCount: 1 })
  receive(encodeCreditFrame(2, 100))
  assert.deepEqual(engine.calls, ['pause r1'])
})

test('who waits for idleness is told when the last stream has ended, or at once', () => {
  const { request, receive, engine, streams } = setup()
  let told = 0
  const onIdle = () => {
    told++
  }
  streams.onIdle(onIdle)
  assert.equal(told, 1)
  request(1)
  request(2)
  streams.onIdle(onIdle)
  engine.sinkOf('r1').onEnd({ finishReason: 'stop', promptTokens: 1, completionTokens: 0 })
  assert.equal(told, 1)
  receive(encodeEmptyFrame(FrameType.cancel, 2))
  assert.equal(told, 2)
})

test('when the connection is gone every run is cancelled and nobody is told of idleness', () => {
  const { request, engine, streams } = setup()
  request(1)
  request(2)
  streams.onIdle(() => assert.fail('the connection is gone'))
  streams.close()
  assert.deepEqual([engine.calls, streams.count()], [['cancel r1', 'cancel r2'], 0])
})

test('a frame that agents do not take, and a request that is no JSON, are refused', () => {
  const { receive } = setup()
  const frames = [
    encodeEmptyFrame(FrameType.drain, 0),
    encodeEmptyFrame(99 as FrameType, 1),
    encodeEmptyFrame(FrameType.request, 1),
    encodeEmptyFrame(FrameType.admit, 0),
  ]
  for (const message of frames) assert.throws(() => receive(message))
})

/** An engine that does nothing by itself: a test speaks for it through `sinkOf`. */
function createPuppetEngine() {
  const sinks = new Map<string, EngineSink>()
  const calls: string[] = []
  const engine: Engine = {
    models: () => [],
    onChange: () => {},
    start(request: EngineRequest, sink) {
      const { requestId } = request
      sinks.set(requestId, sink)
      const note = (call: string) => () => void calls.push(`${call} ${requestId}`)
      return { cancel: note('cancel'), pause: note('pause'), resume: note('resume') }
    },
    close: async () => {},
  }
  const sinkOf = (requestId: string): EngineSink =>
    sinks.get(requestId) ?? assert.fail(`no run of ${requestId}`)
  return { engine, calls, sinkOf }
}

function setup() {
  const messages: Uint8Array[] = []
  const link: Link = {
    send: (message) => void messages.push(message),
    bufferedBytes: () => 0,
    close: () => assert.fail('streams do not close the link'),
  }
  const puppet = createPuppetEngine()
  const streams = createAgentStreams(puppet.engine, link)
  const receive = (message: Uint8Array): void => {
    for (const frame of decodeFrames(message)) streams.receive(frame)
  }
  return {
    engine: puppet,
    streams,
    receive,
    request(stream: number, part: object = {}) {
      const request = { kind: 'embedding', requestId: `r${stream}`, model: 'm', inputs: ['x'], ...part }
      receive(encodeJsonFrame(FrameType.request, stream, request))
    },
    sent: (): Frame[] => messages.flatMap((message) => decodeFrames(message)),
  }
}
