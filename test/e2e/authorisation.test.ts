/**
 * Who may call what, on a real network and over its own document: every operation of `/openapi.json` with a key of
 * every scope, with no key and with keys that have ended, and pointed at another organisation's objects.
 */
import assert from 'node:assert/strict'
import { request } from 'node:http'
import { after, before, test } from 'node:test'
import { allows } from '#organisations/organisations.ts'
import { Scope } from '#protocol/scope.ts'
import { until } from './process-group.ts'
import { type Network, openRig, startTiny } from './rig.ts'
import { type RouteInput, type RouteMaker, routeMakers, type Tenant } from './route-inputs.ts'
import { bearer, callRoute, type Operation, openTenant, readOperations } from './tenants.ts'

const APP = 'https://app.example'

const rig = openRig()
let network: Network
let operations: Operation[]
let ada: Tenant
let bob: Tenant
let ended: Readonly<Record<'unknown' | 'expired' | 'revoked', string>>

before(async () => {
  network = await startTiny(rig, rig.path('network'), ['--allow-origin', APP, '--also-host', 'gpu.example'])
  operations = await readOperations(network)
  ;[ada, bob] = [await openTenant(network, 'Ada'), await openTenant(network, 'Bob')]
  ended = await endedKeys()
  // Lists come from tables that are made while the network starts.
  await until('the lists', () =>
    network.operator.listUsage().then(
      () => true,
      () => false,
    ),
  )
})
after(() => rig.dispose())

test('every operation of the document has a scope and can be called by these tests', () => {
  const scopes: readonly string[] = [...Scope.options, 'public', 'enrolment_token', 'invitation_token']
  assert.ok(operations.length > 60, `${operations.length} operations`)
  for (const { operationId, scope, places, hasBody } of operations) {
    assert.ok(scopes.includes(scope), `${operationId} needs the scope ${scope}`)
    const needsMaker = hasBody || places.some((place) => place.startsWith('path '))
    assert.ok(routeMakers[operationId] || !needsMaker, `${operationId}: tell route-inputs.ts how to call it`)
  }
})

test('a key of each scope is let in or refused, as the document says', async () => {
  let calls = 0
  for (const operation of operations) {
    if (!isKeyed(operation)) continue
    for (const scope of Scope.options) {
      const input = await ownInput(operation)
      const answer = await callRoute(network, operation, input, bearer(ada.keys[scope]))
      const name = `${operation.operationId} with ${scope}: ${answer.text}`
      calls++
      if (allows([scope], operation.scope as Scope)) {
        assert.equal(answer.status, input.status ?? operation.status, name)
      } else {
        assert.equal(answer.status, 403, name)
        assert.equal(codeOf(answer.json), 'scope_missing', name)
      }
    }
  }
  assert.ok(calls > 300, `${calls} calls`)
})

test('without a key, and with one that is unknown, expired or revoked, nothing that needs one is done', async () => {
  for (const operation of operations) {
    if (!isKeyed(operation)) continue
    const input = await ownInput(operation)
    const headers = [{}, { authorization: 'Basic YTpi' }, ...Object.values(ended).map(bearer)]
    for (const header of headers) {
      const answer = await callRoute(network, operation, input, header)
      assert.equal(answer.status, 401, `${operation.operationId}: ${answer.text}`)
      assert.equal(codeOf(answer.json), 'invalid_api_key', operation.operationId)
    }
  }
})

test('what needs no key is read alone, or takes a token that was given for it', async () => {
  for (const operation of operations) {
    if (isKeyed(operation)) continue
    const { operationId, method, scope } = operation
    if (scope === 'public') {
      assert.equal(method, 'GET', operationId)
      const input = await ownInput(operation)
      const answer = await callRoute(network, operation, input)
      // A page that was given nothing to work on says so; nobody asks it for a key.
      assert.ok(![401, 403].includes(answer.status) && answer.status < 500, `${operationId}: ${answer.text}`)
      continue
    }
    const input = await ownInput(operation)
    const [name = ''] = Object.keys(input.body ?? {})
    const guessed = { ...input, body: { ...input.body, [name]: 'join-guessed' } }
    const refused = await callRoute(network, operation, guessed)
    assert.ok([401, 403].includes(refused.status), `${operationId}: ${refused.text}`)
    assert.equal((await callRoute(network, operation, input)).status, operation.status, operationId)
    const again = await callRoute(network, operation, input)
    assert.ok([201, 401, 403].includes(again.status), `${operationId}, once more: ${again.text}`)
  }
})

// Before anybody asks for what is not theirs: what they asked for is in their own log.
test('nothing of another organisation is in any list', async () => {
  const foreign = new Set(Object.values(idsOf(bob)))
  for (const operation of operations) {
    if (!isKeyed(operation) || operation.method !== 'GET') continue
    for (const scope of ['owner', 'viewer'] as const) {
      const answer = await callRoute(network, operation, await ownInput(operation), bearer(ada.keys[scope]))
      for (const id of foreign)
        assert.ok(!answer.text.includes(id), `${operation.operationId} tells of ${id}`)
    }
  }
})

