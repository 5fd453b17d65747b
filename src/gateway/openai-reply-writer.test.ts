import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Exchange } from '#host/host.ts'
import {
  ChatCompletion,
  ChatCompletionChunk,
  Completion,
  EmbeddingList,
  OpenAiErrorReply,
} from '#protocol/openai-reply.ts'
import { Problem } from '#protocol/problem.ts'
import { writeReply } from './openai-reply-writer.ts'
import type { ReplyForm } from './openai-shapes.ts'
import { joinRuns } from './reply-choices.ts'
import type { RunResult } from './request-run.ts'

const result: RunResult = {
  nodeId: 'node_1',
  finishReason: 'stop',
  promptTokens: 20,
  continuations: 0,
  completionTokens: 3,
  cost: 12_345n,
  firstTokenMs: 40.4,
  totalMs: 99.6,
}
const usage = { prompt_tokens: 20, completion_tokens: 3, total_tokens: 23 }
const extension = { node: 'node_1', cost_nano_usd: '12345', first_token_ms: 40, total_ms: 100 }
const created = 1_800_000_000
const failure = new Problem('node_failed', 'The node left.')

test('a whole chat answer is OpenAI’s, with where it came from and what it cost', () => {
  const { sink, answer } = setup({ kind: 'chat' })
  sink.onNode('node_1')
  sink.onText('Hel')
  sink.onText('lo "you"\n')
  sink.onFinish(result)
  const { status, headers, body } = answer()
  assert.deepEqual(
    [status, headers['content-type'], headers['x-request-id'], headers['x-shoal-node']],
    [200, 'application/json', 'req_abc', 'node_1'],
  )
  assert.deepEqual(strict(ChatCompletion, body), {
    id: 'chatcmpl-abc',
    object: 'chat.completion',
    created,
    model: 'm',
    choices: [
      {
        index: 0,
        message: { role: 'assistant', content: 'Hello "you"\n', refusal: null },
        logprobs: null,
        finish_reason: 'stop',
      },
    ],
    usage,
    x_shoal: extension,
  })
})

test('a whole completion is OpenAI’s', () => {
  const { sink, answer } = setup({ kind: 'completion' })
  sink.onText('Hello')
  sink.onFinish({ ...result, finishReason: 'length', firstTokenMs: null })
  assert.deepEqual(strict(Completion, answer().body), {
    id: 'cmpl-abc',
    object: 'text_completion',
    created,
    model: 'm',
    choices: [{ index: 0, text: 'Hello', logprobs: null, finish_reason: 'length' }],
    usage,
    x_shoal: { ...extension, first_token_ms: null },
  })
})

test('what nodes say one after the other is one answer', () => {
  const { sink, answer } = setup({ kind: 'chat' })
  sink.onNode('node_0')
  sink.onText('it goes ')
  sink.onNode('node_1')
  sink.onText('on')
  sink.onFinish(result)
  assert.equal(strict(ChatCompletion, answer().body).choices[0]?.message.content, 'it goes on')
})

test('embeddings come in the order of their inputs, as numbers or as base64 of 32-bit floats', () => {
  for (const isBase64 of [false, true]) {
    const { sink, answer } = setup({ kind: 'embedding', isBase64 })
    sink.onEmbedding([
      [1, -2.5],
      [0.5, 4],
    ])
    sink.onFinish({ ...result, completionTokens: 0 })
    const list = strict(EmbeddingList, answer().body)
    assert.deepEqual(
      list.data.map(({ index, embedding }) => [index, floats(embedding)]),
      [
        [0, [1, -2.5]],
        [1, [0.5, 4]],
      ],
    )
    assert.deepEqual(list.usage, { prompt_tokens: 20, total_tokens: 20 })
  }
})

