import assert from 'node:assert/strict'
import { once } from 'node:events'
import { copyFileSync, readFileSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { request as httpRequest } from 'node:http'
import { request } from 'node:https'
import { connect } from 'node:net'
import { after, afterEach, test } from 'node:test'
import { connect as connectTls, type TLSSocket } from 'node:tls'
import type { LinkHandlers, Listener, LogFields, TlsFiles } from '#host/host.ts'
import { Problem } from '#protocol/problem.ts'
import { checkDates, checkName, isExpiring, readCertificate } from './certificate.ts'
import { nodeClock } from './node-clock.ts'
import { createNodeNetwork } from './node-network.ts'
import { createTestAuthority, opensslMissing } from './test-certificates.ts'
import { trustAuthorities } from './trusted-authorities.ts'

const options = { skip: opensslMissing }
const authority = opensslMissing ? null : createTestAuthority()
const issue = (name: string, names = LOCAL, days = 30): TlsFiles => {
  assert(authority, 'the test is skipped without openssl')
  return authority.issue(name, names, days)
}
const LOCAL = 'DNS:localhost,IP:127.0.0.1'
const closers: (() => unknown)[] = []
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close()
})
after(() => authority?.dispose())

test(
  'a server with certificate and key speaks TLS 1.2 and above, requests and links alike',
  options,
  async () => {
    const { url, port, network } = await serve(issue('plain'))
    trustAuthorities(authority?.caFile ?? '')
    const response = await network.fetch(new Request(`${url}/x`))
    assert.deepEqual([response.status, await response.text()], [200, 'GET /x from 127.0.0.1'])

    const heard = Promise.withResolvers<{ text: string; tlsKey: string | null | undefined }>()
    const link = network.connect(`wss://localhost:${port}/link`, {
      onMessage: (message) =>
        heard.resolve({ text: Buffer.from(message).toString(), tlsKey: link.tlsKey?.() }),
      onClose: (_code, reason) => heard.reject(new Error(reason)),
    })
    link.send(Buffer.from('hello'))
    const { text, tlsKey } = await heard.promise
    const { facts } = readCertificate(issue('other'))
    assert.equal(text, 'HELLO')
    assert.match(tlsKey ?? '', /^[0-9a-f]{64}$/)
    assert.notEqual(tlsKey, facts.tlsKey)
    link.close(1000, 'done')

    for (const [version, isSpoken] of [
      ['TLSv1.1', false],
      ['TLSv1.2', true],
      ['TLSv1.3', true],
    ] as const) {
      assert.equal(await shakesHands(port, version), isSpoken, version)
    }
  },
)

test('the key of a link is the one that the server says it shows', options, async () => {
  const { port, network, listener } = await serve(issue('shown'))
  trustAuthorities(authority?.caFile ?? '')
  const opened = Promise.withResolvers<string | null | undefined>()
  const link = network.connect(`wss://localhost:${port}/link`, {
    onOpen() {
      // Asked again it must still know.
      link.tlsKey?.()
      opened.resolve(link.tlsKey?.())
    },
    onMessage: () => undefined,
    onClose: () => undefined,
  })
  assert.deepEqual(
    listener.certificates?.().map(({ tlsKey }) => tlsKey),
    [await opened.promise],
  )
  link.close(1000, 'done')
})

test(
  'plain HTTP to a port that speaks TLS is told so, also when it comes byte by byte',
  options,
  async () => {
    const { port } = await serve(issue('told'))
    const answer = await new Promise<{ status: number | undefined; body: string }>((resolve, reject) => {
      httpRequest({ port, host: '127.0.0.1' }, async (response) => {
        let body = ''
        for await (const chunk of response) body += chunk
        resolve({ status: response.statusCode, body })
      })
        .on('error', reject)
        .end()
    })
    assert.equal(answer.status, 400)
    assert.match(
      answer.body,
      /This port speaks TLS, and this is plain HTTP\. Use an address that starts with https/,
    )
    const socket = connect(port, '127.0.0.1')
    await once(socket, 'connect')
    socket.write('G')
    const [chunk] = (await once(socket, 'data')) as [Buffer]
    assert.match(chunk.toString(), /^HTTP\/1\.1 400 /)
    socket.destroy()
  },
)

test('TLS to a port that speaks plain HTTP is told to the caller', options, async () => {
  const network = createNodeNetwork({ clock: nodeClock, log: silent() })
  const listener = await network.listen(
    { hostname: '127.0.0.1', port: 0 },
    { onExchange() {}, onLink: () => null },
  )
  closers.push(() => listener.close(0))
  await assert.rejects(
    network.fetch(new Request(`https://127.0.0.1:${listener.port}/`)),
    /does not speak TLS/,
  )
})

