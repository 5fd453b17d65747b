/** Files and batches by the stock client: results, money, and what comes of a batch whose network dies in the middle. */
import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { after, before, test } from 'node:test'
import OpenAI, { ConflictError, NotFoundError, toFile } from 'openai'
import { costOf, networkFee } from '#ledger/price.ts'
import { proveBooks, settle } from './books.ts'
import { groupMembers, until } from './process-group.ts'
import { type Network, openRig, startTiny } from './rig.ts'

const rig = openRig()
after(() => rig.dispose())
let network: Network
before(async () => {
  network = await startTiny(rig, rig.path('data'), ['--fee-bps', '500'])
})

test('an input file becomes a file of results, each under the id that its caller gave', async () => {
  const { openai } = network
  const file = await upload([
    chat('a', 'Hello'),
    chat('b', 'Shoal is', { n: 2, seed: 1, temperature: 1 }),
    chat('c', 'x'),
  ])
  assert.deepEqual([file.object, file.purpose, file.status], ['file', 'batch', 'processed'])
  const batch = await order(file.id, { metadata: { of: 'test' } })
  assert.deepEqual([batch.status, batch.metadata], ['validating', { of: 'test' }])
  const done = await finished(batch.id)
  assert.equal(done.status, 'completed')
  assert.deepEqual(done.request_counts, { total: 3, completed: 3, failed: 0 })
  assert.equal(done.error_file_id, null)
  const lines = await results(done.output_file_id)
  assert.deepEqual([...lines.keys()].sort(), ['a', 'b', 'c'])
  assert.equal(lines.get('b')?.response.body.choices.length, 2)
  for (const { response, error } of lines.values()) {
    assert.deepEqual([response.status_code, error, response.body.object], [200, null, 'chat.completion'])
    assert.equal(response.body.id, `chatcmpl-${response.request_id.slice(4)}`)
  }
  // The same text as the same call by itself.
  const { body } = chat('a', 'Hello')
  const alone = await openai.chat.completions.create(body as never)
  assert.equal(lines.get('a')?.response.body.choices[0]?.message.content, alone.choices[0]?.message.content)
  const tokens = [...lines.values()].reduce((sum, { response }) => sum + response.body.usage.total_tokens, 0)
  assert.equal(done.usage?.total_tokens, tokens)
})

test('a batch costs half of what the same requests cost by themselves, in each line of the ledger', async () => {
  const done = await finished((await order((await upload([chat('a', 'money'), chat('b', 'matters')])).id)).id)
  const lines = [...(await results(done.output_file_id)).values()]
  const ids = new Set(lines.map(({ response }) => response.request_id))
  const usage = await settle(network, 0)
  const billed = usage.filter(({ requestId }) => ids.has(requestId))
  assert.equal(billed.length, 2)
  const [offer] = (await network.status()).models
  assert(offer)
  const half = (amount: bigint): bigint => (amount + 1n) / 2n
  const price = {
    promptPerMillion: half(offer.promptPerMillion.min),
    completionPerMillion: half(offer.completionPerMillion.min),
  }
  for (const line of billed) {
    assert.equal(line.cost, costOf(line, price))
    assert.equal(line.fee, networkFee(line.cost, 500))
  }
  const cost = (done as unknown as { x_shoal: { cost_nano_usd: string } }).x_shoal.cost_nano_usd
  assert.equal(
    BigInt(cost),
    billed.reduce((sum, line) => sum + line.cost, 0n),
  )
  await proveBooks(network.operator, usage)
})

test('completions, embeddings and responses come in batches too', async () => {
  const asks = {
    '/v1/completions': { model: 'tiny', prompt: 'Shoal', max_tokens: 4 },
    '/v1/embeddings': { model: 'tiny', input: ['a', 'b'], encoding_format: 'base64' },
    '/v1/responses': { model: 'tiny', input: 'Hello', max_output_tokens: 16 },
  }
  for (const [url, body] of Object.entries(asks)) {
    const file = await upload([{ custom_id: 'x', method: 'POST', url, body }])
    const done = await finished((await order(file.id, { endpoint: url as never })).id)
    assert.deepEqual(done.request_counts, { total: 1, completed: 1, failed: 0 }, url)
    const line = (await results(done.output_file_id)).get('x')
    assert.match(String(line?.response.body.object), /^(text_completion|list|response)$/)
  }
})

