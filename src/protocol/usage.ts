import { z } from 'zod'
import { NanoUsd } from './money.ts'
import { ReceiptMark } from './receipts.ts'
import { SlaTally, slaFacts } from './sla.ts'

/** How an accepted request ended; each ends exactly once. */
export const RequestOutcome = z.enum(['completed', 'cancelled', 'failed']).meta({ id: 'RequestOutcome' })
export type RequestOutcome = z.output<typeof RequestOutcome>

/** What one node did for one request, at the price it asked when it was chosen. */
export const UsagePart = z.object({
  nodeId: z.string(),
  promptTokens: z.int().nonnegative(),
  completionTokens: z.int().nonnegative(),
  promptPerMillion: NanoUsd,
  completionPerMillion: NanoUsd,
  /** Of the prompt's tokens, those that the node had read before, as it says; absent where it says none. */
  cachedPromptTokens: z.int().nonnegative().optional(),
  /** What those cost, never more than others; absent: as much as others. */
  cachedPerMillion: NanoUsd.optional(),
  /** What its node signs for it; absent where an old agent served. */
  receipt: ReceiptMark.optional(),
  /** How fast its answer came by its own benchmark and what it had to do besides, in thousandths; absent where too little came to tell. */
  pace: z.int().positive().optional(),
})
export type UsagePart = z.output<typeof UsagePart>

/** How a node failed a request: it went away, fell silent, was far slower than it says, or said what cannot be. */
export const NodeFailure = z.object({
  nodeId: z.string(),
  how: z.enum(['lost', 'stalled', 'slow', 'wrong', 'failed']),
})
export type NodeFailure = z.output<typeof NodeFailure>

/** The gateway's meter reading of one request: durable in its spool before the caller sees the last byte. */
export const UsageRecord = z.object({
  requestId: z.string(),
  organisationId: z.string(),
  keyId: z.string(),
  /** Under which its key's limits are counted, where it has any. */
  budgetId: z.string().optional(),
  /** The slice that the request was admitted on. */
  holdId: z.string(),
  model: z.string(),
  kind: z.enum(['chat', 'completion', 'embedding']),
  outcome: RequestOutcome,
  parts: z.array(UsagePart),
  /**
   * Nodes without fault that read the prompt and were stopped because another delivered first. The network pays them for
   * that out of its fee; the caller pays them nothing.
   */
  losers: z.array(UsagePart).optional(),
  /** Nodes that failed it through a fault of theirs; another went on, or nobody. */
  failed: z.array(NodeFailure).optional(),
  startedAtMs: z.int(),
  /** From arrival to the first token; `null` when there was none. */
  firstTokenMs: z.int().nullable(),
  totalMs: z.int(),
  ...slaFacts,
  /** No request at all, but what its gateway counts besides: nothing is billed, and nothing listed. */
  tally: SlaTally.optional(),
})
export type UsageRecord = z.output<typeof UsageRecord>
