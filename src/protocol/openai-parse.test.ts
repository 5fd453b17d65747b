import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  chatExtras,
  completionMaxTokens,
  embeddingInputs,
  engineMessages,
  maxTokensOf,
  promptsOf,
  samplingOf,
} from './openai-ask.ts'
import { parseChatRequest, parseCompletionRequest, parseEmbeddingRequest } from './openai-parse.ts'
import { Problem, toOpenAiError } from './problem.ts'

const user = { role: 'user', content: 'hi' }
const chat = (members: object = {}) => parseChatRequest({ model: 'm', messages: [user], ...members })
const message = (members: object) => chat({ messages: [{ ...user, ...members }] })
const completion = (members: object = {}) => parseCompletionRequest({ model: 'm', prompt: 'p', ...members })
const weather = { type: 'function', function: { name: 'weather', parameters: { type: 'object' } } }
const called = {
  role: 'assistant',
  content: null,
  tool_calls: [{ id: 'a', type: 'function', function: { name: 'weather', arguments: '{}' } }],
}
const embedding = (members: object = {}) => parseEmbeddingRequest({ model: 'm', input: 'p', ...members })

test('what OpenAI clients send for plain text is taken', () => {
  const accepted = [
    chat({ max_tokens: 5, temperature: 0, top_p: 1, seed: 7, stop: ['a', 'b', 'c', 'd'], user: 'u' }),
    chat({ max_completion_tokens: 5, n: 1, store: false, service_tier: 'auto', metadata: { a: 'b' } }),
    chat({ stream: true, stream_options: { include_usage: true }, response_format: { type: 'text' } }),
    chat({ tools: [weather], tool_choice: 'auto', parallel_tool_calls: true }),
    chat({ tool_choice: 'none', logprobs: false, logit_bias: {}, modalities: ['text'] }),
    chat({
      temperature: null,
      stop: null,
      stream: null,
      stream_options: null,
      max_tokens: null,
      tools: null,
    }),
    chat({ messages: [{ role: 'developer', content: [{ type: 'text', text: 'x' }] }] }),
    message({ role: 'assistant', refusal: null, annotations: [], audio: null }),
    chat({ n: 3, logprobs: true, top_logprobs: 20, logit_bias: { 5: -100, 17: 3.5 } }),
    chat({ response_format: { type: 'json_object' } }),
    chat({ response_format: { type: 'json_schema', json_schema: { name: 'x', schema: {}, strict: true } } }),
    chat({ tools: [weather], tool_choice: { type: 'function', function: { name: 'weather' } } }),
    chat({ messages: [user, called, { role: 'tool', tool_call_id: 'a', name: 'weather', content: 'sun' }] }),
    completion({ prompt: ['p'], echo: false, best_of: 1, suffix: '', logprobs: null }),
    completion({ prompt: ['p', 'q'], n: 2, best_of: 2, logprobs: 5 }),
    embedding({ input: ['a', 'b'], encoding_format: 'base64' }),
  ]
  for (const parsed of accepted) assert.ok('ok' in parsed, parsed instanceof Problem ? parsed.message : '')
})