test('a request that is wrong by itself is in the file of errors, and the others are answered', async () => {
  const lines = [
    chat('good', 'hi'),
    chat('streamed', 'hi', { stream: true }),
    chat('hot', 'hi', { temperature: 9 }),
    chat('strange', 'hi', { frobnicate: 1 }),
  ]
  const done = await finished((await order((await upload(lines)).id)).id)
  assert.deepEqual([done.status, done.request_counts], ['completed', { total: 4, completed: 1, failed: 3 }])
  const errors = await results(done.error_file_id ?? undefined)
  assert.deepEqual(
    ['streamed', 'hot', 'strange'].map((id) => {
      const { status_code, body } = errors.get(id)?.response ?? {}
      return [status_code, body?.error.param]
    }),
    [
      [400, 'stream'],
      [400, 'temperature'],
      [400, 'frobnicate'],
    ],
  )
  assert.deepEqual([...(await results(done.output_file_id)).keys()], ['good'])
})

test('an input that is no batch fails as a whole, line by line', async () => {
  const text = [
    JSON.stringify(chat('a', 'x')),
    '{"custom_id": ',
    JSON.stringify(chat('a', 'y')),
    JSON.stringify({ ...chat('b', 'x'), url: '/v1/embeddings' }),
    JSON.stringify(chat('c', 'x', { model: 'other' })),
    JSON.stringify({ custom_id: 'd', method: 'POST', url: '/v1/chat/completions' }),
  ].join('\n')
  const file = await network.openai.files.create({
    purpose: 'batch',
    file: await toFile(Buffer.from(text), 'i.jsonl'),
  })
  const done = await finished((await order(file.id)).id)
  assert.equal(done.status, 'failed')
  assert.deepEqual(
    done.errors?.data?.map(({ code, line, param }) => [line, code, param]),
    [
      [2, 'invalid_json_line', null],
      [3, 'duplicate_custom_id', 'custom_id'],
      [4, 'url_mismatch', 'url'],
      [5, 'model_mismatch', 'body.model'],
      [6, 'missing_required_parameter', 'body'],
    ],
  )
  const unknown = await finished((await order((await upload([chat('a', 'x', { model: 'gpt-7' })])).id)).id)
  assert.equal(unknown.errors?.data?.[0]?.code, 'model_not_found')
})

test('a batch that is cancelled delivers what it has, and says of the rest that it was not done', async () => {
  const { openai } = network
  const lines = Array.from({ length: 200 }, (_, index) =>
    chat(`l${index}`, `tell me ${index}`, { max_tokens: 200 }),
  )
  const file = await upload(lines)
  const { id } = await order(file.id)
  await until(
    'some lines to be done',
    async () => ((await openai.batches.retrieve(id)).request_counts?.completed ?? 0) > 3,
  )
  await assert.rejects(openai.files.delete(file.id), ConflictError)
  const asked = await openai.batches.cancel(id)
  assert.equal(asked.status, 'cancelling')
  const done = await finished(id)
  assert.equal(done.status, 'cancelled')
  const good = await results(done.output_file_id)
  const bad = await results(done.error_file_id ?? undefined)
  assert.deepEqual([good.size, good.size + bad.size], [done.request_counts?.completed, 200])
  for (const { error, response } of bad.values())
    assert.deepEqual([error?.code, response], ['batch_cancelled', null])
  assert.equal((await openai.batches.cancel(id)).status, 'cancelled')
  assert.equal((await openai.files.delete(file.id)).deleted, true)
  await assert.rejects(openai.files.content(file.id), NotFoundError)
  await assert.rejects(openai.files.retrieve(file.id), NotFoundError)
})

