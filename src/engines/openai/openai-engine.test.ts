/** Against a real HTTP server that speaks as vLLM and llama-server do, or misbehaves as a test tells it to. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import type { ServerResponse } from 'node:http'
import { test } from 'node:test'
import type { EngineRequest } from '#protocol/engine-request.ts'
import { encodeDataFrame } from '#protocol/frame.ts'
import { Problem } from '#protocol/problem.ts'
import { chat, completion, embedding, finishRun, startRun } from '../llama-cpp/tiny-engine.ts'
import { cut, event, finish, role, serveUpstream, start, stop, stream, text, usage } from './test-upstream.ts'

const hello = chat([{ role: 'user', content: 'hello there' }], { model: 'm', maxTokens: 50 })

test('the models of the server are offered, with the context that it tells', async (t) => {
  const { engine } = await serveUpstream(t, {
    models: [
      { id: 'a', max_model_len: 32_768, root: 'org/a' },
      { id: 'b', meta: { n_ctx_train: 8192 } },
      { id: 'c' },
    ],
  })
  const told = engine.models().map(({ id, contextTokens, fingerprint }) => [id, contextTokens, fingerprint])
  assert.deepEqual(told, [
    ['a', 32_768, 'name:org/a'],
    ['b', 8192, 'name:b'],
    ['c', 4096, 'name:c'],
  ])
})

test('only the models that the owner named are offered', async (t) => {
  const { engine } = await serveUpstream(t, {
    models: [{ id: 'a' }, { id: 'b' }],
    options: { models: ['b'] },
  })
  assert.deepEqual(
    engine.models().map(({ id }) => id),
    ['b'],
  )
})

test('a chat is streamed: its request arrives whole, its text in order, its usage from the upstream', async (t) => {
  const { engine, received } = await serveUpstream(t, {
    options: { apiKey: 'secret' },
    answer: (response) => {
      const end = usage(11, 2, { prompt_tokens_details: { cached_tokens: 8 } })
      stream(response, [role(), text('Hel'), text('lo'), finish('stop'), end, '[DONE]'])
    },
  })
  const request = chat([{ role: 'user', content: 'hello there' }], {
    model: 'm',
    maxTokens: 50,
    sampling: { temperature: 0.5, topP: 0.9, seed: 7, stop: ['END'], presencePenalty: 1 },
  })
  const run = await finishRun(engine, request)
  assert.equal(run.text, 'Hello')
  const counted = { promptTokens: 11, completionTokens: 2, cachedPromptTokens: 8 }
  assert.deepEqual(run.end, { finishReason: 'stop', ...counted })
  assert.deepEqual(run.deltas, [
    { text: 'Hel', tokenIds: [], tokenCount: 1 },
    { text: 'lo', tokenIds: [], tokenCount: 1 },
  ])
  assert.equal(run.startedWith, 3)
  assert.deepEqual(received.at(-1), {
    target: 'POST /v1/chat/completions',
    authorization: 'Bearer secret',
    body: {
      model: 'm',
      max_tokens: 50,
      stream: true,
      stream_options: { include_usage: true },
      temperature: 0.5,
      top_p: 0.9,
      seed: 7,
      stop: ['END'],
      presence_penalty: 1,
      messages: [{ role: 'user', content: 'hello there' }],
    },
  })
})

test('a completion takes its text from `text`, and a last message of the assistant is asked to be continued', async (t) => {
  const { engine, received } = await serveUpstream(t, {
    answer: (response) =>
      stream(response, [{ choices: [{ text: 'abc', finish_reason: 'length' }] }, '[DONE]']),
  })
  const run = await finishRun(engine, completion('once', { model: 'm' }))
  assert.deepEqual([run.text, run.end?.finishReason], ['abc', 'length'])
  await finishRun(
    engine,
    chat(
      [
        { role: 'user', content: 'a' },
        { role: 'assistant', content: 'b' },
      ],
      { model: 'm' },
    ),
  )
  const { body } = received.at(-1) ?? {}
  assert.equal(body?.['continue_final_message'], true)
  assert.equal(body['add_generation_prompt'], false)
})

test('tokens that the upstream counted beyond one a chunk follow at the end, never above the maximum', async (t) => {
  const counted = { value: 5 }
  const { engine } = await serveUpstream(t, {
    answer: (response) =>
      stream(response, [text('a long piece'), finish('length'), usage(4, counted.value), '[DONE]']),
  })
  const sumOf = async (maxTokens: number) => {
    const run = await finishRun(engine, chat([{ role: 'user', content: 'a' }], { model: 'm', maxTokens }))
    assert.equal(
      run.deltas.reduce((sum, { tokenCount }) => sum + tokenCount, 0),
      run.end?.completionTokens,
    )
    return run.end?.completionTokens
  }
  assert.equal(await sumOf(50), 5)
  counted.value = 900
  assert.equal(await sumOf(50), 50)
})

test('of very many tokens that no chunk showed each piece counts no more than a frame can say', async (t) => {
  const { engine } = await serveUpstream(t, {
    answer: (response) => stream(response, [text('a'), finish('stop'), usage(4, 150_000), '[DONE]']),
  })
  const run = await finishRun(
    engine,
    chat([{ role: 'user', content: 'a' }], { model: 'm', maxTokens: 200_000 }),
  )
  assert.deepEqual(
    run.deltas.map(({ tokenCount }) => tokenCount),
    [1, 65_535, 65_535, 18_929],
  )
  for (const delta of run.deltas) encodeDataFrame(1, delta)
})

test('what the model thinks comes with its answer where a gateway asks for it', async (t) => {
  const thought = (reasoning_content: string) => ({ choices: [{ delta: { reasoning_content } }] })
  const { engine } = await serveUpstream(t, {
    answer: (response) =>
      stream(response, [
        role(),
        thought('Hm'),
        thought('.'),
        text('Hi'),
        finish('stop'),
        usage(3, 3),
        '[DONE]',
      ]),
  })
  const run = await finishRun(engine, { ...hello, withReasoning: true } as EngineRequest)
  assert.deepEqual(
    run.deltas.map(({ text, tokenCount, detail }) => [text, tokenCount, detail?.reasoning]),
    [
      ['', 1, 'Hm'],
      ['', 1, '.'],
      ['Hi', 1, undefined],
    ],
  )
  assert.equal(run.end?.completionTokens, 3)
})

test('a prompt that the upstream never counts is told at the end as at the start', async (t) => {
  const { engine } = await serveUpstream(t, {
    answer: (response) => {
      if (response.req.url === '/v1/embeddings')
        return response.end(JSON.stringify({ data: [{ index: 0, embedding: [1] }] }))
      stream(response, [text('Hi'), finish('stop'), '[DONE]'])
    },
  })
  const run = await finishRun(engine, hello)
  assert.deepEqual([run.startedWith, run.end?.promptTokens], [3, 3])
  const embedded = await finishRun(engine, embedding(['hello there'], 'm'))
  assert.deepEqual([embedded.startedWith, embedded.end?.promptTokens], [3, 3])
})

test('characters cut in the middle by the network arrive whole', async (t) => {
  const { engine } = await serveUpstream(t, {
    answer: (response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' })
      const bytes = Buffer.from(
        [text('🐟é'), finish('stop')].map((event) => `data: ${JSON.stringify(event)}\r\n\r\n`).join(''),
      )
      void (async () => {
        for (const byte of bytes) if (!response.write(Buffer.of(byte))) await once(response, 'drain')
        response.end('data: [DONE]\r\n\r\n')
      })()
    },
  })
  assert.equal((await finishRun(engine, hello)).text, '🐟é')
})

const broken: readonly (readonly [name: string, answer: (response: ServerResponse) => void, says: RegExp])[] =
  [
    ['a connection lost in the middle', (response) => cut(response, [text('a')]), /closed the connection/],
    [
      'a polite end without [DONE] or finish reason',
      (response) => stream(response, [text('a')]),
      /in the middle/,
    ],
    [
      'an error in the stream',
      (response) => stream(response, [text('a'), { error: { message: 'CUDA out of memory' } }]),
      /CUDA/,
    ],
    ['something that is no chunk', (response) => stream(response, ['<html>']), /no chunk/],
    ['no answer at all', () => undefined, /stayed silent/],
    ['silence after the first token', (response) => start(response, [text('a')]), /stayed silent/],
  ]
for (const [name, answer, says] of broken) {
  test(`${name} is a failure of this node, to be tried elsewhere`, async (t) => {
    const { engine } = await serveUpstream(t, { answer, options: { silenceMsMax: 300 } })
    const { problem, end } = await finishRun(engine, hello)
    assert.equal(end, null)
    assert.equal(problem?.code, 'engine_failed')
    assert.ok(problem.retriable)
    assert.match(problem.message, says)
  })
}

const openai = (message: string, code: string | null = null) => ({
  error: { message, type: 'invalid_request_error', code },
})
const refusals: readonly (readonly [status: number, body: unknown, code: string, says: RegExp])[] = [
  [400, openai('temperature must be at most 2'), 'invalid_request', /^temperature must be at most 2$/],
  [400, { object: 'error', message: 'bad stop' }, 'invalid_request', /^bad stop$/],
  [400, { error: 'invalid options' }, 'invalid_request', /^invalid options$/],
  [422, { detail: [{ msg: 'field required' }] }, 'invalid_request', /field required/],
  [
    400,
    openai('maximum context length is 4096', 'context_length_exceeded'),
    'context_length_exceeded',
    /4096/,
  ],
  [
    400,
    { error: { message: 'too long', type: 'exceed_context_size_error' } },
    'context_length_exceeded',
    /too long/,
  ],
  [401, openai('Incorrect API key'), 'engine_failed', /refuses this node's key .*Incorrect API key/],
  [403, '', 'engine_failed', /key/],
  [404, openai('no such model'), 'engine_failed', /no such model/],
  [429, openai('slow down'), 'overloaded', /overloaded/],
  [500, 'Internal Server Error', 'engine_failed', /status 500/],
  [503, openai('loading model'), 'engine_failed', /loading model/],
]
for (const [status, body, code, says] of refusals) {
  test(`status ${status} with ${JSON.stringify(body)} is ${code}`, async (t) => {
    const { engine } = await serveUpstream(t, {
      answer: (response) =>
        response.writeHead(status).end(typeof body === 'string' ? body : JSON.stringify(body)),
    })
    const { problem } = await finishRun(engine, hello)
    assert.equal(problem?.code, code)
    assert.match(problem.message, says)
  })
}

test('cancel cuts the upstream request at once', async (t) => {
  const closed = Promise.withResolvers<void>()
  const { engine } = await serveUpstream(t, {
    answer: (response) => {
      response.on('close', closed.resolve)
      start(response, [text('a')])
    },
  })
  const run = startRun(engine, hello)
  await run.begun
  run.run.cancel()
  await closed.promise
  assert.equal(run.deltas.length, 1)
})

test('a paused run takes no more from the upstream than the pipes hold, and nothing is lost', async (t) => {
  const piece = 'x'.repeat(10_000)
  const count = 2_000
  const written = { events: 0 }
  const stuck = Promise.withResolvers<void>()
  const { engine } = await serveUpstream(t, {
    answer: async (response) => {
      response.writeHead(200)
      for (; written.events < count; written.events++) {
        if (response.write(event(text(piece)))) continue
        stuck.resolve()
        await once(response, 'drain')
      }
      stream(response, [finish('stop'), '[DONE]'])
    },
  })
  const run = startRun(engine, chat([{ role: 'user', content: 'a' }], { model: 'm', maxTokens: 5_000 }))
  await run.begun
  run.run.pause()
  await stuck.promise
  const seen = run.deltas.length
  assert.ok(seen < count)
  run.run.resume()
  assert.equal((await run.finished).text.length, count * piece.length)
})

test('embeddings come in the order of the inputs, whatever the order of the answer', async (t) => {
  const { engine } = await serveUpstream(t, {
    answer: (response) => {
      const data = [
        { index: 1, embedding: [0, 1] },
        { index: 0, embedding: [1, 0] },
      ]
      response.end(JSON.stringify({ data, usage: { prompt_tokens: 9, total_tokens: 9 } }))
    },
  })
  const run = await finishRun(engine, embedding(['a', 'b'], 'm'))
  assert.deepEqual(run.vectors, [new Float32Array([1, 0]), new Float32Array([0, 1])])
  assert.deepEqual(run.end, { finishReason: 'stop', promptTokens: 9, completionTokens: 0 })
})

test('too few embeddings are a failure of this node', async (t) => {
  const { engine } = await serveUpstream(t, {
    answer: (response) => response.end(JSON.stringify({ data: [] })),
  })
  assert.equal((await finishRun(engine, embedding(['a'], 'm'))).problem?.code, 'engine_failed')
})

test('a server that goes is noticed by the first failed request, and one that comes back by itself', async (t) => {
  const { engine, server, port, changed } = await serveUpstream(t, {
    answer: (response) => cut(response, [text('a')]),
  })
  await stop(server)
  const gone = changed(() => engine.models().length === 0)
  assert.equal((await finishRun(engine, hello)).problem?.code, 'engine_failed')
  await gone
  assert.match(engine.failure()?.message ?? '', /Nothing listens/)
  assert.equal((await finishRun(engine, hello)).problem?.code, 'engine_failed')
  const back = changed(() => engine.models().length === 1)
  server.listen(port, '127.0.0.1')
  await back
  assert.equal(engine.failure(), null)
})

test('a key that the server refuses is told at the start, as the owner’s to mend', async (t) => {
  const { engine } = await serveUpstream(t, { listStatus: 401, waits: false })
  await assert.rejects(engine.ready(), (error) => error instanceof Problem && /key/.test(error.message))
  assert.deepEqual(engine.models(), [])
})

test('a key that no header can carry is told like any other failure', async (t) => {
  const { engine, changed } = await serveUpstream(t, { options: { apiKey: 'a\nb' }, waits: false })
  await changed(() => engine.failure() !== null)
  assert.match(engine.failure()?.message ?? '', /invalid authorization header/)
})

test('a base URL without an API behind it is told at the start', async (t) => {
  const { engine } = await serveUpstream(t, { listStatus: 404, waits: false })
  await assert.rejects(
    engine.ready(),
    (error) => error instanceof Problem && /Check that the base URL/.test(error.message),
  )
})

test('requests beyond the slots and the queue are refused', async (t) => {
  const { engine } = await serveUpstream(t, {
    answer: (response) => start(response, [text('a')]),
    options: { slots: 1, queueMax: 1 },
  })
  const runs = [startRun(engine, hello), startRun(engine, hello), startRun(engine, hello)]
  assert.equal((await runs[2]?.finished)?.problem?.code, 'queue_full')
})

test('close() cancels what is open', async (t) => {
  const { engine } = await serveUpstream(t, { answer: (response) => start(response, [text('a')]) })
  const run = startRun(engine, hello)
  await run.begun
  await engine.close()
  assert.equal((await run.finished).problem?.code, 'cancelled')
  assert.equal((await finishRun(engine, hello)).problem?.code, 'cancelled')
})
