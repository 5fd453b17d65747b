import assert from 'node:assert/strict'
import { test } from 'node:test'
import { z } from 'zod'
import { allows } from '#organisations/organisations.ts'
import { createClient } from '#protocol/client.ts'
import { Problem } from '#protocol/problem.ts'
import { type Caller, type Handlers, needsKey, type Route, type Routes } from '#protocol/route.ts'
import { type ControlRoutes, routes } from '#protocol/routes.ts'
import { Scope } from '#protocol/scope.ts'
import { controlPages } from './control-pages.ts'
import { createControlServer } from './control-server.ts'

const table: readonly [string, Route][] = Object.entries(routes as Routes)
const keyed = table.filter(([, route]) => needsKey(route))

for (const [name, route] of table) {
  test(`${name}: input and reply cross the wire unchanged`, async () => {
    const { client, calls } = setup()
    const input = inputOf(route)
    const reply = await client[name]?.(input)
    assert.deepEqual(reply, z.decode(route.reply, sample(route.reply) as never))
    const caller = keyed.some(([other]) => other === name) ? callerOf('all') : null
    assert.deepEqual(calls, [{ name, input, caller }])
  })
}

for (const [name, route] of keyed) {
  test(`${name}: without a key, with an unknown one and without the scope it is refused`, async () => {
    const { call, calls } = setup()
    const answers = [
      [await call(route, {}), 401, 'invalid_api_key'],
      [await call(route, { authorization: 'Basic abc' }), 401, 'invalid_api_key'],
      [await call(route, { authorization: 'Bearer nobody' }), 401, 'invalid_api_key'],
    ] as const
    for (const [response, status, code] of answers) {
      assert.equal(response.status, status)
      assert.ok(response.headers.get('www-authenticate'))
      assert.equal((await response.json()).code, code)
    }
    for (const scope of Scope.options) {
      const response = await call(route, { authorization: `Bearer ${scope}` })
      const isAllowed = allows([scope], route.scope as Scope)
      assert.equal(response.status, isAllowed ? (route.status ?? 200) : 403, scope)
      if (!isAllowed) assert.equal((await response.json()).code, 'scope_missing')
    }
    const permitted = Scope.options.filter((scope) => allows([scope], route.scope as Scope))
    assert.equal(calls.length, permitted.length)
  })
}

test('every answer has its request id, ours or not, and is not to be kept', async () => {
  const { fetch } = setup()
  const paths = ['/api/health', '/api/nodes', '/nowhere', '/']
  const ids = new Set<string>()
  for (const path of paths) {
    const response = await fetch(new Request(`http://localhost${path}`))
    const id = response.headers.get('x-request-id')
    assert.ok(id, path)
    ids.add(id)
    assert.match(response.headers.get('cache-control') ?? '', /no-store|no-cache/)
  }
  assert.equal(ids.size, paths.length)
})

test('what is not there is a problem document, and a wrong method is told the right ones', async () => {
  const { fetch } = setup()
  const missing = await fetch(new Request('http://localhost/api/nothing'))
  assert.equal(missing.status, 404)
  assert.equal(missing.headers.get('content-type'), 'application/problem+json')
  assert.equal((await missing.json()).type, 'urn:shoal:problem:not_found')

  const rows = [
    ['PUT', '/api/keys', 'GET, HEAD, POST'],
    ['GET', '/api/keys/k/rotate', 'POST'],
    ['POST', '/docs', 'GET, HEAD'],
  ] as const
  for (const [method, path, allow] of rows) {
    const response = await fetch(new Request(`http://localhost${path}`, { method }))
    assert.deepEqual([response.status, response.headers.get('allow')], [405, allow], path)
  }
})

