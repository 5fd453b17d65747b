/**
 * Conversations of earlier releases, played again: each side of today must understand the other side of then, and say
 * nothing that it would not have understood.
 */
import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { test } from 'node:test'
import { z } from 'zod'
import { startAgent } from '#agent/agent.ts'
import { createHostingDesk } from '#gateway/hosting-desk.ts'
import type { NodeStream } from '#gateway/node-connection.ts'
import { createNodeLinks, type NodeLinks } from '#gateway/node-links.ts'
import { createWorkPipe } from '#gateway/work-pipe.ts'
import type { Bus, Link, LinkHandlers } from '#host/host.ts'
import { nodeCrypto } from '#host/node/node-crypto.ts'
import { AGENT_PROTOCOL } from '#protocol/agent-version.ts'
import type { EngineRequest } from '#protocol/engine-request.ts'
import { EnrolNode, enrolmentText } from '#protocol/enrolment.ts'
import { decodeCredit, decodeFrames, decodeJson, type Frame, FrameType } from '#protocol/frame.ts'
import { secretOf } from '#protocol/join-token.ts'
import { Node } from '#protocol/node.ts'
import { routes } from '#protocol/routes.ts'
import { WorkOrder, workOrdersTo } from '#protocol/work-link.ts'
import { testCapability } from '#sim/scripted-agent.ts'
import { createTestWorld } from '#sim/test-world.ts'
import { converse, directoryOfOne, sinkInto } from './converse.ts'
import { KEY_SECRET, ordersText, recordedWorker } from './recorded-work.ts'
import {
  GATEWAY_ID,
  GATEWAY_URL,
  gatewayBytes,
  type Message,
  NETWORK_KEYS,
  NODE_ID,
  NODE_SEED,
  type Recording,
  readRecording,
  recordedEngine,
  recordedHosting,
  recordedSpeed,
} from './recording.ts'

const versions = readdirSync(new URL('../golden/agent-protocol', import.meta.url))
  .flatMap((name) => /^version-(\d+)\.json$/.exec(name)?.[1] ?? [])
  .map(Number)
  .sort((a, b) => a - b)

test('every version that this release speaks has a recording', () => {
  const spoken = Array.from(
    { length: AGENT_PROTOCOL.max - AGENT_PROTOCOL.min + 1 },
    (_, index) => AGENT_PROTOCOL.min + index,
  )
  assert.deepEqual(versions, spoken)
})

test('the newest recording is what this release says', async () => {
  const said = JSON.parse(JSON.stringify(await converse())) as Recording
  assert.deepEqual(sayings(said), sayings(readRecording(AGENT_PROTOCOL.max)))
})

test('a machine of release 0.1 enrols at today’s network, and understands its answer', () => {
  const file = new URL('../golden/agent-protocol/enrolment-0.1.json', import.meta.url)
  const { request, reply } = JSON.parse(readFileSync(file, 'utf8')) as {
    request: { method: string; path: string; body: unknown }
    reply: Record<string, unknown>
  }
  const { method, path } = routes.enrolNode
  assert.deepEqual([request.method, request.path], [method, path])
  const body = z.decode(EnrolNode, request.body as never)
  const text = new TextEncoder().encode(enrolmentText(body))
  assert.ok(
    nodeCrypto.verify(body.publicKey, text, Buffer.from(body.signature, 'hex')),
    'its signature is good',
  )
  assert.equal(secretOf(body.token), body.token)
  for (const [name, value] of Object.entries(reply)) {
    const field = Node.shape[name as keyof typeof Node.shape]
    assert.ok(field, `the answer has lost its field ${name}`)
    assert.ok(field.safeDecode(value as never).success, `${name} is of another form`)
  }
})

