/**
 * A crowd that joins a network in a hurry, each pretending to be a machine with expensive cards: strangers with made-up
 * identities, guessers of tokens, and one owner who enrols whatever he is let. A process of its own, so that the cost of
 * being them is not counted as the network's. Prints one line of JSON.
 *
 *     node bench/reliability/fake-nodes.ts '{"apiUrl": …, "providerKey": …, "perSecond": 167, "seconds": 60, "seed": 1}'
 */
import { createHash } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { WebSocket } from 'ws'
import { nodeCrypto } from '#host/node/node-crypto.ts'
import { createRandom } from '#kernel/random.ts'
import { Challenge, helloText, NodeReport } from '#protocol/agent-link.ts'
import { AGENT_PROTOCOL } from '#protocol/agent-version.ts'
import { type Client, createClient } from '#protocol/client.ts'
import { enrolmentText } from '#protocol/enrolment.ts'
import {
  decodeFrames,
  decodeJson,
  encodeHeartbeatFrame,
  encodeJsonFrame,
  FrameType,
} from '#protocol/frame.ts'
import { ProofOrder, type ProofSay, type ProvableDevice } from '#protocol/hardware-proof.ts'
import { secretOf } from '#protocol/join-token.ts'
import { Problem } from '#protocol/problem.ts'
import { routes } from '#protocol/routes.ts'

export interface FakesOptions {
  readonly apiUrl: string
  /** Of the owner who enrols fakes. */
  readonly providerKey: string
  readonly perSecond: number
  readonly seconds: number
  readonly seed: number
}

/** How many got how far. */
export interface FakesReport {
  readonly joins: number
  readonly enrolled: number
  readonly admitted: number
  /** Still connected at the end. */
  readonly connected: number
  /** Requests and tasks that fakes were given. */
  readonly work: number
  /** Asked for a proof of hardware. */
  readonly challenged: number
  readonly refusals: Readonly<Record<string, number>>
}

const HEARTBEAT_MS = 2_000
const ATTEMPT_MS_MAX = 20_000
/** Of 100: strangers whose node nobody knows, and guessers of tokens; the others are enrolled where they are let. */
const STRANGERS = 30
const GUESSERS = 20
const OPEN_MAX = 1_000

async function storm(options: FakesOptions): Promise<FakesReport> {
  const { apiUrl, providerKey, perSecond, seconds, seed } = options
  const random = createRandom(seed)
  const api = createClient(routes, { baseUrl: apiUrl, apiKey: providerKey, fetch })
  const counts = { joins: 0, enrolled: 0, admitted: 0, work: 0, challenged: 0 }
  const refusals: Record<string, number> = {}
  const refused = (code: string): void => {
    refusals[code] = (refusals[code] ?? 0) + 1
  }
  const sockets = new Set<WebSocket>()
  const beats = setInterval(() => {
    for (const socket of sockets)
      if (socket.readyState === WebSocket.OPEN) socket.send(encodeHeartbeatFrame({ slotsBusy: 0, queued: 0 }))
  }, HEARTBEAT_MS)

  async function join(index: number): Promise<void> {
    const draw = random.int(100)
    const keys = nodeCrypto.keyPair(createHash('sha256').update(`${seed} ${index}`).digest())
    let nodeId = `node_fake${index}`
    if (draw >= STRANGERS) {
      const token = draw < STRANGERS + GUESSERS ? `join-guess${index}` : await tokenOf(api)
      nodeId = await enrol(api, { index, token, keys })
      counts.enrolled++
    }
    connect(nodeId, keys)
  }

  function connect(nodeId: string, keys: ReturnType<typeof nodeCrypto.keyPair>): void {
    const socket = new WebSocket(`${apiUrl.replace(/^http/, 'ws')}/agent`, {
      perMessageDeflate: false,
      handshakeTimeout: ATTEMPT_MS_MAX,
    })
    sockets.add(socket)
    socket.on('error', (error) => refused((error as { code?: string }).code ?? error.message))
    socket.on('close', () => sockets.delete(socket))
    socket.on('message', (message: Buffer) => {
      for (const frame of decodeFrames(message)) {
        if (frame.type === FrameType.challenge) {
          const { nonce, gatewayId } = Challenge.parse(decodeJson(frame.payload))
          const session = Date.now()
          const text = new TextEncoder().encode(helloText({ nonce, gatewayId, nodeId, session }))
          const signature = Buffer.from(nodeCrypto.sign(keys.privateKeyHex, text)).toString('hex')
          const hello = { protocol: AGENT_PROTOCOL.max, nodeId, session, agentVersion: 'fake', signature }
          socket.send(encodeJsonFrame(FrameType.hello, 0, hello))
        }
        if (frame.type === FrameType.admit) {
          counts.admitted++
          socket.send(encodeJsonFrame(FrameType.capability, 0, NodeReport.encode(boast)))
          sayProof(socket, { kind: 'able', devices: imaginedCards(nodeId) })
        }
        if (frame.type === FrameType.deny) refused((decodeJson(frame.payload) as { code: string }).code)
        if (frame.type === FrameType.prove) {
          const order = ProofOrder.parse(decodeJson(frame.payload))
          if (order.kind === 'begin') counts.challenged++
          lie(socket, order)
        }
        if (frame.type === FrameType.request) {
          counts.work++
          const end = { finishReason: 'stop', promptTokens: 10, completionTokens: 1_000 }
          socket.send(encodeJsonFrame(FrameType.end, frame.stream, end))
        }
      }
    })
  }

  const open = new Set<Promise<void>>()
  const startedMs = performance.now()
  for (let index = 0; index < perSecond * seconds; index++) {
    const waitMs = startedMs + (index / perSecond) * 1_000 - performance.now()
    if (waitMs > 0) await sleep(waitMs)
    counts.joins++
    if (open.size >= OPEN_MAX) {
      refused('the network answers too slowly to ask it more')
      continue
    }
    const one: Promise<void> = join(index)
      .catch((error: unknown) => refused(error instanceof Problem ? error.code : nameOf(error)))
      .finally(() => open.delete(one))
    open.add(one)
  }
  await Promise.all(open)
  await sleep(HEARTBEAT_MS)
  clearInterval(beats)
  const connected = [...sockets].filter(({ readyState }) => readyState === WebSocket.OPEN).length
  for (const socket of sockets) socket.terminate()
  return { ...counts, connected, refusals }
}

