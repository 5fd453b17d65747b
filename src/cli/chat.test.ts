import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Fetch } from '#protocol/client.ts'
import { createStubTerminal, type StubTerminal } from './stub-context.ts'

const chunk = (members: object): string => JSON.stringify({ model: 'guide', choices: [], ...members })
const delta = (content: string): string => chunk({ choices: [{ delta: { content }, finish_reason: null }] })
const stop = chunk({ choices: [{ delta: {}, finish_reason: 'stop' }] })
const usage = { prompt_tokens: 7, completion_tokens: 3, total_tokens: 10 }
const last = chunk({
  usage,
  x_shoal: { node: 'nod_1', cost_nano_usd: '1234', first_token_ms: 5, total_ms: 9 },
})
const ANSWER = [delta('A sho'), delta('al of'), delta(' fish.'), stop, last, '[DONE]']

test('an answer goes out as it comes, and what it took to the other output', async () => {
  const { run, asked } = setup(ANSWER)
  const { exitCode, out, err } = await run('chat', 'What', 'is it?', '--model', 'guide')
  assert.deepEqual([exitCode, out], [0, 'A shoal of fish.\n'])
  assert.equal(err, 'node nod_1 · 3 tokens · 20.0 tokens/s · first after 100 ms · $0.000001234\n')
  assert.deepEqual(asked, [
    {
      model: 'guide',
      messages: [{ role: 'user', content: 'What is it?' }],
      stream: true,
      stream_options: { include_usage: true },
    },
  ])
})

test('the model is the first that is served, unless told', async () => {
  const { run, asked } = setup(ANSWER)
  await run('chat', 'hi', '--system', 'Be brief.', '--max-tokens', '9', '--temperature', '0.5', '--seed', '7')
  assert.deepEqual(asked, [
    {
      model: 'served',
      messages: [
        { role: 'system', content: 'Be brief.' },
        { role: 'user', content: 'hi' },
      ],
      stream: true,
      stream_options: { include_usage: true },
      max_tokens: 9,
      temperature: 0.5,
      seed: 7,
    },
  ])
})

test('the key goes along', async () => {
  const { run, requests } = setup(ANSWER)
  await run('chat', 'hi')
  assert.deepEqual(
    requests.map((request) => request.headers.get('authorization')),
    ['Bearer member', 'Bearer member'],
  )
})

test('with --json there is one document and nothing else', async () => {
  const { run } = setup(ANSWER, { isTty: true })
  const { out, err } = await run('chat', 'hi', '--json')
  assert.equal(err, '')
  assert.deepEqual(JSON.parse(out), {
    text: 'A shoal of fish.',
    model: 'guide',
    requestId: 'req_1',
    node: 'nod_1',
    finishReason: 'stop',
    promptTokens: 7,
    completionTokens: 3,
    firstTokenMs: 100,
    totalMs: 200,
    tokensPerSecond: 20,
    cost: '1234',
  })
})

test('what is piped in is the question, when there is no other', async () => {
  const piped = setup(ANSWER, { input: 'from a file\n' })
  await piped.run('chat')
  assert.equal(piped.asked[0]?.messages[0]?.content, 'from a file\n')
  const both = setup(ANSWER, { input: 'from a file\n' })
  await both.run('chat', 'words')
  assert.equal(both.asked[0]?.messages[0]?.content, 'words')
  const none = await setup(ANSWER).run('chat')
  assert.deepEqual([none.exitCode, none.out], [2, ''])
})

test('any OpenAI-compatible server will do', async () => {
  const bare = [JSON.stringify({ choices: [{ delta: { content: 'hi' } }] }), '[DONE]']
  const { exitCode, out, err } = await setup(bare, { isPlain: true }).run('chat', 'x')
  assert.deepEqual([exitCode, out, err], [0, 'hi\n', 'first after 100 ms\n'])
})

test('how an answer fails decides the exit code, and what had come stays', async () => {
  const failure = (code: string) => JSON.stringify({ error: { message: 'It is so.', code } })
  const rows: [string[] | Response, number, string, RegExp][] = [
    [[delta('half')], 7, 'half\n', /broke off before its end/],
    [[delta('half'), failure('node_failed')], 7, 'half\n', /It is so\./],
    [new Response(failure('funds_insufficient'), { status: 402 }), 5, '', /It is so\./],
    [new Response(failure('model_not_found'), { status: 404 }), 6, '', /It is so\./],
    [new Response(failure('something_new'), { status: 401 }), 4, '', /It is so\./],
    [new Response(failure('context_length_exceeded'), { status: 400 }), 2, '', /It is so\./],
    [new Response(failure('queue_full'), { status: 429 }), 7, '', /It is so\./],
    [new Response('<html>', { status: 404 }), 6, '', /answered 404 and no error object/],
    [['{"choices": 5}'], 1, '', /not of OpenAI’s form/],
  ]
  for (const [answer, expected, text, message] of rows) {
    const { exitCode, out, err } = await setup(answer).run('chat', 'hi', '-m', 'guide')
    assert.deepEqual([exitCode, out], [expected, text], String(message))
    assert.match(err, message)
  }
})