for (const protocol of versions) {
  const recording = readRecording(protocol)

  test(`an agent of version ${protocol} is served by today's gateway`, async () => {
    const { world, bus, links, connect } = todaysGateway(recording.publicKey)
    let heard: Record<string, string[]> = {}
    for (const messages of recording.connections) {
      heard = {}
      const replies: Uint8Array[] = []
      const handlers = connect(replies)
      const streams = new Map<number, NodeStream>()
      let isFirst = true
      for (const { from, hex } of messages) {
        const message = Buffer.from(hex, 'hex')
        if (from === 'agent') {
          handlers.onMessage(message)
          continue
        }
        for (const frame of decodeFrames(message)) act(frame, { links, streams, heard, bus })
        // What the gateway says by itself comes at once, or when the connection begins.
        if (!isFirst) await world.run(BUS_MS)
        isFirst = false
        assertUnderstood(replies.shift() ?? assert.fail(`a frame of ${hex} is missing`), message)
      }
      assert.deepEqual(replies, [], 'it says no more than it did')
      handlers.onClose(1000, 'agent stopped')
    }
    assert.deepEqual(heard, recording.heard)
  })

  test(`a gateway of version ${protocol} is served by today's agent`, async () => {
    const scripts = recording.connections.map((messages) => [...messages])
    const waiting = [...scripts]
    const world = createTestWorld()
    const wrong: unknown[] = []
    const gateway = world.machine('g')
    await world.settle(
      gateway.host.network.listen(
        { hostname: 'g', port: 80 },
        { onExchange: () => undefined, onLink: (_path, link) => play(link, waiting.shift() ?? [], wrong) },
      ),
    )
    const machine = world.machine('agent')
    const agent = startAgent({ ...machine.host, crypto: nodeCrypto }, recordedEngine(machine), {
      nodeId: NODE_ID,
      keys: nodeCrypto.keyPair(NODE_SEED),
      gatewayUrl: GATEWAY_URL,
      agentVersion: recording.version,
      askPerGpuHour: 7n,
      capability: testCapability,
      speedOf: () => recordedSpeed,
      hosting: recordedHosting(),
      worker: recordedWorker(machine),
      onRefused: (problem) => wrong.push(problem.message),
    })
    await world.run(10_000)
    assert.deepEqual(wrong, [])
    assert.deepEqual([agent.state(), waiting.length], ['serving', 0])
    assert.deepEqual(scripts.flat(), [], 'all of it was played')
  })
}

/** Does what made the gateway send `frame` then. */
function act(
  { type, stream, payload }: Frame,
  at: { links: NodeLinks; streams: Map<number, NodeStream>; heard: Record<string, string[]>; bus: Bus },
): void {
  if (type === FrameType.request) {
    const [node] = at.links.ready()
    assert(node, 'the agent of then is ready for work')
    const lines: string[] = []
    at.heard[stream] = lines
    at.streams.set(stream, node.open(decodeJson(payload) as EngineRequest, sinkInto(lines)))
  } else if (type === FrameType.work) {
    const { token: _, ...order } = decodeJson(payload) as WorkOrder & { token?: string }
    at.bus.publish(workOrdersTo(GATEWAY_ID), ordersText(WorkOrder.parse(order)))
  } else if (type === FrameType.credit) at.streams.get(stream)?.credit(decodeCredit(payload))
  else if (type === FrameType.cancel) at.streams.get(stream)?.cancel()
}

function todaysGateway(publicKey: string) {
  const world = createTestWorld()
  const { host } = world.machine('g')
  // The session of the first connection is too old, as it was then.
  const directory = directoryOfOne(publicKey, 4_000_000_000_000)
  const links = createNodeLinks(
    { ...host, crypto: nodeCrypto, secrets: { ...host.secrets, randomBytes: gatewayBytes }, directory },
    {
      gatewayId: GATEWAY_ID,
      incarnation: 1,
      network: { keys: NETWORK_KEYS, goesBy: () => true, tlsKeys: () => [] },
      hosting: createHostingDesk(host.clock, directory),
      work: createWorkPipe(host, { gatewayId: GATEWAY_ID, keySecret: KEY_SECRET }),
      onAvailable: () => undefined,
      onUnknownNode: () => undefined,
    },
  )
  const connect = (replies: Uint8Array[]): LinkHandlers =>
    links.accept({
      send: (message) => void replies.push(message),
      bufferedBytes: () => 0,
      close: () => undefined,
    })
  return { world, bus: host.bus, links, connect }
}