test('a problem before the answer is OpenAI’s error with its status, and says when to come again if that may help', () => {
  for (const isStream of [false, true]) {
    const { sink, answer } = setup({ kind: 'chat', isStream })
    sink.onNode('node_1')
    sink.onProblem(new Problem('no_node_available', 'All nodes are busy.', { details: { param: 'model' } }))
    const { status, headers, body } = answer()
    assert.deepEqual([status, headers['retry-after'], headers['x-request-id']], [503, '2', 'req_abc'])
    assert.deepEqual(strict(OpenAiErrorReply, body).error, {
      message: 'All nodes are busy.',
      type: 'server_error',
      param: 'model',
      code: 'no_node_available',
    })
  }
  const { sink, answer } = setup({ kind: 'chat' })
  sink.onProblem(new Problem('funds_insufficient', 'Deposit more.'))
  assert.deepEqual([answer().status, answer().headers['retry-after']], [402, undefined])
})

for (const includesUsage of [false, true]) {
  test(`a chat stream is OpenAI’s chunk by chunk, ${includesUsage ? 'with' : 'without'} its usage`, () => {
    const { sink, stream } = setup({ kind: 'chat', isStream: true, includesUsage })
    sink.onNode('node_1')
    sink.onText('Hel')
    sink.onText('lo "you"\n\n')
    sink.onFinish(result)
    const { headers, events, state } = stream()
    assert.match(headers['content-type'] ?? '', /^text\/event-stream/)
    assert.equal(headers['x-accel-buffering'], 'no')
    assert.deepEqual([headers['x-shoal-node'], state, events.at(-1)], ['node_1', 'ended', '[DONE]'])
    const chunks = events.slice(0, -1).map((data) => strict(ChatCompletionChunk, data))
    for (const chunk of chunks) {
      assert.deepEqual([chunk.id, chunk.created, chunk.model], ['chatcmpl-abc', created, 'm'])
    }
    assert.deepEqual(
      chunks.map(({ choices }) => choices.map(({ delta, finish_reason }) => [delta, finish_reason])),
      [
        [[{ role: 'assistant', content: '' }, null]],
        [[{ content: 'Hel' }, null]],
        [[{ content: 'lo "you"\n\n' }, null]],
        [[{}, 'stop']],
        ...(includesUsage ? [[]] : []),
      ],
    )
    assert.deepEqual(
      chunks.map((chunk) => chunk.usage),
      includesUsage ? [null, null, null, null, usage] : [undefined, undefined, undefined, undefined],
    )
    assert.deepEqual(chunks.at(-1)?.x_shoal, extension)
  })

  test(`a completion stream is OpenAI’s chunk by chunk, ${includesUsage ? 'with' : 'without'} its usage`, () => {
    const { sink, stream } = setup({ kind: 'completion', isStream: true, includesUsage })
    sink.onText('Hello')
    sink.onFinish(result)
    const { events } = stream()
    const chunks = events.slice(0, -1).map((data) => strict(Completion, data))
    assert.deepEqual(
      chunks.map(({ choices }) => choices.map(({ text, finish_reason }) => [text, finish_reason])),
      [[['Hello', null]], [['', 'stop']], ...(includesUsage ? [[]] : [])],
    )
    assert.deepEqual(chunks.at(-1)?.usage, includesUsage ? usage : undefined)
  })
}

test('an answer without a single token is still a whole stream', () => {
  const { sink, stream } = setup({ kind: 'chat', isStream: true })
  sink.onNode('node_1')
  sink.onFinish({ ...result, completionTokens: 0 })
  const { events, state } = stream()
  assert.deepEqual([events.length, events.at(-1), state], [3, '[DONE]', 'ended'])
})

test('a problem in the middle of a stream is an error event, and nothing that looks like an end', () => {
  const { sink, stream } = setup({ kind: 'chat', isStream: true })
  sink.onText('Hel')
  sink.onProblem(failure)
  const { events, state } = stream()
  assert.equal(strict(OpenAiErrorReply, events.at(-1) ?? '').error.code, 'node_failed')
  assert.equal(events.includes('[DONE]'), false)
  assert.equal(
    events.some((data) => data.includes('"finish_reason":"stop"')),
    false,
  )
  assert.equal(state, 'ended')
})

