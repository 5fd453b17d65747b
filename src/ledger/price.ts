import { divideUp, type NanoUsd } from '#kernel/money.ts'

const TOKENS_PER_PRICE = 1_000_000n
const BPS = 10_000n

/** Price of one node's work on one model, in nano-USD per million tokens. */
export interface TokenPrice {
  readonly promptPerMillion: NanoUsd
  readonly completionPerMillion: NanoUsd
  /** Of prompt tokens that the node had read before; never above `promptPerMillion`, which it is unless given. */
  readonly cachedPerMillion?: NanoUsd | undefined
}
export interface TokenCount {
  readonly promptTokens: number
  readonly completionTokens: number
  /** How many of the prompt's tokens the node had read before. */
  readonly cachedPromptTokens?: number | undefined
}

/** What the caller pays for `tokens`. All kinds are summed before the one division, which rounds up. */
export const costOf = (tokens: TokenCount, price: TokenPrice): NanoUsd =>
  divideUp(
    BigInt(tokens.promptTokens) * price.promptPerMillion +
      BigInt(tokens.completionTokens) * price.completionPerMillion -
      savedByCache(tokens, price),
    TOKENS_PER_PRICE,
  )

function savedByCache({ cachedPromptTokens }: TokenCount, price: TokenPrice): bigint {
  const { promptPerMillion, cachedPerMillion } = price
  if (!cachedPromptTokens || cachedPerMillion === undefined) return 0n
  return BigInt(cachedPromptTokens) * (promptPerMillion - cachedPerMillion)
}

/** The price for cached tokens where it is a price of its own: nobody asks more for them than for others. */
export const cachedPrice = (
  promptPerMillion: NanoUsd,
  cachedPerMillion: NanoUsd | null | undefined,
): Pick<TokenPrice, 'cachedPerMillion'> =>
  typeof cachedPerMillion === 'bigint' && cachedPerMillion < promptPerMillion ? { cachedPerMillion } : {}

/** The network's part of `cost`, rounded down: the provider never loses a fraction to it. */
export const networkFee = (cost: NanoUsd, feeBps: number): NanoUsd => (cost * BigInt(feeBps)) / BPS
