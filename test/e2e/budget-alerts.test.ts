/** A key with little to spend: its owner is told at 50, 80 and 100 %, in the list, on the command line and by the webhook. */
import assert from 'node:assert/strict'
import { createHmac } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import OpenAI from 'openai'
import { createClient } from '#protocol/client.ts'
import { Problem } from '#protocol/problem.ts'
import { routes } from '#protocol/routes.ts'
import { type AlertReceiver, openAlertReceiver } from './alert-receiver.ts'
import { type MockUpstream, openMockUpstream } from './mock-upstream.ts'
import { until } from './process-group.ts'
import { type Network, openRig, startNetwork } from './rig.ts'

/** Of ten tokens, at $1,000 a million of them, rounded up. */
const COST = 10_000_001n

const rig = openRig()
let receiver: AlertReceiver
let upstream: MockUpstream
let network: Network

before(async () => {
  receiver = await openAlertReceiver()
  upstream = await openMockUpstream()
  network = await startNetwork(rig, rig.path('data'), ['--no-agent', '--alert-webhook', receiver.url])
  const { token } = await network.operator.createEnrolmentToken({ body: { expiresInMs: 600_000 } })
  // A prompt costs less than the least amount: what a request may cost is then what it costs.
  rig.start([
    ...[
      'provide',
      '--render',
      'off',
      '--data',
      rig.path('node'),
      '--join',
      network.ready.apiUrl,
      '--token',
      token,
    ],
    ...['--upstream', upstream.baseUrl, '--backstop-price', '0.000000001,1000'],
  ])
  await until('the node', async () => (await network.status()).models.length > 0)
  await until('the lists', () => network.operator.listAlerts({ query: {} }).catch(ifBusy))
})
after(async () => {
  await rig.dispose()
  await upstream.close()
  await receiver.close()
})

test('each share is told once: in the list, at the key, on the command line and to the receiver', async () => {
  const body = { name: 'poor', scopes: ['developer' as const], limits: { spendPerDay: 10n * COST } }
  const { key, keyId, organisationId } = await network.operator.createKey({ body })
  const openai = new OpenAI({ baseURL: network.ready.openaiBaseUrl, apiKey: key, maxRetries: 0 })
  receiver.failNext()
  let served = 0
  await until('the key to have spent what it may', async () => {
    try {
      await chat(openai)
      served++
      return false
    } catch (error) {
      if (!(error instanceof OpenAI.APIError)) throw error
      if (error.status === 401) return ifUnknown(error)
      assert.equal(error.code, 'insufficient_quota')
      return true
    }
  })
  assert.equal(served, 10)

  const told = await until('three alerts', async () => {
    const { items } = await network.operator.listAlerts({ query: { organisationId } })
    return items.length >= 3 ? items : null
  })
  const expected = [
    [100, 10n * COST],
    [80, 8n * COST],
    [50, 5n * COST],
  ]
  assert.deepEqual(
    told.map(({ sharePercent, spent }) => [sharePercent, spent]),
    expected,
  )
  for (const alert of told) {
    assert.deepEqual(
      [alert.keyId, alert.budgetId, alert.window, alert.limit],
      [keyId, keyId, 'day', 10n * COST],
    )
  }
  const own = createClient(routes, { baseUrl: network.ready.apiUrl, apiKey: key, fetch })
  assert.deepEqual((await own.listAlerts({ query: {} })).items, told)
  assert.equal((await own.getOwnKey()).lastAlert?.sharePercent, 100)
  const shown = await rig.run(['keys', 'show', keyId, ...network.options])
  assert.match(shown.stdout, /last alert +100 % of \$0\.10\d*\/day/)
  const listed = await rig.run(['alerts', ...network.options])
  assert.equal(listed.stdout.match(/\$0\.10\d*\/day/g)?.length, 3, listed.stdout + listed.stderr)

  await until('the receiver to be told', () => receiver.taken().length >= 3)
  assert.deepEqual(
    receiver.taken().map(({ text }) => JSON.parse(text).alertId),
    told.toReversed().map(({ alertId }) => alertId),
    'in order, each once',
  )
  assert.equal(receiver.failed(), 1, 'and again where it failed')
  const secret = readFileSync(join(network.folder, 'secrets/alert-secret'), 'utf8').trim()
  for (const { text, signature } of receiver.taken()) {
    assert.equal(signature, `sha256=${createHmac('sha256', secret).update(text).digest('hex')}`)
  }
})

test('a limit below what was spent tells so at once', async () => {
  const body = { name: 'rich', scopes: ['developer' as const], limits: { spendPerDay: 1_000n * COST } }
  const { key, keyId } = await network.operator.createKey({ body })
  const openai = new OpenAI({ baseURL: network.ready.openaiBaseUrl, apiKey: key, maxRetries: 0 })
  await until('the gateway to know the key', () => chat(openai).catch(ifUnknown))
  const spent = async () => (await network.operator.getKey({ params: { keyId } })).use.spend
  await until('the bill', async () => (await spent()) === COST)
  const params = { keyId }
  await network.operator.changeKeyLimits({ params, body: { limits: { spendPerMonth: COST / 2n } } })
  const { lastAlert } = await network.operator.getKey({ params })
  assert.deepEqual([lastAlert?.sharePercent, lastAlert?.window, lastAlert?.spent], [100, 'month', COST])
  await until('the receiver to be told', () => receiver.taken().length >= 6)
})

test('nobody reads another organisation’s alerts', async () => {
  const { organisationId } = await network.operator.createOrganisation({ body: { name: 'other' } })
  const { key } = await network.operator.createKey({
    body: { name: 'k', scopes: ['owner'], organisationId },
  })
  const other = createClient(routes, { baseUrl: network.ready.apiUrl, apiKey: key, fetch })
  assert.deepEqual((await other.listAlerts({ query: {} })).items, [])
  const { organisationId: first } = await network.operator.getOwnKey()
  await assert.rejects(other.listAlerts({ query: { organisationId: first } }), { code: 'not_found' })
})

test('a crash loses no alert and tells none twice', async () => {
  const before = (await network.operator.listAlerts({ query: {} })).items
  const taken = receiver.taken().length
  const { pid } = await until(
    'the cell',
    () => rig.processes().find(({ title }) => title === 'shoal coordinator') ?? null,
  )
  process.kill(pid, 'SIGKILL')
  const items = await until('the next cell', async () => {
    const epoch = await network.operator.getHealth({}).then(
      (health) => health.epoch,
      () => 0,
    )
    if (epoch < 2) return null
    const page = await network.operator.listAlerts({ query: {} }).catch(ifBusy)
    return page?.items
  })
  assert.deepEqual(items, before)
  assert.equal(receiver.taken().length, taken)
})

/** Costs `COST`. */
async function chat(openai: OpenAI): Promise<true> {
  const messages = [{ role: 'user' as const, content: 'tokens=10' }]
  await openai.chat.completions.create({ model: 'mock', messages, max_tokens: 10 })
  return true
}

/** Null while the tables are being made, or nobody serves. */
function ifBusy(error: unknown): null {
  if (error instanceof Problem && error.retriable) return null
  throw error
}

/** False while the gateway has not heard of the key. */
function ifUnknown(error: unknown): false {
  if (error instanceof OpenAI.APIError && error.status === 401) return false
  throw error
}
