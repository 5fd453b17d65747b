/** A gateway of two processes that share a port: calls reach the node whichever of them they come to. */
import assert from 'node:assert/strict'
import { request } from 'node:http'
import { after, before, test } from 'node:test'
import type { KeyLimits } from '#protocol/key-limits.ts'
import { proveBooks, settle } from './books.ts'
import { streamChat } from './chats.ts'
import { proveBilling } from './crowd-proofs.ts'
import { type Outgrown, outgrownMissing, startOutgrown } from './outgrown.ts'
import { groupMembers, until } from './process-group.ts'

const WORKERS = 2
/** Enough connections that each process gets some of them. */
const CALLS = 24

let outgrown: Outgrown
before(async () => {
  if (!outgrownMissing)
    outgrown = await startOutgrown({ coordinators: 1, gatewayArguments: ['--workers', String(WORKERS)] })
})
after(() => outgrown?.dispose())

const skip = outgrownMissing

test('every call is answered, whichever process its connection came to, and billed once', {
  skip,
}, async () => {
  const { network } = outgrown
  assert.equal(workers().length, WORKERS)
  const answers = await Promise.all(
    Array.from({ length: CALLS }, (_, index) => ask({ seed: index, max_tokens: 20 })),
  )
  for (const { status, json } of answers) {
    assert.equal(status, 200, JSON.stringify(json))
    assert.equal((json as { usage: { completion_tokens: number } }).usage.completion_tokens, 20)
  }
  const streams = await Promise.all(
    Array.from({ length: CALLS }, (_, index) =>
      streamChat(network.openai, { prompt: `Stream ${index}`, maxTokens: 100 }),
    ),
  )
  for (const { error } of streams) assert.equal(error, null)
  const usage = await settle(network, 2 * CALLS)
  proveBilling(streams, usage)
  await proveBooks(network.operator, usage)
})

test('models and repeated calls are the same from all of them', { skip }, async () => {
  const lists = await Promise.all(Array.from({ length: CALLS }, () => call('GET', '/v1/models')))
  const ids = lists.map(({ json }) => (json as { data: { id: string }[] }).data.map(({ id }) => id).join())
  assert.deepEqual([...new Set(ids)], ['tiny'])
  const headers = { 'idempotency-key': 'the same' }
  const first = await ask({ max_tokens: 5 }, headers)
  for (let index = 0; index < CALLS; index++) {
    const again = await ask({ max_tokens: 5 }, headers)
    assert.deepEqual([again.json, again.headers['idempotent-replayed']], [first.json, 'true'])
  }
})

test('the metrics of the port are those of all processes, whichever is asked', { skip }, async () => {
  const authorization = `Bearer ${outgrown.network.operatorKey}`
  const read = async () => {
    const { status, text } = await call('GET', '/metrics', null, { authorization })
    assert.equal(status, 200)
    const told = text.matchAll(/^shoal_build_info\{worker="(\d+)"/gm)
    const completed = text.matchAll(/^shoal_gateway_requests_total\{[^}]*outcome="completed"[^}]*\} (\d+)$/gm)
    return {
      workers: [...told].map(([, worker]) => worker).sort(),
      completed: [...completed].reduce((sum, [, count]) => sum + Number(count), 0),
    }
  }
  const before = await read()
  const answers = await Promise.all(Array.from({ length: CALLS }, () => ask({ max_tokens: 2 })))
  for (const { status } of answers) assert.equal(status, 200)
  const pages = await Promise.all(Array.from({ length: CALLS }, read))
  for (const page of pages)
    assert.deepEqual(page, { workers: ['0', '1'], completed: before.completed + CALLS })
})

