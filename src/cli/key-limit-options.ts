/** The options that say what a key is limited to. */
import type { Command } from 'commander'
import type { z } from 'zod'
import type { KeyLimits, WantedKeyLimits } from '#protocol/key-limits.ts'
import { REQUESTS_PER_MINUTE_MAX } from '#protocol/key-limits.ts'
import { usd, wholeNumber } from './arguments.ts'
import { formatCount, formatMoney } from './format.ts'

export interface LimitOptions {
  readonly requestsPerMinute?: number
  readonly requestsPerDay?: number
  readonly requestsAtOnce?: number
  readonly tokensPerMinute?: number
  readonly tokensPerDay?: number
  readonly spendPerDay?: bigint
  readonly spendPerMonth?: bigint
  readonly onlyModel?: readonly string[]
  readonly onlyFrom?: readonly string[]
}

export const withLimitOptions = (command: Command): Command =>
  command
    .option(
      '--requests-per-minute <count>',
      'at most so many in any 60 seconds',
      wholeNumber(1, REQUESTS_PER_MINUTE_MAX),
    )
    .option(
      '--requests-per-day <count>',
      'at most so many answers per day (UTC)',
      wholeNumber(1, 1_000_000_000),
    )
    .option(
      '--requests-at-once <count>',
      'at most so many under way, streams included',
      wholeNumber(1, 1_000_000),
    )
    .option(
      '--tokens-per-minute <count>',
      'prompt and completion together, in any 60 seconds',
      wholeNumber(1, 1_000_000_000),
    )
    .option(
      '--tokens-per-day <count>',
      'prompt and completion together, per day (UTC)',
      wholeNumber(1, 1_000_000_000_000),
    )
    .option('--spend-per-day <usd>', 'in US dollars, per day (UTC)', usd)
    .option('--spend-per-month <usd>', 'in US dollars, per month (UTC)', usd)
    .option('--only-model <model...>', 'may ask these models alone')
    .option('--only-from <network...>', 'good from these addresses alone, such as 10.0.0.0/8')

export function limitsOf(options: LimitOptions): z.output<typeof WantedKeyLimits> {
  const { requestsPerMinute, tokensPerDay, spendPerDay, spendPerMonth, onlyModel, onlyFrom } = options
  const { requestsPerDay, requestsAtOnce, tokensPerMinute } = options
  return {
    ...(requestsPerMinute !== undefined && { requestsPerMinute }),
    ...(requestsPerDay !== undefined && { requestsPerDay }),
    ...(requestsAtOnce !== undefined && { requestsAtOnce }),
    ...(tokensPerMinute !== undefined && { tokensPerMinute }),
    ...(tokensPerDay !== undefined && { tokensPerDay }),
    ...(spendPerDay !== undefined && { spendPerDay }),
    ...(spendPerMonth !== undefined && { spendPerMonth }),
    ...(onlyModel !== undefined && { models: [...onlyModel] }),
    ...(onlyFrom !== undefined && { networks: [...onlyFrom] }),
  }
}

/** `60 requests/min, $5.00/day`; a dash without limits. */
export function formatLimits(limits: KeyLimits): string {
  const { requestsPerMinute, tokensPerDay, spendPerDay, spendPerMonth, models, networks } = limits
  const { requestsPerDay, requestsAtOnce, tokensPerMinute } = limits
  const parts = [
    requestsPerMinute !== undefined && `${formatCount(requestsPerMinute)} requests/min`,
    requestsPerDay !== undefined && `${formatCount(requestsPerDay)} requests/day`,
    requestsAtOnce !== undefined && `${formatCount(requestsAtOnce)} at once`,
    tokensPerMinute !== undefined && `${formatCount(tokensPerMinute)} tokens/min`,
    tokensPerDay !== undefined && `${formatCount(tokensPerDay)} tokens/day`,
    spendPerDay !== undefined && `${formatMoney(spendPerDay)}/day`,
    spendPerMonth !== undefined && `${formatMoney(spendPerMonth)}/month`,
    models && `only ${models.join(' ')}`,
    networks && `only from ${networks.join(' ')}`,
  ]
  return parts.filter((part) => typeof part === 'string').join(', ') || '–'
}
