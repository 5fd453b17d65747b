/** Bad input, each with the code, the field and the words that OpenAI's API has for it. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseChatRequest, parseCompletionRequest, parseEmbeddingRequest } from './openai-parse.ts'
import { Problem } from './problem.ts'

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

type Refused = ReturnType<typeof chat | typeof completion | typeof embedding>
const schema = (parameters: unknown): object => ({
  tools: [{ type: 'function', function: { name: 'f', parameters } }],
})
const deep = (levels: number): object => (levels === 0 ? {} : { items: deep(levels - 1) })
const many = (count: number): object =>
  Object.fromEntries(Array.from({ length: count }, (_, index) => [`p${index}`, {}]))

const wrong: readonly (readonly [problem: Refused, param: string | null, code: string, text: string])[] = [
  [parseChatRequest([]), null, 'invalid_type', 'The body must be a JSON object, but is an array.'],
  [parseChatRequest(null), null, 'invalid_type', 'The body must be a JSON object, but is null.'],
  [
    parseChatRequest({ messages: [user] }),
    'model',
    'missing_required_parameter',
    "Missing required parameter: 'model'.",
  ],
  [
    parseChatRequest({ model: 'm' }),
    'messages',
    'missing_required_parameter',
    "Missing required parameter: 'messages'.",
  ],
  [
    chat({ model: 5 }),
    'model',
    'invalid_type',
    "Invalid type for 'model': expected a string, but got an integer instead.",
  ],
  [
    chat({ model: '' }),
    'model',
    'empty_string',
    "Invalid 'model': empty string. Expected a string with minimum length 1, but got an empty string instead.",
  ],
  [
    chat({ messages: [] }),
    'messages',
    'empty_array',
    "Invalid 'messages': empty array. Expected an array with minimum length 1, but got an empty array instead.",
  ],
  [
    chat({ messages: 'hi' }),
    'messages',
    'invalid_type',
    "Invalid type for 'messages': expected an array, but got a string instead.",
  ],
  [
    chat({ messages: [5] }),
    'messages[0]',
    'invalid_type',
    "Invalid type for 'messages[0]': expected an object, but got an integer instead.",
  ],
  [
    message({ content: undefined }),
    'messages[0].content',
    'missing_required_parameter',
    "Missing required parameter: 'messages[0].content'.",
  ],
  [
    message({ content: null }),
    'messages[0].content',
    'invalid_type',
    "Invalid value for 'messages[0].content': expected a string, got null.",
  ],
  [
    message({ content: 5 }),
    'messages[0].content',
    'invalid_type',
    "Invalid type for 'messages[0].content': expected one of a string or array of objects, but got an integer instead.",
  ],
  [
    message({ role: 'king' }),
    'messages[0].role',
    'invalid_value',
    "Invalid value for 'messages[0].role': 'king'. Supported values are: 'system', 'developer', 'user', 'assistant', 'tool'.",
  ],
  [
    chat({ temperature: 3 }),
    'temperature',
    'decimal_above_max_value',
    "Invalid 'temperature': decimal above maximum value. Expected a value <= 2, but got 3 instead.",
  ],
  [
    chat({ temperature: -0.5 }),
    'temperature',
    'decimal_below_min_value',
    "Invalid 'temperature': decimal below minimum value. Expected a value >= 0, but got -0.5 instead.",
  ],
  [
    chat({ temperature: 'hot' }),
    'temperature',
    'invalid_type',
    "Invalid type for 'temperature': expected a number, but got a string instead.",
  ],
  [
    chat({ max_tokens: 1.5 }),
    'max_tokens',
    'invalid_type',
    "Invalid type for 'max_tokens': expected an integer, but got a decimal number instead.",
  ],
  [
    chat({ max_tokens: 0 }),
    'max_tokens',
    'integer_below_min_value',
    "Invalid 'max_tokens': integer below minimum value. Expected a value >= 1, but got 0 instead.",
  ],
  [
    chat({ max_completion_tokens: -4 }),
    'max_completion_tokens',
    'integer_below_min_value',
    "Invalid 'max_completion_tokens': integer below minimum value. Expected a value >= 1, but got -4 instead.",
  ],
  [
    chat({ stop: ['a', 'b', 'c', 'd', 'e'] }),
    'stop',
    'array_above_max_length',
    "Invalid 'stop': array too long. Expected an array with maximum length 4, but got an array with length 5 instead.",
  ],
  [
    chat({ n: 0 }),
    'n',
    'integer_below_min_value',
    "Invalid 'n': integer below minimum value. Expected a value >= 1, but got 0 instead.",
  ],
  [
    chat({ n: 129 }),
    'n',
    'integer_above_max_value',
    "Invalid 'n': integer above maximum value. Expected a value <= 16, but got 129 instead.",
  ],
  [
    completion({ prompt: ['a', 'b', 'c'], n: 8 }),
    'n',
    'invalid_value',
    "Invalid 'n': 3 prompts with 8 answers each are more than the 16 that one request may have.",
  ],
  [
    completion({ n: 2, best_of: 1 }),
    'best_of',
    'invalid_value',
    "You requested that the server return more choices than it will generate (HINT: 'n' (currently 2) must be at most 'best_of' (currently 1)).",
  ],
  [
    completion({ best_of: 2, stream: true }),
    'best_of',
    'invalid_value',
    "The 'best_of' parameter cannot be used with 'stream'.",
  ],
  [
    completion({ logprobs: 6 }),
    'logprobs',
    'integer_above_max_value',
    "Invalid 'logprobs': integer above maximum value. Expected a value <= 5, but got 6 instead.",
  ],
  [
    chat({ logprobs: 3 }),
    'logprobs',
    'invalid_type',
    "Invalid type for 'logprobs': expected a boolean, but got an integer instead.",
  ],
  [
    chat({ top_logprobs: 2 }),
    'top_logprobs',
    'invalid_value',
    "The 'top_logprobs' parameter is only allowed when 'logprobs' is enabled.",
  ],
  [
    chat({ logprobs: true, top_logprobs: 21 }),
    'top_logprobs',
    'integer_above_max_value',
    "Invalid 'top_logprobs': integer above maximum value. Expected a value <= 20, but got 21 instead.",
  ],
  [
    chat({ logit_bias: { hello: 1 } }),
    'logit_bias',
    'invalid_value',
    "Invalid key in 'logit_bias': hello. You should be submitting integers keys only: token ids of the model.",
  ],
  [
    chat({ logit_bias: { 5: 101 } }),
    'logit_bias.5',
    'decimal_above_max_value',
    "Invalid 'logit_bias.5': decimal above maximum value. Expected a value <= 100, but got 101 instead.",
  ],
  [
    chat({ stream_options: {} }),
    'stream_options',
    'invalid_value',
    "The 'stream_options' parameter is only allowed when 'stream' is enabled.",
  ],
  [
    chat({ stream: true, stream_options: { foo: 1 } }),
    'stream_options.foo',
    'unknown_parameter',
    'Unrecognized request argument supplied: stream_options.foo',
  ],
  [
    chat({ max_tokens: 5, max_completion_tokens: 5 }),
    'max_tokens',
    'invalid_parameter_combination',
    "Setting 'max_tokens' and 'max_completion_tokens' at the same time is not supported.",
  ],
  [
    chat({ response_format: { type: 'xml' } }),
    'response_format.type',
    'invalid_value',
    "Invalid value for 'response_format.type': 'xml'. Supported values are: 'text', 'json_object', 'json_schema'.",
  ],
  [
    chat({ response_format: { type: 'json_schema' } }),
    'response_format.json_schema',
    'missing_required_parameter',
    "Missing required parameter: 'response_format.json_schema'.",
  ],
  [
    chat({ response_format: { type: 'json_schema', json_schema: { name: 'a b', schema: {} } } }),
    'response_format.json_schema.name',
    'invalid_value',
    "Invalid 'response_format.json_schema.name': string does not match pattern. Expected a string that matches the pattern '^[a-zA-Z0-9_-]+$'.",
  ],
  [
    chat({ tools: [{ type: 'function', function: {} }] }),
    'tools[0].function.name',
    'missing_required_parameter',
    "Missing required parameter: 'tools[0].function.name'.",
  ],
  [
    chat({ tools: [{ type: 'function', function: { name: 'f', args: 1 } }] }),
    'tools[0].function.args',
    'unknown_parameter',
    'Unrecognized request argument supplied: tools[0].function.args',
  ],
  [
    chat({ tools: [{ type: 'function', function: { name: 'f', description: 'x'.repeat(1_025) } }] }),
    'tools[0].function.description',
    'string_above_max_length',
    "Invalid 'tools[0].function.description': string too long. Expected a string with maximum length 1024, but got a string with length 1025 instead.",
  ],
  [
    chat({ tools: Array(129).fill(weather) }),
    'tools',
    'array_above_max_length',
    "Invalid 'tools': array too long. Expected an array with maximum length 128, but got an array with length 129 instead.",
  ],
  [
    chat({ tool_choice: 'required' }),
    'tool_choice',
    'invalid_value',
    "Invalid value for 'tool_choice': 'tool_choice' is only allowed when 'tools' are specified.",
  ],
  [
    chat({ tools: [weather], tool_choice: { type: 'function', function: { name: 'x' } } }),
    'tool_choice',
    'invalid_value',
    "Invalid value for 'tool_choice': the function 'x' is not among the 'tools'.",
  ],
  [
    chat({ tools: [weather], tool_choice: 'maybe' }),
    'tool_choice',
    'invalid_value',
    "Invalid value for 'tool_choice': 'maybe'. Supported values are: 'none', 'auto', 'required'.",
  ],
  [
    chat(schema({ description: 'x'.repeat(1_000_000) })),
    'tools[0].function.parameters',
    'invalid_function_parameters',
    "Invalid schema for function 'f': in 'tools[0].function.parameters', its texts are longer than 120000 characters together.",
  ],
  [
    chat(schema(deep(65))),
    'tools[0].function.parameters',
    'invalid_function_parameters',
    "Invalid schema for function 'f': in 'tools[0].function.parameters', it is nested more than 64 levels deep.",
  ],
  [
    chat(schema({ properties: many(5_001) })),
    'tools[0].function.parameters',
    'invalid_function_parameters',
    "Invalid schema for function 'f': in 'tools[0].function.parameters', it has more than 5000 properties.",
  ],
  [
    chat(schema({ enum: Array(1_001).fill(1) })),
    'tools[0].function.parameters',
    'invalid_function_parameters',
    "Invalid schema for function 'f': in 'tools[0].function.parameters', it has more than 1000 enum values.",
  ],
  [
    chat(schema({ 'x-a': Array(50_001).fill(1e20) })),
    'tools[0].function.parameters',
    'invalid_function_parameters',
    "Invalid schema for function 'f': in 'tools[0].function.parameters', it has more than 50000 values.",
  ],
  [
    chat(schema([])),
    'tools[0].function.parameters',
    'invalid_type',
    "Invalid type for 'tools[0].function.parameters': expected an object, but got an array instead.",
  ],
  [
    chat({ messages: [user, called] }),
    'messages[1].tool_calls',
    'invalid_value',
    "An assistant message with 'tool_calls' must be followed by tool messages responding to each 'tool_call_id'. The following tool_call_ids did not have response messages: a",
  ],
  [
    chat({ messages: [user, called, user] }),
    'messages[1].tool_calls',
    'invalid_value',
    "An assistant message with 'tool_calls' must be followed by tool messages responding to each 'tool_call_id'. The following tool_call_ids did not have response messages: a",
  ],
  [
    chat({ messages: [{ role: 'tool', tool_call_id: 'b', content: 'x' }] }),
    'messages[0].role',
    'invalid_value',
    "Invalid parameter: messages with role 'tool' must be a response to a preceding message with 'tool_calls'.",
  ],
  [
    message({ role: 'tool' }),
    'messages[0].tool_call_id',
    'missing_required_parameter',
    "Missing required parameter: 'messages[0].tool_call_id'.",
  ],
  [
    message({ tool_call_id: 'a' }),
    'messages[0].tool_call_id',
    'invalid_value',
    "Invalid 'messages[0].tool_call_id': only messages of role 'tool' have it.",
  ],
  [
    embedding({ input: '' }),
    'input',
    'empty_string',
    "Invalid 'input': empty string. Expected a string with minimum length 1, but got an empty string instead.",
  ],
  [
    embedding({ input: [] }),
    'input',
    'empty_array',
    "Invalid 'input': empty array. Expected an array with minimum length 1, but got an empty array instead.",
  ],
]

test('wrong types, ranges and combinations have the code, the field and the words of OpenAI', () => {
  for (const [problem, param, code, text] of wrong) {
    assert.ok(problem instanceof Problem, text)
    assert.deepEqual(
      [problem.status, problem.details['code'], problem.details['param'], problem.message],
      [400, code, param, text],
    )
  }
})
