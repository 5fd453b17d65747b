/** The JSON payloads of an agent's connection. */
import { z } from 'zod'
import { VersionRange } from './agent-version.ts'
import { Capability } from './capability.ts'
import { Bar } from './cell.ts'
import { hexOf } from './field.ts'
import { NanoUsd } from './money.ts'
import { NetworkProof } from './network-key.ts'

export const HEARTBEAT_MS = 2_000
/** Missed heartbeats after which a node gets no new work, and after which its connection is given up. */
export const SUSPECT_AFTER_MISSES = 2
export const LOST_AFTER_MISSES = 4
/** Text bytes that an agent may send on a stream before it needs credit. */
export const STREAM_CREDIT_BYTES = 64 * 1024

export const Challenge = z.object({
  nonce: z.string().max(128),
  gatewayId: z.string().max(64),
  /** What the gateway speaks; `AGENT_PROTOCOL_UNSAID` where it does not say. */
  versions: VersionRange.optional(),
})
export type Challenge = z.output<typeof Challenge>

export const Hello = z.object({
  /** The version that the agent chose: the highest that both speak. */
  protocol: z.int(),
  nodeId: z.string().max(64),
  /** Grows with every connection of the node; a gateway that knows a newer one refuses. */
  session: z.int().positive(),
  /** ed25519 signature, in hex, of `helloText`. */
  signature: z.string().max(256),
  agentVersion: z.string().max(40),
  versions: VersionRange.optional(),
  /** The network is to prove its key, over this nonce and the host name by which the agent reached it. */
  network: z.object({ nonce: hexOf(32), host: z.string().min(1).max(253) }).optional(),
  /** It wants to be told whether it gets work: at its admission, and whenever that changes. */
  wantsStanding: z.literal(true).optional(),
})
export type Hello = z.output<typeof Hello>

/** What the node signs to prove its key: bound to this gateway's nonce, so it is good for one connection only. */
export const helloText = (hello: {
  nonce: string
  gatewayId: string
  nodeId: string
  session: number
}): string => `shoal hello 1\n${hello.gatewayId}\n${hello.nonce}\n${hello.nodeId}\n${hello.session}`

/** The network's proof of its key for this one connection: a signature of `linkProofText`. */
export const LinkProof = NetworkProof.extend({ tlsKeys: z.array(hexOf(32)).max(8) })
export type LinkProof = z.output<typeof LinkProof>

/** Whether the node gets work: what keeps it from it, `null` while nothing does. Later ones come in `health` frames. */
export const NodeStanding = z.object({ barred: Bar.nullable() })
export type NodeStanding = z.output<typeof NodeStanding>

export const Admit = z.object({
  gatewayId: z.string().max(64),
  /** Absent where the node did not ask for it, and from gateways of before. */
  standing: NodeStanding.optional(),
  proof: LinkProof.optional(),
})
export type Admit = z.output<typeof Admit>

export const Deny = z.object({
  code: z.enum([
    'node_unknown',
    'node_banned',
    'signature_wrong',
    'session_stale',
    'protocol_unknown',
    'replaced',
    /** The agent came by a host name that the network does not go by. Since version 2. */
    'name_unknown',
  ]),
  message: z.string().max(500),
  /** With `session_stale`: the session must be at least this. */
  sessionMin: z.int().optional(),
  proof: LinkProof.optional(),
})
export type Deny = z.output<typeof Deny>

export const NodeReport = z.object({
  capability: Capability,
  askPerGpuHour: NanoUsd.refine((ask) => ask >= 0n, 'expected an amount of zero or more'),
})
export type NodeReport = z.output<typeof NodeReport>

/** Of the prompt's tokens, those that the engine had read before, where it tells. */
const cachedPromptTokens = z.int().nonnegative().optional()
export const Started = z.object({ promptTokens: z.int().nonnegative(), cachedPromptTokens })
export const StreamEnd = z.object({
  finishReason: z.enum(['stop', 'length']),
  promptTokens: z.int().nonnegative(),
  completionTokens: z.int().nonnegative(),
  cachedPromptTokens,
})
export type StreamEnd = z.output<typeof StreamEnd>
export const StreamProblem = z.object({
  code: z.string().max(64),
  message: z.string().max(2_000),
  param: z.string().max(200).optional(),
  /** What exactly of the request is at fault, as OpenAI's API calls it. */
  reason: z
    .string()
    .regex(/^[a-z_]{1,64}$/)
    .optional(),
})
/** In one answer: as many as the most texts of one request have with 1,024 each. What a node holds of them, and a gateway, is bounded by it. */
export const EMBEDDING_VALUES_MAX = 2_048 * 1_024
/**
 * All vectors in one frame as numbers, or those of some texts in each of several, in order: base64 of float32, little end
 * first. Only for requests that say `takesParts`.
 */
export const EmbeddingVectors = z.union([
  z.object({ vectors: z.array(z.array(z.number())) }),
  z.object({ packed: z.array(z.string()) }),
])