/** Plays the gateway's side: each of its messages once the agent has said all that came before. */
function play(link: Link, script: Message[], wrong: unknown[]): LinkHandlers {
  const sayOn = (): void => {
    for (;;) {
      const [next] = script
      // At the end stands what a person did at the agent then: parked it, asked more, stopped it.
      if (next && script.every(isOwn)) script.length = 0
      else if (next?.from === 'gateway') say(next)
      else if (next && isBeat(Buffer.from(next.hex, 'hex'))) script.shift()
      else return
    }
  }
  const say = ({ hex }: Message): void => {
    const message = Buffer.from(hex, 'hex')
    script.shift()
    link.send(message)
    if (message[0] === FrameType.deny) link.close(1008, 'denied')
  }
  sayOn()
  return {
    onMessage(message) {
      if (isBeat(message)) return
      const expected = script.shift()
      if (!expected) return
      try {
        assert.equal(expected.from, 'agent', 'the agent waits for its turn')
        assertUnderstood(message, Buffer.from(expected.hex, 'hex'))
      } catch (error) {
        wrong.push(error)
      }
      sayOn()
    },
    onClose: () => undefined,
  }
}

const hexOf = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')

/** Signs of life, of the node and of its tasks: they come by the clock. */
const isBeat = (message: Uint8Array): boolean =>
  message[0] === FrameType.heartbeat ||
  (message[0] === FrameType.work && Buffer.from(message).includes('"kind":"beat"'))

const typeOf = ({ hex }: Message): number => Number.parseInt(hex.slice(0, 2), 16)

const OWN_FRAMES: readonly number[] = [
  FrameType.capability,
  FrameType.heartbeat,
  FrameType.drain,
  FrameType.resume,
]
const isOwn = (message: Message): boolean =>
  message.from === 'agent' &&
  (OWN_FRAMES.includes(typeOf(message)) || isBeat(Buffer.from(message.hex, 'hex')))

/** `said` is the frame that was recorded: the same type and stream, and in JSON at least the same fields. */
function assertUnderstood(said: Uint8Array, recorded: Uint8Array): void {
  const [frame, more] = decodeFrames(said)
  const [expected] = decodeFrames(recorded)
  assert(frame && expected && !more)
  assert.deepEqual([frame.type, frame.stream, frame.flags], [expected.type, expected.stream, expected.flags])
  if (frame.type === FrameType.data || frame.type === FrameType.credit || frame.payload.length === 0) {
    assert.equal(hexOf(frame.payload), hexOf(expected.payload))
    return
  }
  assertIncludes(decodeJson(frame.payload), decodeJson(expected.payload), `frame ${frame.type}`)
}

/** What a connection has of its own: proofs are of its nonces. */
const OWN = new Set(['signature', 'nonce', 'versions', 'agentVersion', 'proof', 'token'])
/** The longest that the bus of a test world takes. */
const BUS_MS = 6

function assertIncludes(said: unknown, recorded: unknown, where: string): void {
  if (typeof recorded !== 'object' || recorded === null || Array.isArray(recorded)) {
    assert.deepEqual(said, recorded, where)
    return
  }
  assert(typeof said === 'object' && said !== null, where)
  for (const [name, value] of Object.entries(recorded)) {
    assert.ok(name in said, `${where} has lost its field ${name}`)
    if (!OWN.has(name)) assertIncludes((said as Record<string, unknown>)[name], value, `${where}.${name}`)
  }
}

/** What is said on either side, in whatever order: beats apart, and the release's own name in the hello. */
const sayings = ({ connections, heard }: Pick<Recording, 'connections' | 'heard'>) => ({
  heard,
  said: connections
    .flat()
    .filter(({ hex }) => !isBeat(Buffer.from(hex, 'hex')))
    .map(({ from, hex }) => `${from} ${Buffer.from(hex, 'hex').toString('latin1')}`)
    .map((text) => text.slice(0, 20) + text.slice(20).replace(/"(?:agentVersion|token)":"[^"]*"/, ''))
    .sort(),
})
