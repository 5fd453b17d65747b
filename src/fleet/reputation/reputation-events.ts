import { z } from 'zod'
import { SicknessCode } from '#protocol/node-health.ts'

export const ReputationEvent = z.discriminatedUnion('type', [
  /** Nodes whose standing is another than it was, in hundredths. Of all that changed together. */
  z.object({
    type: z.literal('reputation.graded'),
    grades: z.array(z.object({ nodeId: z.string(), standing: z.int().min(0).max(100) })),
    atMs: z.int(),
  }),
  z.object({
    type: z.literal('reputation.node_sick'),
    nodeId: z.string(),
    code: SicknessCode,
    message: z.string(),
    atMs: z.int(),
  }),
  z.object({ type: z.literal('reputation.node_well'), nodeId: z.string(), atMs: z.int() }),
  /** `bad` of `total` answers on nodes of this version failed, while on others it was far fewer. */
  z.object({
    type: z.literal('reputation.version_halted'),
    agentVersion: z.string(),
    bad: z.int().positive(),
    total: z.int().positive(),
    atMs: z.int(),
  }),
  z.object({
    type: z.literal('reputation.version_cleared'),
    agentVersion: z.string(),
    by: z.enum(['recovered', 'operator', 'gone']),
    atMs: z.int(),
  }),
])
export type ReputationEvent = z.output<typeof ReputationEvent>