test('what cannot be served is refused by name, never ignored', () => {
  const refused: [ReturnType<typeof chat | typeof completion | typeof embedding>, string, string, string][] =
    [
      [chat({ foo: 1 }), 'invalid_request', 'foo', 'Unrecognized request argument supplied: foo'],
      [
        chat({ foo: 1, bar: 2 }),
        'invalid_request',
        'foo',
        'Unrecognized request arguments supplied: foo, bar',
      ],
      [
        chat({ tools: [{ type: 'custom' }] }),
        'unsupported_parameter',
        'tools[0].type',
        "'custom' is not served",
      ],
      [chat({ functions: [{}] }), 'unsupported_parameter', 'functions', 'not served'],
      [chat({ reasoning_effort: 'low' }), 'unsupported_parameter', 'reasoning_effort', 'not served'],
      [chat({ modalities: ['text', 'audio'] }), 'unsupported_parameter', 'modalities', 'not served'],
      [chat({ store: true }), 'unsupported_parameter', 'store', 'never stored'],
      [message({ role: 'function' }), 'unsupported_parameter', 'messages[0].role', "newer name is 'tool'"],
      [message({ name: 'bob' }), 'unsupported_parameter', 'messages[0].name', 'not served'],
      [message({ foo: 1 }), 'invalid_request', 'messages[0].foo', 'messages[0].foo'],
      [
        message({
          content: [
            { type: 'text', text: 'x' },
            { type: 'image_url', image_url: {} },
          ],
        }),
        'unsupported_parameter',
        'messages[0].content[1]',
        "of type 'image_url'",
      ],
      [completion({ best_of: 3 }), 'unsupported_parameter', 'best_of', "above 'n'"],
      [completion({ echo: true }), 'unsupported_parameter', 'echo', 'not repeated'],
      [completion({ prompt: [1, 2] }), 'unsupported_parameter', 'prompt', 'token ids'],
      [completion({ suffix: 'x' }), 'unsupported_parameter', 'suffix', 'not served'],
      [completion({ messages: [] }), 'invalid_request', 'messages', 'Unrecognized'],
      [embedding({ input: [[1, 2]] }), 'unsupported_parameter', 'input', 'token ids'],
      [embedding({ dimensions: 64 }), 'unsupported_parameter', 'dimensions', 'not served'],
    ]
  for (const [problem, code, param, text] of refused) {
    assert.ok(problem instanceof Problem, param)
    assert.deepEqual([problem.code, problem.details['param']], [code, param])
    assert.ok(problem.message.includes(text), problem.message)
  }
})

test('a refusal is an OpenAI error object', () => {
  const problem = chat({ store: true })
  assert.ok(problem instanceof Problem)
  const { error } = toOpenAiError(problem)
  assert.deepEqual(
    [error.type, error.param, error.code],
    ['invalid_request_error', 'store', 'unsupported_parameter'],
  )
})

test('a request says what it asks of an engine', () => {
  const parsed = chat({
    messages: [
      { role: 'developer', content: 'd' },
      {
        role: 'user',
        content: [
          { type: 'text', text: 'a' },
          { type: 'text', text: 'b' },
        ],
      },
    ],
    max_tokens: 9,
    stop: 'x',
    top_p: 0,
    seed: 0,
  })
  assert.ok('ok' in parsed)
  assert.deepEqual(engineMessages(parsed.ok), [
    { role: 'system', content: 'd' },
    { role: 'user', content: 'ab' },
  ])
  assert.equal(maxTokensOf(parsed.ok), 9)
  assert.deepEqual(samplingOf(parsed.ok), {
    temperature: 1,
    topP: 1e-6,
    seed: 0,
    stop: ['x'],
    frequencyPenalty: 0,
    presencePenalty: 0,
  })
  const text = completion({ prompt: ['p'] })
  assert.ok('ok' in text)
  assert.deepEqual([promptsOf(text.ok), completionMaxTokens(text.ok)], [['p'], 16])
  const vectors = embedding()
  assert.ok('ok' in vectors)
  assert.deepEqual(embeddingInputs(vectors.ok), ['p'])
})

test('tools, formats and probabilities are what an engine is asked for, and nothing of them when they ask for nothing', () => {
  const extras = (members: object): unknown => {
    const parsed = chat(members)
    assert.ok('ok' in parsed)
    return chatExtras(parsed.ok)
  }
  const list = [{ name: 'weather', parameters: { type: 'object' }, isStrict: false }]
  assert.deepEqual(extras({ tools: [weather] }), { tools: { list, choice: 'auto', mayBeParallel: true } })
  const named = { type: 'function', function: { name: 'weather' } }
  assert.deepEqual(extras({ tools: [weather], tool_choice: named, parallel_tool_calls: false }), {
    tools: { list, choice: { name: 'weather' }, mayBeParallel: false },
  })
  assert.deepEqual(extras({ logprobs: true }), { topLogprobs: 0 })
  for (const nothing of [
    { tools: null, tool_choice: 'none' },
    { tools: [weather], tool_choice: 'none' },
    { response_format: { type: 'text' } },
    { logprobs: false, top_logprobs: 0 },
  ]) {
    assert.deepEqual(extras(nothing), {})
  }
})
