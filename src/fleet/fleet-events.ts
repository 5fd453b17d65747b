import { z } from 'zod'
import { Capability } from '#protocol/capability.ts'
import { NanoUsd } from '#protocol/money.ts'
import { NodeClass } from '#protocol/node-class.ts'

/** Why a node that was reachable no longer is. */
export const LossReason = z.enum(['left', 'link_closed', 'silent', 'gateway_lost'])
export type LossReason = z.output<typeof LossReason>

export const FleetEvent = z.discriminatedUnion('type', [
  z.object({
    type: z.literal('fleet.token_issued'),
    tokenHash: z.string(),
    organisationId: z.string(),
    expiresAtMs: z.int(),
    atMs: z.int(),
  }),
  z.object({ type: z.literal('fleet.token_expired'), tokenHash: z.string() }),
  z.object({
    type: z.literal('fleet.node_enrolled'),
    nodeId: z.string(),
    organisationId: z.string(),
    publicKey: z.string(),
    name: z.string(),
    tokenHash: z.string(),
    askPerGpuHour: NanoUsd,
    /** `203.0.113.0/24`, where it is known and no private one. */
    network: z.string().optional(),
    atMs: z.int(),
  }),
  z.object({
    type: z.literal('fleet.node_reported'),
    nodeId: z.string(),
    capability: Capability,
    askPerGpuHour: NanoUsd,
    atMs: z.int(),
  }),
  z.object({
    type: z.literal('fleet.node_online'),
    nodeId: z.string(),
    gatewayId: z.string(),
    session: z.int(),
    atMs: z.int(),
  }),
  z.object({ type: z.literal('fleet.node_suspect'), nodeId: z.string(), reason: LossReason, atMs: z.int() }),
  z.object({ type: z.literal('fleet.node_lost'), nodeId: z.string(), reason: LossReason, atMs: z.int() }),
  z.object({ type: z.literal('fleet.node_drained'), nodeId: z.string(), atMs: z.int() }),
  z.object({ type: z.literal('fleet.node_undrained'), nodeId: z.string(), atMs: z.int() }),
  z.object({ type: z.literal('fleet.node_banned'), nodeId: z.string(), reason: z.string(), atMs: z.int() }),
  z.object({ type: z.literal('fleet.node_unbanned'), nodeId: z.string(), atMs: z.int() }),
  z.object({
    type: z.literal('fleet.node_classed'),
    nodeId: z.string(),
    nodeClass: NodeClass,
    atMs: z.int(),
  }),
])
export type FleetEvent = z.output<typeof FleetEvent>
