import { divideUp, type NanoUsd } from '#kernel/money.ts'

const TOKENS_PER_PRICE = 1_000_000n
const SECONDS_PER_HOUR = 3_600n
/** Speeds are taken in thousandths, so that a node below one token a second still has a price. */
const MILLI = 1_000

/**
 * What a million tokens cost at a node that asks `askPerHour` and makes `tokensPerSecond`, rounded up:
 * `ask ÷ (tokens per hour) × 10⁶`. An unmeasured or absurdly slow node is priced as 0.001 token a second.
 */
export function askPerMillionTokens(askPerHour: NanoUsd, tokensPerSecond: number): NanoUsd {
  const milliTokensPerSecond = BigInt(Math.max(1, Math.floor(tokensPerSecond * MILLI)))
  return divideUp(askPerHour * TOKENS_PER_PRICE * BigInt(MILLI), milliTokensPerSecond * SECONDS_PER_HOUR)
}
