/** The evidence of a month: what its credit is computed from, and what the network signs. */
import { z } from 'zod'
import { TimestampMs } from './field.ts'
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
      atMs: TimestampMs,
      requestId: z.string(),
      keyId: z.string(),
      model: z.string(),
      outcome: RequestOutcome,
      problem: z.string().optional(),
      exempt: SlaExemption.optional(),
      startedAtMs: TimestampMs,
      firstTokenMs: z.int().nullable(),
      firstTokenDueMs: z.int().optional(),
      totalMs: z.int(),
      /** What it cost, whether it was billed by this reading or by its nodes' own copies before. */
      cost: NanoUsd,
      /** Of that, what a credit is a part of; absent: all. */
      charge: NanoUsd.optional(),
      /** It is counted as lost already, in this month or in another: only what it cost is added. */
      wasLost: z.boolean().optional(),
      /** The node whose fault it was that it failed. */
      faultNodeId: z.string().optional(),
    }),
    /** Requests that nobody was let in for. */
    z.strictObject({
      kind: z.literal('refused'),
      atMs: TimestampMs,
      binStartMs: TimestampMs,
      problem: z.string(),
      count: z.int().positive(),
      exempt: SlaExemption.optional(),
    }),
    /** A request that was under way when its gateway was lost. */
    z.strictObject({
      kind: z.literal('lost'),
      atMs: TimestampMs,
      requestId: z.string(),
      startedAtMs: TimestampMs,
    }),
    /** So much of what was paid came back, as answers of a node were found to be false. */
    z.strictObject({ kind: z.literal('refund'), atMs: TimestampMs, caseId: z.string(), amount: NanoUsd }),
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
    maintenance: z.array(
      z.strictObject({ fromMs: TimestampMs, toMs: TimestampMs, announcedAtMs: TimestampMs }),
    ),
    outages: z.array(z.strictObject({ fromMs: TimestampMs, toMs: TimestampMs })),
    /** What was posted; `null` while the month is not over. */
    statement: SlaStatement.nullable(),
    sealedAtMs: TimestampMs,
  })
  .meta({ id: 'SlaSeal' })
export type BundleSeal = z.output<typeof BundleSeal>
