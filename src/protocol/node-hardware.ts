import { z } from 'zod'
import { TimestampMs } from './field.ts'

/** What is known of a node's hardware: what it proved, and what it did not. */
export const NodeHardware = z
  .object({
    isRequired: z.boolean().describe('Whether nodes get work only once they proved their hardware.'),
    devices: z.array(
      z.object({
        deviceId: z.string(),
        deviceClass: z.string().describe('Devices that are held against each other.'),
        isProven: z.boolean(),
        provenAtMs: TimestampMs.nullable(),
        computeMs: z.number().nullable().describe('What the newest proof took.'),
        failures: z.int().nonnegative().describe('Since the last proof that held.'),
        failure: z
          .object({ fault: z.string(), detail: z.string(), atMs: TimestampMs })
          .nullable()
          .describe('Why the newest proof did not hold.'),
      }),
    ),
    unprovableCards: z.array(z.string()).describe('Cards that it names, and has nothing to prove them with.'),
    quarantine: z
      .object({ reason: z.string(), detail: z.string(), atMs: TimestampMs })
      .nullable()
      .describe('Why an operator, or a proof, has to let it out; `null` while it is not in quarantine.'),
    refused: z
      .array(z.object({ reason: z.string(), atMs: TimestampMs }))
      .describe('What it said of proofs that was not listened to, and when last.'),
  })
  .meta({ id: 'NodeHardware' })
export type NodeHardware = z.output<typeof NodeHardware>
