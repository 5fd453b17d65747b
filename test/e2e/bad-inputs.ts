/** Calls that OpenAI's API refuses, or that this network says it cannot do, each with what the caller is told. */

export interface BadInput {
  readonly path: string
  /** Sent as it is when it is text. */
  readonly body: object | string
  readonly status: number
  readonly code: string
  readonly param: string | null
}

const user = { role: 'user', content: 'What is Shoal?' }
const call = { model: 'tiny', messages: [user], max_tokens: 4 }
const weather = { type: 'function', function: { name: 'weather', parameters: { type: 'object' } } }
const schemaOf = (schema: unknown): object => ({
  type: 'json_schema',
  json_schema: { name: 'x', schema, strict: true },
})
const withParameters = (parameters: unknown): object => ({
  tools: [{ type: 'function', function: { name: 'f', parameters } }],
})
const object = (properties: object): object => ({ type: 'object', properties })
/** Far deeper than any stack: written by hand, for no writer of JSON goes so deep. */
const nested = (member: string): string =>
  `{"model":"tiny","messages":[{"role":"user","content":"x"}],"${member}":${'['.repeat(200_000)}${']'.repeat(200_000)}}`
const called = {
  role: 'assistant',
  tool_calls: [{ id: 'a', type: 'function', function: { name: 'weather', arguments: '{}' } }],
}

type Row = readonly [change: object | string, param: string | null, code: string, status?: number]
const rowsOf = (path: string, base: object, rows: readonly Row[]): BadInput[] =>
  rows.map(([change, param, code, status = 400]) => ({
    path,
    body: typeof change === 'string' ? change : { ...base, ...change },
    status,
    code,
    param,
  }))
const message = (members: object): object => ({ messages: [{ ...user, ...members }] })
const part = (value: unknown): object => message({ content: [value] })

