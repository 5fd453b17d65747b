import { z } from 'zod'
import { Id, TimestampMs } from './field.ts'
import { NanoUsd } from './money.ts'
import { freshness, pageOf } from './page.ts'
import { RequestOutcome } from './usage.ts'

const tokens = {
  promptTokens: z.int().nonnegative(),
  cachedPromptTokens: z
    .int()
    .nonnegative()
    .default(0)
    .describe('Of the prompt’s tokens, those that nodes had read before and sell for less.'),
  completionTokens: z.int().nonnegative(),
  cost: NanoUsd.describe('What the caller paid.'),
  fee: NanoUsd.describe('The network’s part of the cost, less what it paid nodes that raced and lost.'),
}

export const UsageLine = z
  .object({
    requestId: Id,
    projectId: Id,
    keyId: Id,
    atMs: TimestampMs.describe('When the request arrived.'),
    model: z.string(),
    kind: z.enum(['chat', 'completion', 'embedding']),
    outcome: RequestOutcome,
    nodeIds: z.array(Id).describe('Nodes that were paid for it, in the order of their work.'),
    ...tokens,
    firstTokenMs: z
      .int()
      .nonnegative()
      .nullable()
      .describe('From arrival to the first token; `null` without one.'),
    totalMs: z.int().nonnegative(),
  })
  .meta({ id: 'UsageLine', description: 'One request, as it was metered and billed.' })
export type UsageLine = z.output<typeof UsageLine>

export const UsageTotals = z
  .object({ requests: z.int().nonnegative(), ...tokens })
  .meta({ id: 'UsageTotals' })
export type UsageTotals = z.output<typeof UsageTotals>

export const UsagePage = z
  .object({
    ...pageOf(UsageLine),
    totals: UsageTotals.describe('Over all requests that the filter matches, not this page alone.'),
    ...freshness,
  })
  .meta({ id: 'UsagePage', description: 'Requests, newest first.' })
export type UsagePage = z.output<typeof UsagePage>

export const UsageDay = z
  .object({
    day: z
      .string()
      .regex(/^\d{4}-\d{2}-\d{2}$/)
      .describe('In UTC.'),
    model: z.string(),
    requests: z.int().nonnegative(),
    ...tokens,
  })
  .meta({ id: 'UsageDay' })
export type UsageDay = z.output<typeof UsageDay>

export const UsageSummary = z
  .object({ ...pageOf(UsageDay), ...freshness })
  .meta({ id: 'UsageSummary', description: 'Per day and model, newest day first, then by model.' })
export type UsageSummary = z.output<typeof UsageSummary>
