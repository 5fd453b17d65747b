/** An agent that an owner wrote to harm: enrolled and admitted like any other, and then it sends what it likes. */
import { createHash } from 'node:crypto'
import { WebSocket } from 'ws'
import type { KeyPair } from '#host/host.ts'
import { nodeCrypto } from '#host/node/node-crypto.ts'
import { Challenge, helloText, NodeReport } from '#protocol/agent-link.ts'
import type { ModelCapability } from '#protocol/capability.ts'
import { EngineRequest } from '#protocol/engine-request.ts'
import { enrolmentText } from '#protocol/enrolment.ts'
import {
  decodeFrames,
  decodeJson,
  encodeDataFrame,
  encodeEmptyFrame,
  encodeFrame,
  encodeHeartbeatFrame,
  encodeJsonFrame,
  FrameType,
} from '#protocol/frame.ts'
import { secretOf } from '#protocol/join-token.ts'
import { jsonWriter } from '#protocol/wire-form.ts'
import { WorkOrder, WorkSay } from '#protocol/work-link.ts'
import { until } from './process-group.ts'
import type { Network } from './rig.ts'

export interface HostileNode {
  readonly nodeId: string
  /** What it does with each request from now on. */
  answer: (ask: HostileAsk) => void
  /** Cancels that it heard, by stream. */
  readonly cancelled: Set<number>
  /** What it does with what it is told of tasks; only one of a protocol that knows them is told anything. */
  ordered: (order: WorkOrder) => void
  /** Says something of tasks. */
  say(say: WorkSay): void
  /** Comes back after it was thrown out, as a new session of the same node. Resolves once it is offered again. */
  connect(): Promise<void>
  close(): void
}

export interface HostileAsk {
  readonly stream: number
  readonly request: EngineRequest
  send(message: Uint8Array): void
  sendJson(type: FrameType, value: unknown): void
  delta(text: string, tokenIds?: readonly number[]): void
  end(end: { promptTokens: number; completionTokens: number }): void
}

const HEARTBEAT_MS = 1_000
const writeSay = jsonWriter(WorkSay)
/** For the gateway's word on who it is. */
const ADMIT_MS_MAX = 10_000

export async function enrolHostile(
  network: Network,
  model: Partial<ModelCapability> & { id: string },
  { protocol = 1 }: { readonly protocol?: number } = {},
): Promise<HostileNode> {
  const { token } = await network.operator.createEnrolmentToken({ body: {} })
  const keys = nodeCrypto.keyPair(createHash('sha256').update(token).digest())
  const facts = {
    token: secretOf(token),
    publicKey: keys.publicKeyHex,
    name: 'hostile',
    askPerGpuHour: 1_000_000_000n,
  }
  const nodeId = await enrol(network, facts, keys)
  let session = Date.now()
  let socket: WebSocket | null = null
  const node: HostileNode = {
    nodeId,
    answer: ({ end }) => end({ promptTokens: 0, completionTokens: 0 }),
    cancelled: new Set(),
    ordered: () => undefined,
    say: (say) => socket?.send(encodeFrame(FrameType.work, 0, new TextEncoder().encode(writeSay(say)))),
    async connect() {
      socket?.terminate()
      // A gateway that has not heard of the node yet, or is busy, turns it away: like any agent it comes again.
      const admitted = await until('the hostile node to be admitted', () =>
        admit(network, node, { keys, session: ++session, protocol }),
      )
      // Two that came at once: the later one stays.
      socket?.terminate()
      socket = admitted
      const report = {
        capability: { ...capability, models: [{ ...plainModel, ...model }] },
        askPerGpuHour: 1_000_000_000n,
      }
      admitted.send(encodeJsonFrame(FrameType.capability, 0, NodeReport.encode(report)))
      await until('the hostile node to be offered', async () => {
        const { models } = await network.status()
        return models.some((served) => served.model === model.id)
      })
    },
    close: () => socket?.terminate(),
  }
  return node
}

