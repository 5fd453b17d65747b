import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Link } from '#host/host.ts'
import { createRandom } from '#kernel/random.ts'
import { Challenge, Deny, HEARTBEAT_MS, type Hello, helloText } from '#protocol/agent-link.ts'
import { type FollowedNode, type NodePresence, PresenceReport, ReportNode, subjects } from '#protocol/cell.ts'
import { decodeFrames, decodeJson, encodeEmptyFrame, encodeJsonFrame, FrameType } from '#protocol/frame.ts'
import { connectScriptedAgent, type ScriptedAgentOptions } from '#sim/scripted-agent.ts'
import { simCrypto } from '#sim/sim-host.ts'
import { createTestWorld } from '#sim/test-world.ts'
import { createDirectory } from './directory.ts'
import { createNodeLinks } from './node-links.ts'

test('an agent that proves its key is admitted, reported and ready for work', async () => {
  const { connect, ready, news, run } = setup()
  const agent = connect('a', { session: 6 })
  await run(100)
  assert.deepEqual(agent.payloads(FrameType.admit), [{ gatewayId: 'g' }])
  assert.deepEqual(ready(), ['a'])
  assert.deepEqual(news(), ['a/6 online'])
})

const keys = Object.fromEntries(
  ['a', 'b', 'banned', 'drained', 'stranger'].map((name, index) => [
    name,
    simCrypto.keyPair(new Uint8Array(32).fill(index + 1)),
  ]),
)
const keyOf = (name: string) => keys[name] ?? assert.fail(`no key of ${name}`)

/** What can be wrong with a hello, in order of precedence: an earlier fault hides the later ones. */
const refusals: readonly [Deny['code'], Partial<Hello>][] = [
  ['protocol_unknown', { protocol: 2 }],
  ['node_unknown', { nodeId: 'nobody' }],
  ['node_banned', { nodeId: 'banned' }],
  ['signature_wrong', { signature: '00'.repeat(32) }],
  ['session_stale', { session: 5 }],
]

for (const [index, [code]] of refusals.entries()) {
  test(`a hello is denied as ${code} before any later fault, and the link is closed`, async () => {
    const { connect, ready, news, run } = setup()
    const faults = refusals.slice(index).map(([, fault]) => fault)
    const agent = connect('a', { hello: Object.assign({}, ...faults.toReversed()) })
    await run(100)
    const [deny] = agent.payloads(FrameType.deny).map((payload) => Deny.parse(payload))
    assert.equal(deny?.code, code)
    assert.equal(deny?.sessionMin, code === 'session_stale' ? 6 : undefined)
    assert.deepEqual(agent.closed(), { code: 1008, reason: code })
    assert.deepEqual([ready(), news()], [[], []])
  })
}

test('signatures that are no signatures are wrong, nothing else', async () => {
  for (const signature of ['', 'zz', '0', 'f'.repeat(256)]) {
    const { connect, run } = setup()
    const agent = connect('a', { hello: { signature } })
    await run(100)
    assert.equal(agent.closed()?.reason, 'signature_wrong', signature)
  }
})

test('another node’s key proves nothing', async () => {
  const { connect, run } = setup()
  const agent = connect('a', { keys: keyOf('stranger') })
  await run(100)
  assert.equal(agent.closed()?.reason, 'signature_wrong')
})

test('a hello that was overheard is good for no other connection', async () => {
  const { connect, run } = setup()
  const honest = connect('a', { session: 6, isMute: true })
  await run(100)
  const [challenge] = honest.payloads(FrameType.challenge).map((payload) => Challenge.parse(payload))
  assert.ok(challenge)
  const text = new TextEncoder().encode(helloText({ ...challenge, nodeId: 'a', session: 6 }))
  const signature = Buffer.from(simCrypto.sign(keyOf('a').privateKeyHex, text)).toString('hex')
  const thief = connect('a', { session: 6, hello: { signature } })
  await run(100)
  assert.equal(thief.closed()?.reason, 'signature_wrong')
})