test('limits that are smaller than the number of processes are met exactly, whichever is asked', {
  skip,
}, async () => {
  const { operator } = outgrown.network
  const keyOf = async (limits: KeyLimits): Promise<Record<string, string>> => {
    const { key } = await operator.createKey({ body: { name: 'few', scopes: ['developer'], limits } })
    const headers = { authorization: `Bearer ${key}` }
    const knows = async () => (await call('GET', '/v1/models', null, headers)).status !== 401
    await until('every process to know the key', async () =>
      (await Promise.all(Array.from({ length: CALLS }, knows))).every((known) => known),
    )
    return headers
  }
  const statuses = (answers: readonly Answer[], of: number) => answers.filter(({ status }) => status === of)
  const daily = await keyOf({ requestsPerDay: 3 })
  const answers: Answer[] = []
  for (let index = 0; index < CALLS / 2; index++) answers.push(await ask({ max_tokens: 2 }, daily))
  assert.deepEqual(
    answers.map(({ status }) => status),
    [200, 200, 200, ...Array.from({ length: CALLS / 2 - 3 }, () => 429)],
  )

  const alone = await keyOf({ requestsAtOnce: 1, requestsPerMinute: CALLS })
  for (let index = 0; index < CALLS / 2; index++) {
    const { status, headers } = await ask({ max_tokens: 2 }, alone)
    const left = Number(headers['x-ratelimit-remaining-requests'])
    assert.deepEqual([status, left], [200, CALLS - 1 - index])
  }
  const together = await Promise.all(Array.from({ length: 4 }, () => ask({ max_tokens: 200 }, alone)))
  assert.deepEqual([statuses(together, 200).length, statuses(together, 429).length], [1, 3])
})

test('files are found whichever process is asked', { skip }, async () => {
  const { openai } = outgrown.network
  const line = {
    custom_id: 'a',
    method: 'POST',
    url: '/v1/completions',
    body: { model: 'tiny', prompt: 'x', max_tokens: 2 },
  }
  const file = await openai.files.create({
    purpose: 'batch',
    file: new File([`${JSON.stringify(line)}\n`], 'in.jsonl'),
  })
  const found = await Promise.all(Array.from({ length: CALLS }, () => call('GET', `/v1/files/${file.id}`)))
  assert.deepEqual([...new Set(found.map(({ status }) => status))], [200])
})

test('a process that is killed comes back, and meanwhile the other serves', { skip }, async () => {
  const [killed] = workers()
  assert(killed)
  process.kill(killed, 'SIGKILL')
  await until('an answer after the kill', () => answersAt(1))
  await until('both processes', () => workers().length === WORKERS && !workers().includes(killed))
  await until('every connection to be served', () => answersAt(CALLS))
})

/** Whether so many calls at once are all answered. */
async function answersAt(count: number): Promise<boolean> {
  const calls = Array.from({ length: count }, () => ask({ max_tokens: 3 }).catch(() => null))
  return (await Promise.all(calls)).every((answer) => answer?.status === 200)
}

const workers = (): number[] =>
  groupMembers(outgrown.gateway.pid).flatMap(({ pid, title }) => (title === 'shoal gateway' ? [pid] : []))

interface Answer {
  readonly status: number
  readonly headers: NodeJS.Dict<string | string[]>
  readonly json: unknown
  readonly text: string
}

const ask = (body: object, headers: Record<string, string> = {}): Promise<Answer> =>
  call('POST', '/v1/completions', JSON.stringify({ model: 'tiny', prompt: 'Fish', ...body }), headers)

/** On a connection of its own. */
function call(
  method: string,
  path: string,
  body: string | null = null,
  headers: Record<string, string> = {},
): Promise<Answer> {
  const { ready } = outgrown.network
  const { promise, resolve, reject } = Promise.withResolvers<Answer>()
  const asked = request(`${ready.apiUrl}${path}`, {
    method,
    agent: false,
    headers: {
      authorization: `Bearer ${outgrown.network.openai.apiKey}`,
      'content-type': 'application/json',
      ...headers,
    },
  })
  asked.once('error', reject)
  asked.once('response', (response) => {
    let text = ''
    response.setEncoding('utf8')
    response.on('data', (piece: string) => {
      text += piece
    })
    response.once('error', reject)
    response.once('end', () => {
      resolve({
        status: response.statusCode ?? 0,
        headers: response.headers,
        json: text.startsWith('{') ? JSON.parse(text) : text,
        text,
      })
    })
  })
  asked.end(body ?? undefined)
  return promise
}