const chat = rowsOf('/v1/chat/completions', call, [
  // Not a request at all.
  ['', null, 'invalid_json'],
  ['{"model":"tiny",', null, 'invalid_json'],
  ['[]', null, 'invalid_type'],
  ['null', null, 'invalid_type'],
  ['['.repeat(200_000), null, 'invalid_json'],
  ['{"model":"tiny","messages":[],"model":5}', 'model', 'invalid_type'],
  [nested('stop'), 'stop[0]', 'invalid_type'],
  [nested('modalities'), 'modalities', 'unsupported_parameter'],
  [nested('tool_choice'), 'tool_choice', 'invalid_type'],
  [nested('metadata'), 'metadata', 'invalid_type'],
  [nested('nonsense'), 'nonsense', 'unknown_parameter'],
  // Members of the wrong type, or missing.
  [{ model: undefined }, 'model', 'missing_required_parameter'],
  [{ model: null }, 'model', 'invalid_type'],
  [{ model: 'nobody-has-it' }, 'model', 'model_not_found', 404],
  [{ messages: undefined }, 'messages', 'missing_required_parameter'],
  [{ messages: 'hi' }, 'messages', 'invalid_type'],
  [{ messages: [] }, 'messages', 'empty_array'],
  [{ messages: ['hi'] }, 'messages[0]', 'invalid_type'],
  [{ stream: 'yes' }, 'stream', 'invalid_type'],
  [{ user: 5 }, 'user', 'invalid_type'],
  [{ metadata: { a: 1 } }, 'metadata.a', 'invalid_type'],
  [{ service_tier: 'gold' }, 'service_tier', 'invalid_value'],
  // What nobody knows, and what is not served here.
  [{ nonsense: 1 }, 'nonsense', 'unknown_parameter'],
  [{ best_of: 2, stream: true }, 'best_of', 'unknown_parameter'],
  [{ prompt: 'x' }, 'prompt', 'unknown_parameter'],
  [{ functions: [{ name: 'f' }] }, 'functions', 'unsupported_parameter'],
  [{ reasoning_effort: 'high' }, 'reasoning_effort', 'unsupported_parameter'],
  [{ modalities: ['text', 'audio'] }, 'modalities', 'unsupported_parameter'],
  [{ audio: { voice: 'x', format: 'wav' } }, 'audio', 'unsupported_parameter'],
  [{ web_search_options: {} }, 'web_search_options', 'unsupported_parameter'],
  [{ store: true }, 'store', 'unsupported_parameter'],
  // Sizes and ranges.
  [{ max_tokens: 0 }, 'max_tokens', 'integer_below_min_value'],
  [{ max_tokens: -1 }, 'max_tokens', 'integer_below_min_value'],
  [{ max_tokens: 1.5 }, 'max_tokens', 'invalid_type'],
  [{ max_tokens: 1e12 }, 'max_tokens', 'integer_above_max_value'],
  [{ max_completion_tokens: 4 }, 'max_tokens', 'invalid_parameter_combination'],
  [{ max_tokens: null, max_completion_tokens: 0 }, 'max_completion_tokens', 'integer_below_min_value'],
  [{ temperature: 3 }, 'temperature', 'decimal_above_max_value'],
  [{ temperature: -0.1 }, 'temperature', 'decimal_below_min_value'],
  [{ temperature: 'hot' }, 'temperature', 'invalid_type'],
  ['{"model":"tiny","messages":[],"temperature":1e999}', 'messages', 'empty_array'],
  [{ top_p: 1.1 }, 'top_p', 'decimal_above_max_value'],
  [{ frequency_penalty: -3 }, 'frequency_penalty', 'decimal_below_min_value'],
  [{ presence_penalty: 2.5 }, 'presence_penalty', 'decimal_above_max_value'],
  [{ seed: 1.5 }, 'seed', 'invalid_type'],
  [{ n: 0 }, 'n', 'integer_below_min_value'],
  [{ n: 129 }, 'n', 'integer_above_max_value'],
  [{ n: 'two' }, 'n', 'invalid_type'],
  [{ stop: ['a', 'b', 'c', 'd', 'e'] }, 'stop', 'array_above_max_length'],
  [{ stop: 5 }, 'stop', 'invalid_type'],
  [{ stop: ['a', 5] }, 'stop[1]', 'invalid_type'],
  [{ stop: '' }, 'stop', 'empty_string'],
  [{ logit_bias: { hello: 1 } }, 'logit_bias', 'invalid_value'],
  [{ logit_bias: { 5: 101 } }, 'logit_bias.5', 'decimal_above_max_value'],
  [{ logit_bias: { 99999: 1 } }, 'logit_bias', 'invalid_value'],
  [{ logit_bias: [1] }, 'logit_bias', 'invalid_type'],
  // What does not go together.
  [{ logprobs: 2 }, 'logprobs', 'invalid_type'],
  [{ top_logprobs: 2 }, 'top_logprobs', 'invalid_value'],
  [{ logprobs: true, top_logprobs: 21 }, 'top_logprobs', 'integer_above_max_value'],
  [{ logprobs: true, top_logprobs: -1 }, 'top_logprobs', 'integer_below_min_value'],
  [{ stream_options: { include_usage: true } }, 'stream_options', 'invalid_value'],
  [{ stream: true, stream_options: { include_usage: 1 } }, 'stream_options.include_usage', 'invalid_type'],
  [{ stream: true, stream_options: { more: 1 } }, 'stream_options.more', 'unknown_parameter'],
  [{ tools: [] }, 'tools', 'empty_array'],
  [{ tools: Array(129).fill(weather) }, 'tools', 'array_above_max_length'],
  [{ tool_choice: 'auto' }, 'tool_choice', 'invalid_value'],
  [{ tool_choice: 'required' }, 'tool_choice', 'invalid_value'],
  [{ parallel_tool_calls: false }, 'parallel_tool_calls', 'invalid_value'],
  [{ tools: [weather], tool_choice: 'maybe' }, 'tool_choice', 'invalid_value'],
  [{ tools: [weather], tool_choice: 5 }, 'tool_choice', 'invalid_type'],
  [
    { tools: [weather], tool_choice: { type: 'function', function: { name: 'x' } } },
    'tool_choice',
    'invalid_value',
  ],
  [
    { tools: [weather], tool_choice: { type: 'function' } },
    'tool_choice.function',
    'missing_required_parameter',
  ],
  [{ tools: [{ function: { name: 'f' } }] }, 'tools[0].type', 'missing_required_parameter'],
  [{ tools: [{ type: 'custom' }] }, 'tools[0].type', 'unsupported_parameter'],
  [{ tools: [{ type: 'function', function: {} }] }, 'tools[0].function.name', 'missing_required_parameter'],
  [{ tools: [{ type: 'function', function: { name: 'a b' } }] }, 'tools[0].function.name', 'invalid_value'],
  [{ tools: [weather, 5] }, 'tools[1]', 'invalid_type'],
  // Schemas.
  [withParameters('x'), 'tools[0].function.parameters', 'invalid_type'],
  [
    withParameters({ description: 'x'.repeat(1_000_000) }),
    'tools[0].function.parameters',
    'invalid_function_parameters',
  ],
  [{ response_format: 'json' }, 'response_format', 'invalid_type'],
  [{ response_format: {} }, 'response_format.type', 'missing_required_parameter'],
  [{ response_format: { type: 'xml' } }, 'response_format.type', 'invalid_value'],
  [{ response_format: { type: 'json_schema' } }, 'response_format.json_schema', 'missing_required_parameter'],
  [
    { response_format: schemaOf(object({ a: { type: 'string', pattern: '^a$' } })) },
    'response_format.json_schema.schema.properties.a.pattern',
    'invalid_json_schema',
  ],
  [
    { response_format: schemaOf(object({ a: { type: 'fish' } })) },
    'response_format.json_schema.schema.properties.a.type',
    'invalid_json_schema',
  ],
  [
    { response_format: schemaOf({ $ref: '#/$defs/none' }) },
    'response_format.json_schema.schema.$ref',
    'invalid_json_schema',
  ],
  // Messages.
  [message({ role: undefined }), 'messages[0].role', 'missing_required_parameter'],
  [message({ role: 'king' }), 'messages[0].role', 'invalid_value'],
  [message({ role: 'function', name: 'f' }), 'messages[0].role', 'unsupported_parameter'],
  [message({ content: undefined }), 'messages[0].content', 'missing_required_parameter'],
  [message({ content: null }), 'messages[0].content', 'invalid_type'],
  [message({ content: { text: 'x' } }), 'messages[0].content', 'invalid_type'],
  [message({ content: [] }), 'messages[0].content', 'empty_array'],
  [message({ name: 'bob' }), 'messages[0].name', 'unsupported_parameter'],
  [message({ nonsense: 1 }), 'messages[0].nonsense', 'unknown_parameter'],
  [part('x'), 'messages[0].content[0]', 'invalid_type'],
  [part({ text: 'x' }), 'messages[0].content[0].type', 'missing_required_parameter'],
  [part({ type: 'text' }), 'messages[0].content[0].text', 'missing_required_parameter'],
  [part({ type: 'text', text: 5 }), 'messages[0].content[0].text', 'invalid_type'],
  [part({ type: 'text', text: 'x', more: 1 }), 'messages[0].content[0].more', 'unknown_parameter'],
  [part({ type: 'fish' }), 'messages[0].content[0].type', 'invalid_value'],
  [part({ type: 'image_url', image_url: { url: 'x' } }), 'messages[0].content[0]', 'unsupported_parameter'],
  [part({ type: 'input_audio' }), 'messages[0].content[0]', 'unsupported_parameter'],
  [{ messages: [user, called] }, 'messages[1].tool_calls', 'invalid_value'],
  [{ messages: [{ role: 'tool', tool_call_id: 'a', content: 'x' }] }, 'messages[0].role', 'invalid_value'],
  [{ messages: [{ role: 'assistant', tool_calls: [] }] }, 'messages[0].tool_calls', 'empty_array'],
  [message({ content: 'fish '.repeat(9_000) }), 'messages', 'context_length_exceeded'],
  [
    { ...message({ content: 'fish '.repeat(9_000) }), n: 3, stream: true },
    'messages',
    'context_length_exceeded',
  ],
])