test('who says nothing, and half a handshake, do not keep the server from stopping', options, async () => {
  const { port, listener } = await serve(issue('silent'))
  const sockets = await Promise.all(
    ['', '\x16', '\x16\x03\x01'].map(async (start) => {
      const socket = connect(port, '127.0.0.1')
      await once(socket, 'connect')
      if (start !== '') socket.write(start, 'latin1')
      return socket
    }),
  )
  // A whole request after them: by its answer the server has seen all of them.
  await get(port)
  const closed = sockets.map((socket) => once(socket.on('error', () => undefined).resume(), 'close'))
  await listener.close(0)
  await Promise.all(closed)
})

test(
  'a certificate that is renewed on the disk is shown without a restart; a broken one is not',
  options,
  async () => {
    const first = issue('first')
    const second = issue('second', 'DNS:localhost,IP:127.0.0.1,DNS:renewed.example')
    const broken = issue('broken')
    const files = { certFile: `${first.certFile}.live`, keyFile: `${first.keyFile}.live` }
    const put = ({ certFile, keyFile }: TlsFiles): void => {
      for (const [from, to] of [
        [certFile, files.certFile],
        [keyFile, files.keyFile],
      ] as const) {
        copyFileSync(from, `${to}.part`)
        renameSync(`${to}.part`, to)
      }
    }
    put(first)
    const looks: (() => void)[] = []
    const logged: string[] = []
    const { port, listener } = await serve(files, { looks, logged })
    const look = (): void => {
      for (const run of looks.splice(0)) run()
    }
    look()
    assert.equal((await shownNames(port)).includes('renewed.example'), false)
    put({ certFile: second.certFile, keyFile: broken.keyFile })
    look()
    assert.deepEqual(logged, ['tls.not_renewed'])
    assert.equal((await shownNames(port)).includes('renewed.example'), false)
    put(second)
    look()
    assert.deepEqual(logged, ['tls.not_renewed', 'tls.renewed'])
    assert.equal((await shownNames(port)).includes('renewed.example'), true)
    assert.equal(listener.certificates?.().length, 2, 'connections of before have seen the other')
  },
)

test(
  'half a chain, and a file that cannot be looked at, leave the certificate of before in use',
  options,
  async () => {
    const { certFile, keyFile } = issue('kept')
    const files = { certFile: `${certFile}.live`, keyFile }
    copyFileSync(certFile, files.certFile)
    const looks: (() => void)[] = []
    const logged: string[] = []
    const { port } = await serve(files, { looks, logged })
    const look = (): void => {
      for (const run of looks.splice(0)) run()
    }
    const whole = readFileSync(certFile, 'utf8')
    writeFileSync(files.certFile, `${whole}${whole.slice(0, 200)}`)
    look()
    rmSync(files.certFile)
    symlinkSync(files.certFile, files.certFile) // Of itself: the system gives up.
    look()
    assert.deepEqual(logged, ['tls.not_renewed', 'tls.not_renewed'])
    assert.match(await get(port), /^GET/)
    rmSync(files.certFile)
    writeFileSync(files.certFile, `${whole}${whole}`)
    look()
    assert.deepEqual(logged.slice(2), ['tls.renewed'])
    assert.match(await get(port), /^GET/)
  },
)

test('what is wrong with a certificate is one sentence that names the file', options, async () => {
  const good = issue('good', 'DNS:net.example,IP:10.0.0.1')
  const other = issue('stranger')
  const gone = issue('gone', LOCAL, -1)
  const folder = authority?.folder ?? ''
  const garbage = `${folder}/garbage.pem`
  writeFileSync(garbage, 'not a certificate')
  const cut = `${folder}/cut.pem`
  writeFileSync(cut, readFileSync(good.certFile, 'utf8').repeat(2).slice(0, -100))
  const locked = `${folder}/locked.key`
  writeFileSync(locked, '-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n')
  const nowMs = Date.now()
  const table: readonly [RegExp, () => unknown][] = [
    [
      /^The certificate .*none\.pem cannot be read: there is no such file\./,
      () => readCertificate({ ...good, certFile: `${folder}/none.pem` }),
    ],
    [
      /^The private key .* cannot be read: it is a folder\./,
      () => readCertificate({ ...good, keyFile: folder }),
    ],
    [/garbage\.pem holds no certificate in PEM form/, () => readCertificate({ ...good, certFile: garbage })],
    [/garbage\.pem holds no private key in PEM form/, () => readCertificate({ ...good, keyFile: garbage })],
    [
      /^TLS cannot use .*cut\.pem and its key: .+\. Give the whole file/,
      () => readCertificate({ ...good, certFile: cut }),
    ],
    [/locked\.key is locked with a passphrase/, () => readCertificate({ ...good, keyFile: locked })],
    [
      /^The key .*stranger\.key does not belong to the certificate .*good\.pem\./,
      () => readCertificate({ ...good, keyFile: other.keyFile }),
    ],
    [
      /^The certificate .*gone\.pem expired on \d{4}-\d\d-\d\d \d\d:\d\d UTC, and it is .* now\. Renew it/,
      () => checkDates(readCertificate(gone).facts, nowMs),
    ],
    [
      /^The certificate .*good\.pem is valid only from .* on, and this machine's clock says 1970-01-01/,
      () => checkDates(readCertificate(good).facts, 0),
    ],
    [
      /^The certificate .*good\.pem is for net\.example, 10\.0\.0\.1, not for other\.example/,
      () => checkName(good, 'other.example'),
    ],
  ]
  for (const [says, run] of table) {
    assert.throws(
      run,
      (error) => error instanceof Problem && error.code === 'config_invalid' && says.test(error.message),
      String(says),
    )
  }
  checkDates(readCertificate(good).facts, nowMs)
  checkName(good, 'net.example')
  checkName(good, '10.0.0.1')
})

