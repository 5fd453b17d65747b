import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Problem } from '#protocol/problem.ts'
import { type GlobalOptions, resolveConnection } from './credentials.ts'

const KEPT = {
  apiUrl: 'http://127.0.0.1:7420',
  openaiBaseUrl: 'http://127.0.0.1:7421/v1',
  apiKey: 'member',
  operatorKey: 'operator',
}

test('a network is taken from options before the environment before the data folder', async () => {
  assert.deepEqual(await resolve({}), KEPT)
  assert.deepEqual(await resolve({ key: 'mine' }), { ...KEPT, apiKey: 'mine', operatorKey: 'mine' })
  const env = { SHOAL_URL: 'https://env.example/', SHOAL_API_KEY: 'env' }
  assert.deepEqual(await resolve({}, { env }), {
    apiUrl: 'https://env.example',
    openaiBaseUrl: 'https://env.example/v1',
    apiKey: 'env',
    operatorKey: 'env',
  })
  const options = { url: 'https://flag.example:8443/x', key: 'flag' }
  const connection = await resolve(options, { env })
  assert.deepEqual([connection.apiUrl, connection.apiKey], ['https://flag.example:8443', 'flag'])
})

test('kept keys go to the network that they came from and to no other', async () => {
  const same = await resolve({ url: 'http://127.0.0.1:7420/' })
  assert.deepEqual([same.apiKey, same.operatorKey], ['member', 'operator'])
  for (const url of ['http://127.0.0.1:7422', 'https://127.0.0.1:7420', 'http://evil.example']) {
    const other = await resolve({ url })
    assert.deepEqual([other.apiKey, other.operatorKey], [null, null], url)
    assert.equal(other.openaiBaseUrl, `${url}/v1`)
  }
})

test('the gateway can be named by itself', async () => {
  const env = { SHOAL_OPENAI_BASE_URL: 'http://gateway.example/v1/' }
  assert.equal((await resolve({}, { env })).openaiBaseUrl, 'http://gateway.example/v1')
})

test('an empty variable is none', async () => {
  assert.deepEqual(await resolve({}, { env: { SHOAL_URL: '', SHOAL_API_KEY: '' } }), KEPT)
})

test('without an operator key the only key does both', async () => {
  const { operatorKey: _, ...kept } = KEPT
  assert.equal((await resolve({}, { kept })).operatorKey, 'member')
})

test('no network, a bad address and a broken file are each one sentence with the way out', async () => {
  const rows: [Promise<unknown>, string, RegExp][] = [
    [
      resolve({ data: '/nowhere' }),
      'config_invalid',
      /\/nowhere\/credentials\.json does not exist.*shoal up/,
    ],
    [resolve({ url: 'localhost:7420' }), 'invalid_request', /not an address of a network/],
    [resolve({}, { kept: 'not json' }), 'config_invalid', /is not what `shoal up` writes/],
    [resolve({}, { kept: { apiUrl: 'x' } }), 'config_invalid', /is not what `shoal up` writes/],
  ]
  for (const [promise, code, message] of rows) {
    await assert.rejects(promise, (error) => {
      assert.ok(error instanceof Problem)
      assert.equal(error.code, code)
      assert.match(error.message, message)
      return true
    })
  }
})

interface Surroundings {
  readonly env?: Readonly<Record<string, string>>
  readonly kept?: unknown
}

const resolve = (options: GlobalOptions, { env = {}, kept = KEPT }: Surroundings = {}) =>
  resolveConnection(
    {
      env,
      homeFolder: '/home/ada',
      readFile: async (path) =>
        path !== '/home/ada/.shoal/credentials.json'
          ? null
          : typeof kept === 'string'
            ? kept
            : JSON.stringify(kept),
    },
    options,
  )
