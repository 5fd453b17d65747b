/** The JSON payloads of an agent's connection. */
import { z } from 'zod'
import { Capability } from './capability.ts'
import { NanoUsd } from './money.ts'

export const AGENT_PROTOCOL_VERSION = 1
export const HEARTBEAT_MS = 2_000
/** Missed heartbeats after which a node gets no new work, and after which its connection is given up. */
export const SUSPECT_AFTER_MISSES = 2
export const LOST_AFTER_MISSES = 4
/** Text bytes that an agent may send on a stream before it needs credit. */
export const STREAM_CREDIT_BYTES = 256 * 1024

export const Challenge = z.object({ nonce: z.string().max(128), gatewayId: z.string().max(64) })
export type Challenge = z.output<typeof Challenge>

export const Hello = z.object({
  protocol: z.int(),
  nodeId: z.string().max(64),
  /** Grows with every connection of the node; a gateway that knows a newer one refuses. */
  session: z.int().positive(),
  /** ed25519 signature, in hex, of `helloText`. */
  signature: z.string().max(256),
  agentVersion: z.string().max(40),
})
export type Hello = z.output<typeof Hello>

/** What the node signs to prove its key: bound to this gateway's nonce, so it is good for one connection only. */
export const helloText = (hello: {
  nonce: string
  gatewayId: string
  nodeId: string
  session: number
}): string => `shoal hello 1\n${hello.gatewayId}\n${hello.nonce}\n${hello.nodeId}\n${hello.session}`

export const Deny = z.object({
  code: z.enum([
    'node_unknown',
    'node_banned',
    'signature_wrong',
    'session_stale',
    'protocol_unknown',
    'replaced',
  ]),
  message: z.string().max(500),
  /** With `session_stale`: the session must be at least this. */
  sessionMin: z.int().optional(),
})
export type Deny = z.output<typeof Deny>

export const NodeReport = z.object({
  capability: Capability,
  askPerGpuHour: NanoUsd.refine((ask) => ask >= 0n, 'expected an amount of zero or more'),
})
export type NodeReport = z.output<typeof NodeReport>

export const Started = z.object({ promptTokens: z.int().nonnegative() })
export const StreamEnd = z.object({
  finishReason: z.enum(['stop', 'length']),
  promptTokens: z.int().nonnegative(),
  completionTokens: z.int().nonnegative(),
})
export type StreamEnd = z.output<typeof StreamEnd>
export const StreamProblem = z.object({
  code: z.string().max(64),
  message: z.string().max(2_000),
  param: z.string().max(200).optional(),
})
export const EmbeddingVectors = z.object({ vectors: z.array(z.array(z.number())) })
