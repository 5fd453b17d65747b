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

test('a frame that agents do not take, and a request that is none, are refused', () => {
  const { receive } = setup()
  const frames = [
    encodeEmptyFrame(FrameType.drain, 0),
    encodeEmptyFrame(99 as FrameType, 1),
    encodeJsonFrame(FrameType.request, 1, { kind: 'chat' }),
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
    request(stream: number) {
      const request = { kind: 'embedding', requestId: `r${stream}`, model: 'm', inputs: ['x'] }
      receive(encodeJsonFrame(FrameType.request, stream, request))
    },
    sent: (): Frame[] => messages.flatMap((message) => decodeFrames(message)),
  }
}
