/** What a connection says of servers that are not what they should be. */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, chownSync } from 'node:fs'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { join } from 'node:path'
import { after, type TestContext, test } from 'node:test'
import { connectPostgres, POSTGRES_LIMITS } from './postgres-connection.ts'
import { toPostgresProblem } from './postgres-problem.ts'
import { parsePostgresUrl } from './postgres-target.ts'
import {
  makeFolder,
  postgresFor,
  skipWithoutPostgres,
  startPostgres,
  type TestPostgres,
} from './test-postgres.ts'

const isSkipped = skipWithoutPostgres('PostgreSQL connection')
const server = isSkipped ? null : await startPostgres()
after(() => server?.dispose())
const fact = (title: string, tell: (server: TestPostgres, t: TestContext) => Promise<void>): void => {
  if (server) test(title, (t) => tell(server, t))
}

fact('a session is durable and exact, whatever the role is set to', async ({ url, sql }) => {
  sql('alter role shoal set synchronous_commit = off')
  const connection = await open(url)
  const [row] = await connection.query(
    `select current_setting('synchronous_commit') as synchronous, current_setting('statement_timeout') as statement,
      current_setting('lock_timeout') as lock, 9007199254740993::int8 as wide, '1'::numeric as money`,
  )
  const expected = {
    synchronous: 'on',
    statement: '30s',
    lock: '10s',
    wide: 9_007_199_254_740_993n,
    money: 1n,
  }
  assert.deepEqual({ ...row }, expected)
  await connection.close()
  await connection.close()
  assert.equal(connection.isOpen, false)
  await assert.rejects(connection.query('select 1'))
})

fact('statements are answered in order, and one that fails leaves the next as it is', async ({ url }) => {
  const connection = await open(url)
  const answers = await Promise.allSettled(
    ['1', '1 / 0', '2'].map((what, index) => connection.query(`select ${what}, $1::int as place`, [index])),
  )
  assert.deepEqual(
    answers.map((answer) =>
      answer.status === 'fulfilled' ? answer.value[0]?.['place'] : answer.reason.code,
    ),
    [0, '22012', 2],
  )
  await connection.close()
})

const unfit: readonly [what: string, settings: Record<string, string>, says: RegExp][] = [
  ['fsync off', { fsync: 'off' }, /^PostgreSQL at .* runs with fsync off, so a power cut loses/],
  ['full_page_writes off', { full_page_writes: 'off' }, /full_page_writes off/],
  ['no writes allowed', { default_transaction_read_only: 'on' }, /takes no writes from this user/],
]
for (const [what, settings, message] of unfit) {
  fact(`a server with ${what} is refused`, async (_, t) => {
    const { url } = await postgresFor(t, { settings })
    await assert.rejects(open(url), { code: 'database_unfit', message })
  })
}

fact('a hot standby is refused', async (primary, t) => {
  const folder = makeFolder('shoal-postgres-')
  const from = ['-h', '127.0.0.1', '-p', String(primary.port), '-U', 'shoal']
  primary.program('pg_basebackup', [...from, '-D', join(folder, 'data'), '-R', '-c', 'fast'])
  const { url } = await postgresFor(t, { folder })
  await assert.rejects(open(url), { code: 'database_unfit', message: /is a standby.*Name the primary/ })
})

fact('who may not do what is needed is told so', async ({ url, sql }) => {
  sql('create role guest login; revoke create on database postgres from public')
  const guest = url.replace('shoal@', 'guest@')
  const connection = await open(guest)
  const error = await connection.script('create schema mine').catch((reason) => reason)
  const problem = toPostgresProblem(error, parsePostgresUrl(guest))
  assert.equal(problem.code, 'database_unfit')
  assert.match(
    problem.message,
    /does not let this user do what is needed .*Make the user the database's owner/,
  )
  await connection.close()
  await assert.rejects(open(url.replace(/postgres$/, 'missing')), {
    code: 'database_unfit',
    message: /is not there/,
  })
  await assert.rejects(open(url.replace('shoal@', 'nobody@')), {
    code: 'database_unfit',
    message: /does not let this user in/,
  })
})