test('a bad body is one sentence with the place, the fault and what to do', async () => {
  const rows: [unknown, number, string, string][] = [
    ['{"name": ', 400, 'invalid_json', 'The body is not JSON'],
    ['[]', 400, 'invalid_request', 'the body: expected object, received array'],
    ['', 400, 'invalid_request', '`name` in the body: expected string, received undefined'],
    ['{"name":"a"}', 400, 'invalid_request', '`scopes` in the body: expected array'],
    ['{"name":"a\\nb","scopes":["viewer"]}', 400, 'invalid_request', 'without control characters'],
    ['{"name":"a","scopes":["viewer"],"projectId":"a\\u0000"}', 400, 'invalid_request', 'U+0000'],
    ['{"name":"a","scopes":["viewer"],"a\\u0000":1}', 400, 'invalid_request', 'U+0000'],
    ['{"name":"a","scopes":["king"]}', 400, 'invalid_request', '`scopes[0]` in the body: expected one of'],
    ['{"name":"a","scopes":["viewer"],"x":1}', 400, 'invalid_request', 'the body has `x`'],
    [`{"name":"${'a'.repeat(1024 * 1024)}"}`, 413, 'body_too_large', 'larger than 1048576 bytes'],
  ]
  for (const [body, status, code, text] of rows) {
    const { call, calls } = setup()
    const response = await call(routes.createKey, { authorization: 'Bearer all' }, body as string)
    const problem = await response.json()
    assert.deepEqual([response.status, problem.code], [status, code], text)
    assert.ok(problem.detail.includes(text), problem.detail)
    assert.deepEqual(calls, [])
  }
})

test('the character that no database takes is refused in the path and the query', async () => {
  const { fetch, calls } = setup()
  const headers = { authorization: 'Bearer all' }
  for (const path of ['/api/payouts/a%00', '/api/keys?before=%00', '/api/keys?organisationId=a%00b']) {
    const response = await fetch(new Request(`http://localhost${path}`, { headers }))
    assert.deepEqual([response.status, (await response.json()).code], [400, 'invalid_request'], path)
  }
  assert.deepEqual(calls, [])
})

test('a body that is no UTF-8 is refused, wherever it breaks', async () => {
  const text = Buffer.from('{"name":"a","scopes":["viewer"]}')
  for (const bytes of [[0xff], [0xc3], [0xe2, 0x82], [0xed, 0xa0, 0x80], [0xc0, 0xaf]]) {
    for (const at of [9, text.length]) {
      const { fetch, calls } = setup()
      const body = Buffer.concat([text.subarray(0, at), Buffer.from(bytes), text.subarray(at)])
      const init = { method: 'POST', headers: { authorization: 'Bearer all' }, body }
      const response = await fetch(new Request('http://localhost/api/keys', init))
      const problem = await response.json()
      assert.deepEqual([response.status, problem.code], [400, 'invalid_json'], `${bytes} at ${at}`)
      assert.match(problem.detail, /not UTF-8/)
      assert.deepEqual(calls, [])
    }
  }
})

test('a body without a length is cut at the limit', async () => {
  const { fetch } = setup()
  const body = new ReadableStream({
    pull: (controller) => controller.enqueue(new Uint8Array(64 * 1024).fill(32)),
  })
  const headers = { authorization: 'Bearer all' }
  const init = { method: 'POST', headers, body, duplex: 'half' as const }
  const response = await fetch(new Request('http://localhost/api/keys', init))
  assert.equal(response.status, 413)
})

test('a bad query is refused and names what is wrong', async () => {
  const { fetch } = setup()
  const headers = { authorization: 'Bearer all' }
  for (const query of ['limit=0', 'limit=x', 'limt=5']) {
    const response = await fetch(new Request(`http://localhost/api/nodes?${query}`, { headers }))
    assert.equal(response.status, 400, query)
    assert.match((await response.json()).detail, /the query/)
  }
})

test('an account id keeps its colon on the way', async () => {
  const { client, calls, requests } = setup()
  await client['getAccount']?.({ params: { accountId: 'consumer:org_1' } })
  assert.deepEqual(calls[0]?.input, { params: { accountId: 'consumer:org_1' } })
  assert.equal(requests[0]?.url, 'http://localhost/api/accounts/consumer:org_1')
})

test('a problem that a handler throws reaches the caller as it was thrown', async () => {
  const thrown = new Problem('conflict', 'It is so already.', { details: { nodeId: 'n', count: 2 } })
  const { client } = setup({ getNode: () => Promise.reject(thrown) })
  await assert.rejects(client['getNode']?.({ params: { nodeId: 'n' } }) ?? Promise.resolve(), (error) => {
    assert.ok(error instanceof Problem)
    assert.deepEqual([error.code, error.message], ['conflict', 'It is so already.'])
    assert.deepEqual(error.details, { nodeId: 'n', count: 2, requestId: 'req_1' })
    return true
  })
})

