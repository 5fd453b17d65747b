import type { Random } from './random.ts'

export interface BackoffPolicy {
  readonly delayMsMin: number
  readonly delayMsMax: number
}

/** Delay before try `attempt` (0-based): doubling, capped, with half of it left to chance so that many spread out. */
export function backoffMs(attempt: number, policy: BackoffPolicy, random: Random): number {
  const ceiling = Math.min(policy.delayMsMin * 2 ** Math.min(attempt, 30), policy.delayMsMax)
  const half = Math.ceil(ceiling / 2)
  return half + random.int(Math.max(1, ceiling - half + 1))
}
