/**
 * Two machines in network namespaces of their own join a network over TLS, through nginx as documented; and what
 * happens when it is not the right network, when its authority is not known, and when a cable is pulled.
 */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { createTestAuthority, opensslMissing, type TestAuthority } from '#host/node/test-certificates.ts'
import { parseJoinToken } from '#protocol/join-token.ts'
import { type Namespace, type Namespaces, openNamespaces } from './network-namespaces.ts'
import { type Nginx, nginxMissing, startNginx } from './nginx.ts'
import { type Program, type ProgramEnd, until } from './process-group.ts'
import { type Network, openRig, startNetwork } from './rig.ts'

const NAME = 'net.shoal.test'
const PORT = 8443
const PUBLIC_URL = `https://${NAME}:${PORT}`
const entry = join(import.meta.dirname, '../../bin/shoal.ts')

const missing = nginxMissing || opensslMissing
const found = missing === false ? openNamespaces() : missing
const reason = typeof found === 'string' ? found : false
const options = { skip: reason }
if (reason) console.log(`skipped: ${reason}`)

const rig = openRig()
let places: Namespaces
let authority: TestAuthority
let network: Network
let proxy: Nginx
let ann: Namespace
let bob: Namespace
before(async () => {
  if (typeof found === 'string') return
  places = found
  ann = places.add({ [NAME]: places.address })
  bob = places.add({ [NAME]: places.address })
  authority = createTestAuthority()
  const tls = authority.issue('net', `DNS:${NAME}`)
  network = await startNetwork(rig, rig.path('data'), [
    '--no-agent',
    '--behind-proxy',
    '--listen',
    '0.0.0.0',
    '--public-url',
    PUBLIC_URL,
  ])
  const upstream = new URL(network.ready.apiUrl).host
  proxy = await startNginx(rig, { address: places.address, port: PORT, name: NAME, upstream, tls })
})
after(async () => {
  await proxy?.stop()
  await rig.dispose()
  authority?.dispose()
  places?.dispose()
})

const programs = new Map<string, Program>()

test('two machines join over TLS through the proxy, and each serves', options, async () => {
  for (const [name, place] of [
    ['ann', ann],
    ['bob', bob],
  ] as const) {
    const { token, joinUrl } = await newToken()
    assert.equal(joinUrl, PUBLIC_URL)
    programs.set(name, provide(place, name, ['--join', joinUrl, '--token', token, '--ca', authority.caFile]))
  }
  for (const name of ['ann', 'bob']) {
    await serving(name)
    const kept = readFileSync(join(rig.path(name), 'provider/secrets/node'), 'utf8')
    assert.match(kept, /"fingerprint":"[0-9a-z]{52}"/, 'the node keeps what it knows the network by')
  }
  const served = await until('each to have served a request', async () => {
    // A node that proves its hardware yet serves in a moment.
    if (!(await ask()).ok) return false
    const seen = await servedAtOnce()
    return seen.size === 2 && seen
  })
  assert.deepEqual([...served].sort(), ['ann', 'bob'])
})

