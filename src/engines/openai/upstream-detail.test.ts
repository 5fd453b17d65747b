/** What an upstream is asked for beyond text, and what its chunks carry beside it. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { DeltaDetail } from '#protocol/delta-detail.ts'
import type { EngineRequest } from '#protocol/engine-request.ts'
import type { EngineDelta } from '../engine.ts'
import { chat, completion } from '../llama-cpp/tiny-engine.ts'
import { CompletionStream } from './completion-stream.ts'
import { UpstreamCalls } from './upstream-detail.ts'
import { toUpstreamBody } from './upstream-request.ts'

test('formats, tools, probabilities and biases are passed on as OpenAI has them', () => {
  const request = {
    ...chat([{ role: 'user', content: 'hi' }], { sampling: { logitBias: { 5: -100 } } }),
    messages: [
      { role: 'user', content: 'hi' },
      { role: 'assistant', content: '', toolCalls: [{ id: 'a', name: 'f', arguments: '{}' }] },
      { role: 'tool', content: 'sun', toolCallId: 'a' },
    ],
    format: { type: 'json_schema', name: 'x', schema: { type: 'object' }, isStrict: true },
    tools: {
      list: [{ name: 'f', description: 'd', parameters: { type: 'object' }, isStrict: false }],
      choice: { name: 'f' },
      mayBeParallel: false,
    },
    topLogprobs: 2,
  } as EngineRequest
  const { body } = toUpstreamBody(request)
  assert.deepEqual(body['messages'], [
    { role: 'user', content: 'hi' },
    {
      role: 'assistant',
      content: '',
      tool_calls: [{ id: 'a', type: 'function', function: { name: 'f', arguments: '{}' } }],
    },
    { role: 'tool', content: 'sun', tool_call_id: 'a' },
  ])
  const { response_format, tools, tool_choice, parallel_tool_calls, logprobs, top_logprobs, logit_bias } =
    body
  assert.deepEqual(
    { response_format, tools, tool_choice, parallel_tool_calls, logprobs, top_logprobs, logit_bias },
    {
      response_format: {
        type: 'json_schema',
        json_schema: { name: 'x', schema: { type: 'object' }, strict: true },
      },
      tools: [
        { type: 'function', function: { name: 'f', description: 'd', parameters: { type: 'object' } } },
      ],
      tool_choice: { type: 'function', function: { name: 'f' } },
      parallel_tool_calls: false,
      logprobs: true,
      top_logprobs: 2,
      logit_bias: { 5: -100 },
    },
  )
  assert.equal(toUpstreamBody({ ...completion('x'), topLogprobs: 3 } as EngineRequest).body['logprobs'], 3)
  assert.equal('logprobs' in toUpstreamBody(completion('x')).body, false)
})

test('calls are numbered from 0 whether the server numbers them, or names them by ids alone', () => {
  const numbered = [
    [{ index: 0, id: 'a', function: { name: 'f', arguments: '' } }],
    [{ index: 0, function: { arguments: '{"x":' } }],
    [{ index: 0, function: { arguments: '1}' } }],
    [{ index: 1, id: 'b', function: { name: 'g', arguments: '{}' } }],
  ]
  const unnumbered = [
    [{ id: 'a', function: { name: 'f', arguments: '{"x":1}' } }],
    [{ id: 'b', function: { name: 'g', arguments: '{}' } }],
  ]
  for (const chunks of [numbered, unnumbered]) {
    const deltas = read(chunks.map((tool_calls) => ({ delta: { tool_calls } })))
    const calls: string[][] = [[], []]
    for (const { index, name, arguments: more = '' } of deltas.flatMap(
      ({ detail }) => detail?.toolCalls ?? [],
    )) {
      if (name !== undefined) calls[index]?.push(name)
      calls[index]?.push(more)
    }
    assert.deepEqual(
      calls.map((parts) => parts.join('')),
      ['f{"x":1}', 'g{}'],
    )
  }
})

test('calls behind the last that an answer may have are left out, with all that belongs to them', () => {
  for (const isNumbered of [true, false]) {
    const begin = (index: number) => ({
      ...(isNumbered && { index }),
      ...{ id: `c${index}`, function: { name: 'f', arguments: '{' } },
    })
    const more = (index: number) => ({ ...(isNumbered && { index }), function: { arguments: '}' } })
    const chunks = Array.from({ length: 140 }, (_, index) => [[begin(index)], [more(index)]]).flat()
    const calls = new UpstreamCalls()
    const told = DeltaDetail.parse({ toolCalls: chunks.flatMap((chunk) => calls.read(chunk)) }).toolCalls
    const text = Array.from({ length: 128 }, () => '')
    for (const { index, arguments: piece = '' } of told ?? []) text[index] += piece
    assert.deepEqual(text, Array(128).fill('{}'))
  }
})

test('probabilities tell how many tokens a chunk has; what was not asked for is not passed on', () => {
  const one = (token: string) => ({
    token,
    logprob: -1,
    bytes: null,
    top_logprobs: [
      { token, logprob: -1 },
      { token: 'z', logprob: -2 },
    ],
  })
  const chunk = { delta: { content: 'ab' }, logprobs: { content: [one('a'), one('b')] } }
  const [asked] = read([chunk], 1)
  assert.deepEqual(
    [asked?.tokenCount, asked?.detail?.logprobs?.map(({ token, top }) => [token, top.length])],
    [
      2,
      [
        ['a', 1],
        ['b', 1],
      ],
    ],
  )
  const [unasked] = read([chunk], null)
  assert.deepEqual([unasked?.tokenCount, unasked?.detail], [1, undefined])
  const old = {
    text: 'ab',
    logprobs: { tokens: ['a', 'b'], token_logprobs: [null, -1], top_logprobs: [null, { b: -1 }] },
  }
  assert.deepEqual(
    read([old], 1)[0]?.detail?.logprobs?.map(({ logprob, top }) => [logprob, top.length]),
    [
      [0, 0],
      [-1, 1],
    ],
  )
})

test('what a model thinks is told apart from its answer, token by token, where that was asked for', () => {
  const chunks = [
    { delta: { role: 'assistant', content: '' } },
    { delta: { reasoning_content: 'Let me ' } },
    { delta: { reasoning: 'think' } },
    { delta: { reasoning: { of: 'another kind' }, content: null } },
    { delta: { content: 'Hi' } },
  ]
  const told = (withReasoning: boolean) =>
    read(chunks, null, withReasoning).map(({ text, tokenCount, detail }) => [
      text,
      tokenCount,
      detail?.reasoning,
    ])
  assert.deepEqual(told(true), [
    ['', 1, 'Let me '],
    ['', 1, 'think'],
    ['Hi', 1, undefined],
  ])
  assert.deepEqual(told(false), [['Hi', 1, undefined]])
})

function read(
  choices: readonly object[],
  topLogprobs: number | null = null,
  withReasoning = false,
): EngineDelta[] {
  const deltas: EngineDelta[] = []
  const stream = new CompletionStream({
    maxTokens: 100,
    place: 'here',
    topLogprobs,
    withReasoning,
    promptTokensEstimated: 1,
    onStarted: () => undefined,
    onDelta: (delta) => void deltas.push(delta),
  })
  for (const choice of choices) stream.push(Buffer.from(`data: ${JSON.stringify({ choices: [choice] })}\n\n`))
  return deltas
}