test('a node that the directory does not know makes the gateway look again', async () => {
  const { connect, unknown, run } = setup()
  connect('a', { hello: { nodeId: 'nobody' } })
  await run(100)
  assert.equal(unknown(), 1)
})

test('anything but a hello ends the link without an answer', async () => {
  const random = createRandom(1)
  const openings = [
    new Uint8Array(0),
    new Uint8Array(5),
    encodeEmptyFrame(FrameType.drain, 0),
    encodeJsonFrame(FrameType.hello, 0, { nodeId: 'a' }),
    encodeJsonFrame(FrameType.hello, 0, null),
    ...Array.from({ length: 50 }, () => Uint8Array.from({ length: random.int(60) }, () => random.int(256))),
  ]
  const { connect, ready, run } = setup()
  const agents = openings.map(() => connect('a', { isMute: true }))
  await run(100)
  for (const [index, opening] of openings.entries()) agents[index]?.send(opening)
  await run(100)
  for (const agent of agents) assert.deepEqual(agent.closed(), { code: 1002, reason: 'hello expected' })
  assert.deepEqual(ready(), [])
})

test('who says nothing is cut off after five seconds, and a hello that comes later admits nobody', async () => {
  const { links, ready, run } = setup()
  const sent: Uint8Array[] = []
  let closedWith = ''
  const link: Link = {
    send: (message) => void sent.push(message),
    bufferedBytes: () => 0,
    close: (_code, reason) => {
      closedWith = reason
    },
  }
  const handlers = links.accept(link)
  await run(4_999)
  assert.equal(closedWith, '')
  await run(2)
  assert.equal(closedWith, 'no hello')
  // The other side may not have read the close yet.
  const [frame] = decodeFrames(sent[0] ?? new Uint8Array())
  const challenge = Challenge.parse(decodeJson(frame?.payload ?? new Uint8Array()))
  const about = { nodeId: 'a', session: 6 }
  const text = new TextEncoder().encode(helloText({ ...challenge, ...about }))
  const signature = Buffer.from(simCrypto.sign(keyOf('a').privateKeyHex, text)).toString('hex')
  handlers.onMessage(
    encodeJsonFrame(FrameType.hello, 0, { protocol: 1, ...about, signature, agentVersion: 't' }),
  )
  assert.deepEqual(ready(), [])
})

test('a newer connection of a node takes the place of the older, and an older one is told what it must exceed', async () => {
  const { connect, ready, news, run } = setup()
  const first = connect('a', { session: 6 })
  await run(100)
  const second = connect('a', { session: 7 })
  await run(100)
  assert.deepEqual(first.closed(), { code: 1008, reason: 'replaced by a newer connection' })
  assert.deepEqual([second.closed(), ready()], [null, ['a']])
  assert.deepEqual(news(), ['a/6 online', 'a/6 suspect link_closed', 'a/7 online'])
  const stale = connect('a', { session: 7 })
  await run(100)
  assert.deepEqual(
    stale.payloads(FrameType.deny).map((deny) => Deny.parse(deny).sessionMin),
    [8],
  )
  assert.equal(second.closed(), null)
})

test('garbage costs a node its connection, and nobody else anything', async () => {
  const random = createRandom(2)
  const { connect, ready, news, run } = setup()
  const neighbour = connect('b', { session: 6 })
  await run(100)
  for (let session = 6; session < 56; session++) {
    const hostile = connect('a', { session })
    await run(100)
    assert.deepEqual(ready(), ['b', 'a'])
    hostile.send(Uint8Array.from({ length: 1 + random.int(11) }, () => random.int(256)))
    await run(100)
    assert.deepEqual([hostile.closed()?.code, ready()], [1002, ['b']])
    assert.equal(news().at(-1), `a/${session} suspect link_closed`)
  }
  assert.equal(neighbour.closed(), null)
})

