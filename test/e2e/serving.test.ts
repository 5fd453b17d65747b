/** One network and its callers: the stock client, bad calls, a crowd, and the books after all of it. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import OpenAI, { APIError, AuthenticationError, BadRequestError, NotFoundError } from 'openai'
import { badCalls } from './bad-calls.ts'
import { proveBooks, provePrices, readUsage, settle } from './books.ts'
import { extensionOf, requestIdOf, streamChat } from './chats.ts'
import { proveBilling, proveByEngine } from './crowd-proofs.ts'
import { groupMembers, until } from './process-group.ts'
import { type Network, openRig, startTiny } from './rig.ts'

const FEE_BPS = 500
const rig = openRig()
after(() => rig.dispose())
let network: Network
before(async () => {
  network = await startTiny(rig, rig.path('data'), ['--fee-bps', String(FEE_BPS)])
})

const messages = [{ role: 'user' as const, content: 'What is Shoal?' }]
const call = { model: 'tiny', messages, temperature: 0, max_tokens: 24 }

test('the stock client gets the same answer whole and streamed, with its usage and its cost', async () => {
  const { openai } = network
  const { data: whole, response } = await openai.chat.completions.create(call).withResponse()
  const [choice] = whole.choices
  assert(choice && whole.usage)
  assert.equal(choice.finish_reason, 'length')
  assert.equal(choice.message.role, 'assistant')
  assert.deepEqual(
    [whole.model, whole.object, whole.usage.completion_tokens],
    ['tiny', 'chat.completion', 24],
  )
  assert.equal(whole.usage.total_tokens, whole.usage.prompt_tokens + 24)
  assert.equal(response.headers.get('x-request-id'), requestIdOf(whole.id))
  const extension = extensionOf(whole)
  assert(extension && BigInt(extension.cost_nano_usd) > 0n)
  assert.match(extension.node, /^node_/)

  const streamed = await streamChat(openai, { prompt: 'What is Shoal?', maxTokens: 24 })
  assert.equal(streamed.error, null)
  const { prompt_tokens_details: first, ...usage } = whole.usage
  assert(streamed.usage)
  const { prompt_tokens_details: second, ...streamedUsage } = streamed.usage
  assert.deepEqual(
    [streamed.text, streamed.finishReason, streamedUsage],
    [choice.message.content, 'length', usage],
  )
  // The second time the node has the prompt computed already, all but the token that it goes on from.
  assert.ok(Number(first?.cached_tokens) < Number(second?.cached_tokens))
  assert.ok(Number(second?.cached_tokens) < usage.prompt_tokens)
})

test('a stream tells its usage only to those who ask for it', async () => {
  const stream = await network.openai.chat.completions.create({ ...call, stream: true })
  for await (const chunk of stream) assert.equal(chunk.usage ?? null, null)
})

test('completions of a bare prompt, whole and streamed', async () => {
  const body = { model: 'tiny', prompt: 'Shoal is', max_tokens: 8, temperature: 0 }
  const whole = await network.openai.completions.create(body)
  let text = ''
  for await (const chunk of await network.openai.completions.create({ ...body, stream: true })) {
    text += chunk.choices[0]?.text ?? ''
  }
  assert.equal(text, whole.choices[0]?.text)
  assert.equal(whole.usage?.completion_tokens, 8)
})

test('embeddings, one for each input, as numbers and as the base64 that the client asks for by itself', async () => {
  const { openai } = network
  const body = { model: 'tiny', input: ['a shoal of fish', 'a network of GPUs'] }
  const encoded = await openai.embeddings.create(body)
  const plain = await openai.embeddings.create({ ...body, encoding_format: 'float' })
  assert.deepEqual(
    encoded.data.map(({ index, embedding }) => [index, embedding.length]),
    [
      [0, 64],
      [1, 64],
    ],
  )
  assert.deepEqual(
    plain.data.map(({ embedding }) => Math.fround(embedding[0] ?? 0)),
    encoded.data.map(({ embedding }) => embedding[0]),
  )
  assert(plain.usage.prompt_tokens > 0 && plain.usage.total_tokens === plain.usage.prompt_tokens)
})

test('the list of models names what is served', async () => {
  const { data } = await network.openai.models.list()
  assert.deepEqual(
    data.map(({ id, object, owned_by }) => [id, object, owned_by]),
    [['tiny', 'model', 'shoal']],
  )
  assert.equal((await network.openai.models.retrieve('tiny')).id, 'tiny')
})

test('the stock client throws its own error classes, and each says what to do', async () => {
  const { openai, ready } = network
  const ask = (change: object) => openai.chat.completions.create({ ...call, ...change })
  const stranger = new OpenAI({ baseURL: ready.openaiBaseUrl, apiKey: 'sk-wrong', maxRetries: 0 })
  await assert.rejects(stranger.chat.completions.create(call), (error) => {
    assert(error instanceof AuthenticationError)
    assert.deepEqual([error.status, error.code], [401, 'invalid_api_key'])
    assert.match(error.message, /shoal keys create/)
    return true
  })
  await assert.rejects(ask({ model: 'gpt-7' }), (error) => {
    assert(error instanceof NotFoundError)
    assert.deepEqual([error.status, error.code, error.param], [404, 'model_not_found', 'model'])
    assert.match(error.message, /'gpt-7'.*It serves: tiny/)
    return true
  })
  await assert.rejects(ask({ frobnicate: 1 }), (error) => {
    assert(error instanceof BadRequestError)
    assert.deepEqual([error.status, error.param], [400, 'frobnicate'])
    return true
  })
  await assert.rejects(openai.models.retrieve('gpt-7'), NotFoundError)
})

test('an account without money gets no work, and is told to deposit', async () => {
  const { operator, ready } = network
  const { organisationId } = await operator.createOrganisation({ body: { name: 'Newcomer' } })
  const { key } = await operator.createKey({ body: { name: 'ci', scopes: ['developer'], organisationId } })
  const poor = new OpenAI({ baseURL: ready.openaiBaseUrl, apiKey: key, maxRetries: 0 })
  // A key works as soon as the gateway has heard of it, which a new one must be allowed a moment for.
  const refusal = await until('the new key to be known', () =>
    poor.chat.completions.create(call).then(
      () => assert.fail('it has no money'),
      (error: unknown) => (error instanceof AuthenticationError ? null : error),
    ),
  )
  assert(refusal instanceof APIError)
  assert.deepEqual([refusal.status, refusal.code], [402, 'funds_insufficient'])
  assert.match(refusal.message, /Deposit more/)
  const account = `consumer:${organisationId}`
  const deposit = await rig.run([
    'accounts',
    'deposit',
    '1',
    '--test',
    '--account',
    account,
    ...network.options,
  ])
  assert.deepEqual([deposit.code, deposit.stderr], [0, ''])
  assert.equal((await poor.chat.completions.create(call)).choices[0]?.finish_reason, 'length')
})

for (const { name, path = '/chat/completions', init, status, code, says } of badCalls) {
  test(`${name} is answered with ${status} and what is wrong`, async () => {
    const { openaiBaseUrl, apiKey } = network.ready
    const headers = { authorization: `Bearer ${apiKey}`, 'content-type': 'application/json' }
    const response = await fetch(`${openaiBaseUrl}${path}`, { method: 'POST', headers, ...init })
    const { error } = (await response.json()) as { error: { code: string; message: string; type: string } }
    assert.deepEqual([response.status, error.code], [status, code])
    assert.match(error.message, says)
    assert.match(error.type, /_error$/)
    assert.match(response.headers.get('x-request-id') ?? '', /^req_/)
  })
}

test('a caller who leaves stops the engine, and pays for what was delivered', async () => {
  const leaving = new AbortController()
  const result = await streamChat(network.openai, {
    prompt: 'Never mind',
    maxTokens: 8_000,
    signal: leaving.signal,
    onChunk: (chunks) => chunks === 8 && leaving.abort(),
  })
  assert(result.error)
  await until('the engine to be free again', async () => (await network.status()).requestsInFlight === 0)
  const line = await until('the usage to be listed', async () =>
    (await settle(network, 0)).find(({ requestId }) => requestId === result.requestId),
  )
  assert.equal(line.outcome, 'cancelled')
  assert(line.completionTokens >= result.chunks, 'what arrived is billed')
  assert(line.completionTokens < 4_000, `the engine stopped, after ${line.completionTokens} tokens`)
  assert(line.cost > 0n)
})

test('of a hundred parallel streams each gets its own answer, whole, once, and counted as the engine counts', async () => {
  const prompts = Array.from(
    { length: 100 },
    (_, index) => `Tell me of fish number ${index} and its ${index ** 3} scales`,
  )
  const maxTokensOf = (index: number): number => 24 + (index % 5) * 4
  const earlier = (await settle(network, 0)).length
  const results = await Promise.all(
    prompts.map((prompt, index) => streamChat(network.openai, { prompt, maxTokens: maxTokensOf(index) })),
  )
  for (const [index, result] of results.entries()) {
    assert.equal(result.error, null)
    assert.deepEqual([result.finishReason, result.usage?.completion_tokens], ['length', maxTokensOf(index)])
  }
  const usage = await settle(network, earlier + 100)
  assert.equal(usage.length, earlier + 100)
  proveBilling(results, usage)
  await proveByEngine(prompts, results, maxTokensOf)
})

test('every account is explained, to the nano-USD, and a rebuild of the read models changes none of it', async () => {
  const usage = await settle(network, 0)
  const before = await proveBooks(network.operator, usage)
  await provePrices(network, usage, FEE_BPS)
  assert(before.spent > 0n)
  const rebuilt = await rig.run(['read-models', 'rebuild', ...network.options])
  assert.deepEqual([rebuilt.code, rebuilt.stderr], [0, ''])
  assert.match(rebuilt.stdout, /^Rebuilt up to journal entry [\d,]+ in /)
  assert.deepEqual(await readUsage(network.operator), usage)
  assert.deepEqual((await proveBooks(network.operator, usage)).statements, before.statements)
})

test('the commands for people show what happened', async () => {
  const { options } = network
  const chat = await rig.run(['chat', 'What is Shoal?', '--max-tokens', '8', ...options])
  assert.equal(chat.code, 0)
  assert.match(chat.stderr, /node node_\w+ · 8 tokens · .*\$0\.\d+ · cut at the length limit/)
  const status = await rig.run(['status', ...options])
  assert.match(status.stdout, /1 online, 0 suspect, 0 absent[\s\S]*tiny/)
  const check = await rig.run(['accounts', 'check', '--json', ...options])
  assert.equal((JSON.parse(check.stdout) as { sum: string }).sum, '0')
})

test('a second Ctrl-C ends everything at once', async () => {
  const { program } = network
  // So many that they take a while, however quick the machine is.
  const streams = Array.from({ length: 32 }, (_, index) =>
    streamChat(network.openai, {
      prompt: `Never to end ${index}`,
      maxTokens: 8_000,
      // One that follows the first at its heels counts as the same.
      onChunk: () => program.isOver() || program.signal('SIGINT'),
    }),
  )
  for (const cut of await Promise.all(streams)) assert(cut.error)
  assert.equal((await program.end).code, 130)
  await until('its processes to be gone', () => groupMembers(program.pid).length === 0)
})
