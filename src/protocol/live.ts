/** What a network does at this moment, for `shoal top`: figures of the last seconds, not of the books. */
import { z } from 'zod'
import { Id, TimestampMs } from './field.ts'
import { NanoUsd } from './money.ts'
import { WorkCounts } from './network-status.ts'
import { NodeClass } from './node-class.ts'

const Count = z.int().nonnegative()
const Rate = z.number().nonnegative()

/** Times to the first token, as counts by `LIVE_BOUNDS_MS`: those of several gateways can be added. */
const Times = z.array(Count)

/** Upper bounds in milliseconds, each a fifth above the one before: from 1 ms to 2 minutes. */
export const LIVE_BOUNDS_MS: readonly number[] = Array.from({ length: 65 }, (_, index) => 1.2 ** index)

/** Within a tenth of the truth; null of nothing. `share`: 0.5 for the middle one. */
export function quantileMs(counts: readonly number[], share: number): number | null {
  const total = counts.reduce((sum, count) => sum + count, 0)
  if (total === 0) return null
  let below = 0
  for (const [index, count] of counts.entries()) {
    if (count > 0 && below + count >= share * total) {
      const low = index === 0 ? 0 : (LIVE_BOUNDS_MS[index - 1] ?? 0)
      const high = LIVE_BOUNDS_MS[index] ?? low
      return Math.round((low + (high - low) * ((share * total - below) / count)) * 10) / 10
    }
    below += count
  }
  return LIVE_BOUNDS_MS.at(-1) ?? null
}

const Range = z.object({ min: NanoUsd, max: NanoUsd })

export const LiveStream = z
  .object({
    requestId: Id,
    organisationId: Id,
    model: z.string(),
    nodeId: Id.nullable().describe('`null` while it waits for a node.'),
    state: z.enum(['waiting', 'reserving', 'running', 'settling', 'over']),
    ageMs: Count,
    firstTokenMs: Count.nullable(),
    completionTokens: Count,
    continuations: Count.describe('How often a node failed in the middle of it and another went on.'),
  })
  .meta({ id: 'LiveStream', description: 'A request that has not ended.' })
export type LiveStream = z.output<typeof LiveStream>

export const RecentRequest = z
  .object({
    requestId: Id,
    organisationId: Id,
    model: z.string(),
    nodeId: Id.nullable(),
    outcome: z.enum(['completed', 'cancelled', 'failed']),
    code: z.string().nullable().describe('Why it failed.'),
    endedAtMs: TimestampMs,
    firstTokenMs: Count.nullable(),
    totalMs: Count,
    promptTokens: Count,
    completionTokens: Count,
    cost: NanoUsd,
    attempts: Count,
    isHedged: z.boolean(),
  })
  .meta({ id: 'RecentRequest' })
export type RecentRequest = z.output<typeof RecentRequest>

/** What one gateway knows. */
export const GatewayLive = z.object({
  gatewayId: z.string(),
  inFlight: Count,
  waiting: Count,
  requestsPerSecond: Rate,
  tokensPerSecond: Rate,
  firstTokens: Times,
  models: z.array(
    z.object({
      model: z.string(),
      nodes: Count,
      slots: Count,
      busy: Count,
      waiting: Count,
      requestsPerSecond: Rate,
      tokensPerSecond: Rate,
      firstTokens: Times,
      promptPerMillion: Range.nullable(),
      completionPerMillion: Range.nullable(),
    }),
  ),
  nodes: z.array(
    z.object({
      nodeId: z.string(),
      state: z.enum(['online', 'suspect', 'draining', 'ejected']),
      models: z.array(z.string()),
      slots: Count,
      busy: Count,
      tokensPerSecond: Rate,
      firstTokens: Times,
      failures: Count,
    }),
  ),
  streams: z.array(LiveStream),
  recent: z.array(RecentRequest),
})
export type GatewayLive = z.output<typeof GatewayLive>

export const LiveModel = z
  .object({
    model: z.string(),
    nodes: Count,
    slots: Count.describe('Requests that its nodes can compute at once.'),
    busy: Count,
    waiting: Count,
    requestsPerSecond: Rate,
    tokensPerSecond: Rate,
    firstTokenP50Ms: Rate.nullable(),
    firstTokenP99Ms: Rate.nullable(),
    promptPerMillion: Range.nullable(),
    completionPerMillion: Range.nullable(),
  })
  .meta({ id: 'LiveModel', description: 'Prices are per million tokens; `null` while no node serves it.' })
export type LiveModel = z.output<typeof LiveModel>

export const LiveNode = z
  .object({
    nodeId: Id,
    organisationId: Id,
    name: z.string(),
    nodeClass: NodeClass,
    state: z
      .enum(['online', 'suspect', 'absent', 'draining', 'ejected', 'banned'])
      .describe('`ejected`: it failed too often, and gets no work for a while.'),
    models: z.array(z.string()),
    slots: Count,
    busy: Count,
    tokensPerSecond: Rate,
    firstTokenP50Ms: Rate.nullable(),
    failures: Count.describe('Requests that it failed, as its gateway remembers.'),
  })
  .meta({ id: 'LiveNode' })
export type LiveNode = z.output<typeof LiveNode>

export const LiveNetwork = z
  .object({
    networkName: z.string(),
    version: z.string(),
    nowMs: TimestampMs,
    uptimeMs: Count,
    gateways: Count.describe('Those that answered; the figures are theirs.'),
    inFlight: Count,
    waiting: Count,
    requestsPerSecond: Rate.describe('Over the last 10 seconds, as all rates here.'),
    tokensPerSecond: Rate,
    firstTokenP50Ms: Rate.nullable().describe('Over the last half minute to minute, as all times here.'),
    firstTokenP99Ms: Rate.nullable(),
    work: WorkCounts.optional(),
    models: z.array(LiveModel),
    nodes: z.array(LiveNode).describe('The organisation’s; for an operator, all.'),
    streams: z
      .array(LiveStream)
      .describe('Oldest first; the organisation’s, for an operator all. At most 200.'),
    recent: z.array(RecentRequest).describe('Newest first, likewise. At most 100.'),
  })
  .meta({ id: 'LiveNetwork' })
export type LiveNetwork = z.output<typeof LiveNetwork>

export const LIVE_STREAMS_MAX = 200
export const LIVE_RECENT_MAX = 100
