import { z } from 'zod'
import { TimestampMs } from './field.ts'
import { NanoUsd } from './money.ts'

export const Health = z
  .object({
    status: z.literal('ok'),
    version: z.string(),
    networkName: z.string(),
    epoch: z.int().nonnegative().describe('Grows with each start of the coordinator.'),
    uptimeMs: z.int().nonnegative(),
    role: z
      .enum(['leader', 'standby'])
      .optional()
      .describe('A standby follows the leader, and takes over when that one is gone.'),
    lagEntries: z
      .int()
      .nonnegative()
      .optional()
      .describe('Of a standby: entries of the journal that it has still to read.'),
    feeBps: z
      .int()
      .min(0)
      .max(10_000)
      .optional()
      .describe(
        'The network’s part of what callers pay for work, in hundredths of a percent; absent from networks that do not say.',
      ),
  })
  .meta({ id: 'Health' })
export type Health = z.output<typeof Health>

const amounts = z.object({ min: NanoUsd, max: NanoUsd })

/** A model as the online nodes offer it: those that take new work, or where there is none those that are parked. */
export const ModelOffer = z
  .object({
    model: z.string(),
    nodes: z.int().nonnegative().describe('Nodes that take new work; 0 where all of its nodes are parked.'),
    parkedNodes: z
      .int()
      .nonnegative()
      .optional()
      .describe(
        'Nodes that have it loaded and are parked: online, and taking no new work by their own choice.',
      ),
    promptPerMillion: amounts,
    completionPerMillion: amounts,
    tokensPerSecond: z.object({ min: z.number().nonnegative(), max: z.number().nonnegative() }),
  })
  .meta({ id: 'ModelOffer', description: 'Prices are per million tokens.' })
export type ModelOffer = z.output<typeof ModelOffer>

export const ShownCertificate = z.object({
  names: z.array(z.string()),
  expiresAtMs: TimestampMs,
  /** It is time to renew it. */
  isExpiring: z.boolean(),
})
export type ShownCertificate = z.output<typeof ShownCertificate>

/** Of jobs, whoever they belong to. */
export const WorkCounts = z.object({
  jobsActive: z.int().nonnegative().describe('Jobs of customers that are neither paused nor over.'),
  tasksReady: z.int().nonnegative().describe('Their tasks that a node could be given.'),
  tasksRunning: z.int().nonnegative(),
  nodes: z.int().nonnegative().describe('Nodes that take tasks, busy or not.'),
  renderers: z
    .record(z.string(), z.int().nonnegative())
    .optional()
    .describe('Of them those that render scenes for customers, by what they render on: `CPU`, `CUDA`, ….'),
})
export type WorkCounts = z.output<typeof WorkCounts>

export const NetworkStatus = z
  .object({
    networkName: z.string(),
    version: z.string(),
    epoch: z.int().nonnegative(),
    uptimeMs: z.int().nonnegative(),
    nodes: z.object({
      online: z.int().nonnegative(),
      suspect: z.int().nonnegative(),
      absent: z.int().nonnegative(),
      drained: z.int().nonnegative().describe('Also counted by presence.'),
      banned: z.int().nonnegative().describe('Also counted by presence.'),
      parked: z
        .int()
        .nonnegative()
        .optional()
        .describe('Online and taking no new work by their own choice. Also counted by presence.'),
    }),
    models: z.array(ModelOffer),
    requestsInFlight: z.int().nonnegative(),
    requestsUnbilled: z
      .int()
      .nonnegative()
      .optional()
      .describe('Meter readings of this gateway that are safe on its disk and not in the ledger yet.'),
    work: WorkCounts.optional().describe('Absent from networks that take no jobs.'),
    readModel: z.object({ appliedSequence: z.int().nonnegative(), lagEntries: z.int().nonnegative() }),
    processes: z.object({ coordinator: z.int().positive(), gateway: z.int().positive().nullable() }),
    certificate: ShownCertificate.nullable()
      .optional()
      .describe('What TLS shows; `null` where it does not end at the network itself.'),
    dataFolder: z.string().nullable().describe('For operators; `null` for others.'),
  })
  .meta({ id: 'NetworkStatus' })
export type NetworkStatus = z.output<typeof NetworkStatus>

export const ReadModelRebuild = z
  .object({ appliedSequence: z.int().nonnegative(), durationMs: z.int().nonnegative() })
  .meta({ id: 'ReadModelRebuild' })
export type ReadModelRebuild = z.output<typeof ReadModelRebuild>
