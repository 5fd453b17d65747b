/** What gateways tell the coordinator of answers that were looked at. */
import { z } from 'zod'
import { NanoUsd } from './money.ts'
import { SlaClass } from './sla.ts'

/**
 * How an answer was looked at. `claimed`: the log probabilities that its node gave are held against those of another.
 * `typical`: how surprised another is by the answer. `compared`: embeddings are held against those of another.
 */
export const AnswerTest = z.enum(['claimed', 'typical', 'compared'])
export type AnswerTest = z.output<typeof AnswerTest>

/** What another node found out about an answer. */
export const AnswerOpinion = z.object({
  nodeId: z.string(),
  /** Tokens or embedded texts that were looked at, and those of them that do not fit. */
  tokens: z.int().nonnegative(),
  off: z.int().nonnegative(),
  /** For another model, where positive: the logarithm of how many times better that explains it, times 1,000. */
  evidenceMilli: z.int(),
  /** What it read for that, and what it asks for so much. */
  readTokens: z.int().nonnegative(),
  pay: NanoUsd,
})
export type AnswerOpinion = z.output<typeof AnswerOpinion>

export const AnswerCheck = z.object({
  kind: z.literal('check'),
  auditId: z.string(),
  nodeId: z.string(),
  model: z.string(),
  test: AnswerTest,
  /** Whose request it was, and what the node's part of it cost: before the network's fee. */
  organisationId: z.string(),
  cost: NanoUsd,
  /** What it was promised; absent: nothing. */
  slaClass: SlaClass.optional(),
  /** The network's own request. */
  isCanary: z.boolean(),
  /** Of different owners, in the order in which they were asked; empty where nobody independent was there. */
  opinions: z.array(AnswerOpinion).max(4),
  /** SHA-256, in hex, of the request's id, the token ids and what all sides said of them. */
  evidenceHash: z.string().max(64),
})
export type AnswerCheck = z.output<typeof AnswerCheck>

/** What everybody can see of an answer, and no honest node does. */
export const AnswerFault = z.enum([
  /** More tokens claimed than its text has, by the network's own count. */
  'tokens_overclaimed',
  /** Its tokens came faster than the device that it says it has can compute them. */
  'too_fast',
  /** The first token came before a message could have gone there and back. */
  'first_token_too_soon',
  /** It ended at the limit without reaching it, or the like. */
  'finish_inconsistent',
])
export type AnswerFault = z.output<typeof AnswerFault>

export const AnswerFinding = z.object({
  kind: z.literal('finding'),
  auditId: z.string(),
  nodeId: z.string(),
  model: z.string(),
  fault: AnswerFault,
  found: z.string().max(200),
  expected: z.string().max(200),
})
export type AnswerFinding = z.output<typeof AnswerFinding>

export const AnswerNews = z.discriminatedUnion('kind', [AnswerCheck, AnswerFinding])
export type AnswerNews = z.output<typeof AnswerNews>

/** One at a time per gateway: the next leaves only after this one was answered. */
export const AnswerReport = z.object({
  gatewayId: z.string(),
  /** Random for each start of the gateway; `sequence` grows from 1 within it. */
  start: z.string(),
  sequence: z.int().positive(),
  news: z.array(AnswerNews).max(256),
})
export type AnswerReport = z.output<typeof AnswerReport>
export const AnswerReportReply = z.object({ sequence: z.int() })