test('files and batches are listed newest first, page by page', async () => {
  const { openai } = network
  const made: string[] = []
  for (let index = 0; index < 3; index++) made.unshift((await upload([chat('a', 'x')])).id)
  const page = await openai.files.list({ limit: 2, purpose: 'batch' })
  assert.deepEqual(
    page.data.map(({ id }) => id),
    made.slice(0, 2),
  )
  assert.equal(page.has_more, true)
  const next = await page.getNextPage()
  assert.equal(next.data[0]?.id, made[2])
  const ids: string[] = []
  for await (const { id } of openai.batches.list({ limit: 2 })) ids.push(id)
  assert(ids.length >= 4 && new Set(ids).size === ids.length)
})

test('a call that comes again under its key makes one file and one batch', async () => {
  const { openai } = network
  const file = Buffer.from(JSON.stringify(chat('a', 'again')))
  const create = async (content: Buffer, key: string) =>
    openai.files.create(
      { purpose: 'batch', file: await toFile(content, 'i.jsonl') },
      { idempotencyKey: key, headers: { 'idempotency-key': key } },
    )
  const [first, second] = [await create(file, 'k'), await create(file, 'k')]
  assert.equal(first.id, second.id)
  await assert.rejects(create(Buffer.from('{}'), 'k'), /used for something else/)
  const again = () => order(first.id, {}, { headers: { 'idempotency-key': 'b' } })
  assert.equal((await again()).id, (await again()).id)
})

test('what another organisation has is not there', async () => {
  const { operator, ready } = network
  const file = await upload([chat('a', 'mine')])
  const { id } = await order(file.id)
  const { organisationId } = await operator.createOrganisation({ body: { name: 'Other' } })
  const { key } = await operator.createKey({ body: { name: 'k', scopes: ['developer'], organisationId } })
  const other = new OpenAI({ baseURL: ready.openaiBaseUrl, apiKey: key, maxRetries: 0 })
  await until('the new key to be known', () =>
    other.models.list().then(
      () => true,
      () => null,
    ),
  )
  for (const attempt of [
    () => other.files.retrieve(file.id),
    () => other.files.content(file.id),
    () => other.files.delete(file.id),
    () => other.batches.retrieve(id),
    () => other.batches.cancel(id),
    () =>
      other.batches.create({
        input_file_id: file.id,
        endpoint: '/v1/chat/completions',
        completion_window: '24h',
      }),
  ])
    await assert.rejects(attempt, NotFoundError)
  assert.equal((await other.files.list()).data.length, 0)
  assert.equal((await finished(id)).status, 'completed')
})

test('the command line submits a file, shows how far it is, and fetches the results', async () => {
  const input = rig.path('input.jsonl')
  writeFileSync(
    input,
    `${[chat('a', 'x'), chat('b', 'y', { stream: true })].map((line) => JSON.stringify(line)).join('\n')}\n`,
  )
  const submitted = await rig.run(['batch', 'submit', input, '--watch', '--json', ...network.options])
  assert.equal(submitted.code, 0, submitted.stderr)
  const batch = JSON.parse(submitted.stdout)
  assert.deepEqual(batch.request_counts, { total: 2, completed: 1, failed: 1 })
  const files = ['--out', rig.path('out.jsonl'), '--errors', rig.path('errors.jsonl')]
  const fetched = await rig.run(['batch', 'fetch', batch.id, ...files, ...network.options])
  assert.equal(fetched.code, 0, fetched.stderr)
  assert.match(readFileSync(rig.path('out.jsonl'), 'utf8'), /"custom_id":"a"/)
  assert.match(readFileSync(rig.path('errors.jsonl'), 'utf8'), /"custom_id":"b"/)
  const listed = await rig.run(['batch', ...network.options])
  assert.match(listed.stdout, new RegExp(`${batch.id} +completed +tiny +1/2 +1`))
})

