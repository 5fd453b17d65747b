import type { PayoutRisk } from './drivers.ts'
import type { GpuNetwork, NetworkFile } from './network-data.ts'

/** Where a token has no series of prices of its own. */
export const PROXY_VOLATILITY = 1

/** How the payouts of a network move; stable where there is none, or none that moves. */
export function payoutRiskOf(
  network: GpuNetwork | null,
  tokens: NetworkFile['token_volatility'],
): PayoutRisk {
  const tie = network?.terms.payout_tie
  if (tie !== 'usd_indexed' && tie !== 'floating') return { kind: 'stable' }
  return {
    kind: 'token',
    tie,
    volatilityPerYear: volatilityOf(network?.terms.payout_token ?? null, tokens).perYear,
    lockDays: network?.terms.lock_days ?? 0,
    isHeld: false,
  }
}

export interface TokenVolatility {
  readonly perYear: number
  readonly maxDrawdown: number | null
  /** Whether it is the token's own, or that of its like. */
  readonly isOwn: boolean
  readonly source: string
}

export function volatilityOf(token: string | null, tokens: NetworkFile['token_volatility']): TokenVolatility {
  const own = token === null ? undefined : tokens.annualised_vol[token]
  if (token === null || own === undefined) {
    const source = `no series of its own: ${PROXY_VOLATILITY.toFixed(1)} a year, as of tokens of its kind (${tokens.window})`
    return { perYear: PROXY_VOLATILITY, maxDrawdown: null, isOwn: false, source }
  }
  return {
    perYear: own,
    maxDrawdown: tokens.max_drawdown[token] ?? null,
    isOwn: true,
    source: `${token}, ${tokens.window}`,
  }
}
