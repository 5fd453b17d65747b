/** A network that speaks TLS itself: who gets in, who is told why not, and what is refused before anything starts. */
import assert from 'node:assert/strict'
import { copyFileSync, readFileSync, writeFileSync } from 'node:fs'
import type { AddressInfo, Socket } from 'node:net'
import { after, before, test } from 'node:test'
import { connect, createServer, type Server } from 'node:tls'
import type { TlsFiles } from '#host/host.ts'
import { createTestAuthority, opensslMissing, type TestAuthority } from '#host/node/test-certificates.ts'
import { groupMembers, type Program, until } from './process-group.ts'
import { type Network, openRig, startNetwork } from './rig.ts'

const LOCAL = 'DNS:localhost,IP:127.0.0.1'
const options = { skip: opensslMissing }
const rig = openRig()
let authority: TestAuthority
let shown: TlsFiles
let network: Network
let publicUrl = ''
before(async () => {
  if (opensslMissing) return
  authority = createTestAuthority()
  shown = authority.issue('shown', LOCAL)
  network = await startNetwork(rig, rig.path('data'), [
    ...['--no-agent', '--listen', '0.0.0.0', '--tls-cert', shown.certFile, '--tls-key', shown.keyFile],
  ])
  publicUrl = (network.ready as unknown as { publicUrl: string }).publicUrl
})
after(async () => {
  await rig.dispose()
  authority?.dispose()
})

test(
  'it is reached by its certificate’s name over TLS, and plainly from this machine alone',
  options,
  async () => {
    assert.match(
      publicUrl,
      /^https:\/\/localhost:\d+$|^https:\/\/0\.0\.0\.0:\d+$|^https:\/\/127\.0\.0\.1:\d+$/,
    )
    assert.match(network.ready.apiUrl, /^http:\/\/127\.0\.0\.1:\d+$/)
    const { port } = new URL(publicUrl)
    const connection = ['--url', `https://localhost:${port}`, '--key', network.operatorKey]
    const status = await rig.run(['status', ...connection, '--ca', authority.caFile])
    assert.equal(status.code, 0, status.stderr)
    assert.match(status.stdout, /certificate +for localhost, 127\.0\.0\.1, until \d{4}-\d\d-\d\d/)

    const unbelieved = await rig.run(['status', ...connection])
    assert.equal(unbelieved.code, 3)
    assert.match(unbelieved.stderr, /^shoal: .*--ca FILE\.$/m)
    const plain = await fetch(`http://127.0.0.1:${port}/api/health`)
    assert.equal(plain.status, 400)
    assert.match(await plain.text(), /This port speaks TLS, and this is plain HTTP/)
  },
)

test('an agent joins over TLS, and the network renews its certificate under it', options, async () => {
  const agent = provide('ann', await newToken(), joinUrl())
  const nodeId = await serving(agent)
  const next = authority.issue('next', LOCAL, 1)
  copyFileSync(next.keyFile, shown.keyFile)
  copyFileSync(next.certFile, shown.certFile)
  const line = await until('the status to tell that the new one is short-lived', async () => {
    const { certificate } = await network.status()
    return certificate && certificate.expiresAtMs - Date.now() < 2 * 24 * 3_600_000 && certificate
  })
  assert.equal(line.isExpiring, false, 'a day of a day is left')
  assert.equal((await network.operator.getNode({ params: { nodeId } })).presence, 'online')
  agent.signal('SIGTERM')
  assert.equal((await agent.end).code, 0)
})

test(
  'who ends TLS between agent and network is found out, with a certificate that is believed',
  options,
  async (t) => {
    const between = await startBetween(authority.issue('between', LOCAL))
    t.after(() => between.server.close())
    const end = await provide('bob', await newToken(), `https://localhost:${between.port}`).end
    assert.equal(end.code, 4, end.stderr)
    assert.match(
      end.stderr,
      /^shoal: Somebody between this node and localhost ends its TLS: the certificate is not the network's own\./m,
    )
    between.end()
  },
)

