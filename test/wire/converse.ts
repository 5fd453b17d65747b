/**
 * Holds the conversation of which recordings are made: a real agent, with an engine whose tokens are known, at the real
 * links of a gateway, on a virtual clock, with real keys.
 *
 *     node test/wire/converse.ts > test/golden/agent-protocol/version-N.json
 */
import { startAgent } from '#agent/agent.ts'
import { createDirectory } from '#gateway/directory.ts'
import { createHostingDesk } from '#gateway/hosting-desk.ts'
import type { NodeStream } from '#gateway/node-connection.ts'
import { createNodeLinks } from '#gateway/node-links.ts'
import type { StreamSink } from '#gateway/node-streams.ts'
import { createWorkPipe } from '#gateway/work-pipe.ts'
import type { Link, LinkHandlers } from '#host/host.ts'
import { nodeCrypto } from '#host/node/node-crypto.ts'
import { AGENT_PROTOCOL } from '#protocol/agent-version.ts'
import { type FollowedNode, PresenceReport, subjects } from '#protocol/cell.ts'
import type { EngineRequest } from '#protocol/engine-request.ts'
import { fingerprintOf } from '#protocol/network-key.ts'
import { VERSION } from '#protocol/version.ts'
import { WorkNews, workOrdersTo } from '#protocol/work-link.ts'
import { testCapability } from '#sim/scripted-agent.ts'
import { createTestWorld } from '#sim/test-world.ts'
import { KEY_SECRET, ordersText, recordedAnswers, recordedWorker } from './recorded-work.ts'
import {
  agentBytes,
  GATEWAY_ID,
  GATEWAY_URL,
  gatewayBytes,
  type Message,
  NETWORK_KEYS,
  NODE_ID,
  NODE_SEED,
  type Recording,
  recordedEngine,
  recordedHosting,
  recordedOrder,
  recordedSpeed,
} from './recording.ts'

const keys = nodeCrypto.keyPair(NODE_SEED)
/** The node's first session is too old, and the gateway says so. */
const SESSION_KNOWN = 4_000_000_000_000

export async function converse(): Promise<Recording> {
  const world = createTestWorld()
  const connections: Message[][] = []
  const heard: Record<string, string[]> = {}
  const gateway = world.machine('g')
  const directory = directoryOfOne(keys.publicKeyHex, SESSION_KNOWN)
  const links = createNodeLinks(
    {
      ...gateway.host,
      crypto: nodeCrypto,
      secrets: { ...gateway.host.secrets, randomBytes: gatewayBytes },
      directory,
    },
    {
      gatewayId: GATEWAY_ID,
      incarnation: 1,
      network: { keys: NETWORK_KEYS, goesBy: () => true, tlsKeys: () => [] },
      hosting: createHostingDesk(gateway.host.clock, directory),
      work: createWorkPipe(gateway.host, { gatewayId: GATEWAY_ID, keySecret: KEY_SECRET }),
      onAvailable: () => undefined,
      onUnknownNode: () => undefined,
    },
  )
  await world.settle(
    gateway.host.network.listen(
      { hostname: 'g', port: 80 },
      {
        onExchange: () => undefined,
        onLink(_path, link) {
          const messages: Message[] = []
          connections.push(messages)
          return tap(messages, link, links.accept)
        },
      },
    ),
  )
  const coordinator = world.machine('coordinator')
  coordinator.host.bus.serve(subjects.presence, (message, reply) => {
    PresenceReport.parse(JSON.parse(message))
    reply(JSON.stringify({ epoch: 1, refused: [] }))
  })
  coordinator.host.bus.subscribe(subjects.work, (message) => {
    const told = WorkNews.parse(JSON.parse(message)).said.flatMap(({ say }) => recordedAnswers(say))
    if (told.length > 0) coordinator.host.bus.publish(workOrdersTo(GATEWAY_ID), ordersText(...told))
  })
  const machine = world.machine('agent')
  const secrets = { ...machine.host.secrets, randomBytes: agentBytes }
  const agent = startAgent({ ...machine.host, crypto: nodeCrypto, secrets }, recordedEngine(machine), {
    nodeId: NODE_ID,
    keys,
    gatewayUrl: GATEWAY_URL,
    agentVersion: VERSION,
    askPerGpuHour: 7n,
    capability: testCapability,
    speedOf: () => recordedSpeed,
    hosting: recordedHosting(),
    worker: recordedWorker(machine),
    pin: { fingerprint: fingerprintOf(nodeCrypto, NETWORK_KEYS.publicKeyHex), allowsUnproven: false },
    onRefused: (problem) => {
      throw problem
    },
  })
  await world.run(3_000)
  const [node] = links.ready()
  if (!node) throw new Error('the agent was not admitted')
  let stream = 0
  const open = (request: EngineRequest): NodeStream => {
    const lines: string[] = []
    heard[++stream] = lines
    return node.open(request, sinkInto(lines))
  }
  // One after the other, so that the order of what is said hangs on no line's delay.
  open(chat('Hello', 6)).credit(1_000)
  await world.run(3_000)
  open({ kind: 'embedding', requestId: 'req_2', model: 'm', inputs: ['a', 'bc'] })
  await world.run(3_000)
  open({ ...chat('Too much', 6), model: 'small' })
  await world.run(3_000)
  const long = open(chat('Tell me everything', 100))
  await world.run(230)
  long.cancel()
  await world.run(500)
  agent.park('electricity costs more than work brings')
  await world.run(500)
  agent.setAsk(9n)
  agent.unpark()
  await world.run(500)
  agent.drain(1_000, () => undefined)
  await world.run(2_000)
  return {
    protocol: AGENT_PROTOCOL.max,
    version: VERSION,
    nodeId: NODE_ID,
    gatewayId: GATEWAY_ID,
    publicKey: keys.publicKeyHex,
    connections,
    heard,
  }
}

