import assert from 'node:assert/strict'
import { createServer, type Server } from 'node:http'
import { type TestContext, test } from 'node:test'
import { fetchNetwork } from '#host/node/fetch-client.ts'
import { nodeClock } from '#host/node/node-clock.ts'
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

test('a password goes to the plug and nowhere else', async (t) => {
  const { plug, asked, authorizations } = await setup(t, () => TASMOTA, {
    path: '/cm?cmnd=Status%208',
    login: 'admin:s%40cret@',
  })
  await plug.read()
  assert.match(asked[0] ?? '', /user=admin&password=s%40cret$/)
  assert.doesNotMatch(plug.host, /cret/)
  const shelly = await setup(t, () => ({ apower: 7 }), { path: '/status', login: 'admin:s%40cret@' })
  await shelly.plug.read().catch(() => undefined)
  assert.equal(shelly.authorizations[0], `Basic ${btoa('admin:s@cret')}`)
  assert.equal(authorizations[0], undefined)
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
      () => createSmartPlug({ fetch: fetchNetwork, clock: nodeClock }, address),
      (error: Error & { code?: string }) =>
        error.code === 'config_invalid' && !error.message.includes('secret'),
    )
  }
})

/** A real web server in the plug's place: `answer` gives what it says to a target, `null` for a page, a number for a status. */
async function setup(t: TestContext, answer: (target: string) => unknown, { path = '', login = '' } = {}) {
  const asked: string[] = []
  const authorizations: (string | undefined)[] = []
  const server = createServer((request, response) => {
    asked.push(request.url ?? '')
    authorizations.push(request.headers.authorization)
    const reply = answer(request.url ?? '')
    response.setHeader('connection', 'close')
    if (typeof reply === 'number') response.writeHead(reply).end()
    else if (reply === null) response.writeHead(404).end('<html>Not found</html>')
    else response.end(typeof reply === 'string' ? reply : JSON.stringify(reply))
  })
  const port = await listen(server)
  t.after(() => server.close())
  const plug = createSmartPlug(
    { fetch: fetchNetwork, clock: nodeClock },
    `http://${login}127.0.0.1:${port}${path}`,
  )
  return { plug, asked, authorizations, server }
}

const listen = (server: Server): Promise<number> =>
  new Promise((done) => {
    server.listen(0, '127.0.0.1', () => {
      const address = server.address()
      done(typeof address === 'object' && address ? address.port : 0)
    })
  })
