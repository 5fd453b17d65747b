/** The evidence of a month: what its credit is computed from, and what the network signs. */
import { z } from 'zod'
import { NanoUsd } from './money.ts'
import { Month, SlaClass, SlaExemption } from './sla.ts'
import { SlaStatement } from './sla-statement.ts'
import { RequestOutcome } from './usage.ts'

/** A line for each event that counts. */
export const SlaFact = z
  .discriminatedUnion('kind', [
    /** A request as it was billed. */
    z.strictObject({
      kind: z.literal('request'),
      atMs: z.int(),
      requestId: z.string(),
      keyId: z.string(),
      model: z.string(),
      outcome: RequestOutcome,
      problem: z.string().optional(),
      exempt: SlaExemption.optional(),
      startedAtMs: z.int(),
      firstTokenMs: z.int().nullable(),
      firstTokenDueMs: z.int().optional(),
      totalMs: z.int(),
      cost: NanoUsd,
      /** Of that, what a credit is a part of; absent: all. */
      charge: NanoUsd.optional(),
      /** The node whose fault it was that it failed. */
      faultNodeId: z.string().optional(),
    }),
    /** Requests that nobody was let in for. */
    z.strictObject({
      kind: z.literal('refused'),
      atMs: z.int(),
      binStartMs: z.int(),
      problem: z.string(),
      count: z.int().positive(),
      exempt: SlaExemption.optional(),
    }),
    /** A request that was under way when its gateway was lost. */
    z.strictObject({ kind: z.literal('lost'), atMs: z.int(), requestId: z.string(), startedAtMs: z.int() }),
  ])
  .meta({ id: 'SlaFact' })
export type SlaFact = z.output<typeof SlaFact>

export const BundleHeader = z.strictObject({
  version: z.literal(1),
  /** The network's ed25519 key, in hex. */
  networkKey: z.string(),
  organisationId: z.string(),
  slaClass: SlaClass,
  month: Month,
})
export type BundleHeader = z.output<typeof BundleHeader>

export const BundleSeal = z
  .strictObject({
    ...BundleHeader.shape,
    facts: z.int().nonnegative(),
    /** Hash of the last fact. */
    head: z.string(),
    maintenance: z.array(z.strictObject({ fromMs: z.int(), toMs: z.int(), announcedAtMs: z.int() })),
    outages: z.array(z.strictObject({ fromMs: z.int(), toMs: z.int() })),
    /** What was posted; `null` while the month is not over. */
    statement: SlaStatement.nullable(),
    sealedAtMs: z.int(),
  })
  .meta({ id: 'SlaSeal' })
export type BundleSeal = z.output<typeof BundleSeal>
