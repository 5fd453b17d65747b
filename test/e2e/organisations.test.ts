/** People, programs, keys and money of an organisation, on a real network and from the command line. */
import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { after, before, test } from 'node:test'
import { Problem } from '#protocol/problem.ts'
import { until } from './process-group.ts'
import { type Network, openRig, startTiny } from './rig.ts'
import { bearer, callRoute, openTenant } from './tenants.ts'

const rig = openRig()
let network: Network

before(async () => {
  network = await startTiny(rig, rig.path('network'), ['--payout-min', '9'])
})
after(() => rig.dispose())

test('a person is invited, accepts once, works, and is gone with all their keys the moment they are removed', async () => {
  const invited = await shoalJson('members', 'invite', 'Ada', 'ada@example.com', '--scope', 'developer')
  const invitation = String(invited['invitation'])
  const accept = ['members', 'accept', invitation, '--url', network.ready.apiUrl]
  const { key } = (await shoalJson(...accept)) as { key: { key: string } }
  assert.equal((await shoal(...accept)).code, 4, 'an invitation opens once')
  assert.equal(await chatStatus(key.key), 200)
  assert.equal((await shoal('members', 'remove', String(invited['memberId']))).code, 0)
  await until('the gateway to hear of it', async () => (await chatStatus(key.key)) === 401)
  assert.equal((await shoal('keys', 'show', '--key', key.key)).code, 4, 'and the control API at once')
})

test('a key that ends opens nothing from then on, at the gateway and at the control API', async () => {
  const { key, expiresAtMs } = await newKey({ expiresInMs: 3_000 })
  const end = expiresAtMs ?? assert.fail()
  await until('the gateway to know the key', async () => (await chatStatus(key)) === 200)
  const good: number[] = []
  await until('the key to end', async () => {
    const askedAtMs = Date.now()
    const status = await chatStatus(key)
    if (status === 200) good.push(askedAtMs)
    return status === 401
  })
  assert.ok(good.length > 0 && good.every((atMs) => atMs < end), 'good until then, and no longer')
  assert.equal((await callRoute(network, { method: 'GET', path: '/api/key' }, {}, bearer(key))).status, 401)
})

test('a revoked key opens nothing at the gateway as soon as its owner hears that it is revoked', async () => {
  const waitsMs: number[] = []
  for (let round = 0; round < 10; round++) {
    const { key, keyId } = await newKey({})
    await until('the gateway to know the key', async () => (await chatStatus(key)) === 200)
    await network.operator.revokeKey({ params: { keyId } })
    const startedMs = performance.now()
    await until('the gateway to refuse it', async () => (await chatStatus(key)) === 401)
    waitsMs.push(performance.now() - startedMs)
  }
  assert.ok(Math.max(...waitsMs) < 1_500, `${waitsMs.map(Math.round)} ms`)
})

test('both keys of a rotation are good during the overlap, and only the new one after it', async () => {
  const { key, keyId } = await newKey({})
  const next = await network.operator.rotateKey({ params: { keyId }, body: { overlapMs: 2_000 } })
  await until('the gateway to know the new key', async () => (await chatStatus(next.key)) === 200)
  assert.equal(await chatStatus(key), 200)
  await until('the overlap to end', async () => (await chatStatus(key)) === 401)
  assert.equal(await chatStatus(next.key), 200)
})

test('limits are told as OpenAI tells them: 429, when to come back, and what is left', async () => {
  const { key } = await newKey({ limits: { requestsPerMinute: 2, models: ['tiny', 'other'] } })
  await until('the gateway to know the key', async () => (await chat(key)).status === 200)
  const second = await chat(key)
  assert.equal(second.headers.get('x-ratelimit-limit-requests'), '2')
  assert.equal(second.headers.get('x-ratelimit-remaining-requests'), '0')
  const third = await chat(key)
  assert.equal(third.status, 429)
  const retryAfter = Number(third.headers.get('retry-after'))
  assert.ok(retryAfter > 40 && retryAfter <= 60, `${retryAfter} s`)
  const { error } = (await third.json()) as { error: { type: string; code: string } }
  assert.deepEqual([error.type, error.code], ['requests', 'rate_limit_exceeded'])
  const foreign = await chat(key, { model: 'guide' })
  assert.equal(foreign.status, 403)
})