const completions = rowsOf('/v1/completions', { model: 'tiny', prompt: 'x', max_tokens: 2 }, [
  [{ prompt: undefined }, 'prompt', 'missing_required_parameter'],
  [{ prompt: 5 }, 'prompt', 'invalid_type'],
  [{ prompt: [] }, 'prompt', 'empty_array'],
  [{ prompt: ['a', null] }, 'prompt[1]', 'invalid_type'],
  [{ prompt: [1, 2] }, 'prompt', 'unsupported_parameter'],
  [{ prompt: [[1], [2]] }, 'prompt', 'unsupported_parameter'],
  [{ prompt: Array(17).fill('a') }, 'prompt', 'array_above_max_length'],
  [{ prompt: ['a', 'b', 'c'], n: 8 }, 'n', 'invalid_value'],
  [{ suffix: 'end' }, 'suffix', 'unsupported_parameter'],
  [{ echo: true }, 'echo', 'unsupported_parameter'],
  [{ echo: 'yes' }, 'echo', 'invalid_value'],
  [{ best_of: 2, stream: true }, 'best_of', 'invalid_value'],
  [{ n: 2, best_of: 1 }, 'best_of', 'invalid_value'],
  [{ best_of: 3 }, 'best_of', 'unsupported_parameter'],
  [{ best_of: 21 }, 'best_of', 'integer_above_max_value'],
  [{ max_tokens: 0 }, 'max_tokens', 'integer_below_min_value'],
  [{ logprobs: 6 }, 'logprobs', 'integer_above_max_value'],
  [{ logprobs: true }, 'logprobs', 'invalid_type'],
  [{ messages: [user] }, 'messages', 'unknown_parameter'],
  [{ response_format: { type: 'json_object' } }, 'response_format', 'unknown_parameter'],
  [{ stream_options: {} }, 'stream_options', 'invalid_value'],
  [{ prompt: 'fish '.repeat(9_000) }, 'prompt', 'context_length_exceeded'],
])

