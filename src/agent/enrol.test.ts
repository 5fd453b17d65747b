/** A machine that is to become a node, at networks that are the right one, another one, or none at all. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { makeJoinToken, proveNetwork } from '#coordinator/network-proof.ts'
import { nodeCrypto } from '#host/node/node-crypto.ts'
import { Problem, toProblemDetails } from '#protocol/problem.ts'
import { createTestWorld } from '#sim/test-world.ts'
import { enrol } from './enrol.ts'

const networkKeys = nodeCrypto.keyPair(new Uint8Array(32).fill(2))
const strangerKeys = nodeCrypto.keyPair(new Uint8Array(32).fill(3))

test('the token is shown to a network that has proved its key, without the fingerprint', async () => {
  const { join, asked, token, kept } = setup({})
  const { nodeId, fingerprint } = await join(token)
  assert.equal(nodeId, 'node_1')
  assert.deepEqual(
    asked.map(({ method, path }) => `${method} ${path}`),
    ['GET /api/network-proof', 'POST /api/nodes'],
  )
  assert.equal(asked[1]?.token, token.split('.')[0])
  assert.equal(fingerprint, token.split('.')[1])
  assert.equal(kept().fingerprint, fingerprint)
})

const others: readonly [string, SetupOptions, RegExp][] = [
  [
    'has another key',
    { keys: strangerKeys },
    /^What answers at https:\/\/net\.example is not the network of the token: the fingerprint of its key is \w{52}, and the token has \w{52}\. The token was not sent\./,
  ],
  [
    'shows the right key and cannot sign by it',
    { keys: { ...networkKeys, privateKeyHex: strangerKeys.privateKeyHex } },
    /does not have the key of the network of the token/,
  ],
  [
    'passes on a proof that was made for another name',
    { host: 'evil.example' },
    /does not have the key of the network of the token/,
  ],
  [
    'does not go by the name',
    { goesBy: () => false },
    /did not prove that it is the network of the token: This network does not go by the name "net\.example"\. Join it at https:\/\/real\.example/,
  ],
  ['is of release 0.1', { isOld: true }, /cannot prove its key, as networks before release 0\.2 could not/],
  [
    'is no network at all',
    { isWebsite: true },
    /did not prove that it is the network of the token: .*Check that the address is a Shoal network/,
  ],
]
for (const [name, options, says] of others) {
  test(`one that ${name} is refused with the reason, and is not shown the token`, async () => {
    const { join, asked, token } = setup(options)
    await assert.rejects(join(token), (error) => {
      assert(error instanceof Problem)
      assert.equal(error.code, 'join_refused')
      assert.match(error.message, says)
      return true
    })
    assert.deepEqual(
      asked.filter(({ method }) => method !== 'GET'),
      [],
    )
    assert.equal(JSON.stringify(asked).includes(token.split('.')[0] ?? ''), false)
  })
}

test('a network that is away for a moment is asked again before it is given up', async () => {
  const { join, token, away, asked } = setup({ failures: 3 })
  assert.equal((await join(token)).nodeId, 'node_1')
  assert.deepEqual([away.length, asked.length], [3, 5])
})

test('a token of release 0.1 enrols without a proof, as it always did', async () => {
  const { join, asked, kept } = setup({ isOld: true })
  const old = `join-${'a'.repeat(32)}`
  assert.deepEqual(await join(old).then(({ nodeId, fingerprint }) => [nodeId, fingerprint]), ['node_1', null])
  assert.deepEqual(
    asked.map(({ token }) => token),
    [old],
  )
  assert.equal(kept().fingerprint, null)
})

test('a node that is enrolled stays known by the same key; a new token with another one is checked anew', async () => {
  const { join, become, token, asked, makeToken } = setup({})
  const first = await join(token)
  assert.deepEqual(await join(null), first)
  assert.equal(asked.length, 2, 'it needs nothing of the network')
  become({ keys: strangerKeys })
  await assert.rejects(join(token), /is not the network of the token/)
  await assert.rejects(
    join(`join-${'a'.repeat(32)}`),
    /is not the network of the token/,
    'an old token does not undo it',
  )
  const moved = await join(makeToken())
  assert.notEqual(moved.fingerprint, first.fingerprint)
  assert.deepEqual(await join(null), moved)
})

test('a used token is no obstacle for the node that used it, at the right network', async () => {
  const { join, become, token } = setup({})
  const first = await join(token)
  become({ refusal: new Problem('join_refused', 'The enrolment token was used before.') })
  assert.deepEqual(await join(token), first)
})

interface SetupOptions {
  readonly keys?: typeof networkKeys
  readonly goesBy?: (host: string) => boolean
  /** What the network is asked to sign for, by somebody between. */
  readonly host?: string
  readonly isOld?: boolean
  readonly isWebsite?: boolean
  /** Calls that fail before one comes through. */
  readonly failures?: number
  readonly refusal?: Problem
}

interface Asked {
  readonly method: string
  readonly path: string
  readonly token: string | null
}

function setup(initial: SetupOptions) {
  const world = createTestWorld()
  const { host } = world.machine('agent')
  const network = world.machine('network')
  let options = initial
  const partsOf = ({ keys = networkKeys, goesBy = () => true }: SetupOptions) => ({
    apiUrl: 'https://real.example',
    crypto: nodeCrypto,
    secrets: network.host.secrets,
    network: { keys, goesBy },
  })
  const asked: Asked[] = []
  let failures = 0

  async function answer(request: Request): Promise<Response> {
    const { pathname } = new URL(request.url)
    const [, , what, name = '', publicKey = '', nonce = ''] = decodeURIComponent(pathname).split('/')
    const body = request.method === 'POST' ? ((await request.json()) as { token: string }) : null
    asked.push({ method: request.method, path: `/api/${what}`, token: body?.token ?? null })
    if (failures++ < (options.failures ?? 0)) throw new Problem('network_unreachable', 'Nothing listens.')
    if (options.isWebsite) return new Response('<html>', { headers: { 'content-type': 'text/html' } })
    if (body) {
      if (options.refusal) throw options.refusal
      return Response.json(node, { status: 201 })
    }
    if (options.isOld) throw new Problem('not_found', 'There is nothing here.')
    return Response.json(proveNetwork(partsOf(options), { host: options.host ?? name, publicKey, nonce }))
  }

  const fetch = (request: Request): Promise<Response> =>
    answer(request).catch((error: unknown) => {
      if (!(error instanceof Problem) || error.code === 'network_unreachable') throw error
      return Response.json(toProblemDetails(error), { status: error.status })
    })
  const away: string[] = []
  const makeToken = (): string => makeJoinToken(partsOf(options))
  return {
    asked,
    away,
    makeToken,
    token: makeJoinToken(partsOf({})),
    kept: () => JSON.parse(host.secrets.read('node') ?? '{}') as { fingerprint: string | null },
    become(next: SetupOptions) {
      options = next
    },
    join: (token: string | null) =>
      world.settle(
        enrol(
          { ...host, crypto: nodeCrypto, fetch },
          {
            apiUrl: 'https://net.example',
            token,
            name: 'ann',
            askPerGpuHour: 1n,
            signal: new AbortController().signal,
            onAway: ({ message }) => void away.push(message),
          },
        ),
      ),
  }
}

const node = {
  nodeId: 'node_1',
  organisationId: 'org_1',
  name: 'ann',
  publicKey: 'ab'.repeat(32),
  enrolledAtMs: 1,
  presence: 'absent',
  presenceSinceMs: 1,
  lossReason: null,
  isDrained: false,
  bannedReason: null,
  askPerGpuHour: '1',
  models: [],
  capability: null,
}
