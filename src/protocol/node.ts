import { z } from 'zod'
import { Capability } from './capability.ts'
import { Id, Line, TimestampMs } from './field.ts'
import { NanoUsd } from './money.ts'
import { NodeClass } from './node-class.ts'
import { pageOf } from './page.ts'

export const Presence = z.enum(['online', 'suspect', 'absent']).meta({
  id: 'Presence',
  description: '`suspect`: it fell silent and gets no new work, but may still come back.',
})
export type Presence = z.output<typeof Presence>

/** One model on one node, at the price that follows from the node's ask and its measured speed. */
export const NodeModel = z
  .object({
    model: z.string(),
    tokensPerSecond: z.number().nonnegative(),
    promptPerMillion: NanoUsd,
    completionPerMillion: NanoUsd,
  })
  .meta({ id: 'NodeModel', description: 'Prices are per million tokens.' })
export type NodeModel = z.output<typeof NodeModel>

export const Node = z
  .object({
    nodeId: Id,
    organisationId: Id,
    name: z.string(),
    publicKey: z.string().describe('ed25519, in hex.'),
    enrolledAtMs: TimestampMs,
    presence: Presence,
    presenceSinceMs: TimestampMs,
    lossReason: z
      .enum(['left', 'link_closed', 'silent', 'gateway_lost'])
      .nullable()
      .describe('Why it is not online; `null` while it is, and before it ever was.'),
    isDrained: z.boolean(),
    bannedReason: z.string().nullable(),
    nodeClass: NodeClass.default('community'),
    askPerGpuHour: NanoUsd,
    models: z.array(NodeModel),
    capability: Capability.nullable().describe('As measured on the node; `null` before its first report.'),
  })
  .meta({ id: 'Node' })
export type Node = z.output<typeof Node>

export const NodePage = z.object(pageOf(Node)).meta({ id: 'NodePage' })

export const BanNode = z.strictObject({ reason: Line.min(1) }).meta({ id: 'BanNode' })
export type BanNode = z.output<typeof BanNode>

export const ClassNode = z.strictObject({ nodeClass: NodeClass }).meta({ id: 'ClassNode' })
export type ClassNode = z.output<typeof ClassNode>
