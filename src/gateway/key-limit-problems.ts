/** Why a key's limits leave no room for a request, in OpenAI's codes. */
import { formatUsd, type NanoUsd } from '#kernel/money.ts'
import { SECOND_MS } from '#kernel/time.ts'
import type { KeyLimits } from '#protocol/key-limits.ts'
import { Problem } from '#protocol/problem.ts'

const RATE_CODE = { code: 'rate_limit_exceeded' }

export const rateLimited = (limit: number, retryAfterMs: number): Problem =>
  new Problem(
    'rate_limited',
    `Rate limit reached for this API key: ${limit} requests per minute. Try again in ${Math.ceil(retryAfterMs / SECOND_MS)} s.`,
    { details: { ...RATE_CODE, retryAfterMs } },
  )

export const atOnceLimited = (limit: number): Problem =>
  new Problem(
    'rate_limited',
    `Rate limit reached for this API key: ${limit} requests at once. Try again when one of them has ended.`,
    { details: { ...RATE_CODE, retryAfterMs: SECOND_MS } },
  )

export const dayLimited = (limit: number, retryAfterMs: number): Problem =>
  new Problem(
    'rate_limited',
    `Rate limit reached for this API key: ${limit} requests per day. Try again after midnight UTC.`,
    { details: { ...RATE_CODE, retryAfterMs } },
  )

/** What asks for more tokens than its key has while nothing is used: no wait helps. `shareOf`: what this one of several gateways lets through. */
export function neverLimited(
  { tokensPerMinute, tokensPerDay }: KeyLimits,
  tokensMax: number,
  shareOf: (limit: number) => number,
): Problem | null {
  const limits = [
    { limit: tokensPerMinute, per: 'minute' },
    { limit: tokensPerDay, per: 'day' },
  ]
  for (const { limit, per } of limits) {
    if (limit === undefined || tokensMax <= shareOf(limit)) continue
    const share = shareOf(limit) < limit ? `, of which each gateway lets ${shareOf(limit)} through` : ''
    return new Problem(
      'tokens_limited',
      `Request too large for this API key: it may use up to ${tokensMax} tokens, and the key has ${limit} tokens per ${per}${share}. Lower max_tokens, shorten the request, or raise the key's limit.`,
      { details: { ...RATE_CODE, isNever: true } },
    )
  }
  return null
}

export const minuteLimited = (
  limit: number,
  { left, tokensMax }: { left: number; tokensMax: number },
  retryAfterMs: number,
): Problem =>
  new Problem(
    'tokens_limited',
    `Rate limit reached for this API key: ${limit} tokens per minute, of which ${Math.max(0, left)} are left; this request may use up to ${tokensMax}. Lower max_tokens, or try again in ${Math.ceil(retryAfterMs / SECOND_MS)} s.`,
    { details: { ...RATE_CODE, retryAfterMs } },
  )

export const tokensLimited = (
  { tokensPerDay }: KeyLimits,
  { left, tokensMax }: { left: number; tokensMax: number },
  retryAfterMs: number,
): Problem =>
  new Problem(
    'tokens_limited',
    `Rate limit reached for this API key: ${tokensPerDay} tokens per day, of which ${left} are left; this request may use up to ${tokensMax}. Lower max_tokens, or try again after midnight UTC.`,
    { details: { ...RATE_CODE, retryAfterMs } },
  )

export function spendLimited(
  { spendPerDay = 0n, spendPerMonth = 0n }: KeyLimits,
  { left, window, amount }: { left: NanoUsd; window: 'day' | 'month'; amount: NanoUsd },
  retryAfterMs: number,
): Problem {
  const limit = window === 'day' ? spendPerDay : spendPerMonth
  const asked = amount > 0n ? `; this request may cost up to $${formatUsd(amount)}` : ''
  return new Problem(
    'spend_limited',
    `This API key may spend $${formatUsd(limit)} per ${window}, of which $${formatUsd(left)} are left${asked}. Lower max_tokens, raise the key's limit, or wait for the next ${window}.`,
    { details: { code: 'insufficient_quota', retryAfterMs } },
  )
}