test('a bug is told to the process and tells the caller nothing', async () => {
  const { call, bugs } = setup({ getNode: () => Promise.reject(new TypeError('secret')) })
  const response = await call(routes.getNode, { authorization: 'Bearer all' })
  assert.equal(response.status, 500)
  assert.doesNotMatch(await response.text(), /secret/)
  assert.equal((bugs[0] as Error).message, 'secret')
})

test('a reply that its own schema refuses is a bug', async () => {
  const { call, bugs } = setup({ getNode: () => Promise.resolve({ nodeId: 5 }) })
  const response = await call(routes.getNode, { authorization: 'Bearer all' })
  assert.deepEqual([response.status, bugs.length], [500, 1])
})

test('the pages are served whole and ask no other host', async () => {
  const { fetch } = setup()
  for (const path of ['/', '/docs', '/openapi.json', '/assets/page.css', '/assets/home.js']) {
    const response = await fetch(new Request(`http://localhost${path}`))
    assert.equal(response.status, 200, path)
    const text = await response.text()
    assert.ok(text.length > 500, path)
    assert.doesNotMatch(text, /(src|href|url)\s*[=(]\s*["']?https?:/, path)
    assert.match(response.headers.get('content-security-policy') ?? '', /default-src 'none'/)
  }
})

test('a page is made once, however often it is asked for', () => {
  for (const [path, page] of Object.entries(controlPages('http://localhost/v1')))
    assert.equal(page(), page(), path)
})

test('the API page has every endpoint and every link in it leads somewhere', async () => {
  const { fetch } = setup()
  const page = await (await fetch(new Request('http://localhost/docs'))).text()
  const ids = new Set([...page.matchAll(/ id="([^"]+)"/g)].map(([, id]) => id))
  for (const [name] of table) assert.ok(ids.has(name), name)
  for (const [, target] of page.matchAll(/href="#([^"]+)"/g)) assert.ok(ids.has(target), target)
})

test('each call is logged once, with who, what and how it ended', async () => {
  const { call, logged } = setup()
  await call(routes.getNode, { authorization: 'Bearer all' })
  assert.deepEqual(logged, [
    {
      event: 'api.answered',
      requestId: 'req_1',
      method: 'GET',
      route: '/api/nodes/:nodeId',
      keyId: 'key_all',
      status: 200,
      durationMs: 0,
    },
  ])
})

interface Call {
  readonly name: string
  readonly input: unknown
  readonly caller: Caller | null
}

/** A server whose handlers record their call and reply a sample; key `all` has all scopes, others the one they name. */
function setup(overrides: Readonly<Record<string, () => Promise<unknown>>> = {}) {
  const calls: Call[] = []
  const bugs: unknown[] = []
  const logged: object[] = []
  const requests: Request[] = []
  const handlers = Object.fromEntries(
    table.map(([name, { reply }]) => [
      name,
      (input: unknown, caller: Caller | null) => {
        calls.push({ name, input, caller })
        return overrides[name]?.() ?? z.decode(reply, sample(reply) as never)
      },
    ]),
  )
  let ids = 0
  const write = (event: string, fields: object = {}) => void logged.push({ event, ...fields })
  const app = createControlServer(routes, handlers as unknown as Handlers<ControlRoutes>, {
    authenticate: (key) => (['all', ...Scope.options].includes(key) ? callerOf(key) : null),
    mayAnswer: () => true,
    requestId: () => `req_${++ids}`,
    clock: { elapsedMs: () => 0 },
    log: { info: write, warn: write, error: write },
    hostnames: [],
    origins: [],
    openAiBaseUrl: 'http://127.0.0.1:1/v1',
    onBug: (error) => void bugs.push(error),
  })
  const fetch = async (request: Request): Promise<Response> => {
    requests.push(request)
    return app.fetch(request)
  }
  const client = createClient(routes as Routes, { baseUrl: 'http://localhost/', apiKey: 'all', fetch })
  const call = (route: Route, headers: Record<string, string>, body?: string) => {
    const path = route.path.replace(/:\w+/g, 'x')
    const schema = route.method === 'GET' ? undefined : route.body
    const init = schema && { body: body ?? JSON.stringify(sample(schema)) }
    const needed = new URLSearchParams(route.query ? (neededOf(route.query) as Record<string, string>) : {})
    const url = `http://localhost${path}${needed.size > 0 ? `?${needed}` : ''}`
    return fetch(new Request(url, { method: route.method, headers, ...init }))
  }
  return { client, fetch, call, calls, bugs, logged, requests }
}

const callerOf = (key: string): Caller => ({
  organisationId: 'org_1',
  keyId: `key_${key}`,
  scopes: key === 'all' ? ['operator'] : [Scope.parse(key)],
})

function inputOf(route: Route) {
  const body = route.method === 'GET' ? undefined : route.body
  // An id may look like anything; what has a form is given in it.
  const params = Object.entries(route.params?.shape ?? {}).map(([name, schema]) => {
    const id = `${name}/1 ä`
    return [name, schema.safeDecode(id as never).success ? id : sample(schema)]
  })
  return {
    ...(route.params && { params: Object.fromEntries(params) }),
    ...(route.query && { query: queryOf(route.query) }),
    ...(body && { body: z.decode(body, sample(body) as never) }),
  } as never
}

function queryOf(query: z.ZodObject): unknown {
  if ('limit' in query.shape && 'before' in query.shape)
    return { ...neededOf(query), limit: 7, before: 'a&b=c' }
  return 'after' in query.shape ? { ...neededOf(query), after: 7 } : sample(query)
}

/** What a query cannot do without. */
const neededOf = (query: z.ZodObject): Record<string, unknown> =>
  Object.fromEntries(
    Object.entries(query.shape as Record<string, z.ZodType>).flatMap(([name, schema]) =>
      schema.safeDecode(undefined as never).success ? [] : [[name, sample(schema)]],
    ),
  )

/** A value in wire form that `schema` takes, every optional member among it. */
function sample(schema: z.ZodType): unknown {
  const json = z.toJSONSchema(schema, { io: 'input', reused: 'inline' })
  return sampleOf(json as JsonSchema, (json.$defs ?? {}) as Record<string, JsonSchema>)
}

interface JsonSchema {
  readonly $ref?: string
  readonly type?: string | readonly string[]
  readonly enum?: readonly unknown[]
  readonly const?: unknown
  readonly pattern?: string
  readonly minimum?: number
  readonly anyOf?: readonly JsonSchema[]
  readonly oneOf?: readonly JsonSchema[]
  readonly items?: JsonSchema
  readonly properties?: Readonly<Record<string, JsonSchema>>
}

function sampleOf(schema: JsonSchema, named: Readonly<Record<string, JsonSchema>>): unknown {
  const { $ref: reference, oneOf, anyOf = oneOf, items, properties } = schema
  if (reference) return sampleOf(named[reference.split('/').at(-1) ?? ''] ?? {}, named)
  if ('const' in schema) return schema.const
  if (schema.enum) return schema.enum[0]
  if (anyOf?.[0]) return sampleOf(anyOf[0], named)
  const type = typeof schema.type === 'string' ? schema.type : schema.type?.[0]
  if (type === 'array') return items ? [sampleOf(items, named)] : []
  if (type === 'object') {
    return Object.fromEntries(
      Object.entries(properties ?? {}).map(([name, member]) => [name, sampleOf(member, named)]),
    )
  }
  if (type === 'string') return sampleText(schema.pattern)
  if (type === 'boolean') return true
  return Math.max(schema.minimum ?? 0, 1)
}

const texts = [
  'text',
  'de',
  'ada@example.com',
  '10.0.0.0/8',
  '/models/m.gguf',
  '9007199254740993',
  '2026-11-22',
  'a0'.repeat(32),
  'a0'.repeat(64),
  `${'a0'.repeat(21)}a`,
  '2026-11',
  'a0'.repeat(16),
]
const sampleText = (pattern = ''): string =>
  texts.find((text) => new RegExp(pattern, 'u').test(text)) ?? assert.fail(`no sample for ${pattern}`)