test('a network that is killed again and again delivers each line once, and is paid for each once', async () => {
  const { openai, program } = network
  const count = 240
  const file = await upload(
    Array.from({ length: count }, (_, index) =>
      chat(`l${index}`, `line ${index}`, { max_tokens: 60, n: 1 + (index % 2) }),
    ),
  )
  const { id } = await order(file.id)
  const kills = [8, 60, 130, 200]
  const retrieve = () => openai.batches.retrieve(id).catch(() => null)
  for (const least of kills) {
    await until(`${least} lines to be done`, async () => {
      const batch = await retrieve()
      return batch && ((batch.request_counts?.completed ?? 0) >= least || batch.status === 'completed')
    })
    const pid = coordinatorOf(program.pid)
    process.kill(pid, 'SIGKILL')
    await until('another process to lead', () => {
      const now = coordinatorOf(program.pid, false)
      return now !== 0 && now !== pid
    })
  }
  const done = await until('the batch to be over', async () => {
    const batch = await retrieve()
    return batch?.status === 'completed' ? batch : null
  })
  assert.deepEqual(done.request_counts, { total: count, completed: count, failed: 0 })
  const text = await (await openai.files.content(done.output_file_id ?? '')).text()
  const lines = text
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line))
  assert.deepEqual([lines.length, new Set(lines.map(({ custom_id }) => custom_id)).size], [count, count])
  const usage = await settle(network, 0)
  const sinceMs = (done.created_at ?? 0) * 1_000
  const paid = usage.filter(({ outcome, atMs }) => outcome === 'completed' && atMs >= sinceMs)
  assert.equal(paid.length, count * 1.5, 'each choice is billed once')
  const costs = lines.reduce((sum, { response }) => sum + BigInt(response.body.x_shoal.cost_nano_usd), 0n)
  assert.equal(
    paid.reduce((sum, { cost }) => sum + cost, 0n),
    costs,
    'what is billed is what was delivered',
  )
  await proveBooks(network.operator, usage)
})

function coordinatorOf(group: number, mustBe = true): number {
  const found = groupMembers(group).find(({ title }) => title === 'shoal coordinator')
  if (!found && mustBe) throw new Error('no coordinator runs')
  return found?.pid ?? 0
}

const chat = (custom_id: string, content: string, more: object = {}) => ({
  custom_id,
  method: 'POST',
  url: '/v1/chat/completions',
  body: { model: 'tiny', messages: [{ role: 'user', content }], max_tokens: 8, temperature: 0, ...more },
})

const upload = async (lines: readonly object[]) =>
  network.openai.files.create({
    purpose: 'batch',
    file: await toFile(Buffer.from(lines.map((line) => JSON.stringify(line)).join('\n')), 'input.jsonl'),
  })

const order = (input_file_id: string, more: Partial<OpenAI.BatchCreateParams> = {}, options: object = {}) =>
  network.openai.batches.create(
    { input_file_id, endpoint: '/v1/chat/completions', completion_window: '24h', ...more },
    options,
  )

const finished = (id: string) =>
  until('the batch to be over', async () => {
    const batch = await network.openai.batches.retrieve(id)
    return ['completed', 'failed', 'expired', 'cancelled'].includes(batch.status) ? batch : null
  })

interface ResultLine {
  readonly custom_id: string
  readonly response: {
    readonly status_code: number
    readonly request_id: string
    /** Of whichever endpoint; what a test reads of it is there. */
    readonly body: {
      readonly id: string
      readonly object: string
      readonly choices: readonly { readonly message: { readonly content: string } }[]
      readonly usage: { readonly total_tokens: number }
      readonly error: { readonly param: string }
      readonly x_shoal: { readonly cost_nano_usd: string }
    }
  }
  readonly error: { readonly code: string } | null
}

async function results(fileId: string | undefined): Promise<Map<string, ResultLine>> {
  if (fileId === undefined) return new Map()
  const text = await (await network.openai.files.content(fileId)).text()
  const lines = text
    .split('\n')
    .slice(0, -1)
    .map((line) => JSON.parse(line) as ResultLine)
  return new Map(lines.map((line) => [line.custom_id, line]))
}
