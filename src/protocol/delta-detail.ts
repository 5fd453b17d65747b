/** What a piece of an answer carries beside its text. Crosses from the agent as JSON, just before the piece itself. */
import { z } from 'zod'

const Probability = z.object({
  /** Its text; what is not UTF-8 by itself is shown as U+FFFD, and `bytes` has all of it. */
  token: z.string().max(10_000),
  /** `null` for tokens without text. */
  bytes: z.array(z.int().min(0).max(255)).max(10_000).nullable(),
  /** Natural logarithm; what is impossible is -9999. */
  logprob: z.number(),
})

export const TokenLogprob = Probability.extend({
  /** The likeliest tokens in its place, likeliest first: as many as were asked for. */
  top: z.array(Probability).max(20),
})
export type TokenLogprob = z.output<typeof TokenLogprob>

/** Calls in one answer: engines tell of no more, and gateways hear of none. */
export const TOOL_CALLS_MAX = 128

export const ToolCallDelta = z.object({
  /** Which call of the answer, from 0 on. */
  index: z
    .int()
    .min(0)
    .max(TOOL_CALLS_MAX - 1),
  /** Once, with the first piece of a call. */
  name: z.string().max(200).optional(),
  /** The next piece of the JSON of its arguments. */
  arguments: z.string().optional(),
})
export type ToolCallDelta = z.output<typeof ToolCallDelta>

/**
 * How likely an engine finds the next tokens of an answer that it was given, in order. Only where that was asked for.
 * `tails`: the chance that the request's own sampling draws a token no likelier than this one, from 0 to 1.
 */
export const TokenScores = z.object({
  logprobs: z.array(z.number()).max(4_096),
  tails: z.array(z.number().min(0).max(1)).max(4_096),
})
export type TokenScores = z.output<typeof TokenScores>

export const DeltaDetail = z.object({
  logprobs: z.array(TokenLogprob).optional(),
  toolCalls: z.array(ToolCallDelta).optional(),
  scores: TokenScores.optional(),
  /** The next piece of what the model thinks before it answers; the piece's tokens count it. Only where that was asked for. */
  reasoning: z.string().optional(),
})
export type DeltaDetail = z.output<typeof DeltaDetail>
