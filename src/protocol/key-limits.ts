import { z } from 'zod'
import { NanoUsd, PositiveNanoUsd } from './money.ts'
import { NetworkRange } from './network-range.ts'

const count = z.int().min(1)

/** The most requests per minute that a limit can name: the gateway remembers the time of each. */
export const REQUESTS_PER_MINUTE_MAX = 100_000

const limits = {
  requestsPerMinute: count
    .max(REQUESTS_PER_MINUTE_MAX)
    .optional()
    .describe('Never more than this in any 60 seconds.'),
  requestsPerDay: count.optional().describe('Answered ones, from midnight to midnight UTC.'),
  requestsAtOnce: count
    .optional()
    .describe('Under way at the same moment, streams and those that wait included.'),
  tokensPerMinute: count
    .optional()
    .describe(
      'Prompt and completion together, in any 60 seconds: used ones, and the most that those under way can use.',
    ),
  tokensPerDay: count.optional().describe('Prompt and completion together, from midnight to midnight UTC.'),
  spendPerDay: NanoUsd.optional().describe('From midnight to midnight UTC.'),
  spendPerMonth: NanoUsd.optional().describe('From the first of the month, UTC.'),
  models: z.array(z.string()).optional().describe('The only models that it may ask.'),
  networks: z.array(z.string()).optional().describe('The only addresses that it may be used from.'),
}

/** What a key is limited to; what is absent is not limited. */
export const KeyLimits = z
  .object(limits)
  .meta({ id: 'KeyLimits', description: 'What a key is limited to; what is absent is not limited.' })
export type KeyLimits = z.output<typeof KeyLimits>

/** The same, as a caller gives it: nothing else is taken, and amounts are above zero. */
export const WantedKeyLimits = z
  .strictObject({
    ...limits,
    models: z.array(z.string().min(1).max(200)).min(1).max(100).optional(),
    networks: z.array(NetworkRange).min(1).max(100).optional(),
    spendPerDay: PositiveNanoUsd.optional(),
    spendPerMonth: PositiveNanoUsd.optional(),
  })
  .meta({ id: 'WantedKeyLimits' })

/** What was used of the limits that run by day and month, as the ledger counts it. Amounts only grow within a window. */
export const KeyUse = z
  .object({
    /** Days since the Unix epoch, UTC. */
    day: z.int(),
    tokens: z.int(),
    /** Requests that were answered. */
    requests: z.int().optional(),
    spend: NanoUsd,
    /** Months since year 0, UTC. */
    month: z.int(),
    monthSpend: NanoUsd,
  })
  .meta({ id: 'KeyUse', description: 'Used of the limits that run by day and by month.' })
export type KeyUse = z.output<typeof KeyUse>
