/** What the tiers are: who may have a job's tasks, what an hour of them costs, and which job is first. */
import type { NanoUsd } from '#kernel/money.ts'
import type { Tier } from '#protocol/job.ts'
import type { NodeClass } from '#protocol/node-class.ts'
import type { JobPlan } from './work-events.ts'

export interface TierTerms {
  readonly minClass: NodeClass
  /** Of the list price, in hundredths. */
  readonly pricePercent: bigint
}

export const tierTerms: Readonly<Record<Tier, TierTerms>> = {
  trusted: { minClass: 'vetted', pricePercent: 200n },
  priority: { minClass: 'community', pricePercent: 100n },
  economy: { minClass: 'community', pricePercent: 50n },
}

/** What an hour of a node of speed 1 costs in this tier; rounded up. */
export const priceOfTier = (listPrice: NanoUsd, tier: Tier): NanoUsd =>
  (listPrice * tierTerms[tier].pricePercent + 99n) / 100n

/**
 * A job's place in line: the highest is first. Probes and audits are small and others wait for them; then by tier, and
 * within a tier by the priority that the customer gave.
 */
export function lineOf({
  purpose = 'work',
  tier = 'priority',
  priority,
}: Pick<JobPlan, 'purpose' | 'tier' | 'priority'>): number {
  const group = purpose === 'work' ? tierOrder[tier] : networksOwn[purpose]
  return group * 1_000 + priority
}
const tierOrder = { economy: 0, priority: 1, trusted: 2 } as const satisfies Record<Tier, number>
const networksOwn = { audit: 3, probe: 4 } as const