test('a node that was cut off is no candidate from that moment, though its link has not closed yet', async () => {
  const { connect, connection, ready, run } = setup()
  connect('a', { session: 6 })
  await run(100)
  connection('a').receive(new Uint8Array(3))
  assert.deepEqual(ready(), [])
})

test('a node that falls silent gets no work, is back when it is heard, and is given up in the end', async () => {
  const { connect, ready, count, news, run } = setup()
  const agent = connect('a', { session: 6 })
  await run(100)
  agent.setBeating(false)
  await run(3.6 * HEARTBEAT_MS)
  assert.deepEqual([ready(), count()], [[], { online: 0, suspect: 1 }])
  agent.setBeating(true)
  await run(2 * HEARTBEAT_MS)
  assert.deepEqual([ready(), count()], [['a'], { online: 1, suspect: 0 }])
  agent.setBeating(false)
  await run(6 * HEARTBEAT_MS)
  assert.deepEqual(agent.closed(), { code: 1001, reason: 'no heartbeat' })
  assert.deepEqual(count(), { online: 0, suspect: 0 })
  assert.deepEqual(news(), [
    'a/6 online',
    'a/6 suspect silent',
    'a/6 online',
    'a/6 suspect silent',
    'a/6 suspect silent',
  ])
})

test('a node that drains gets no work and leaves in order; one whose link closes did not say goodbye', async () => {
  const { connect, ready, news, run } = setup()
  const leaving = connect('a', { session: 6 })
  const lost = connect('b', { session: 6 })
  await run(100)
  leaving.drain()
  await run(100)
  assert.deepEqual(ready(), ['b'])
  leaving.close()
  await run(100)
  lost.close()
  await run(100)
  assert.deepEqual(news().slice(2), ['a/6 gone left', 'b/6 suspect link_closed'])
})

test('nodes that their owner drained stay connected and get no work', async () => {
  const { connect, ready, count, run } = setup()
  connect('drained', { session: 6 })
  await run(100)
  assert.deepEqual([ready(), count()], [[], { online: 1, suspect: 0 }])
})

test('what a node reports is priced here and passed on to the coordinator', async () => {
  const { connect, connection, forwarded, available, run } = setup()
  const agent = connect('a', { session: 6 })
  await run(100)
  const before = available()
  agent.report([{ id: 'm' }])
  await run(100)
  assert.deepEqual(connection('a').offers.get('m')?.price, {
    promptPerMillion: 100_000_000n,
    completionPerMillion: 1_000_000_000n,
  })
  assert.deepEqual(
    forwarded().map(({ nodeId, capability }) => [nodeId, capability.models[0]?.id]),
    [['a', 'm']],
  )
  assert.equal(available(), before + 1)
})

test('a node that is banned while it is here is cut off', async () => {
  const { connect, ban, ready, run } = setup()
  const agent = connect('a', { session: 6 })
  await run(100)
  ban('a')
  assert.deepEqual(ready(), [])
  await run(100)
  assert.deepEqual(agent.closed(), { code: 1008, reason: 'the node is banned' })
})

test('a connection that the coordinator does not accept is cut off', async () => {
  const { connect, refuseNext, ready, run } = setup()
  refuseNext()
  const agent = connect('a', { session: 6 })
  await run(100)
  assert.deepEqual(agent.closed(), { code: 1008, reason: 'replaced by a newer connection' })
  assert.deepEqual(ready(), [])
})

test('a connection that is older than one that was heard of elsewhere is cut off', async () => {
  const { connect, follow, ready, run } = setup()
  const agent = connect('a', { session: 6 })
  await run(100)
  follow(6)
  assert.deepEqual(ready(), ['a'])
  follow(7)
  await run(100)
  assert.deepEqual(agent.closed(), { code: 1008, reason: 'replaced by a newer connection' })
  assert.deepEqual(ready(), [])
})

