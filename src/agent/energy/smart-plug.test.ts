import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { createServer, type Server } from 'node:http'
import { type TestContext, test } from 'node:test'
import { fetchNetwork } from '#host/node/fetch-client.ts'
import { nodeClock } from '#host/node/node-clock.ts'
import { nodeCrypto } from '#host/node/node-crypto.ts'
import { createSmartPlug } from './smart-plug.ts'

const TASMOTA = { StatusSNS: { ENERGY: { Total: 1, Power: 250 } } }

test('the kind of a plug is found by asking, once', async (t) => {
  const { plug, asked } = await setup(t, (target) => (target.startsWith('/cm') ? TASMOTA : null))
  assert.deepEqual(await plug.read(), { watts: 250, wattHours: 1_000 })
  assert.equal(asked.length, 4)
  await plug.read()
  assert.deepEqual(asked.slice(4), ['/cm?cmnd=Status%208'])
})

test('an address with a path is asked just that', async (t) => {
  const path = '/rpc/Switch.GetStatus?id=1'
  const { plug, asked } = await setup(t, () => ({ apower: 7 }), { path })
  assert.deepEqual(await plug.read(), { watts: 7, wattHours: null })
  assert.deepEqual(asked, [path])
})

test('a Tasmota gets its password in the address, and one that is wrong is told', async (t) => {
  const enforce = (target: string) => {
    const { searchParams } = new URL(target, 'http://plug')
    const isRight = searchParams.get('user') === 'admin' && searchParams.get('password') === 's@cret & more'
    return isRight ? TASMOTA : { WARNING: 'Need user=<username>&password=<password>' }
  }
  const path = '/cm?cmnd=Status%208'
  const { plug, authorizations } = await setup(t, enforce, { path, login: 'admin:s%40cret%20%26%20more@' })
  assert.deepEqual(await plug.read(), { watts: 250, wattHours: 1_000 })
  assert.doesNotMatch(plug.host, /cret/)
  assert.deepEqual(authorizations, [undefined])
  const wrong = await setup(t, enforce, { path, login: 'admin:other@' })
  await assert.rejects(wrong.plug.read(), { message: /it says: Need user=<username>&password/ })
})

test('a Shelly of the first generation gets its password when it asks, and from then on', async (t) => {
  const right = `Basic ${btoa('admin:s@cret')}`
  const challenge = 'Basic realm="shelly1pm-98CDAC"'
  const { plug, authorizations } = await setup(t, () => ({ meters: [{ power: 7 }] }), {
    path: '/status',
    login: 'admin:s%40cret@',
    guard: (header) => (header === right ? null : challenge),
  })
  assert.deepEqual(await plug.read(), { watts: 7, wattHours: null })
  await plug.read()
  assert.deepEqual(authorizations, [undefined, right, right])
})

test('a later Shelly gets a digest of SHA-256, over many readings and new nonces, and never the password', async (t) => {
  const guard = digestGuard({ password: 's@cret', usesMax: 3 })
  const { plug, authorizations } = await setup(t, () => ({ apower: 7 }), { login: 'admin:s%40cret@', guard })
  for (let reading = 0; reading < 10; reading++)
    assert.deepEqual(await plug.read(), { watts: 7, wattHours: null })
  // Once without, and once more at each nonce that became old.
  assert.equal(authorizations.length, 1 + 10 + 3)
  for (const header of authorizations.slice(1)) {
    assert.match(header ?? '', /^Digest username="admin", realm="shellyplusplugs-1"/)
    assert.doesNotMatch(header ?? '', /cret/)
  }
})

test('a wrong password is told as such, and tried once at each reading', async (t) => {
  const guard = digestGuard({ password: 's@cret', usesMax: 100 })
  const { plug, asked } = await setup(t, () => ({ apower: 7 }), {
    path: '/rpc/Switch.GetStatus?id=0',
    login: 'admin:other@',
    guard,
  })
  await assert.rejects(plug.read(), { message: /refuses the name or the password that it got/ })
  assert.equal(asked.length, 2)
})

test('a password is not given in the clear to a plug that takes a digest of another kind', async (t) => {
  const guard = () => 'Digest realm="old", nonce="1", qop="auth"'
  const { plug, authorizations } = await setup(t, () => ({ apower: 7 }), { login: 'admin:s@', guard })
  await assert.rejects(plug.read(), {
    message: /wants digest authentication with MD5, which is not spoken here/,
  })
  assert.ok(authorizations.every((header) => header === undefined))
})

