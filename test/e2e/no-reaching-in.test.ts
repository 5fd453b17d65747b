/**
 * What a caller gives is never an address that the network goes to, what was said once is not taken twice, and who
 * speaks slowly holds nobody up.
 */
import assert from 'node:assert/strict'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'
import { after, before, test } from 'node:test'
import { type Network, openRig, startTiny } from './rig.ts'
import { enrolBody, type RouteInput, routeMakers, type Tenant } from './route-inputs.ts'
import { bearer, callRoute, type Operation, openTenant, readOperations } from './tenants.ts'

const rig = openRig()
let network: Network
let operations: Operation[]
let tenant: Tenant
let canary: Server
let visits = 0
let canaryPort = 0
before(async () => {
  canary = createServer((socket) => {
    visits++
    socket.destroy()
  })
  await new Promise<void>((listening) => canary.listen(0, '127.0.0.1', listening))
  canaryPort = (canary.address() as AddressInfo).port
  network = await startTiny(rig, rig.path('network'))
  operations = await readOperations(network)
  tenant = await openTenant(network, 'Ann')
})
after(async () => {
  canary?.close()
  await rig.dispose()
})

/** Ways to write the canary's address, and addresses that are dear to whoever asks for them from inside. */
const addresses = (): string[] => [
  `http://127.0.0.1:${canaryPort}/x`,
  `http://localhost:${canaryPort}/x`,
  `http://[::ffff:127.0.0.1]:${canaryPort}/`,
  `http://2130706433:${canaryPort}/`,
  `http://0x7f.1:${canaryPort}/`,
  `http://user@127.0.0.1:${canaryPort}/#@example.com`,
  `//127.0.0.1:${canaryPort}/x`,
  `ws://127.0.0.1:${canaryPort}/agent`,
  `127.0.0.1:${canaryPort}`,
  'http://169.254.169.254/latest/meta-data/',
  'file:///etc/passwd',
]

test('no operation goes to an address that a caller gives, wherever in the call it stands', async () => {
  let calls = 0
  for (const operation of operations) {
    if (operation.operationId === 'takeOver') continue
    const own = (await routeMakers[operation.operationId]?.own(tenant, network.operator)) ?? {}
    const places = [
      ...new Set([...operation.places, ...Object.keys(own.body ?? {}).map((name) => `body ${name}`)]),
    ]
    const callWith = async (place: string): Promise<void> => {
      // One way of writing it each turn: all of them come round.
      const address = addresses()[calls++ % addresses().length] ?? ''
      const answer = await callRoute(network, operation, withAddress(own, place, address), reachingHeaders())
      const told = `${operation.operationId} ${place} ${address}: ${answer.status} ${answer.text}`
      // One that is told to come back was not looked at.
      assert.ok(answer.status < 500 && answer.status !== 429, told)
      assert.doesNotMatch(answer.text, /root:x:0:0/)
    }
    await Promise.all(places.map(callWith))
  }
  assert.ok(calls > 100, `${calls} calls`)
  assert.equal(visits, 0, 'the network came to an address that a caller gave')
})

test('a chat goes to no address in its messages, tools or names', async () => {
  for (const address of addresses()) {
    const parts = [
      { type: 'text', text: 'look' },
      { type: 'image_url', image_url: { url: address } },
    ]
    const bodies = [
      { model: 'tiny', messages: [{ role: 'user', content: parts }], max_tokens: 1 },
      { model: address, messages: [{ role: 'user', content: address }], max_tokens: 1 },
      { model: 'tiny', messages: [{ role: 'user', content: address }], max_tokens: 1, user: address },
      {
        model: 'tiny',
        messages: [{ role: 'user', content: 'x' }],
        max_tokens: 1,
        tools: [{ type: 'function', function: { name: 'f', parameters: { $ref: address } } }],
      },
    ]
    for (const body of bodies) {
      const operation = { method: 'POST', path: '/v1/chat/completions' }
      const answer = await callRoute(network, operation, { body }, bearer(network.ready.apiKey))
      assert.ok(answer.status < 500, `${JSON.stringify(body)}: ${answer.text}`)
    }
  }
  assert.equal(visits, 0, 'the network came to an address that a caller gave')
})

test('an enrolment enrols once: said again it names the same node, and with anything else it is refused', async () => {
  const { token } = await network.operator.createEnrolmentToken({ body: {} })
  const body = await enrolBody(token)
  const operation = { method: 'POST', path: '/api/nodes' }
  const first = await callRoute(network, operation, { body })
  assert.equal(first.status, 201, first.text)
  const nodes = (await network.operator.listNodes()).items.length
  // An answer that was lost is asked for again: it is the same node.
  const again = await callRoute(network, operation, { body })
  assert.deepEqual([again.status, again.json['nodeId']], [201, first.json['nodeId']], again.text)
  // Another machine with the used token, another name under the first signature, the signature under another token.
  for (const changed of [
    await enrolBody(token),
    { ...body, name: 'other' },
    { ...body, token: 'join-other' },
  ]) {
    const refused = await callRoute(network, operation, { body: changed })
    assert.deepEqual([refused.status, refused.json['code']], [403, 'join_refused'], refused.text)
  }
  assert.equal((await network.operator.listNodes()).items.length, nodes)
})

test('callers that trickle their heads and bodies hold nobody up', async () => {
  const port = Number(new URL(network.ready.apiUrl).port)
  const heads = ['GET /api/health HTTP/1.1\r\nhost: x', 'POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\n']
  const full = `POST /api/keys HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${network.operatorKey}\r\ncontent-length: 1000000\r\n\r\n{`
  const sockets: Socket[] = []
  for (let index = 0; index < 300; index++) {
    const socket = connect(port, '127.0.0.1').on('error', () => undefined)
    socket.write([...heads, full][index % 3] ?? '')
    sockets.push(socket)
  }
  for (let index = 0; index < 10; index++) {
    const answer = await callRoute(network, { method: 'GET', path: '/api/health' }, {})
    assert.equal(answer.status, 200)
  }
  const chat = await network.openai.chat.completions.create({
    model: 'tiny',
    messages: [{ role: 'user', content: 'hi' }],
    max_tokens: 1,
  })
  assert.equal(chat.usage?.completion_tokens, 1)
  for (const socket of sockets) socket.destroy()
})

const reachingHeaders = (): Record<string, string> => ({
  ...bearer(network.operatorKey),
  'x-forwarded-host': `127.0.0.1:${canaryPort}`,
  'x-original-url': `http://127.0.0.1:${canaryPort}/`,
  referer: `http://127.0.0.1:${canaryPort}/`,
})

/** The input with the address at `place`, such as `body name`. */
function withAddress(input: RouteInput, place: string, address: string): RouteInput {
  const [where = '', name = ''] = place.split(' ')
  if (where === 'path') return { ...input, params: { ...input.params, [name]: address } }
  if (where === 'query') return { ...input, query: { ...input.query, [name]: address } }
  return { ...input, body: { ...input.body, [name]: address } }
}