test(
  'a client on another machine streams through the proxy, and is known by its own address',
  options,
  async () => {
    const { apiKey } = network.ready
    const connection = ['--url', PUBLIC_URL, '--key', apiKey, '--ca', authority.caFile]
    const chat = await run(ann, [
      'chat',
      '--json',
      '--model',
      'tiny',
      '--max-tokens',
      '20',
      'Hello',
      ...connection,
    ])
    assert.equal(chat.code, 0, chat.stderr)
    const { usage } = JSON.parse(chat.stdout) as { usage?: { completionTokens?: number } }
    assert.ok(chat.stdout.includes('"text"'), JSON.stringify(usage))
    assert.match(
      proxy.accessLog(),
      new RegExp(`^${ann.address.replaceAll('.', '\\.')} .*"POST /v1/chat/completions`, 'm'),
    )

    const asOperator = ['--url', PUBLIC_URL, '--key', network.operatorKey, '--ca', authority.caFile]
    const made = await run(bob, ['nodes', 'token', '--json', ...asOperator])
    assert.equal(made.code, 0, made.stderr)
    await until('the audit log to name the address', async () => {
      const { items } = await network.operator.listAudit({})
      return items.some(
        (entry) => entry.act === 'createEnrolmentToken' && entry.sourceAddress === bob.address,
      )
    })

    const body = JSON.stringify({
      model: 'tiny',
      stream: true,
      max_tokens: 400,
      temperature: 0,
      messages: [{ role: 'user', content: 'x' }],
    })
    const script = `
    const response = await fetch('${PUBLIC_URL}/v1/chat/completions', { method: 'POST', body: ${JSON.stringify(body)},
      headers: { authorization: 'Bearer ${apiKey}', 'content-type': 'application/json' } })
    let pieces = 0, text = ''
    for await (const piece of response.body) { pieces++; text += Buffer.from(piece) }
    console.log(JSON.stringify({ pieces, isWhole: text.endsWith('data: [DONE]\\n\\n') }))`
    const streamed = await rig.startCommand([
      ...ann.command,
      'env',
      `NODE_EXTRA_CA_CERTS=${authority.caFile}`,
      process.execPath,
      '--input-type=module',
      '-e',
      script,
    ]).end
    const { pieces, isWhole } = JSON.parse(streamed.stdout) as { pieces: number; isWhole: boolean }
    assert.ok(isWhole, streamed.stderr)
    assert.ok(pieces > 1, `an answer of 400 tokens came in ${pieces} piece`)
  },
)

test(
  'a wrong fingerprint is refused with the reason, and the token is not shown to the network',
  options,
  async () => {
    const { token } = await newToken()
    const [secret, fingerprint = ''] = token.split('.')
    const wrong = `${fingerprint.startsWith('0') ? '1' : '0'}${fingerprint.slice(1)}`
    const before = proxy.accessLog().match(/POST \/api\/nodes/g)?.length
    const end = await provide(ann, 'deceived', [
      ...['--join', PUBLIC_URL, '--token', `${secret}.${wrong}`, '--ca', authority.caFile],
    ]).end
    assert.equal(end.code, 4, end.stderr)
    assert.match(
      end.stderr,
      new RegExp(
        `^shoal: What answers at ${PUBLIC_URL} is not the network of the token: the fingerprint of its key is ${fingerprint}, and the token has ${wrong}\\. The token was not sent\\.`,
        'm',
      ),
    )
    assert.equal(end.stderr.match(/^shoal: What/gm)?.length, 1, 'one sentence')
    assert.equal(proxy.accessLog().match(/POST \/api\/nodes/g)?.length, before)
    // It is still good, for whoever has it whole.
    assert.equal(parseJoinToken(token).fingerprint, fingerprint)
  },
)

test('another network behind the same address is not served, nor told the token', options, async () => {
  const other = await startNetwork(rig, rig.path('other'), [
    '--no-agent',
    '--behind-proxy',
    '--public-url',
    PUBLIC_URL,
  ])
  const made = await rig.run(['nodes', 'token', '--json', ...other.options])
  const { token } = JSON.parse(made.stdout) as { token: string }
  const end = await provide(bob, 'astray', ['--join', PUBLIC_URL, '--token', token, '--ca', authority.caFile])
    .end
  assert.equal(end.code, 4)
  assert.match(end.stderr, /is not the network of the token: the fingerprint of its key is/)
  other.program.signal('SIGTERM')
  await other.program.end
})

test(
  'an authority that the machine does not know is told, at once and with the way out',
  options,
  async () => {
    const { token } = await newToken()
    const end = await provide(bob, 'strict', ['--join', PUBLIC_URL, '--token', token]).end
    assert.equal(end.code, 3)
    assert.match(
      end.stderr,
      /^shoal: (The certificate of net\.shoal\.test:8443 is by an authority|net\.shoal\.test:8443 does not show how).* --ca FILE\.$/m,
    )
  },
)

test('plain http to another machine is refused before anything is sent', options, async () => {
  const { token } = await newToken()
  const end = await provide(ann, 'open', ['--join', `http://${NAME}:${PORT}`, '--token', token]).end
  assert.equal(end.code, 2)
  assert.match(end.stderr, /^shoal: --join http:\/\/net\.shoal\.test:8443 is plain http to another machine/m)
})

