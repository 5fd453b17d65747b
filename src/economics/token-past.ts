/** What a token's past did to payouts: of the waiting between earning and selling, and of never selling. */
import { DAY_MS } from '#kernel/time.ts'
import { historyOf, type TokenHistory, type TokenPrice } from './token-history.ts'

/** Prices of one token, in order of time, at most one a day; from wherever the owner said. */
export interface TokenSeries {
  readonly token: string
  /** For people: a file or a host. */
  readonly source: string
  readonly prices: readonly TokenPrice[]
}

export interface TokenPast extends TokenHistory {
  readonly source: string
  /** What a payout of $100 was worth when it could be sold; `null` where no two prices lie so far apart. */
  readonly waited: WaitedPayout | null
  /** $100 paid on the first day and never sold. */
  readonly heldUsd: number
}

export interface WaitedPayout {
  readonly days: number
  /** In the worst of twenty cases, in the middle one, and at worst. */
  readonly p5Usd: number
  readonly p50Usd: number
  readonly worstUsd: number
}

const PAYOUT_USD = 100

/** `lockDays`: from earning to being able to sell, at least a day; `null` for fewer than three prices. */
export function tokenPastOf({ source, prices }: TokenSeries, lockDays: number): TokenPast | null {
  const history = historyOf(prices)
  if (!history) return null
  return {
    ...history,
    source,
    waited: waitedPayout(prices, Math.max(1, lockDays)),
    heldUsd: PAYOUT_USD * (1 + history.change),
  }
}

function waitedPayout(prices: readonly TokenPrice[], days: number): WaitedPayout | null {
  const waitMs = days * DAY_MS
  let next = 0
  const worth: number[] = []
  for (const { atMs, usd } of prices) {
    while (next < prices.length && (prices[next]?.atMs ?? 0) < atMs + waitMs) next++
    const sold = prices[next]
    if (!sold) break
    worth.push((PAYOUT_USD * sold.usd) / usd)
  }
  worth.sort((a, b) => a - b)
  const at = (share: number): number => worth[Math.floor(share * worth.length)] ?? 0
  return worth.length === 0 ? null : { days, p5Usd: at(0.05), p50Usd: at(0.5), worstUsd: at(0) }
}
