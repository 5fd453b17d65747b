import type { PayoutRisk } from './drivers.ts'
import type { GpuNetwork, NetworkFile } from './network-data.ts'
import { historyOf } from './token-history.ts'
import type { TokenSeries } from './token-past.ts'

/** Where a token has no series of prices of its own. */
export const PROXY_VOLATILITY = 1
/** Whose volatility that is. */
const PROXY_NAME = 'payout tokens of GPU networks'
const PROXY_MODEL = 'AKT'

type Summaries = NetworkFile['token_volatility']

/** How the payouts of a network move; stable where there is none, or none that moves. */
export function payoutRiskOf(
  network: GpuNetwork | null,
  tokens: Summaries,
  series: readonly TokenSeries[] = [],
): PayoutRisk {
  const tie = network?.terms.payout_tie
  if (tie !== 'usd_indexed' && tie !== 'floating') return { kind: 'stable' }
  return {
    kind: 'token',
    tie,
    volatilityPerYear: volatilityOf(network?.terms.payout_token ?? null, tokens, series).perYear,
    lockDays: network?.terms.lock_days ?? 0,
    isHeld: false,
  }
}

export interface TokenVolatility {
  readonly perYear: number
  readonly maxDrawdown: number | null
  /** `given`: of the owner's series. `shipped`: a summary of its own series. `proxy`: of its like. */
  readonly of: 'given' | 'shipped' | 'proxy'
  readonly source: string
}

/** The owner's series goes before the shipped summary, and that before the proxy. */
export function volatilityOf(
  token: string | null,
  tokens: Summaries,
  series: readonly TokenSeries[] = [],
): TokenVolatility {
  const given = series.find((one) => one.token === token)
  const history = given && historyOf(given.prices)
  if (given && history)
    return {
      perYear: history.volatilityPerYear,
      maxDrawdown: history.maxDrawdown,
      of: 'given',
      source: given.source,
    }
  const own = token === null ? undefined : tokens.annualised_vol[token]
  if (token !== null && own !== undefined) {
    const maxDrawdown = tokens.max_drawdown[token] ?? null
    return { perYear: own, maxDrawdown, of: 'shipped', source: `${token}, ${tokens.window}` }
  }
  const model = tokens.annualised_vol[PROXY_MODEL] ?? PROXY_VOLATILITY
  const source = `no series of its own; proxy "${PROXY_NAME}", ${PROXY_VOLATILITY.toFixed(1)} a year, after ${PROXY_MODEL}'s ${model.toFixed(2)} (${tokens.window})`
  return { perYear: PROXY_VOLATILITY, maxDrawdown: null, of: 'proxy', source }
}
