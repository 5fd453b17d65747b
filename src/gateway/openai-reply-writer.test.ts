import assert from 'node:assert/strict'
import { test } from 'node:test'
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
import type { RunResult } from './run-request.ts'
import { RecordedExchange } from './test-recorded-exchange.ts'

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

test('what a model thought stands beside its answer, whole and streamed', () => {
  const tell = (isStream: boolean) => {
    const told = setup({ kind: 'chat', isStream })
    told.sink.onText('', { reasoning: 'Let me ' })
    told.sink.onText('', { reasoning: 'think.' })
    told.sink.onText('Hello')
    told.sink.onFinish(result)
    return told
  }
  const whole = strict(ChatCompletion, tell(false).answer().body)
  assert.deepEqual(whole.choices[0]?.message, {
    role: 'assistant',
    content: 'Hello',
    refusal: null,
    reasoning_content: 'Let me think.',
  })
  const chunks = tell(true).stream().events.slice(0, -1)
  assert.deepEqual(
    chunks.map((chunk) => strict(ChatCompletionChunk, chunk).choices[0]?.delta),
    [
      { role: 'assistant', content: '' },
      { reasoning_content: 'Let me ' },
      { reasoning_content: 'think.' },
      { content: 'Hello' },
      {},
    ],
  )
})

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

test('answers of one request are one reply, each by its index, with the sum of their usage', () => {
  for (const isStream of [false, true]) {
    const { sinks, answer, stream } = setup({ kind: 'chat', choices: 2, isStream, includesUsage: true })
    const [first, second] = sinks
    first?.onText('a')
    second?.onText('b')
    second?.onFinish({ ...result, nodeId: 'node_2', finishReason: 'length', firstTokenMs: 30 })
    first?.onText('c')
    first?.onFinish(result)
    if (!isStream) {
      const { choices, usage: sum, x_shoal } = strict(ChatCompletion, answer().body)
      assert.deepEqual(
        choices.map(({ index, message, finish_reason }) => [index, message.content, finish_reason]),
        [
          [0, 'ac', 'stop'],
          [1, 'b', 'length'],
        ],
      )
      assert.deepEqual(sum, { prompt_tokens: 40, completion_tokens: 6, total_tokens: 46 })
      assert.deepEqual([x_shoal?.cost_nano_usd, x_shoal?.first_token_ms], ['24690', 30])
      continue
    }
    const chunks = stream()
      .events.slice(0, -1)
      .map((data) => strict(ChatCompletionChunk, data))
    const told = chunks.flatMap(({ choices }) =>
      choices.map(
        ({ index, delta, finish_reason }) => `${index}${delta.content ?? ''}${finish_reason ?? ''}`,
      ),
    )
    assert.deepEqual(told, ['0', '1', '0a', '1b', '1length', '0c', '0stop'])
    assert.equal(chunks.at(-1)?.usage?.total_tokens, 46)
    assert.equal(chunks.filter(({ x_shoal }) => x_shoal).length, 2)
  }
})

test('one answer that fails ends the reply of all, once, and the others are given up', () => {
  const { sinks, givenUp, stream } = setup({ kind: 'chat', choices: 2, isStream: true })
  sinks[0]?.onText('a')
  sinks[1]?.onProblem(failure)
  sinks[0]?.onText('b')
  sinks[0]?.onProblem(failure)
  const { events, state } = stream()
  assert.deepEqual([givenUp, state], [['node_failed'], 'ended'])
  assert.equal(events.filter((data) => data.includes('"error"')).length, 1)
  assert.equal(
    events.some((data) => data.includes('"b"')),
    false,
  )
})

test('calls of tools and log probabilities are OpenAI’s, whole and streamed', () => {
  const logprobs = [
    { token: 'a', bytes: [97], logprob: -0.5, top: [{ token: 'a', bytes: [97], logprob: -0.5 }] },
  ]
  for (const isStream of [false, true]) {
    const { sink, answer, stream } = setup({ kind: 'chat', isStream })
    sink.onText('a', { logprobs })
    sink.onText('', { toolCalls: [{ index: 0, name: 'f', arguments: '' }] })
    sink.onText('', {
      toolCalls: [
        { index: 0, arguments: '{}' },
        { index: 1, name: 'g', arguments: '[' },
      ],
    })
    sink.onText('', { toolCalls: [{ index: 1, arguments: ']' }] })
    sink.onFinish(result)
    const content = [
      { token: 'a', bytes: [97], logprob: -0.5, top_logprobs: [{ token: 'a', bytes: [97], logprob: -0.5 }] },
    ]
    if (!isStream) {
      const [choice] = strict(ChatCompletion, answer().body).choices
      assert.deepEqual(choice?.logprobs, { content, refusal: null })
      assert.equal(choice.finish_reason, 'tool_calls')
      assert.deepEqual(choice.message.tool_calls, [
        { id: 'call_abc000', type: 'function', function: { name: 'f', arguments: '{}' } },
        { id: 'call_abc001', type: 'function', function: { name: 'g', arguments: '[]' } },
      ])
      continue
    }
    const chunks = stream()
      .events.slice(1, -1)
      .map((data) => strict(ChatCompletionChunk, data).choices[0])
    assert.deepEqual(chunks[0]?.logprobs, { content, refusal: null })
    assert.deepEqual(
      chunks.slice(1, -1).map((choice) => choice?.delta),
      [
        {
          tool_calls: [
            { index: 0, id: 'call_abc000', type: 'function', function: { name: 'f', arguments: '' } },
          ],
        },
        {
          tool_calls: [
            { index: 0, function: { arguments: '{}' } },
            { index: 1, id: 'call_abc001', type: 'function', function: { name: 'g', arguments: '[' } },
          ],
        },
        { tool_calls: [{ index: 1, function: { arguments: ']' } }] },
      ],
    )
    assert.equal(chunks.at(-1)?.finish_reason, 'tool_calls')
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
