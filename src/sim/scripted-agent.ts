/** An agent that does what a test tells it, also what no real agent would. */
import type { KeyPair, Link } from '#host/host.ts'
import { Challenge, HEARTBEAT_MS, type Hello, helloText, NodeReport } from '#protocol/agent-link.ts'
import { AGENT_PROTOCOL_UNSAID } from '#protocol/agent-version.ts'
import type { Capability, ModelCapability } from '#protocol/capability.ts'
import { EngineRequest } from '#protocol/engine-request.ts'
import {
  decodeFrames,
  decodeJson,
  encodeDataFrame,
  encodeEmptyFrame,
  encodeHeartbeatFrame,
  encodeJsonFrame,
  type Frame,
  FrameType,
} from '#protocol/frame.ts'
import { simCrypto } from './sim-host.ts'
import type { TestMachine } from './test-world.ts'

export interface ScriptedAgentOptions {
  readonly nodeId: string
  readonly keys: KeyPair
  readonly session: number
  /** Takes the place of what an honest hello would say. */
  readonly hello?: Partial<Hello>
  /** Says nothing by itself: no hello, no heartbeats. */
  readonly isMute?: boolean
}

export interface ScriptedAgent {
  /** All that came, in order. */
  readonly frames: readonly Frame[]
  /** The requests among it that were not cancelled. */
  requests(): { readonly stream: number; readonly request: EngineRequest }[]
  payloads(type: FrameType): unknown[]
  /** How the link ended; null while it is open. */
  closed(): { readonly code: number; readonly reason: string } | null
  send(message: Uint8Array): void
  sendJson(type: FrameType, stream: number, value: unknown): void
  report(models: readonly Partial<ModelCapability>[], askPerGpuHour?: bigint): void
  /** One delta of `text`, worth `tokenCount` tokens. */
  delta(stream: number, text: string, tokenCount?: number): void
  end(stream: number, end: { promptTokens: number; completionTokens: number }): void
  fail(stream: number, code: string, message?: string): void
  drain(): void
  setBeating(isBeating: boolean): void
  close(): void
}

export function connectScriptedAgent(
  { host }: Pick<TestMachine, 'host'>,
  url: string,
  options: ScriptedAgentOptions,
): ScriptedAgent {
  const { nodeId, keys, session } = options
  const frames: Frame[] = []
  let closed: { code: number; reason: string } | null = null
  let isBeating = options.isMute !== true

  const link: Link = host.network.connect(url, {
    onMessage(message) {
      for (const frame of decodeFrames(message)) {
        frames.push(frame)
        if (frame.type === FrameType.challenge && options.isMute !== true) prove(frame)
        if (frame.type === FrameType.admit) beat()
      }
    },
    onClose(code, reason) {
      closed = { code, reason }
    },
  })

  function prove(frame: Frame): void {
    const { nonce, gatewayId } = Challenge.parse(decodeJson(frame.payload))
    const hello = {
      protocol: AGENT_PROTOCOL_UNSAID.max,
      nodeId,
      session,
      agentVersion: 'test',
      ...options.hello,
    }
    const text = helloText({ nonce, gatewayId, nodeId: hello.nodeId, session: hello.session })
    const signature = simCrypto.sign(keys.privateKeyHex, new TextEncoder().encode(text))
    sendJson(FrameType.hello, 0, { signature: Buffer.from(signature).toString('hex'), ...hello })
  }

  function beat(): void {
    if (closed) return
    if (isBeating) link.send(encodeHeartbeatFrame({ slotsBusy: 0, queued: 0 }))
    host.clock.after(HEARTBEAT_MS, beat)
  }

  const sendJson = (type: FrameType, stream: number, value: unknown): void =>
    link.send(encodeJsonFrame(type, stream, value))

  return {
    frames,
    requests() {
      const cancelled = new Set(
        frames.filter(({ type }) => type === FrameType.cancel).map(({ stream }) => stream),
      )
      return frames
        .filter(({ type, stream }) => type === FrameType.request && !cancelled.has(stream))
        .map(({ stream, payload }) => ({ stream, request: EngineRequest.parse(decodeJson(payload)) }))
    },
    payloads: (type) =>
      frames.filter((frame) => frame.type === type).map(({ payload }) => decodeJson(payload)),
    closed: () => closed,
    send: (message) => link.send(message),
    sendJson,
    report(models, askPerGpuHour = 360_000_000n) {
      const capability = { ...testCapability, models: models.map((model) => ({ ...testModel, ...model })) }
      sendJson(FrameType.capability, 0, NodeReport.encode({ capability, askPerGpuHour }))
    },
    delta: (stream, text, tokenCount = 1) =>
      link.send(
        encodeDataFrame(stream, { text, tokenIds: Array.from({ length: tokenCount }, () => 7), tokenCount }),
      ),
    end: (stream, end) => sendJson(FrameType.end, stream, { finishReason: 'stop', ...end }),
    fail: (stream, code, message = 'it failed') => sendJson(FrameType.problem, stream, { code, message }),
    drain: () => link.send(encodeEmptyFrame(FrameType.drain, 0)),
    setBeating(next) {
      isBeating = next
    },
    close: () => link.close(1000, 'bye'),
  }
}

/** Costs $0.10 per million prompt tokens and $1 per million generated ones at the scripted ask of $0.36 an hour. */
export const testModel: ModelCapability = {
  id: 'model',
  fingerprint: 'f',
  tasks: ['chat', 'completion', 'embedding'],
  contextTokens: 4_096,
  slots: 2,
  prefillTokensPerSecond: 1_000,
  decodeTokensPerSecond: 100,
  decodeTokensPerSecondSingle: 50,
}

export const testCapability: Capability = {
  agentVersion: 'test',
  osName: 'test',
  cpu: { model: 'test', cores: 8 },
  memoryMib: 16_384,
  diskFreeMib: 100_000,
  gpus: [],
  powerWatts: null,
  engines: ['test'],
  models: [],
  problems: [],
}