const embeddings = rowsOf('/v1/embeddings', { model: 'tiny', input: 'x' }, [
  [{ input: undefined }, 'input', 'missing_required_parameter'],
  [{ input: '' }, 'input', 'empty_string'],
  [{ input: [] }, 'input', 'empty_array'],
  [{ input: ['a', ''] }, 'input[1]', 'empty_string'],
  [{ input: ['a', 5] }, 'input[1]', 'invalid_type'],
  [{ input: 5 }, 'input', 'invalid_type'],
  [{ input: [1, 2] }, 'input', 'unsupported_parameter'],
  [{ input: [[1], [2]] }, 'input', 'unsupported_parameter'],
  [{ input: Array(2_049).fill('a') }, 'input', 'array_above_max_length'],
  [{ input: 'fish '.repeat(9_000) }, 'input', 'context_length_exceeded'],
  [{ encoding_format: 'hex' }, 'encoding_format', 'invalid_value'],
  [{ dimensions: 8 }, 'dimensions', 'unsupported_parameter'],
  [{ stream: true }, 'stream', 'unknown_parameter'],
  [{ model: 'nobody-has-it' }, 'model', 'model_not_found', 404],
])

const item = (value: unknown): object => ({ input: [value] })
const responses = rowsOf('/v1/responses', { model: 'tiny', input: 'x', max_output_tokens: 16 }, [
  [{ input: undefined }, 'input', 'missing_required_parameter'],
  [{ input: 5 }, 'input', 'invalid_type'],
  [{ input: [] }, 'input', 'empty_array'],
  [item('x'), 'input[0]', 'invalid_type'],
  [item({ role: 'user' }), 'input[0].content', 'missing_required_parameter'],
  [item({ role: 'king', content: 'x' }), 'input[0].role', 'invalid_value'],
  [item({ type: 'reasoning', id: 'r' }), 'input[0].type', 'unsupported_parameter'],
  [
    item({ role: 'user', content: [{ type: 'input_image', image_url: 'x' }] }),
    'input[0].content[0]',
    'unsupported_parameter',
  ],
  [item({ type: 'function_call_output', call_id: 'a', output: 'x' }), 'input', 'invalid_value'],
  [item({ type: 'function_call', call_id: 'a', name: 'f', arguments: '{}' }), 'input', 'invalid_value'],
  [{ previous_response_id: 'resp_1' }, 'previous_response_id', 'unsupported_parameter'],
  [{ conversation: 'conv_1' }, 'conversation', 'unsupported_parameter'],
  [{ store: true }, 'store', 'unsupported_parameter'],
  [{ background: true }, 'background', 'unsupported_parameter'],
  [{ prompt: { id: 'p' } }, 'prompt', 'unsupported_parameter'],
  [{ reasoning: { effort: 'low' } }, 'reasoning', 'unsupported_parameter'],
  [{ max_tokens: 5 }, 'max_tokens', 'unsupported_parameter'],
  [{ messages: [user] }, 'messages', 'unsupported_parameter'],
  [{ response_format: { type: 'text' } }, 'response_format', 'unsupported_parameter'],
  [{ n: 2 }, 'n', 'unknown_parameter'],
  [{ stop: 'x' }, 'stop', 'unknown_parameter'],
  [{ max_output_tokens: 0 }, 'max_output_tokens', 'integer_below_min_value'],
  [{ temperature: 3 }, 'temperature', 'decimal_above_max_value'],
  [{ truncation: 'auto' }, 'truncation', 'invalid_value'],
  [{ include: ['file_search_call.results'] }, 'include[0]', 'invalid_value'],
  [{ top_logprobs: 2 }, 'top_logprobs', 'invalid_value'],
  [{ stream_options: {} }, 'stream_options', 'invalid_value'],
  [{ tools: [{ type: 'web_search' }] }, 'tools[0].type', 'unsupported_parameter'],
  [{ tool_choice: 'required' }, 'tool_choice', 'invalid_value'],
  [
    { text: { format: { type: 'json_schema', name: 'x', schema: { not: {} } } } },
    'text.format.schema.not',
    'invalid_json_schema',
  ],
  [{ text: { format: { type: 'xml' } } }, 'text.format.type', 'invalid_value'],
  [{ model: 'nobody-has-it' }, 'model', 'model_not_found', 404],
  [{ input: 'fish '.repeat(9_000) }, 'input', 'context_length_exceeded'],
])

const batch = { input_file_id: 'file-none', endpoint: '/v1/chat/completions', completion_window: '24h' }
const batches = rowsOf('/v1/batches', batch, [
  [{ input_file_id: undefined }, 'input_file_id', 'missing_required_parameter'],
  [{ input_file_id: 5 }, 'input_file_id', 'invalid_type'],
  [{ endpoint: '/v1/images' }, 'endpoint', 'invalid_value'],
  [{ completion_window: '1h' }, 'completion_window', 'invalid_value'],
  [{ metadata: { a: 1 } }, 'metadata.a', 'invalid_type'],
  [{ nonsense: 1 }, 'nonsense', 'unknown_parameter'],
  [{}, 'input_file_id', 'not_found', 404],
])

export const badInputs: readonly BadInput[] = [
  ...chat,
  ...completions,
  ...embeddings,
  ...responses,
  ...batches,
]