test('a server that is away, hangs or hangs up is unreachable, in one sentence', async (t) => {
  const silent = await listen(t, () => undefined)
  const rude = await listen(t, (socket) => socket.destroy())
  const foreign = await listen(t, (socket) => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n'))
  const gone = await listen(t, () => undefined)
  gone.server.close()
  for (const { url } of [silent, rude, foreign, gone]) {
    await assert.rejects(open(url, { connectMsMax: 300 }), {
      code: 'database_unreachable',
      message: /^PostgreSQL at 127\.0\.0\.1:\d+\/b cannot be reached \(.*\)\. Nothing acknowledged is lost/,
    })
  }
})

fact('TLS is spoken as the URL says, and a server that is not known is refused', async (_, t) => {
  const folder = makeFolder('shoal-postgres-')
  const [certificate, key] = [join(folder, 'cert.pem'), join(folder, 'key.pem')]
  const subject = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost']
  const request = [
    'req',
    '-x509',
    '-newkey',
    'ec',
    '-pkeyopt',
    'ec_paramgen_curve:prime256v1',
    '-nodes',
    '-days',
    '1',
  ]
  execFileSync('openssl', [...request, ...subject, '-keyout', key, '-out', certificate], { stdio: 'pipe' })
  chmodSync(key, 0o600)
  if (process.getuid?.() === 0) chownSync(key, 65_534, 65_534)
  const settings = { ssl: 'on', ssl_cert_file: certificate, ssl_key_file: key }
  const own = await postgresFor(t, { folder, settings })
  const named = own.url.replace('127.0.0.1', 'localhost')
  const isEncrypted = async (url: string): Promise<unknown> => {
    const connection = await open(url)
    const [row] = await connection.query('select ssl from pg_stat_ssl where pid = pg_backend_pid()')
    await connection.close()
    return row?.['ssl']
  }
  assert.equal(await isEncrypted(`${own.url}?sslmode=disable`), false)
  assert.equal(await isEncrypted(`${own.url}?sslmode=require`), true)
  assert.equal(await isEncrypted(`${named}?sslmode=verify-full&sslrootcert=${certificate}`), true)
  assert.equal(await isEncrypted(`${own.url}?sslmode=verify-ca&sslrootcert=${certificate}`), true)
  const untrusted = { code: 'database_unfit', message: /has a certificate that is not trusted here/ }
  await assert.rejects(open(`${named}?sslmode=verify-full`), untrusted)
  // The right certificate of a server with another name.
  await assert.rejects(open(`${own.url}?sslmode=verify-full&sslrootcert=${certificate}`), untrusted)
})

fact('a server without TLS is refused where TLS was asked for', async ({ url }) => {
  await assert.rejects(open(`${url}?sslmode=require`), {
    code: 'database_unfit',
    message: /does not speak TLS\. Turn it on there/,
  })
})

fact('a server that stops answering is given up', async (_, t) => {
  const own = await postgresFor(t)
  const limits = { statementMsMax: 200, answerGraceMs: 100 }
  const connection = await open(own.url, limits)
  const slow = await connection.query('select pg_sleep(1)').catch((error) => error)
  assert.match(
    toPostgresProblem(slow, { label: 'it' }).message,
    /it took too long: canceling statement due to/,
  )
  const relay = await freeze(t, own.port)
  const frozen = await open(own.url.replace(`:${own.port}`, `:${relay.port}`), limits)
  relay.freeze()
  const problem = toPostgresProblem(await frozen.query('select 1').catch((error) => error), { label: 'it' })
  assert.equal(problem.code, 'database_unreachable')
  assert.equal(frozen.isOpen, false)
  await connection.close()
})

const open = (url: string, limits: Partial<typeof POSTGRES_LIMITS> = {}) =>
  connectPostgres({
    target: parsePostgresUrl(url),
    application: 'test',
    isolation: 'serializable',
    limits: { ...POSTGRES_LIMITS, ...limits },
  })

/** A server that treats whoever comes as `onSocket` does. */
async function listen(
  t: TestContext,
  onSocket: (socket: Socket) => void,
): Promise<{ server: Server; port: number; url: string }> {
  const sockets = new Set<Socket>()
  const server = createServer((socket) => {
    sockets.add(socket)
    socket.on('error', () => undefined)
    onSocket(socket)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  const address = server.address()
  const port = typeof address === 'object' && address ? address.port : 0
  return { server, port, url: `postgres://a@127.0.0.1:${port}/b` }
}

/** A way to `port` on which nothing gets through any more once it is frozen, as behind a cut. */
async function freeze(t: TestContext, port: number): Promise<{ port: number; freeze(): void }> {
  let isFrozen = false
  const relay = await listen(t, (socket) => {
    const far = connect(port, '127.0.0.1')
    far.on('error', () => undefined)
    socket.on('data', (bytes) => void (isFrozen || far.write(bytes)))
    far.on('data', (bytes) => void (isFrozen || socket.write(bytes)))
    socket.on('close', () => far.destroy())
  })
  return {
    port: relay.port,
    freeze() {
      isFrozen = true
    },
  }
}