export function directoryOfOne(publicKey: string, session: number) {
  const directory = createDirectory()
  const node: FollowedNode = {
    id: NODE_ID,
    organisationId: 'org',
    publicKey,
    session,
    isDrained: false,
    isBanned: false,
    models: [],
    wanted: [recordedOrder],
  }
  const known = { isComplete: true, wantsPresence: false, nodes: [node], keys: [] }
  directory.apply({ epoch: 1, version: 1, ...known })
  return directory
}

export function sinkInto(lines: string[]): StreamSink {
  return {
    onStarted: (promptTokens) => void lines.push(`started ${promptTokens}`),
    onData: ({ text, tokenIds }) => void lines.push(`data${text} ${JSON.stringify(tokenIds)}`),
    onEmbedding: (vectors) => void lines.push(`embedding ${JSON.stringify(vectors)}`),
    onEnd: (end) => void lines.push(`end ${JSON.stringify(end)}`),
    onProblem: ({ code, message }) => void lines.push(`problem ${code} ${message}`),
  }
}

function chat(content: string, maxTokens: number): EngineRequest {
  const sampling = { temperature: 0, topP: 1, stop: [], frequencyPenalty: 0, presencePenalty: 0 }
  const messages = [{ role: 'user' as const, content }]
  return { kind: 'chat', requestId: 'req_1', model: 'm', messages, maxTokens, sampling }
}

function tap(messages: Message[], link: Link, accept: (link: Link) => LinkHandlers): LinkHandlers {
  const note = (from: Message['from'], message: Uint8Array): void =>
    void messages.push({ from, hex: Buffer.from(message).toString('hex') })
  const handlers = accept({
    bufferedBytes: () => link.bufferedBytes(),
    close: (code, reason) => link.close(code, reason),
    send(message) {
      note('gateway', message)
      link.send(message)
    },
  })
  return {
    ...handlers,
    onMessage(message) {
      note('agent', message)
      handlers.onMessage(message)
    },
  }
}

if (import.meta.main) process.stdout.write(`${JSON.stringify(await converse(), null, 1)}\n`)