test('who comes past the proxy is refused, and cannot pass for another', options, async () => {
  const { port } = new URL(network.ready.apiUrl)
  const script = `
    const url = 'http://${places.address}:${port}/api/health'
    const response = await fetch(url, { headers: { 'x-forwarded-for': '127.0.0.1' } })
    console.log(response.status, await response.text())`
  const program = rig.startCommand([...ann.command, process.execPath, '--input-type=module', '-e', script])
  const { stdout } = await program.end
  assert.match(stdout, /^403 /)
  assert.ok(stdout.includes(`behind a proxy, and ${ann.address} is none of its own`), stdout)
})

test(
  'a pulled cable: what waits goes to the other machine, and the one behind it comes back by itself',
  options,
  async () => {
    ann.setCable(false)
    const during = await Promise.all(Array.from({ length: 6 }, () => ask()))
    for (const response of during) {
      const text = await response.text()
      assert.ok(response.status === 200 || /"code":"(node_failed|no_node_available)"/.test(text), text)
    }
    await until('the network to notice', async () => (await presence('ann')) !== 'online')
    for (let count = 0; count < 3; count++) assert.equal(await nodeOf(ask()), 'bob')
    ann.setCable(true)
    await until('ann to be back', async () => (await presence('ann')) === 'online')
    await until('ann to serve again', async () => (await servedAtOnce()).has('ann'))
    assert.equal(programs.get('ann')?.isOver(), false, 'it is the same process')
  },
)

test('both leave in order', options, async () => {
  for (const [name, program] of programs) {
    program.signal('SIGTERM')
    assert.equal((await program.end).code, 0, name)
    await until(`${name} to be absent`, async () => (await presence(name)) === 'absent')
  }
})

async function newToken(): Promise<{ token: string; joinUrl: string }> {
  const made = await rig.run(['nodes', 'token', '--json', ...network.options])
  return JSON.parse(made.stdout) as { token: string; joinUrl: string }
}

const run = (place: Namespace, args: readonly string[]): Promise<ProgramEnd> =>
  rig.startCommand([...place.command, process.execPath, entry, ...args]).end

const provide = (place: Namespace, name: string, args: readonly string[]): Program =>
  rig.startCommand([
    ...[
      ...place.command,
      process.execPath,
      entry,
      'provide',
      '--render',
      'off',
      '--data',
      rig.path(name),
      '--name',
      name,
    ],
    ...['--model', rig.tinyPath(), '--model-id', 'tiny', '--threads', '1', ...args],
  ])

const serving = (name: string): Promise<unknown> =>
  until(`${name} to serve`, () => {
    const program = programs.get(name)
    assert.ok(program && !program.isOver(), program?.output())
    return /serves tiny at/.test(program.output())
  })

/** Who serves more answers, and longer ones, than one node has room for: fewer would all go to whoever is quicker. */
async function servedAtOnce(): Promise<Set<string | undefined>> {
  const asked = Array.from({ length: 24 }, (_, index) =>
    nodeOf(ask({ content: `Hello ${index}`, tokens: 128 })),
  )
  return new Set(await Promise.all(asked))
}

const ask = ({ content = 'Hello', tokens = 8 } = {}): Promise<Response> =>
  fetch(`${network.ready.openaiBaseUrl}/chat/completions`, {
    method: 'POST',
    headers: { authorization: `Bearer ${network.ready.apiKey}`, 'content-type': 'application/json' },
    body: JSON.stringify({ model: 'tiny', max_tokens: tokens, messages: [{ role: 'user', content }] }),
  })

/** The name of the node that answered. */
async function nodeOf(asked: Promise<Response>): Promise<string | undefined> {
  const response = await asked
  const text = await response.text()
  assert.equal(response.status, 200, text)
  const nodeId = response.headers.get('x-shoal-node')
  const { items } = await network.operator.listNodes({})
  return items.find((node) => node.nodeId === nodeId)?.name
}

async function presence(name: string): Promise<string | undefined> {
  const { items } = await network.operator.listNodes({})
  return items.find((node) => node.name === name)?.presence
}