test('a reader that falls behind brakes, and one that has caught up goes on', () => {
  const { sink, brake, exchange } = setup({ kind: 'chat', isStream: true })
  sink.onText('a')
  assert.deepEqual(brake, [])
  exchange.isFull = true
  sink.onText('b')
  assert.deepEqual(brake, ['pause'])
  exchange.drain()
  assert.deepEqual(brake, ['pause', 'resume'])
})

test('a reader that is given up sees a broken connection, not an end', () => {
  for (const isStream of [false, true]) {
    const { sink, exchange } = setup({ kind: 'chat', isStream })
    sink.onText('a')
    sink.onCut()
    assert.equal(exchange.state, 'aborted')
  }
})

/** The text as `schema` reads it, which must be all of it. */
function strict<T>(schema: { parse(value: unknown): T }, text: string): T {
  const json: unknown = JSON.parse(text)
  const parsed = schema.parse(json)
  assert.deepEqual(parsed, json, 'the schema knows every member')
  return parsed
}

function floats(embedding: string | number[]): number[] {
  if (typeof embedding !== 'string') return embedding
  const bytes = Buffer.from(embedding, 'base64')
  return Array.from({ length: bytes.length / 4 }, (_, index) => bytes.readFloatLE(index * 4))
}

/** An exchange that keeps what is written to it. */
class RecordedExchange implements Exchange {
  readonly method = 'POST'
  readonly target = '/v1/chat/completions'
  readonly headers = {}
  isFull = false
  state: 'open' | 'ended' | 'aborted' = 'open'
  status = 0
  sentHeaders: Record<string, string> = {}
  text = ''
  #onDrain: () => void = () => {}

  readBody(): void {
    assert.fail('the body was read before')
  }
  respond(status: number, headers: Record<string, string>, body: Uint8Array | string): void {
    this.start(status, headers)
    this.write(body)
    this.end()
  }
  start(status: number, headers: Record<string, string>): void {
    assert.equal(this.status, 0, 'an answer begins once')
    this.status = status
    this.sentHeaders = headers
  }
  write(chunk: Uint8Array | string): boolean {
    assert.ok(this.status > 0 && this.state === 'open', 'text goes between start and end')
    this.text += chunk
    return !this.isFull
  }
  end(): void {
    this.state = 'ended'
  }
  abort(): void {
    this.state = 'aborted'
  }
  onDrain(run: () => void): void {
    this.#onDrain = run
  }
  onClose(): void {}
  drain(): void {
    this.#onDrain()
  }
}

function setup(part: Partial<ReplyForm> & Pick<ReplyForm, 'kind'>) {
  const exchange = new RecordedExchange()
  const brake: string[] = []
  const form = { model: 'm', isStream: false, includesUsage: false, isBase64: false, ...part }
  const writer = writeReply(
    { exchange, requestId: 'req_abc', form, createdAtMs: created * 1_000 + 999 },
    { pause: () => brake.push('pause'), resume: () => brake.push('resume') },
  )
  const givenUp: string[] = []
  const sinks = joinRuns(form.choices ?? 1, writer, ({ code }) => void givenUp.push(code))
  const [sink] = sinks
  assert.ok(sink)
  return {
    sink,
    sinks,
    givenUp,
    brake,
    exchange,
    answer: () => ({ status: exchange.status, headers: exchange.sentHeaders, body: exchange.text }),
    stream() {
      const events = exchange.text.split('\n\n')
      assert.equal(events.pop(), '', 'every event ends with a blank line')
      return {
        state: exchange.state,
        headers: exchange.sentHeaders,
        events: events.map((event) => {
          assert.ok(event.startsWith('data: '), event)
          return event.slice('data: '.length)
        }),
      }
    },
  }
}