test('a plug that wants a password says so', async (t) => {
  const { plug } = await setup(t, () => 401, { path: '/status' })
  await assert.rejects(plug.read(), { code: 'not_supported', message: /wants a password/ })
})

test('a web server that is no plug says so', async (t) => {
  const { plug } = await setup(t, () => null)
  await assert.rejects(plug.read(), {
    code: 'not_supported',
    message: /not answer like a Shelly or a Tasmota/,
  })
})

test('an answer without end is given up', async (t) => {
  const { plug } = await setup(t, () => 'x'.repeat(70_000), { path: '/status' })
  await assert.rejects(plug.read(), { code: 'body_too_large' })
})

test('a dead plug is a problem that names it', async (t) => {
  const { plug, server } = await setup(t, () => TASMOTA)
  await new Promise((done) => server.close(done))
  await assert.rejects(plug.read(), (error: Error) => error.message.includes(plug.host))
})

test('what can be no plug is refused, without telling the password', () => {
  for (const address of ['192.168.1.20', 'ftp://plug', 'http://user:secret@plug/other']) {
    assert.throws(
      () => createSmartPlug(parts, address),
      (error: Error & { code?: string }) =>
        error.code === 'config_invalid' && !error.message.includes('secret'),
    )
  }
})

const parts = {
  fetch: fetchNetwork,
  clock: nodeClock,
  crypto: nodeCrypto,
  secrets: { randomBytes: (length: number) => randomBytes(length) },
}

type Guard = (header: string | undefined, target: string) => string | null

/** As the firmware checks it: its own nonces, each good for `usesMax` requests, whose counter has to rise. */
function digestGuard({ password, usesMax }: { password: string; usesMax: number }): Guard {
  const realm = 'shellyplusplugs-1'
  const sha = (text: string): string => createHash('sha256').update(text).digest('hex')
  let nonce = 'n0'
  let [used, issued] = [0, 0]
  const challenge = (): string => {
    nonce = `n${++issued}`
    used = 0
    return `Digest qop="auth", realm="${realm}", nonce="${nonce}", algorithm=SHA-256`
  }
  return (header, target) => {
    const field = (name: string): string =>
      new RegExp(`\\b${name}=(?:"([^"]*)"|([^,\\s]+))`)
        .exec(header ?? '')
        ?.slice(1)
        .join('') ?? ''
    if (header === undefined || field('nonce') !== nonce || used >= usesMax) return challenge()
    const count = Number.parseInt(field('nc'), 16)
    const chain = [nonce, field('nc'), field('cnonce'), 'auth', sha(`GET:${target}`)].join(':')
    const isRight = field('response') === sha(`${sha(`admin:${realm}:${password}`)}:${chain}`)
    if (!isRight || count !== used + 1 || field('cnonce').length < 16 || field('uri') !== target)
      return challenge()
    used = count
    return null
  }
}

/**
 * A real web server in the plug's place: `answer` gives what it says to a target, `null` for a page, a number for a
 * status; `guard` gives what it asks of a request that is not let in.
 */
async function setup(
  t: TestContext,
  answer: (target: string) => unknown,
  { path = '', login = '', guard = () => null }: { path?: string; login?: string; guard?: Guard } = {},
) {
  const asked: string[] = []
  const authorizations: (string | undefined)[] = []
  const server = createServer((request, response) => {
    const target = request.url ?? ''
    asked.push(target)
    authorizations.push(request.headers.authorization)
    response.setHeader('connection', 'close')
    const challenge = guard(request.headers.authorization, target)
    if (challenge !== null) return response.writeHead(401, { 'www-authenticate': challenge }).end()
    const reply = answer(target)
    if (typeof reply === 'number') return response.writeHead(reply).end()
    if (reply === null) return response.writeHead(404).end('<html>Not found</html>')
    return response.end(typeof reply === 'string' ? reply : JSON.stringify(reply))
  })
  const port = await listen(server)
  t.after(() => server.close())
  const plug = createSmartPlug(parts, `http://${login}127.0.0.1:${port}${path}`)
  return { plug, asked, authorizations, server }
}

const listen = (server: Server): Promise<number> =>
  new Promise((done) => {
    server.listen(0, '127.0.0.1', () => {
      const address = server.address()
      done(typeof address === 'object' && address ? address.port : 0)
    })
  })