const badStarts: readonly (readonly [string, () => readonly string[], RegExp])[] = [
  [
    'an expired certificate',
    () => tlsOptions(authority.issue('expired', LOCAL, -1)),
    /^shoal: The certificate .*expired\.pem expired on \d{4}-\d\d-\d\d \d\d:\d\d UTC, and it is .* UTC now\. Renew it, and start again\.$/m,
  ],
  [
    'a key of another certificate',
    () => [
      '--tls-cert',
      authority.issue('one', LOCAL).certFile,
      '--tls-key',
      authority.issue('two', LOCAL).keyFile,
    ],
    /^shoal: The key .*two\.key does not belong to the certificate .*one\.pem\. Give the two that were issued together\.$/m,
  ],
  [
    'a certificate for another name',
    () => [...tlsOptions(authority.issue('named', 'DNS:a.example')), '--public-url', 'https://b.example'],
    /^shoal: The certificate .*named\.pem is for a\.example, not for b\.example, which --public-url names\./m,
  ],
  [
    'a certificate that is none',
    () => {
      writeFileSync(rig.path('none.pem'), 'nothing')
      return ['--tls-cert', rig.path('none.pem'), '--tls-key', rig.path('none.pem')]
    },
    /^shoal: .*none\.pem holds no certificate in PEM form/m,
  ],
  [
    'no TLS beyond this machine',
    () => ['--listen', '0.0.0.0'],
    /^shoal: --listen 0\.0\.0\.0 reaches beyond this machine/m,
  ],
  [
    'an address of another machine',
    () => ['--listen', '192.0.2.1', '--behind-proxy', '--public-url', 'https://net.example'],
    /^shoal: This machine cannot listen on 192\.0\.2\.1 port 0 \(.*\)\. Choose one of its own addresses\.$/m,
  ],
]
test('what cannot be reached safely does not start, and says why in one sentence', options, async (t) => {
  for (const [name, args, says] of badStarts) {
    await t.test(name, async () => {
      const program = rig.start(['up', '--data', rig.path('bad'), '--port', '0', '--no-agent', ...args()])
      const end = await program.end
      assert.ok(end.code === 2 || end.code === 8, `${end.code}: ${end.stderr}`)
      assert.match(end.stderr, says)
      assert.equal(end.stderr.match(/^shoal: /gm)?.length, 1, 'one sentence')
      assert.doesNotMatch(end.stderr, /^\s+at /m)
      assert.deepEqual(groupMembers(program.pid), [])
    })
  }
})

const tlsOptions = ({ certFile, keyFile }: TlsFiles) => ['--tls-cert', certFile, '--tls-key', keyFile]
const joinUrl = (): string => `https://localhost:${new URL(publicUrl).port}`

async function newToken(): Promise<string> {
  const made = await rig.run(['nodes', 'token', '--json', ...network.options])
  return (JSON.parse(made.stdout) as { token: string }).token
}

const provide = (name: string, token: string, url: string): Program =>
  rig.start([
    ...[
      'provide',
      '--render',
      'off',
      '--data',
      rig.path(name),
      '--name',
      name,
      '--join',
      url,
      '--token',
      token,
    ],
    ...['--ca', authority.caFile, '--model', rig.tinyPath(), '--model-id', 'tiny', '--threads', '1'],
  ])

const serving = (provider: Program): Promise<string> =>
  until('the provider to serve', () => {
    assert(!provider.isOver(), provider.output())
    return /^(node_\w+) serves tiny at/m.exec(provider.output())?.[1]
  })

/** Ends TLS by a certificate of its own and passes everything on, both ways. */
async function startBetween(tls: TlsFiles): Promise<{ server: Server; port: number; end: () => void }> {
  const sockets = new Set<Socket>()
  const server = createServer(
    { cert: readFileSync(tls.certFile), key: readFileSync(tls.keyFile) },
    (near) => {
      const far = connect({
        host: 'localhost',
        port: Number(new URL(publicUrl).port),
        rejectUnauthorized: false,
      })
      for (const socket of [near, far]) {
        sockets.add(socket)
        socket.on('error', () => socket.destroy())
      }
      near.pipe(far).pipe(near)
    },
  )
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening))
  const end = (): void => {
    for (const socket of sockets) socket.destroy()
  }
  return { server, port: (server.address() as AddressInfo).port, end }
}