test('a key that is good from elsewhere is not good from here, at either door', async () => {
  const { key } = await newKey({ limits: { networks: ['192.0.2.0/24'] } })
  const here = await newKey({ limits: { networks: ['127.0.0.0/8', '::1'] } })
  await until('the gateway to know the keys', async () => (await chatStatus(here.key)) === 200)
  assert.equal(await chatStatus(key), 403)
  const own = { method: 'GET', path: '/api/key' }
  assert.equal((await callRoute(network, own, {}, bearer(key))).status, 403)
  const spoofed = { ...bearer(key), 'x-forwarded-for': '192.0.2.1', 'x-shoal-source': '192.0.2.1' }
  assert.equal((await callRoute(network, own, {}, spoofed)).status, 403, 'whatever the caller says of itself')
  assert.equal((await callRoute(network, own, {}, bearer(here.key))).status, 200)
})

test('nobody gives what they do not have: not by a key, a member, a program, a rotation, or wider scopes', async () => {
  const tenant = await openTenant(network, 'Escalation')
  const { organisationId, keys } = tenant
  const owner = bearer(keys.owner)
  const operatorKey = await network.operator.createKey({
    body: { name: 'o', scopes: ['operator'], organisationId },
  })
  const attempts: [method: string, path: string, body: Record<string, unknown>][] = [
    ['POST', '/api/keys', { name: 'x', scopes: ['operator'] }],
    ['POST', '/api/members', { name: 'x', email: 'x@x', scopes: ['viewer', 'operator'] }],
    ['POST', '/api/service-accounts', { name: 'x', scopes: ['operator'] }],
    ['POST', `/api/members/${tenant.memberId}/scopes`, { scopes: ['operator'] }],
    ['POST', `/api/keys/${operatorKey.keyId}/rotate`, {}],
    ['POST', `/api/keys/${operatorKey.keyId}/limits`, { limits: {} }],
    ['DELETE', `/api/keys/${operatorKey.keyId}`, {}],
  ]
  for (const [method, path, body] of attempts) {
    const answer = await callRoute(network, { method, path }, { body }, owner)
    assert.deepEqual([answer.status, answer.json['code']], [403, 'scope_missing'], `${path}: ${answer.text}`)
  }
  for (const scope of ['billing', 'developer', 'provider', 'viewer'] as const) {
    const answer = await callRoute(
      network,
      { method: 'POST', path: '/api/keys' },
      { body: { name: 'x', scopes: [scope] } },
      bearer(keys[scope]),
    )
    assert.equal(answer.status, 403, `${scope} makes no keys, not even of its own scope`)
  }
})

test('money comes in under a reference of its own, once, and goes out when an operator says so', async () => {
  const { organisationId } = await network.operator.getOwnKey()
  const account = ['--account', `provider:${organisationId}`]
  assert.equal((await shoal('accounts', 'deposit', '30', ...account)).code, 2, 'no reference')
  const deposit = ['accounts', 'deposit', '30', ...account, '--reference', 'bank 1']
  assert.equal((await shoal(...deposit)).code, 0)
  const again = await shoal(...deposit)
  assert.equal(again.code, 1)
  assert.match(again.stderr, /booked under this external reference before/)

  await shoalJson(
    'payouts',
    'hold-back',
    `provider:${organisationId}`,
    '5',
    '--reason',
    'review',
    '--id',
    'h',
  )
  assert.equal((await shoal('payouts', 'request', '8.99', '--to', 'IBAN')).code, 2, 'below the least')
  assert.equal((await shoal('payouts', 'request', '26', '--to', 'IBAN')).code, 5, 'held back pay')
  const ask = ['payouts', 'request', '12', '--to', 'IBAN', '--request-id', 'first']
  const payout = await shoalJson(...ask)
  assert.equal((await shoalJson(...ask))['payoutId'], payout['payoutId'], 'asked twice is asked once')
  const id = String(payout['payoutId'])
  assert.equal((await shoalJson('payouts', 'paid', id, '--reference', 'bank 2'))['state'], 'paid')
  assert.equal((await shoalJson('payouts', 'paid', id, '--reference', 'bank 2'))['state'], 'paid')
  assert.equal((await shoal('payouts', 'paid', id, '--reference', 'bank 3')).code, 1)
  assert.equal((await shoal('payouts', 'refuse', id, '--reason', 'r')).code, 1)
  const earnings = await shoalJson('payouts', 'earnings')
  assert.deepEqual(
    ['heldBack', 'requested', 'paid'].map((name) => earnings[name]),
    ['5000000000', '0', '12000000000'],
  )
  // 30 came in; the chats of this file earned a little more.
  assert.equal(BigInt(String(earnings['available'])) - BigInt(String(earnings['earned'])), 13_000_000_000n)
  const { items } = (await shoalJson('accounts', 'statement', `provider:${organisationId}`)) as {
    items: { kind: string; externalReference: string | null }[]
  }
  assert.deepEqual(
    items.flatMap(({ kind, externalReference }) => (externalReference ? [[kind, externalReference]] : [])),
    [
      ['payout', 'bank 2'],
      ['deposit', 'bank 1'],
    ],
  )
  assert.equal((await network.operator.checkLedger()).sum, 0n)
})