test('a certificate is told to be renewed two weeks before its end, a short-lived one in its last fifth', () => {
  const day = 24 * 3_600_000
  const of = (days: number) => ({ file: 'f', names: [], tlsKey: '', validFromMs: 0, expiresAtMs: days * day })
  assert.deepEqual([isExpiring(of(90), 75 * day), isExpiring(of(90), 77 * day)], [false, true])
  assert.deepEqual([isExpiring(of(6), 4 * day), isExpiring(of(6), 5 * day)], [false, true])
})

test('whom a certificate is not believed is told why, and what to do', options, async (t) => {
  const rows: readonly [string, TlsFiles, string | null, RegExp][] = [
    [
      'of an unknown authority',
      issue('unknown'),
      null,
      /by an authority that this machine does not know.* --ca FILE|does not show how its certificate leads/,
    ],
    [
      'that has expired',
      issue('old', LOCAL, -1),
      authority?.caFile ?? '',
      /has expired\. Its operator must renew it/,
    ],
    ['for another name', issue('wrong', 'DNS:other.example'), authority?.caFile ?? '', /is for another name/],
  ]
  for (const [name, files, caFile, says] of rows) {
    await t.test(name, async () => {
      trustAuthorities(caFile)
      const { url, network } = await serve(files)
      await assert.rejects(network.fetch(new Request(url)), (error) => {
        assert(error instanceof Problem)
        assert.deepEqual([error.code, error.retriable], ['certificate_refused', false])
        assert.match(error.message, says)
        return true
      })
      const ended = Promise.withResolvers<string>()
      network.connect(url.replace('https', 'wss'), {
        onMessage() {},
        onClose: (_code, reason) => ended.resolve(reason),
      })
      assert.match(await ended.promise, says)
    })
  }
})

const silent = () => ({ info() {}, warn() {}, error() {} })

async function serve(tls: TlsFiles, watched: { looks?: (() => void)[]; logged?: string[] } = {}) {
  const { looks, logged } = watched
  const note = (event: string, _fields?: LogFields): void => void logged?.push(event)
  const log = { info: note, warn: note, error: note }
  const clock = looks
    ? { ...nodeClock, after: (delayMs: number, run: () => void) => afterOrLook(looks, delayMs, run) }
    : nodeClock
  const network = createNodeNetwork({ clock, log })
  const listener: Listener = await network.listen(
    { hostname: '127.0.0.1', port: 0, tls },
    {
      onExchange(exchange) {
        const { method, target, clientAddress } = exchange
        exchange.respond(200, {}, `${method} ${target} from ${clientAddress}`)
      },
      onLink(_path, link): LinkHandlers {
        return {
          onMessage: (message) => link.send(Buffer.from(Buffer.from(message).toString().toUpperCase())),
          onClose() {},
        }
      },
    },
  )
  closers.push(() => listener.close(0))
  const { port } = listener
  return { network, listener, port, url: `https://localhost:${port}` }
}

/** What is due in five seconds, the look at the files, is run by the test. */
function afterOrLook(looks: (() => void)[], delayMs: number, run: () => void) {
  if (delayMs !== 5_000) return nodeClock.after(delayMs, run)
  looks.push(run)
  return { cancel() {} }
}

const get = (port: number): Promise<string> =>
  new Promise((resolve, reject) => {
    const ca = readFileSync(authority?.caFile ?? '')
    request({ host: 'localhost', port, ca, agent: false }, async (response) => {
      let body = ''
      for await (const chunk of response) body += chunk
      resolve(body)
    })
      .on('error', reject)
      .end()
  })

async function shownNames(port: number): Promise<string> {
  const socket = connectTls({ host: 'localhost', port, rejectUnauthorized: false })
  await once(socket, 'secureConnect')
  const { subjectaltname } = socket.getPeerCertificate()
  socket.destroy()
  return subjectaltname ?? ''
}

function shakesHands(port: number, version: 'TLSv1.1' | 'TLSv1.2' | 'TLSv1.3'): Promise<boolean> {
  return new Promise((resolve) => {
    const socket: TLSSocket = connectTls({
      host: 'localhost',
      port,
      rejectUnauthorized: false,
      minVersion: version,
      maxVersion: version,
      // Without it OpenSSL does not even offer what is this old.
      ciphers: 'DEFAULT@SECLEVEL=0',
    })
    const end = (isSpoken: boolean): void => {
      socket.destroy()
      resolve(isSpoken)
    }
    socket.once('secureConnect', () => end(true))
    socket.once('error', () => end(false))
  })
}