test('another organisation’s object is as unknown as one that never was, to every key that may ask', async () => {
  let pointers = 0
  for (const operation of operations) {
    const maker = routeMakers[operation.operationId]
    if (!isKeyed(operation) || !maker) continue
    assertCovered(operation, maker)
    for (const [place, point] of Object.entries(maker.pointers ?? {})) {
      for (const scope of Scope.options) {
        if (scope === 'operator') continue
        const headers = bearer(ada.keys[scope])
        const foreign = await callRoute(network, operation, point(bob), headers)
        const name = `${operation.operationId}, ${place}, with ${scope}: ${foreign.text}`
        pointers++
        assert.equal(foreign.status, allows([scope], operation.scope as Scope) ? 404 : 403, name)
        const nowhere = nobodys(bob)
        const unknown = await callRoute(network, operation, point(nowhere), headers)
        assert.equal(masked(foreign.text, bob), masked(unknown.text, nowhere), name)
      }
    }
  }
  assert.ok(pointers > 150, `${pointers} calls`)
})

test('a member that a body does not have is refused by name, on the outside and within', async () => {
  for (const operation of operations) {
    if (!operation.hasBody || operation.path.startsWith('/v1/')) continue
    const input = await ownInput(operation)
    const key = bearer(ada.keys.operator)
    for (const body of withStrangers(input.body ?? {})) {
      const answer = await callRoute(network, operation, { ...input, body }, key)
      assert.equal(answer.status, 400, `${operation.operationId}: ${answer.text}`)
      assert.match(answer.text, /isOperator/, operation.operationId)
    }
  }
})

test('a verb that a path does not have does nothing, whoever asks', async () => {
  const paths = new Map(operations.map(({ path }) => [path, new Set<string>()]))
  for (const { path, method } of operations) paths.get(path)?.add(method)
  for (const [path, methods] of paths) {
    for (const method of ['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']) {
      if (methods.has(method)) continue
      const answer = await callRoute(network, { method, path }, {}, bearer(ada.keys.operator))
      assert.equal(answer.status, 405, `${method} ${path}: ${answer.text}`)
    }
  }
})

test('a foreign page and a foreign host name change nothing, though they have a key', async () => {
  const strangers = [
    { host: 'evil.example' },
    { origin: 'http://evil.example' },
    { origin: 'null' },
    { 'sec-fetch-site': 'cross-site' },
  ]
  for (const operation of operations) {
    const isOpenAi = operation.path.startsWith('/v1/')
    if (operation.method === 'GET' && !isOpenAi) continue
    const input = await ownInput(operation)
    for (const headers of strangers) {
      const answer = await callRoute(network, operation, input, { ...bearer(ada.keys.operator), ...headers })
      assert.equal(answer.status, 403, `${operation.operationId}: ${answer.text}`)
      assert.equal(codeOf(answer.json), 'forbidden_origin', operation.operationId)
      const { error } = answer.json as { error?: { type: string } }
      assert.equal(error?.type, isOpenAi ? 'permission_error' : undefined, operation.operationId)
    }
  }
})

test('an agent comes by a name of the network, and is no page', async () => {
  const rows: [Record<string, string>, number][] = [
    [{}, 101],
    [{ host: 'gpu.example' }, 101],
    [{ host: 'evil.example' }, 403],
    [{ origin: 'http://evil.example' }, 403],
    [{ origin: APP }, 403],
    [{ 'sec-fetch-site': 'cross-site' }, 403],
  ]
  for (const [headers, status] of rows) assert.equal(await upgrade(headers), status, JSON.stringify(headers))
})

test('a page that was let in asks first, calls /v1 and may read the answer', async () => {
  const url = `${network.ready.openaiBaseUrl}/chat/completions`
  const asked = {
    origin: APP,
    'access-control-request-method': 'POST',
    'access-control-request-headers': 'authorization,content-type,x-stainless-os',
  }
  const preflight = await fetch(url, { method: 'OPTIONS', headers: asked })
  assert.equal(preflight.status, 204)
  assert.equal(preflight.headers.get('access-control-allow-origin'), APP)
  assert.equal(preflight.headers.get('access-control-allow-methods'), 'GET, POST, DELETE')
  assert.equal(preflight.headers.get('access-control-allow-headers'), asked['access-control-request-headers'])
  const stranger = await fetch(url, {
    method: 'OPTIONS',
    headers: { ...asked, origin: 'https://evil.example' },
  })
  assert.deepEqual([stranger.status, stranger.headers.get('access-control-allow-origin')], [403, null])
  const body = JSON.stringify({ model: 'tiny', messages: [{ role: 'user', content: 'hi' }], max_tokens: 2 })
  const headers = { ...bearer(network.ready.apiKey), origin: APP, 'content-type': 'application/json' }
  const answer = await fetch(url, { method: 'POST', headers, body })
  assert.deepEqual([answer.status, answer.headers.get('access-control-allow-origin')], [200, APP])
  const { usage } = (await answer.json()) as { usage: { completion_tokens: number } }
  assert.equal(usage.completion_tokens, 2)
  const refused = await fetch(url, { method: 'POST', headers: { ...headers, ...bearer('no') }, body })
  assert.deepEqual([refused.status, refused.headers.get('access-control-allow-origin')], [401, APP])
})