async function tokenOf(api: Client): Promise<string> {
  const { token } = await api.createEnrolmentToken(
    { body: { expiresInMs: 600_000 } },
    { signal: AbortSignal.timeout(ATTEMPT_MS_MAX) },
  )
  return token
}

async function enrol(
  api: Client,
  { index, token, keys }: { index: number; token: string; keys: ReturnType<typeof nodeCrypto.keyPair> },
): Promise<string> {
  const facts = {
    token: secretOf(token),
    publicKey: keys.publicKeyHex,
    name: `rtx-4090-${index}`,
    askPerGpuHour: 1_000_000_000n,
  }
  const text = new TextEncoder().encode(enrolmentText(facts))
  const signature = Buffer.from(nodeCrypto.sign(keys.privateKeyHex, text)).toString('hex')
  const { nodeId } = await api.enrolNode(
    { body: { ...facts, signature } },
    { signal: AbortSignal.timeout(ATTEMPT_MS_MAX) },
  )
  return nodeId
}

const nameOf = (error: unknown): string => {
  if (!(error instanceof Error)) return String(error)
  const { cause } = error
  return cause instanceof Error && 'code' in cause ? String(cause.code) : error.message
}

const sayProof = (socket: WebSocket, say: ProofSay): void =>
  socket.send(encodeJsonFrame(FrameType.prove, 0, say))

const imaginedCards = (nodeId: string): ProvableDevice[] =>
  Array.from({ length: 8 }, (_, index) => ({
    deviceId: `GPU-${nodeId}-${index}`,
    kind: 'cuda',
    name: 'NVIDIA GeForce RTX 4090',
    memoryMib: 24_564,
  }))

/** Answers a challenge at once, with roots and rows out of thin air. */
function lie(socket: WebSocket, order: ProofOrder): void {
  const { challengeId } = order
  const hash = createHash('sha256').update(challengeId).digest('hex')
  if (order.kind === 'begin') {
    sayProof(socket, { kind: 'begun', challengeId })
    sayProof(socket, { kind: 'commit', challengeId, roots: Array(order.size.rounds).fill(hash) })
  }
  if (order.kind === 'open') {
    const chains = order.rows.map((row) => [
      { row, bytes: Buffer.alloc(64).toString('base64'), path: [hash] },
    ])
    sayProof(socket, { kind: 'opened', challengeId, chains })
  }
}

/** A machine that would get all the work if its word were enough. */
const boast: NodeReport = NodeReport.parse({
  askPerGpuHour: '1000000000',
  capability: {
    agentVersion: 'fake',
    osName: 'Linux',
    cpu: { model: 'imagined', cores: 128 },
    memoryMib: 1_048_576,
    diskFreeMib: 10_000_000,
    gpus: [],
    powerWatts: null,
    engines: ['llama-cpp'],
    models: [
      {
        id: 'tiny',
        fingerprint: 'fake',
        tasks: ['chat', 'completion'],
        contextTokens: 131_072,
        slots: 256,
        prefillTokensPerSecond: 100_000,
        decodeTokensPerSecond: 50_000,
        decodeTokensPerSecondSingle: 5_000,
      },
    ],
    problems: [],
  },
})

if (import.meta.main) {
  const options = JSON.parse(process.argv[2] ?? '{}') as FakesOptions
  console.log(JSON.stringify(await storm(options)))
  process.exit(0)
}
