import { z } from 'zod'
import { NanoUsd } from './money.ts'

export const Health = z
  .object({
    status: z.literal('ok'),
    version: z.string(),
    networkName: z.string(),
    epoch: z.int().nonnegative().describe('Grows with each start of the coordinator.'),
    uptimeMs: z.int().nonnegative(),
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

/** A model as the online nodes that take new work offer it. */
export const ModelOffer = z
  .object({
    model: z.string(),
    nodes: z.int().nonnegative(),
    promptPerMillion: amounts,
    completionPerMillion: amounts,
    tokensPerSecond: z.object({ min: z.number().nonnegative(), max: z.number().nonnegative() }),
  })
  .meta({ id: 'ModelOffer', description: 'Prices are per million tokens.' })
export type ModelOffer = z.output<typeof ModelOffer>

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
    }),
    models: z.array(ModelOffer),
    requestsInFlight: z.int().nonnegative(),
    readModel: z.object({ appliedSequence: z.int().nonnegative(), lagEntries: z.int().nonnegative() }),
    processes: z.object({ coordinator: z.int().positive(), gateway: z.int().positive().nullable() }),
    dataFolder: z.string().nullable().describe('For operators; `null` for others.'),
  })
  .meta({ id: 'NetworkStatus' })
export type NetworkStatus = z.output<typeof NetworkStatus>

export const ReadModelRebuild = z
  .object({ appliedSequence: z.int().nonnegative(), durationMs: z.int().nonnegative() })
  .meta({ id: 'ReadModelRebuild' })
export type ReadModelRebuild = z.output<typeof ReadModelRebuild>
