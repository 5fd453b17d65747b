import { divideUp, type NanoUsd } from '#kernel/money.ts'

const TOKENS_PER_PRICE = 1_000_000n
const BPS = 10_000n

/** Price of one node's work on one model, in nano-USD per million tokens. */
export interface TokenPrice {
  readonly promptPerMillion: NanoUsd
  readonly completionPerMillion: NanoUsd
}
export interface TokenCount {
  readonly promptTokens: number
  readonly completionTokens: number
}

/** What the caller pays for `tokens`. Both kinds are summed before the one division, which rounds up. */
export const costOf = (tokens: TokenCount, price: TokenPrice): NanoUsd =>
  divideUp(
    BigInt(tokens.promptTokens) * price.promptPerMillion +
      BigInt(tokens.completionTokens) * price.completionPerMillion,
    TOKENS_PER_PRICE,
  )

/** The network's part of `cost`, rounded down: the provider never loses a fraction to it. */
export const networkFee = (cost: NanoUsd, feeBps: number): NanoUsd => (cost * BigInt(feeBps)) / BPS
