/** A conversation between an agent and a gateway, as it crossed the wire, and the fixed world in which it was held. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { ModelHost } from '#agent/hosting/model-host.ts'
import type { Engine } from '#engines/engine.ts'
import { nodeCrypto } from '#host/node/node-crypto.ts'
import type { WantedModel } from '#protocol/model-catalogue.ts'
import { Problem } from '#protocol/problem.ts'
import { createSimEngine } from '#sim/sim-engine.ts'
import type { TestMachine } from '#sim/test-world.ts'

export interface Recording {
  readonly protocol: number
  /** The release that spoke. */
  readonly version: string
  readonly nodeId: string
  readonly gatewayId: string
  /** ed25519, of the node. */
  readonly publicKey: string
  /** One connection after the other; each is its messages in the order in which they were sent. */
  readonly connections: readonly (readonly Message[])[]
  /** What the gateway's callers heard, by stream of the last connection. */
  readonly heard: Readonly<Record<string, readonly string[]>>
}
export interface Message {
  readonly from: 'agent' | 'gateway'
  /** One link message: one or more frames. */
  readonly hex: string
}

export const NODE_SEED = new Uint8Array(32).fill(7)
/** Of the network, from version 2 on. */
export const NETWORK_KEYS = nodeCrypto.keyPair(new Uint8Array(32).fill(8))
/** Randomness of the gateway: its nonce, in the recording, is sixteen times the same byte. */
export const gatewayBytes = (length: number): Uint8Array => new Uint8Array(length).fill(9)
export const agentBytes = (length: number): Uint8Array => new Uint8Array(length).fill(5)
export const NODE_ID = 'node_recorded'
export const GATEWAY_ID = 'gateway_recorded'
export const GATEWAY_URL = 'ws://g:80/agent'

const goldenFolder = join(import.meta.dirname, '../golden/agent-protocol')
export const recordingFile = (protocol: number): string => join(goldenFolder, `version-${protocol}.json`)
export const readRecording = (protocol: number): Recording =>
  JSON.parse(readFileSync(recordingFile(protocol), 'utf8')) as Recording

/** The engine whose answers were recorded: it also embeds, and finds one model's prompts too long. */
export function recordedEngine(machine: TestMachine): Engine {
  const model = {
    tasks: ['chat', 'embedding'],
    contextTokens: 4_096,
    slots: 2,
    fingerprint: 'recorded',
  } as const
  const models = [{ id: 'm', ...model }]
  const engine = createSimEngine(machine.host.clock, { models, msPerToken: 20, prefillMs: 10 })
  return {
    ...engine,
    start(request, sink) {
      if (request.kind === 'embedding') {
        sink.onEmbedding(request.inputs.map((input) => Float32Array.of(input.length, 0.5)))
      } else if (request.model !== 'm') {
        const details = { param: 'messages' }
        sink.onProblem(new Problem('context_length_exceeded', 'This is too long.', { details }))
        return { cancel() {}, pause() {}, resume() {} }
      }
      return engine.start(request, sink)
    },
  }
}

export const recordedSpeed = {
  prefillTokensPerSecond: 500,
  decodeTokensPerSecond: 100,
  decodeTokensPerSecondSingle: 50,
}

/** From version 3 on: a model that the network places on the node, which begins to fetch it at once. */
export const recordedOrder: WantedModel = {
  model: 'placed',
  key: 'ab'.repeat(20),
  source: { kind: 'url', url: 'https://models.example/placed.gguf' },
  contextTokens: 8_192,
  slots: 4,
}

export function recordedHosting(): ModelHost {
  const listeners: (() => void)[] = []
  let wanted: readonly WantedModel[] = []
  return {
    engine: {
      models: () => [],
      onChange: () => undefined,
      start() {
        throw new Error('it serves nothing')
      },
      close: () => Promise.resolve(),
    },
    capability: () => ({
      memoryMib: 8_192,
      cacheMib: 40_000,
      accepts: null,
      cached: [],
      bytesPerSecond: 2e10,
    }),
    hosted: () => wanted.map(({ model }) => ({ model, stage: 'downloading' as const, etaMs: 5_000 })),
    want({ models }) {
      wanted = models
      for (const run of listeners) run()
    },
    speedOf: () => null,
    onChange: (run) => void listeners.push(run),
    close: () => Promise.resolve(),
  }
}
