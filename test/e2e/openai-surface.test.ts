/** The whole surface for text, by the stock client and unchanged: several answers, formats, tools, probabilities, responses. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { APIError } from 'openai'
import { settle } from './books.ts'
import { type Network, openRig, startTiny } from './rig.ts'

const rig = openRig()
after(() => rig.dispose())
let network: Network
before(async () => {
  network = await startTiny(rig, rig.path('data'), ['--cached-discount', '80'])
})

const messages = [{ role: 'user' as const, content: 'What is Shoal?' }]
const call = { model: 'tiny', messages, temperature: 0, max_tokens: 24 }
const schema = {
  type: 'object',
  properties: { answer: { enum: ['yes', 'no'] }, level: { type: 'integer', minimum: 1, maximum: 5 } },
  required: ['answer', 'level'],
  additionalProperties: false,
}
const weather = {
  type: 'function' as const,
  function: {
    name: 'weather',
    description: 'Tells the weather of a city.',
    strict: true,
    parameters: {
      type: 'object',
      properties: { city: { enum: ['Oslo', 'Rome'] } },
      required: ['city'],
      additionalProperties: false,
    },
  },
}

test('several answers come under one reply, each by its index, and usage is their sum', async () => {
  const { openai } = network
  const sampled = { ...call, temperature: 1.5, seed: 7, n: 3 }
  const whole = await openai.chat.completions.create(sampled)
  assert.deepEqual(
    whole.choices.map(({ index, finish_reason }) => [index, finish_reason]),
    [0, 1, 2].map((index) => [index, 'length']),
  )
  assert.equal(new Set(whole.choices.map(({ message }) => message.content)).size, 3)
  assert.equal(whole.usage?.completion_tokens, 72)
  const texts = ['', '', '']
  const stream = await openai.chat.completions.create({
    ...sampled,
    stream: true,
    stream_options: { include_usage: true },
  })
  let order = ''
  let tokens = 0
  for await (const { choices, usage } of stream) {
    for (const { index, delta } of choices) {
      texts[index] += delta.content ?? ''
      order += index
    }
    tokens = usage?.completion_tokens ?? tokens
  }
  assert.deepEqual(
    texts,
    whole.choices.map(({ message }) => message.content),
  )
  assert.equal(tokens, 72)
  assert.match(order, /[12].*0/, 'they come together, not one after the other')
  const prompts = await openai.completions.create({ model: 'tiny', prompt: ['a', 'b'], n: 2, max_tokens: 2 })
  assert.deepEqual(
    prompts.choices.map(({ index }) => index),
    [0, 1, 2, 3],
  )
})

test('log probabilities come with each token, whole and streamed', async () => {
  const { openai } = network
  const asked = { ...call, logprobs: true, top_logprobs: 2 }
  const whole = await openai.chat.completions.create(asked)
  const content = whole.choices[0]?.logprobs?.content ?? []
  assert.equal(content.length, 24)
  assert(
    content.every(
      ({ top_logprobs, logprob }) => top_logprobs.length === 2 && logprob === top_logprobs[0]?.logprob,
    ),
  )
  const streamed = []
  for await (const { choices } of await openai.chat.completions.create({ ...asked, stream: true })) {
    streamed.push(...(choices[0]?.logprobs?.content ?? []))
  }
  assert.deepEqual(streamed, content)
  const old = await openai.completions.create({
    model: 'tiny',
    prompt: 'x',
    max_tokens: 4,
    temperature: 0,
    logprobs: 2,
  })
  const { tokens, token_logprobs, text_offset } = old.choices[0]?.logprobs ?? {}
  assert.deepEqual([tokens?.length, token_logprobs?.length, text_offset?.[0]], [4, 4, 0])
  const forced = await openai.chat.completions.create({ ...call, max_tokens: 3, logit_bias: { 123: 100 } })
  assert.equal(forced.choices[0]?.message.content, 'xxx')
})

test('an answer keeps to its JSON schema, whole and streamed', async () => {
  const response_format = {
    type: 'json_schema' as const,
    json_schema: { name: 'verdict', schema, strict: true },
  }
  const body = { ...call, max_tokens: 200, response_format }
  const whole = await network.openai.chat.completions.create(body)
  const text = whole.choices[0]?.message.content ?? ''
  const found = JSON.parse(text) as { answer: string; level: number }
  assert(['yes', 'no'].includes(found.answer) && found.level >= 1 && found.level <= 5, text)
  let streamed = ''
  for await (const chunk of await network.openai.chat.completions.create({ ...body, stream: true })) {
    streamed += chunk.choices[0]?.delta.content ?? ''
  }
  assert.equal(streamed, text)
})

test('a tool is called with arguments that keep to its schema, and its result can be sent back', async () => {
  const { openai } = network
  const body = {
    ...call,
    max_tokens: 200,
    tools: [weather],
    tool_choice: 'required' as const,
    parallel_tool_calls: false,
  }
  const whole = await openai.chat.completions.create(body)
  const [choice] = whole.choices
  const [made] = choice?.message.tool_calls ?? []
  assert(choice && made?.type === 'function')
  assert.deepEqual(
    [choice.finish_reason, choice.message.content, made.function.name],
    ['tool_calls', null, 'weather'],
  )
  assert(['Oslo', 'Rome'].includes((JSON.parse(made.function.arguments) as { city: string }).city))
  // The client's own helper puts the deltas together.
  const streamed = await openai.chat.completions.stream(body).finalChatCompletion()
  const again = streamed.choices[0]?.message.tool_calls?.[0]
  assert(again?.type === 'function')
  assert.deepEqual(
    [again.function.arguments, streamed.choices[0]?.finish_reason],
    [made.function.arguments, 'tool_calls'],
  )
  const result = { role: 'tool' as const, tool_call_id: made.id, content: '{"sun": true}' }
  const next = await openai.chat.completions.create({
    ...call,
    tools: [weather],
    messages: [
      ...messages,
      streamed.choices[0]?.message ?? choice.message,
      { ...result, tool_call_id: again.id },
    ],
  })
  assert.equal(next.choices[0]?.finish_reason, 'length')
})

test('a response comes whole and as events in their order, with text, with a schema and with a function', async () => {
  const { openai } = network
  const ask = {
    model: 'tiny',
    input: 'What is Shoal?',
    instructions: 'Be brief.',
    temperature: 0,
    max_output_tokens: 16,
  }
  const whole = await openai.responses.create(ask)
  assert.deepEqual(
    [whole.status, whole.incomplete_details?.reason, whole.usage?.output_tokens],
    ['incomplete', 'max_output_tokens', 16],
  )
  const types: string[] = []
  let text = ''
  let last = -1
  for await (const event of await openai.responses.create({ ...ask, stream: true })) {
    assert.equal(event.sequence_number, ++last)
    if (event.type === 'response.output_text.delta') text += event.delta
    if (types.at(-1) !== event.type) types.push(event.type)
  }
  assert.equal(text, whole.output_text)
  assert.deepEqual(types, [
    'response.created',
    'response.in_progress',
    'response.output_item.added',
    'response.content_part.added',
    'response.output_text.delta',
    'response.output_text.done',
    'response.content_part.done',
    'response.output_item.done',
    'response.incomplete',
  ])
  const format = { type: 'json_schema' as const, name: 'verdict', schema, strict: true }
  const verdict = await openai.responses.create({ ...ask, max_output_tokens: 200, text: { format } })
  assert.equal(verdict.status, 'completed')
  assert(['yes', 'no'].includes((JSON.parse(verdict.output_text) as { answer: string }).answer))
  const { function: definition } = weather
  const tools = [{ type: 'function' as const, ...definition }]
  const called = await openai.responses
    .stream({ ...ask, max_output_tokens: 200, tools, tool_choice: 'required', parallel_tool_calls: false })
    .finalResponse()
  const [item] = called.output
  assert(item?.type === 'function_call' && item.name === 'weather')
  const output = { type: 'function_call_output' as const, call_id: item.call_id, output: '{"sun":true}' }
  const next = await openai.responses.create({
    ...ask,
    tools,
    input: [{ role: 'user', content: 'What is Shoal?' }, item, output],
  })
  assert.equal(next.usage?.output_tokens, 16)
})

test('bad input is named by its field in both APIs', async () => {
  const { openai } = network
  const pattern = { type: 'object', properties: { a: { type: 'string', pattern: '^a$' } } }
  const refused: [() => Promise<unknown>, number, string | null, string | null][] = [
    [
      () => openai.chat.completions.create({ ...call, max_tokens: 0 }),
      400,
      'max_tokens',
      'integer_below_min_value',
    ],
    [
      () =>
        openai.chat.completions.create({
          ...call,
          response_format: { type: 'json_schema', json_schema: { name: 'x', schema: pattern, strict: true } },
        }),
      400,
      'response_format.json_schema.schema.properties.a.pattern',
      'invalid_json_schema',
    ],
    [
      () =>
        openai.responses.create({
          model: 'tiny',
          input: 'x',
          text: { format: { type: 'json_schema', name: 'x', schema: pattern, strict: true } },
        }),
      400,
      'text.format.schema.properties.a.pattern',
      'invalid_json_schema',
    ],
    [
      () => openai.responses.create({ model: 'tiny', input: 'x', store: true }),
      400,
      'store',
      'unsupported_parameter',
    ],
    [
      () => openai.responses.create({ model: 'tiny', input: 'x', previous_response_id: 'resp_1' }),
      400,
      'previous_response_id',
      'unsupported_parameter',
    ],
    [() => openai.responses.create({ model: 'none', input: 'x' }), 404, 'model', 'model_not_found'],
    [
      () => openai.responses.create({ model: 'tiny', input: 'fish '.repeat(9_000) }),
      400,
      'input',
      'context_length_exceeded',
    ],
    [
      () =>
        openai.chat.completions.create({
          ...call,
          tools: [
            { type: 'function', function: { name: 'f', parameters: { description: 'x'.repeat(1_000_000) } } },
          ],
        }),
      400,
      'tools[0].function.parameters',
      'invalid_function_parameters',
    ],
  ]
  const name = 'x'.repeat(5_000)
  const long = { type: 'object', properties: { [name]: { type: 'string', pattern: '^a$' } } }
  const format = { type: 'json_schema' as const, json_schema: { name: 'x', schema: long, strict: true } }
  const path = `response_format.json_schema.schema.properties.${name}`.slice(0, 200)
  // Names of any length are the caller's, and cost the node that refuses them nothing.
  refused.push([
    () => openai.chat.completions.create({ ...call, response_format: format }),
    400,
    path,
    'invalid_json_schema',
  ])
  for (const [answer, status, param, code] of refused) {
    await assert.rejects(answer(), (error) => {
      assert(error instanceof APIError, String(error))
      assert.deepEqual([error.status, error.param, error.code], [status, param, code])
      return true
    })
  }
})

test('a call under an idempotency key is computed once, and refused while it is under way', async () => {
  const { openai, ready } = network
  const send = (key: string, body: object): Promise<Response> =>
    fetch(`${ready.openaiBaseUrl}/chat/completions`, {
      method: 'POST',
      headers: {
        authorization: `Bearer ${ready.apiKey}`,
        'content-type': 'application/json',
        'idempotency-key': key,
      },
      body: JSON.stringify(body),
    })
  const sampled = { ...call, temperature: 1.5 }
  const first = await send('a', sampled)
  const text = await first.text()
  assert.match(first.headers.get('openai-processing-ms') ?? '', /^\d+$/)
  const second = await send('a', sampled)
  assert.deepEqual(
    [
      second.status,
      await second.text(),
      second.headers.get('x-request-id'),
      second.headers.get('idempotent-replayed'),
    ],
    [200, text, first.headers.get('x-request-id'), 'true'],
  )
  const other = await send('a', { ...sampled, max_tokens: 3 })
  assert.deepEqual(
    [other.status, ((await other.json()) as { error: { code: string } }).error.code],
    [400, 'idempotency_key_reused'],
  )
  const long = send('b', { ...call, max_tokens: 800 })
  const clash = send('b', { ...call, max_tokens: 800 })
  assert.deepEqual([(await long).status, (await clash).status].sort(), [200, 409])
  assert.equal((await openai.models.list()).data.length, 1)
})

test('what the node had read before is told and costs what the model list says', async () => {
  const { openai } = network
  const model = (await openai.models.retrieve('tiny')) as unknown as {
    pricing: Record<'prompt' | 'cached_prompt' | 'completion', string>
  }
  const priceOf = (kind: string): bigint =>
    BigInt((model.pricing as Record<string, string>)[`${kind}_nano_usd_per_million`] ?? '')
  assert.ok(priceOf('cached_prompt') < priceOf('prompt') / 4n)
  const asked = {
    ...call,
    max_tokens: 3,
    messages: [{ role: 'user' as const, content: 'Once more. '.repeat(60) }],
  }
  const cached: number[] = []
  for (let turn = 0; turn < 2; turn++) {
    const { usage, ...reply } = await openai.chat.completions.create(asked)
    const { x_shoal: shoal } = reply as unknown as { x_shoal: { cost_nano_usd: string } }
    assert.ok(usage)
    const known = usage.prompt_tokens_details?.cached_tokens ?? -1
    cached.push(known)
    const exact =
      BigInt(usage.prompt_tokens - known) * priceOf('prompt') +
      BigInt(known) * priceOf('cached_prompt') +
      BigInt(usage.completion_tokens) * priceOf('completion')
    assert.equal(BigInt(shoal.cost_nano_usd), (exact + 999_999n) / 1_000_000n)
    if (turn === 1)
      assert.equal(known, usage.prompt_tokens - 1, 'all but the token that the answer begins from')
  }
  assert.ok((cached[0] ?? 0) < (cached[1] ?? 0))
  const [second, first] = await settle(network, 0)
  assert.deepEqual([first?.cachedPromptTokens, second?.cachedPromptTokens], cached)
})

test('a model says what it costs, holds and can do', async () => {
  const model = (await network.openai.models.retrieve('tiny')) as unknown as Record<string, unknown>
  assert.deepEqual(
    [model['context_length'], model['resumes'], model['tasks']],
    [8192, true, ['chat', 'completion', 'embedding']],
  )
  assert.deepEqual(model['features'], [
    'json_object',
    'json_schema',
    'logit_bias',
    'logprobs',
    'tool_choice',
    'tools',
  ])
  assert(Number(model['tokens_per_second']) > 0)
})
