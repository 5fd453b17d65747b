import { z } from 'zod'
import { Capability } from './capability.ts'
import { Id, Line, TimestampMs } from './field.ts'
import { NanoUsd } from './money.ts'
import { NodeClass } from './node-class.ts'
import { NodeHardware } from './node-hardware.ts'
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

const Share = z.number().min(0).max(1)

export const NodeReputation = z
  .object({
    standing: Share.describe('How much it is worth asking it: routing weighs it by this.'),
    successLcb: Share.describe(
      'With 95 % certainty it does at least this share of what it is given, a failure counted ten times.',
    ),
    survival1h: Share.describe('The chance that it is still here in an hour, by how long it has been.'),
    speedRatio: z
      .number()
      .nonnegative()
      .nullable()
      .describe('How fast it is of late by its own benchmark; `null` until it was measured.'),
    availability: Share.nullable().describe('Of the last weeks, the share that it was here.'),
    answers: z.int().nonnegative().describe('That it gave; what is a week old counts half.'),
    failures: z.int().nonnegative(),
    reasons: z
      .array(
        z.object({
          code: z.enum(['sick', 'version_halted', 'failures', 'slow', 'seldom_here', 'new', 'just_came']),
          message: z.string(),
          wayBack: z.string(),
        }),
      )
      .describe('What keeps it from the best work, the gravest first, each with the way back.'),
  })
  .meta({ id: 'NodeReputation' })
export type NodeReputation = z.output<typeof NodeReputation>

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
    barred: z
      .object({ code: z.string(), message: z.string() })
      .nullable()
      .optional()
      .describe('Why it gets no work though it is here, and the way back; `null` where nothing bars it.'),
    hardware: NodeHardware.optional().describe('Only where one node is asked for.'),
    reputation: NodeReputation.optional().describe('Only where one node is asked for.'),
    capability: Capability.nullable().describe('As measured on the node; `null` before its first report.'),
  })
  .meta({ id: 'Node' })
export type Node = z.output<typeof Node>

export const NodePage = z.object(pageOf(Node)).meta({ id: 'NodePage' })

export const BanNode = z.strictObject({ reason: Line.min(1) }).meta({ id: 'BanNode' })
export type BanNode = z.output<typeof BanNode>

export const ClassNode = z.strictObject({ nodeClass: NodeClass }).meta({ id: 'ClassNode' })
export type ClassNode = z.output<typeof ClassNode>