test('asked for all, the gateway reports every node that is here', async () => {
  const { connect, links, reports, run } = setup()
  connect('a', { session: 6 })
  connect('b', { session: 7 })
  await run(100)
  links.reportAll()
  await run(100)
  const last = reports().at(-1)
  assert.equal(last?.isComplete, true)
  assert.deepEqual(last?.nodes.map(describe).toSorted(), ['a/6 online', 'b/7 online'])
})

test('a gateway that stops closes every link', async () => {
  const { connect, links, run } = setup()
  const agents = ['a', 'b'].map((name) => connect(name, { session: 6 }))
  await run(100)
  links.close()
  await run(100)
  assert.deepEqual(
    agents.map((agent) => agent.closed()?.code),
    [1001, 1001],
  )
})

const describe = ({ nodeId, session, status, reason }: NodePresence): string =>
  [`${nodeId}/${session}`, status, reason ?? ''].join(' ').trim()

/** The links of gateway `g`, whose directory knows a, b, banned and drained, each with session 5 as its newest. */
function setup() {
  const world = createTestWorld()
  const { run } = world
  const gateway = world.machine('g')
  const directory = createDirectory()
  const follow = (version: number, bannedIds: readonly string[], session = 5): void => {
    const nodes = ['a', 'b', 'banned', 'drained'].map(
      (id): FollowedNode => ({
        id,
        organisationId: 'o',
        publicKey: keyOf(id).publicKeyHex,
        session,
        isDrained: id === 'drained',
        isBanned: bannedIds.includes(id),
        models: [],
      }),
    )
    directory.apply({ epoch: 1, version, isComplete: true, wantsPresence: false, nodes, keys: [] })
  }
  follow(1, ['banned'])

  const reports: PresenceReport[] = []
  const forwarded: ReturnType<typeof ReportNode.parse>[] = []
  let refusesNext = false
  const coordinator = world.machine('coordinator')
  coordinator.host.bus.serve(subjects.presence, (message, reply) => {
    const report = PresenceReport.parse(JSON.parse(message))
    reports.push(report)
    const refused = refusesNext
      ? report.nodes.map(({ nodeId, session }) => ({ nodeId, session, sessionMin: 9 }))
      : []
    refusesNext = false
    reply(JSON.stringify({ epoch: 1, refused }))
  })
  coordinator.host.bus.subscribe(subjects.report, (message) => {
    forwarded.push(ReportNode.parse(JSON.parse(message)))
  })

  let unknown = 0
  let available = 0
  const links = createNodeLinks(
    { ...gateway.host, directory },
    {
      gatewayId: 'g',
      incarnation: 1,
      onAvailable: () => {
        available++
      },
      onUnknownNode: () => {
        unknown++
      },
    },
  )
  void gateway.host.network.listen(
    { hostname: 'g', port: 80 },
    { onExchange: () => {}, onLink: (_path, link) => links.accept(link) },
  )
  const agents = world.machine('agents')
  return {
    run,
    links,
    connect: (nodeId: string, options: Partial<ScriptedAgentOptions> = {}) =>
      connectScriptedAgent(agents, 'ws://g:80/agent', {
        nodeId,
        keys: keyOf(nodeId),
        session: 6,
        ...options,
      }),
    connection: (nodeId: string) =>
      [...links.ready()].find((one) => one.nodeId === nodeId) ?? assert.fail(`${nodeId} is not ready`),
    ready: () => [...links.ready()].map(({ nodeId }) => nodeId),
    count: () => links.count(),
    ban(nodeId: string) {
      follow(2, ['banned', nodeId])
      links.recheck()
    },
    follow(session: number) {
      follow(3, ['banned'], session)
      links.recheck()
    },
    refuseNext() {
      refusesNext = true
    },
    reports: () => reports,
    news: () => reports.flatMap(({ nodes }) => nodes).map(describe),
    forwarded: () => forwarded,
    unknown: () => unknown,
    available: () => available,
  }
}
