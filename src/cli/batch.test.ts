import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { BatchObject } from '#protocol/batch-api.ts'
import { Problem } from '#protocol/problem.ts'
import { createStubTerminal, STUB_CREDENTIALS, type StubTerminal } from './stub-context.ts'

const INPUT = `${JSON.stringify({ custom_id: 'a', method: 'POST', url: '/v1/chat/completions', body: {} })}\n`

test('a file is submitted with the endpoint that its first line asks, and watched to its end', async () => {
  const { run, calls } = setup()
  const { exitCode, out, err } = await run('batch', 'submit', 'in.jsonl', '--watch')
  assert.equal(exitCode, 0, err)
  assert.match(out, /status\s+completed/)
  assert.deepEqual(err.trim().split('\n'), [
    'validating: 0 of 0 done · $0.00',
    'in_progress: 1 of 3 done · $0.000000005 · waits for a node',
    'completed: 2 of 3 done, 1 failed · $0.00000001',
  ])
  assert.equal(calls[0], 'POST /v1/files')
  const order = calls[1] ?? ''
  assert.match(order, /^POST \/v1\/batches .*"endpoint":"\/v1\/chat\/completions".* under batch_1$/)
})

test('an order whose answer is lost is given again under the same key', async () => {
  const { run, calls } = setup({}, {}, 2)
  const { exitCode, err } = await run('batch', 'submit', 'in.jsonl')
  assert.equal(exitCode, 0, err)
  const orders = calls.filter((call) => call.startsWith('POST /v1/batches'))
  assert.equal(orders.length, 3)
  assert.equal(new Set(orders).size, 1)
  const gone = await setup({}, {}, 1_000).run('batch', 'submit', 'in.jsonl')
  assert.equal(gone.exitCode, 3)
  assert.match(gone.err, /The batch may have begun all the same: see shoal batch list/)
})

test('a terminal shows progress in one line, which others cannot steer', async () => {
  const { run } = setup({ isTty: true })
  const { err } = await run('batch', 'show', 'batch_x', '--watch')
  assert.match(err, /\r.*in_progress/)
  assert.equal(err.split('\n').length, 2)
  const evil = setup({}, { x_shoal: { cost_nano_usd: '1', waiting_for: 'a\u001b[2Jb' } })
  assert.doesNotMatch((await evil.run('batch', 'show', 'batch_x')).out, /\p{Cc}\[2J/u)
})

test('watching a batch that fails ends with 1, and Ctrl-C leaves it be', async () => {
  const failed = setup({}, { status: 'failed' })
  assert.equal((await failed.run('batch', 'show', 'batch_x', '-w')).exitCode, 1)
  const asleep = setup({
    parts: {
      sleep: async (_ms, signal) => {
        asleep.interrupt()
        signal.throwIfAborted()
      },
    },
  })
  const { exitCode, err } = await asleep.run('batch', 'show', 'batch_x', '-w')
  assert.equal(exitCode, 130)
  assert.match(err, /goes on without you/)
})

test('results are printed, or written with what went wrong', async () => {
  const { run, files } = setup({}, { status: 'completed' })
  const printed = await run('batch', 'fetch', 'batch_x')
  assert.deepEqual([printed.out, printed.exitCode], ['content of file-o', 0])
  assert.match(printed.err, /add --errors FILE/)
  await run('batch', 'fetch', 'batch_x', '--out', 'o.jsonl', '--errors', 'e.jsonl')
  const written = [...files].map(([name, data]) => [name, Buffer.from(data).toString()])
  assert.deepEqual(written, [
    ['o.jsonl', 'content of file-o'],
    ['e.jsonl', 'content of file-e'],
  ])
  const early = await setup().run('batch', 'fetch', 'batch_x')
  assert.deepEqual([early.exitCode, early.out], [7, ''])
})

test('batches are listed, and a file without a url is refused', async () => {
  const { run } = setup()
  assert.match((await run('batch')).out, /^ID .*\nbatch_x +in_progress +m +1\/3 +0 /)
  const { exitCode, err } = await run('batch', 'submit', 'bad.jsonl')
  assert.equal(exitCode, 2)
  assert.match(err, /Give --endpoint/)
  assert.match((await run('batch', 'submit', 'missing.jsonl')).err, /no file missing\.jsonl/)
})

function setup(terminal: Partial<StubTerminal> = {}, more: Partial<BatchObject> = {}, lost = 0) {
  const calls: string[] = []
  let asked = 0
  let losses = 0
  const later: Partial<BatchObject>[] = [
    {
      status: 'in_progress',
      request_counts: { total: 3, completed: 1, failed: 0 },
      x_shoal: { cost_nano_usd: '5', waiting_for: 'a node' },
    },
    {
      status: 'completed',
      request_counts: { total: 3, completed: 2, failed: 1 },
      x_shoal: { cost_nano_usd: '10', waiting_for: null },
    },
  ]
  const fetch = async (request: Request): Promise<Response> => {
    const { pathname } = new URL(request.url)
    const key = request.headers.get('idempotency-key')
    const body = request.method === 'POST' && key ? ` ${await request.text()} under ${key}` : ''
    calls.push(`${request.method} ${pathname}${body}`)
    if (pathname.endsWith('/content')) return new Response(`content of ${pathname.split('/').at(-2)}`)
    if (pathname === '/v1/files') return Response.json(file)
    if (key && losses++ < lost) throw new Problem('network_unreachable', 'The line was cut.')
    if (request.method === 'POST') return Response.json(base)
    if (pathname === '/v1/batches') {
      const page = { object: 'list', first_id: 'batch_x', last_id: 'batch_x', has_more: false }
      return Response.json({ ...page, data: [{ ...base, ...later[0] }] })
    }
    return Response.json({ ...base, ...later[Math.min(asked++, 1)], ...more })
  }
  const files = {
    '/home/ada/.shoal/credentials.json': STUB_CREDENTIALS,
    'in.jsonl': INPUT,
    'bad.jsonl': '{}\n',
  }
  return { calls, ...createStubTerminal({ fetch, files, ...terminal }) }
}

const file = {
  id: 'file-i',
  object: 'file',
  bytes: 1,
  created_at: 1,
  filename: 'in.jsonl',
  purpose: 'batch',
  status: 'processed',
}

const base: BatchObject = {
  id: 'batch_x',
  object: 'batch',
  endpoint: '/v1/chat/completions',
  model: 'm',
  errors: null,
  input_file_id: 'file-i',
  completion_window: '24h',
  status: 'validating',
  output_file_id: 'file-o',
  error_file_id: 'file-e',
  created_at: 1,
  in_progress_at: null,
  expires_at: 2,
  finalizing_at: null,
  completed_at: null,
  failed_at: null,
  expired_at: null,
  cancelling_at: null,
  cancelled_at: null,
  request_counts: { total: 0, completed: 0, failed: 0 },
  usage: {
    input_tokens: 0,
    input_tokens_details: { cached_tokens: 0 },
    output_tokens: 0,
    output_tokens_details: { reasoning_tokens: 0 },
    total_tokens: 0,
  },
  metadata: null,
  x_shoal: { cost_nano_usd: '0', waiting_for: null },
}
