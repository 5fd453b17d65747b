/** What the token that a network pays in did to payouts, and may do: told from a series where there is one, never drawn without. */
import type { Catalogue } from './catalogue.ts'
import type { GpuNetwork } from './network-data.ts'
import { volatilityOf } from './payout-risk.ts'
import { correlationOf } from './token-history.ts'
import { type TokenPast, type TokenSeries, tokenPastOf } from './token-past.ts'
import { lockLossShare } from './token-payout.ts'
import { usdText } from './usd-text.ts'

export interface TokenRisk {
  readonly token: string
  readonly volatilityPerYear: number
  /** Between -1 and 0; `null` where its past is not known. */
  readonly maxDrawdown: number | null
  /** False: it has no series of its own, and that of its like stands in. */
  readonly isOwnSeries: boolean
  readonly source: string
  /** From earning to being able to sell; `null` where it is not known. */
  readonly lockDays: number | null
  /** In one of twenty cases at least so much of a payout is gone before it can be sold. */
  readonly lockLossShare: number
  /** Out of the owner's series; `null` without one. */
  readonly past: TokenPast | null
  /** How it moved with others: shipped figures, and those of the owner's series. */
  readonly correlations: readonly { readonly with: string; readonly value: number }[]
  /** All of it in sentences. */
  readonly text: string
}

/** `null` where the network pays in no token. */
export function tokenRiskOf(
  { tokens }: Pick<Catalogue, 'tokens'>,
  { terms }: GpuNetwork,
  series: readonly TokenSeries[] = [],
): TokenRisk | null {
  const isInTokens = terms.payout_tie === 'usd_indexed' || terms.payout_tie === 'floating'
  const token = terms.payout_token
  if (!isInTokens || token === null) return null
  const { perYear, maxDrawdown, of, source } = volatilityOf(token, tokens, series)
  const given = series.find((one) => one.token === token)
  const lockDays = terms.lock_days
  const risk = {
    token,
    volatilityPerYear: perYear,
    maxDrawdown,
    isOwnSeries: of !== 'proxy',
    source,
    lockDays,
    lockLossShare: lockLossShare(perYear, lockDays ?? 0),
    past: given ? tokenPastOf(given, lockDays ?? 0) : null,
    correlations: [...shippedCorrelations(token, tokens.correlation), ...ownCorrelations(token, series)],
  }
  return { ...risk, text: textOf(risk, terms.payout_tie === 'floating') }
}

const shippedCorrelations = (
  token: string,
  pairs: Readonly<Record<string, number>>,
): TokenRisk['correlations'] =>
  Object.entries(pairs).flatMap(([pair, value]) => {
    const names = pair.split('-')
    const other = names.find((name) => name !== token)
    return names.includes(token) && other !== undefined ? [{ with: other, value }] : []
  })

function ownCorrelations(token: string, series: readonly TokenSeries[]): TokenRisk['correlations'] {
  const own = series.find((one) => one.token === token)
  if (!own) return []
  return series.flatMap((other) => {
    const value = other.token === token ? null : correlationOf(own.prices, other.prices)
    return value === null ? [] : [{ with: other.token, value }]
  })
}

const percent = (share: number): string => `${Math.round(share * 100)} %`
const dayOf = (atMs: number): string => new Date(atMs).toISOString().slice(0, 10)

function textOf(risk: Omit<TokenRisk, 'text'>, isFloating: boolean): string {
  const { token, past, volatilityPerYear, maxDrawdown, source, lockLossShare: lost } = risk
  const tie = isFloating
    ? `It pays a number of ${token}: every move of its price is yours.`
    : `It pays in ${token}, as many as the dollars buy on that day: what moves before you sell is yours.`
  const moved = past
    ? pastText(past)
    : !risk.isOwnSeries
      ? `Of its own price no series is at hand; its like stands in, which moves by ${percent(volatilityPerYear)} a year (${source.replace('no series of its own; ', '')}).`
      : `Its price moved by ${percent(volatilityPerYear)} a year${maxDrawdown === null ? '' : ` and once fell by ${percent(-maxDrawdown)}: of $100 paid at that peak ${usdText(100 * (1 + maxDrawdown))} were left`} (${source}).`
  const lock =
    lost > 0
      ? ` By that, in one of twenty cases ${percent(lost)} of a payout or more is gone before it can be sold.`
      : ''
  return `${tie} ${moved}${lock}`
}

function pastText({
  fromAtMs,
  toAtMs,
  count,
  source,
  volatilityPerYear,
  maxDrawdown,
  waited,
  heldUsd,
}: TokenPast) {
  const wait = waited
    ? ` Of $100 that waited ${waited.days === 1 ? 'a day' : `${waited.days} days`} ${usdText(waited.p50Usd)} were left in the middle case, ${usdText(waited.p5Usd)} or less in one of twenty, and ${usdText(waited.worstUsd)} at worst.`
    : ''
  return `From ${dayOf(fromAtMs)} to ${dayOf(toAtMs)} (${count} prices, ${source}) its price moved by ${percent(volatilityPerYear)} a year and once fell by ${percent(-maxDrawdown)}.${wait} $100 that were never sold became ${usdText(heldUsd)}.`
}
