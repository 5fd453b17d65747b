import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  completionMaxTokens,
  embeddingInputs,
  engineMessages,
  maxTokensOf,
  parseChatRequest,
  parseCompletionRequest,
  parseEmbeddingRequest,
  promptOf,
  samplingOf,
} from './openai-parse.ts'
import { Problem, toOpenAiError } from './problem.ts'

const user = { role: 'user', content: 'hi' }
const chat = (members: object = {}) => parseChatRequest({ model: 'm', messages: [user], ...members })
const message = (members: object) => chat({ messages: [{ ...user, ...members }] })
const completion = (members: object = {}) => parseCompletionRequest({ model: 'm', prompt: 'p', ...members })
const embedding = (members: object = {}) => parseEmbeddingRequest({ model: 'm', input: 'p', ...members })

test('what OpenAI clients send for plain text is taken', () => {
  const accepted = [
    chat({ max_tokens: 5, temperature: 0, top_p: 1, seed: 7, stop: ['a', 'b', 'c', 'd'], user: 'u' }),
    chat({ max_completion_tokens: 5, n: 1, store: false, service_tier: 'auto', metadata: { a: 'b' } }),
    chat({ stream: true, stream_options: { include_usage: true }, response_format: { type: 'text' } }),
    chat({ tools: [], tool_choice: 'auto', parallel_tool_calls: true, logprobs: false, logit_bias: {} }),
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
    completion({ prompt: ['p'], echo: false, best_of: 1, suffix: '', logprobs: null }),
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
      [chat({ tools: [{}] }), 'unsupported_parameter', 'tools', "'tools' is not served"],
      [chat({ tool_choice: 'required' }), 'unsupported_parameter', 'tool_choice', 'not served'],
      [chat({ logprobs: true }), 'unsupported_parameter', 'logprobs', 'not served'],
      [chat({ logit_bias: { 5: 1 } }), 'unsupported_parameter', 'logit_bias', 'not served'],
      [chat({ reasoning_effort: 'low' }), 'unsupported_parameter', 'reasoning_effort', 'not served'],
      [chat({ modalities: ['text', 'audio'] }), 'unsupported_parameter', 'modalities', 'not served'],
      [chat({ n: 2 }), 'unsupported_parameter', 'n', 'above 1'],
      [chat({ store: true }), 'unsupported_parameter', 'store', 'never stored'],
      [
        chat({ response_format: { type: 'json_object' } }),
        'unsupported_parameter',
        'response_format',
        "of type 'json_object'",
      ],
      [message({ role: 'tool' }), 'unsupported_parameter', 'messages[0].role', 'no tool calls'],
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
      [completion({ n: 3 }), 'unsupported_parameter', 'n', 'above 1'],
      [completion({ best_of: 3 }), 'unsupported_parameter', 'best_of', 'above 1'],
      [completion({ echo: true }), 'unsupported_parameter', 'echo', 'not repeated'],
      [completion({ prompt: ['a', 'b'] }), 'unsupported_parameter', 'prompt', 'one text'],
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

test('wrong types and ranges are named as OpenAI names them', () => {
  const refused: [ReturnType<typeof chat | typeof completion | typeof embedding>, string | null, string][] = [
    [parseChatRequest([]), null, 'The body must be a JSON object, but is an array.'],
    [parseChatRequest(null), null, 'The body must be a JSON object, but is null.'],
    [parseChatRequest({ messages: [user] }), 'model', "Missing required parameter: 'model'."],
    [parseChatRequest({ model: 'm' }), 'messages', "Missing required parameter: 'messages'."],
    [chat({ model: 5 }), 'model', "Invalid type for 'model': expected a string, but got an integer instead."],
    [chat({ messages: [] }), 'messages', "Invalid 'messages': expected array to have >=1 items, but got []."],
    [
      chat({ messages: [5] }),
      'messages[0]',
      "Invalid type for 'messages[0]': expected an object, but got an integer instead.",
    ],
    [
      message({ content: undefined }),
      'messages[0].content',
      "Missing required parameter: 'messages[0].content'.",
    ],
    [
      message({ content: 5 }),
      'messages[0].content',
      "Invalid 'messages[0].content': expected a string or an array of text parts, but got 5.",
    ],
    [
      message({ role: 'king' }),
      'messages[0].role',
      `Invalid 'messages[0].role': expected one of "system"|"developer"|"user"|"assistant", but got "king".`,
    ],
    [chat({ temperature: 3 }), 'temperature', "Invalid 'temperature': expected number to be <=2, but got 3."],
    [
      chat({ temperature: 'hot' }),
      'temperature',
      "Invalid type for 'temperature': expected a number, but got a string instead.",
    ],
    [
      chat({ max_tokens: 1.5 }),
      'max_tokens',
      "Invalid type for 'max_tokens': expected an integer, but got a decimal number instead.",
    ],
    [chat({ max_tokens: 0 }), 'max_tokens', "Invalid 'max_tokens': expected number to be >0, but got 0."],
    [
      chat({ stop: ['a', 'b', 'c', 'd', 'e'] }),
      'stop',
      'Invalid \'stop\': expected a string or an array of at most 4 strings, none of them empty, but got ["a","b","c","d","e"].',
    ],
    [chat({ n: 0 }), 'n', "Invalid 'n': expected 1, the only number of choices that is served, but got 0."],
    [
      chat({ stream_options: {} }),
      'stream_options',
      "The 'stream_options' parameter is only allowed when 'stream' is enabled.",
    ],
    [
      chat({ stream: true, stream_options: { foo: 1 } }),
      'stream_options.foo',
      'Unrecognized request argument supplied: stream_options.foo',
    ],
    [
      chat({ max_tokens: 5, max_completion_tokens: 5 }),
      'max_tokens',
      "Setting 'max_tokens' and 'max_completion_tokens' at the same time is not supported.",
    ],
    [
      embedding({ input: '' }),
      'input',
      `Invalid 'input': expected string to have >=1 characters, but got "".`,
    ],
  ]
  for (const [problem, param, text] of refused) {
    assert.ok(problem instanceof Problem, text)
    assert.deepEqual(
      [problem.code, problem.details['param'], problem.message],
      ['invalid_request', param, text],
    )
  }
})

test('a refusal is an OpenAI error object', () => {
  const problem = chat({ tools: [{}] })
  assert.ok(problem instanceof Problem)
  const { error } = toOpenAiError(problem)
  assert.deepEqual(
    [error.type, error.param, error.code],
    ['invalid_request_error', 'tools', 'unsupported_parameter'],
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
  assert.deepEqual([promptOf(text.ok), completionMaxTokens(text.ok)], ['p', 16])
  const vectors = embedding()
  assert.ok('ok' in vectors)
  assert.deepEqual(embeddingInputs(vectors.ok), ['p'])
})