test('every act is in the log of the organisation that it was on, and the log is whole', async () => {
  const acts = new Set<string>()
  for (let before: string | null | undefined; before !== null; ) {
    const page = await network.operator.listAudit({ query: { limit: 1_000, ...(before && { before }) } })
    for (const { act } of page.items) acts.add(act)
    before = page.next
  }
  for (const { operationId, method, path } of operations) {
    // Files never cross the coordinator, whose log it is.
    const isOfFiles = path.startsWith('/v1/') || path.startsWith('/api/blobs')
    if (method === 'GET' || isOfFiles || operationId === 'takeOver') continue
    // What changes nothing is no act, and nothing of that job has failed.
    if (operationId === 'requeueTasks') continue
    assert.ok(acts.has(operationId), `${operationId} left no line`)
  }
  const file = rig.path('audit.jsonl')
  const exported = await rig.run(['audit', 'export', '--all', '--out', file, ...network.options])
  assert.equal(exported.code, 0, exported.stderr)
  const verified = await rig.run(['audit', 'verify', file])
  assert.equal(verified.code, 0, verified.stdout)
  assert.match(verified.stdout, /Whole: [\d,]+ acts/)
})

const isKeyed = ({ scope }: Operation): boolean => (Scope.options as readonly string[]).includes(scope)

const ownInput = async ({ operationId }: Operation): Promise<RouteInput> =>
  (await routeMakers[operationId]?.own(ada, network.operator)) ?? {}

/** The code of a problem, on `/api` or as OpenAI says it. */
function codeOf(json: Readonly<Record<string, unknown>>): unknown {
  const error = json['error'] as Readonly<Record<string, unknown>> | undefined
  return error ? error['code'] : json['code']
}

/** Every place that names an object of some organisation is pointed elsewhere by some test. */
function assertCovered({ operationId, places }: Operation, { pointers = {} }: RouteMaker): void {
  for (const place of places) {
    const name = place.split(' ')[1] ?? ''
    const isOwned = /Id$/.test(name) && !ofNobody.includes(name)
    const isPointer = name === 'holder' || (isOwned && !made.includes(`${operationId} ${name}`))
    if (isPointer) assert.ok(pointers[place], `${operationId}: point its ${place} at another organisation`)
  }
}
/** Incidents and maintenance are the network's. */
const ofNobody = ['incidentId', 'maintenanceId']
/** Ids that the caller makes. */
const made = ['depositToAccount transferId', 'holdBackPay holdbackId', 'requestPayout requestId']

const idsOf = ({ keys: _, ...ids }: Tenant): Record<string, string> => ids

/** Ids of the same form that nothing has. */
function nobodys(tenant: Tenant): Tenant {
  const ids = Object.entries(idsOf(tenant)).map(([name, id]) => [name, `${id.slice(0, -6)}zzzzzz`])
  return { ...tenant, ...Object.fromEntries(ids) }
}

/** An answer without what is different each time. */
function masked(text: string, tenant: Tenant): string {
  let rest = text.replaceAll(/req_[0-9a-z]+/g, 'REQUEST')
  for (const id of Object.values(idsOf(tenant))) rest = rest.replaceAll(id, 'ID')
  return rest
}

/** The body with a member too many, in it and in each object of it. */
function withStrangers(body: Readonly<Record<string, unknown>>): Record<string, unknown>[] {
  const inner = Object.entries(body).flatMap(([name, value]) =>
    typeof value === 'object' && value !== null && !Array.isArray(value)
      ? [{ ...body, [name]: { ...value, isOperator: true } }]
      : [],
  )
  return [{ ...body, isOperator: true }, ...inner]
}

async function endedKeys() {
  const { operator } = network
  const { organisationId } = ada
  const body = { name: 'k', scopes: ['operator' as const], organisationId }
  const expired = await operator.createKey({ body: { ...body, expiresInMs: 1_000 } })
  const revoked = await operator.createKey({ body })
  await operator.revokeKey({ params: { keyId: revoked.keyId } })
  await until('the key to expire', async () => {
    const { state } = await operator.getKey({ params: { keyId: expired.keyId } })
    return state === 'expired'
  })
  const unknown = `sk-shoal-${'0'.repeat(48)}`
  return { unknown, expired: expired.key, revoked: revoked.key }
}

/** The status with which the network answers an agent's handshake. */
function upgrade(headers: Readonly<Record<string, string>>): Promise<number | undefined> {
  const { promise, resolve, reject } = Promise.withResolvers<number | undefined>()
  const handshake = {
    connection: 'upgrade',
    upgrade: 'websocket',
    'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==',
    'sec-websocket-version': '13',
  }
  const asked = request(`${network.ready.apiUrl}/agent`, {
    headers: { ...handshake, ...headers },
    agent: false,
  })
  asked.once('upgrade', (answer, socket) => {
    socket.destroy()
    resolve(answer.statusCode)
  })
  asked.once('response', (answer) => {
    answer.resume()
    resolve(answer.statusCode)
  })
  asked.once('error', reject)
  asked.end()
  return promise
}