test('no served model is told as such', async () => {
  const { run } = setup(ANSWER, { models: [] })
  const { exitCode, err } = await run('chat', 'hi')
  assert.equal(exitCode, 7)
  assert.match(err, /No model is served now/)
})

test('a node cannot steer the terminal, but a pipe gets what it sent', async () => {
  const hostile = [delta('a\u001b[2Jb\tc\nd\r\u0007'), '[DONE]']
  const seen = await setup(hostile, { isTty: true }).run('chat', 'x')
  assert.equal(seen.out, 'a\ufffd[2Jb\tc\nd \ufffd\n')
  const piped = await setup(hostile).run('chat', 'x')
  assert.equal(piped.out, 'a\u001b[2Jb\tc\nd\r\u0007\n')
})

test('Ctrl-C cancels the stream and ends with 130', async () => {
  const terminal = setup([delta('half')], { staysOpen: true })
  const run = terminal.run('chat', 'hi', '-m', 'guide')
  await terminal.shown('half')
  terminal.interrupt()
  assert.deepEqual(await run, { exitCode: 130, out: 'half\n', err: 'Interrupted.\n' })
  assert.deepEqual([terminal.isCancelled(), terminal.isListening()], [true, false])
})

test('a conversation remembers what was said until it is reset', async () => {
  const input = ['hi', '', '/model other', 'more', '/what', '/reset', 'anew', '/exit', 'never']
  const { run, asked } = setup(ANSWER, { isTty: true, input })
  const { exitCode, err } = await run('chat', '--system', 'Be brief.')
  assert.equal(exitCode, 0)
  const system = { role: 'system', content: 'Be brief.' }
  const said = { role: 'assistant', content: 'A shoal of fish.' }
  assert.deepEqual(
    asked.map(({ model, messages }) => [model, messages]),
    [
      ['served', [system, { role: 'user', content: 'hi' }]],
      ['other', [system, { role: 'user', content: 'hi' }, said, { role: 'user', content: 'more' }]],
      ['other', [system, { role: 'user', content: 'anew' }]],
    ],
  )
  assert.match(err, /A new conversation/)
})

test('in a conversation a failure is told, forgotten, and the next line goes on', async () => {
  const { run, asked } = setup([delta('half')], { isTty: true, input: ['one', 'two'] })
  const { exitCode, err } = await run('chat')
  assert.equal(exitCode, 0)
  assert.match(err, /broke off/)
  assert.deepEqual(asked[1]?.messages, [{ role: 'user', content: 'two' }])
})

interface Setup extends Partial<StubTerminal> {
  readonly models?: readonly string[]
  /** A server that is not Shoal's: none of its headers. */
  readonly isPlain?: boolean
  /** The stream does not end by itself. */
  readonly staysOpen?: boolean
}

interface Asked {
  readonly model: string
  readonly messages: readonly { role: string; content: string }[]
}

/** A terminal beside a server that answers every question with these events, or with this response. */
function setup(answer: readonly string[] | Response, options: Setup = {}) {
  const { models = ['served', 'guide'], isPlain, staysOpen, ...terminal } = options
  const asked: Asked[] = []
  const requests: Request[] = []
  let isCancelled = false
  const fetch: Fetch = async (request) => {
    requests.push(request)
    if (new URL(request.url).pathname === '/v1/models') {
      return Response.json({ object: 'list', data: models.map((id) => ({ id })) })
    }
    asked.push((await request.json()) as Asked)
    if (answer instanceof Response) return answer
    const body = new ReadableStream<Uint8Array>({
      start(controller) {
        for (const data of answer) controller.enqueue(new TextEncoder().encode(`data: ${data}\r\n\r\n`))
        if (!staysOpen) controller.close()
        request.signal.addEventListener('abort', () => {
          isCancelled = true
          controller.error(request.signal.reason)
        })
      },
    })
    return new Response(body, {
      headers: isPlain ? {} : { 'x-shoal-node': 'nod_0', 'x-request-id': 'req_1' },
    })
  }
  const stub = createStubTerminal({ fetch, ...terminal })
  /** Resolves once `text` was written. */
  const shown = async (text: string): Promise<void> => {
    while (!stub.written.out.includes(text)) await new Promise(setImmediate)
  }
  return { ...stub, asked, requests, shown, isCancelled: () => isCancelled }
}