async function enrol(
  { operator }: Network,
  facts: { token: string; publicKey: string; name: string; askPerGpuHour: bigint },
  keys: KeyPair,
): Promise<string> {
  const text = new TextEncoder().encode(enrolmentText(facts))
  const signature = Buffer.from(nodeCrypto.sign(keys.privateKeyHex, text)).toString('hex')
  return (await operator.enrolNode({ body: { ...facts, signature } })).nodeId
}

/** `null` when it was turned away, or heard nothing for too long. */
async function admit(
  { ready }: Network,
  node: HostileNode,
  { keys, session, protocol }: { keys: KeyPair; session: number; protocol: number },
): Promise<WebSocket | null> {
  const socket = new WebSocket(`${ready.apiUrl.replace(/^http/, 'ws')}/agent`, { perMessageDeflate: false })
  const verdict = Promise.withResolvers<boolean>()
  const deadline = setTimeout(() => socket.terminate(), ADMIT_MS_MAX)
  // Its end, which follows, tells.
  socket.on('error', () => undefined)
  socket.on('message', (message: Buffer) => {
    for (const frame of decodeFrames(message)) {
      if (frame.type === FrameType.challenge) {
        const { nonce, gatewayId } = Challenge.parse(decodeJson(frame.payload))
        const { nodeId } = node
        const text = new TextEncoder().encode(helloText({ nonce, gatewayId, nodeId, session }))
        const signature = Buffer.from(nodeCrypto.sign(keys.privateKeyHex, text)).toString('hex')
        const hello = { protocol, nodeId, session, agentVersion: 'hostile', signature }
        socket.send(encodeJsonFrame(FrameType.hello, 0, hello))
      }
      if (frame.type === FrameType.work) node.ordered(WorkOrder.parse(decodeJson(frame.payload)))
      if (frame.type === FrameType.admit) verdict.resolve(true)
      if (frame.type === FrameType.deny) verdict.resolve(false)
      if (frame.type === FrameType.cancel) node.cancelled.add(frame.stream)
      if (frame.type === FrameType.request) node.answer(askOn(socket, frame.stream, frame.payload))
    }
  })
  const beat = setInterval(() => {
    if (socket.readyState === WebSocket.OPEN) socket.send(encodeHeartbeatFrame({ slotsBusy: 0, queued: 0 }))
  }, HEARTBEAT_MS)
  socket.on('close', () => {
    clearInterval(beat)
    verdict.resolve(false)
  })
  const isAdmitted = await verdict.promise
  clearTimeout(deadline)
  if (!isAdmitted) socket.terminate()
  return isAdmitted ? socket : null
}

function askOn(socket: WebSocket, stream: number, payload: Uint8Array): HostileAsk {
  const send = (message: Uint8Array): void => {
    if (socket.readyState === WebSocket.OPEN) socket.send(message)
  }
  const sendJson = (type: FrameType, value: unknown): void => send(encodeJsonFrame(type, stream, value))
  return {
    stream,
    request: EngineRequest.parse(decodeJson(payload)),
    send,
    sendJson,
    delta: (text, tokenIds = [7]) =>
      send(encodeDataFrame(stream, { text, tokenIds, tokenCount: tokenIds.length })),
    end: (end) => sendJson(FrameType.end, { finishReason: 'stop', ...end }),
  }
}

export const emptyData = (stream: number): Uint8Array => encodeEmptyFrame(FrameType.data, stream)

const plainModel: Omit<ModelCapability, 'id'> = {
  fingerprint: 'f',
  tasks: ['chat', 'completion', 'embedding'],
  contextTokens: 4_096,
  slots: 4,
  prefillTokensPerSecond: 1_000,
  decodeTokensPerSecond: 100,
  decodeTokensPerSecondSingle: 50,
  features: ['logprobs', 'tools'],
}

const capability = {
  agentVersion: 'hostile',
  osName: 'test',
  cpu: { model: 'test', cores: 8 },
  memoryMib: 16_384,
  diskFreeMib: 100_000,
  gpus: [],
  powerWatts: null,
  engines: ['test'],
  problems: [],
}