test('usage is counted for the project of the key that asked', async () => {
  const project = await network.operator.createProject({ body: { name: 'search' } })
  const { key } = await newKey({ projectId: project.projectId })
  await until('the gateway to know the key', async () => (await chatStatus(key)) === 200)
  const usage = await until('the request to be billed', async () => {
    const page = await network.operator.listUsage({ query: { projectId: project.projectId } })
    return page.items.length > 0 && page
  })
  assert.deepEqual([usage.totals.requests, usage.items[0]?.projectId], [1, project.projectId])
  const summary = await network.operator.summariseUsage({ query: { projectId: project.projectId } })
  assert.equal(summary.items[0]?.requests, 1)
})

test('an exported log that somebody worked on is found out, by line', async () => {
  const file = rig.path('audit.jsonl')
  assert.equal((await shoal('audit', 'export', '--out', file)).code, 0)
  const text = readFileSync(file, 'utf8')
  const lines = text.trim().split('\n')
  assert.ok(lines.length > 10)
  const harms: [string[], RegExp][] = [
    [lines.with(3, (lines[3] ?? '').replace(/"atMs":\d/, '"atMs":9')), /Line 4 .* was changed/],
    [lines.toSpliced(4, 1), /Entry 5 of .* is missing before line 5/],
    [[...lines.slice(0, 2), lines[3] ?? '', lines[2] ?? '', ...lines.slice(4)], /was moved/],
    [lines.toSpliced(-2, 1), /says that the log of .* ends with entry/],
  ]
  for (const [harmed, message] of harms) {
    writeFileSync(file, harmed.join('\n'))
    const { code, stdout } = await shoal('audit', 'verify', file)
    assert.equal(code, 1)
    assert.match(stdout, message)
  }
  writeFileSync(file, text)
  assert.equal((await shoal('audit', 'verify', file)).code, 0)
})

test('what was decided outlives a crash: keys, members, limits, payouts and the chain of acts', async () => {
  const before = await world()
  const { processes } = await network.status()
  process.kill(processes.coordinator, 'SIGKILL')
  await until('the network to be back', async () => {
    try {
      return (await network.status()).processes.coordinator !== processes.coordinator
    } catch (error) {
      if (error instanceof Problem || error instanceof TypeError) return false
      throw error
    }
  })
  const after = await until('the lists', () => world().catch(() => null))
  assert.deepEqual(after, before)
  const file = rig.path('again.jsonl')
  assert.equal((await shoal('audit', 'export', '--out', file)).code, 0)
  assert.equal((await shoal('audit', 'verify', file)).code, 0)
})

/** What an owner sees. */
async function world() {
  const { operator } = network
  const query = { limit: 1_000 }
  return {
    keys: (await operator.listKeys({ query })).items.map(({ keyId, limits, state }) => [
      keyId,
      limits,
      state,
    ]),
    members: (await operator.listMembers({ query })).items,
    payouts: (await operator.listPayouts({ query })).items,
    acts: (await operator.listAudit({ query })).items.length,
  }
}

const shoal = (...words: readonly string[]) => rig.run([...words, ...network.options])

async function shoalJson(...words: readonly string[]): Promise<Readonly<Record<string, unknown>>> {
  const { code, stdout, stderr } = await shoal('--json', ...words)
  assert.equal(code, 0, `${words.join(' ')}: ${stderr}`)
  return JSON.parse(stdout) as Readonly<Record<string, unknown>>
}

type KeyBody = Parameters<Network['operator']['createKey']>[0]['body']
const newKey = (part: Partial<KeyBody>) =>
  network.operator.createKey({ body: { name: 'k', scopes: ['developer'], ...part } })

const chat = (key: string, part: Readonly<Record<string, unknown>> = {}): Promise<Response> =>
  fetch(`${network.ready.openaiBaseUrl}/chat/completions`, {
    method: 'POST',
    headers: { ...bearer(key), 'content-type': 'application/json' },
    body: JSON.stringify({
      model: 'tiny',
      messages: [{ role: 'user', content: 'hi' }],
      max_tokens: 1,
      ...part,
    }),
  })

async function chatStatus(key: string): Promise<number> {
  const response = await chat(key)
  await response.text()
  return response.status
}
