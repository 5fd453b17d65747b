/** Options of the commands that run a process of a cell. */
import { type Command, InvalidArgumentError, Option } from 'commander'
import { PAYOUT_MIN_DEFAULT } from '#coordinator/payout-method.ts'
import { RENDER_PRICE_DEFAULT } from '#coordinator/work/render-price.ts'
import type { NanoUsd } from '#kernel/money.ts'
import { type JoinLimits, joinLimitsDefault } from '#verify/hardware/join-limits.ts'
import { type AlertFlags, alertWebhookOption } from './alert-flags.ts'
import { parseMoney } from './energy-flags.ts'

export interface NetworkFlags extends AlertFlags {
  readonly name: string
  readonly feeBps: number
  readonly testBalance: NanoUsd
  readonly payoutMin: NanoUsd
  readonly renderPrice: NanoUsd
  readonly nodeProofs: NodeProofs
  readonly joinsPerOwner: number
  readonly joinsPerNetwork: number
  readonly answerAudits: AnswerAudits
}

/** Whether nodes prove their hardware before they get work. */
export type NodeProofs = 'required' | 'off'
/** Whether nodes look at answers of others. */
export type AnswerAudits = 'on' | 'off'
export type LogLevel = 'info' | 'warn' | 'error'

const NAME_LENGTH_MAX = 100
const TEST_BALANCE_DEFAULT: NanoUsd = 10_000_000_000n

export const databaseOption = (): Option =>
  new Option('--database <url>', 'keep journal and read models on a PostgreSQL server: postgres://…').env(
    'SHOAL_DATABASE',
  )

export const logLevelOption = (): Option =>
  new Option('--log-level <level>', 'what goes to the log files')
    .choices(['info', 'warn', 'error'])
    .default('info')

/** What a network is founded with, and what it takes. */
export const withNetworkFlags = (command: Command): Command =>
  command
    .option('--name <name>', "the network's name", parseName, 'local')
    .option(
      '--fee-bps <bps>',
      "the network's part of each request, in hundredths of a percent",
      parseBps,
      500,
    )
    .addOption(
      new Option('--test-balance <usd>', 'test money that a new network starts with')
        .argParser(parseMoney)
        .default(TEST_BALANCE_DEFAULT, '10'),
    )
    .addOption(
      new Option('--payout-min <usd>', 'the least that is paid out to a provider at once')
        .argParser(parseMoney)
        .default(PAYOUT_MIN_DEFAULT, '10'),
    )
    .addOption(
      new Option('--render-price <usd>', 'what an hour of a node of speed 1 costs those who render')
        .argParser(parseRenderPrice)
        .default(RENDER_PRICE_DEFAULT, '0.30'),
    )
    .addOption(
      new Option('--node-proofs <when>', 'whether nodes prove their hardware before they get work')
        .choices(['required', 'off'])
        .default('required'),
    )
    .option(
      '--joins-per-owner <count>',
      'nodes of one owner that may join within a day before their first verified work',
      parseCount,
      joinLimitsDefault.perOwner,
    )
    .option(
      '--joins-per-network <count>',
      'the same, of one network (IPv4 /24, IPv6 /48)',
      parseCount,
      joinLimitsDefault.perNetwork,
    )
    .addOption(
      new Option('--answer-audits <when>', 'whether nodes look at answers of others, while pay is held back')
        .choices(['on', 'off'])
        .default('on'),
    )
    .addOption(alertWebhookOption())

export const joinLimitsOf = (flags: Pick<NetworkFlags, 'joinsPerOwner' | 'joinsPerNetwork'>): JoinLimits => ({
  perOwner: flags.joinsPerOwner,
  perNetwork: flags.joinsPerNetwork,
})

function parseRenderPrice(text: string): NanoUsd {
  const price = parseMoney(text)
  if (price > 0n) return price
  throw new InvalidArgumentError('Expected an amount of more than 0.')
}

export const parseName = (text: string): string => {
  if (text.trim() !== '' && text.length <= NAME_LENGTH_MAX) return text
  throw new InvalidArgumentError(`Expected 1 to ${NAME_LENGTH_MAX} characters.`)
}
export const parsePort = (text: string): number =>
  parseBounded(text, { max: 65_535, what: 'a port from 0 to 65535' })
const parseBps = (text: string): number =>
  parseBounded(text, { max: 10_000, what: 'a number from 0 to 10000' })
const parseCount = (text: string): number => {
  const count = parseBounded(text, { max: 1_000_000, what: 'a number from 1 to 1000000' })
  if (count > 0) return count
  throw new InvalidArgumentError('Expected 1 or more.')
}
function parseBounded(text: string, { max, what }: { max: number; what: string }): number {
  const value = Number(text)
  if (!Number.isInteger(value) || value < 0 || value > max || text.trim() === '')
    throw new InvalidArgumentError(`Expected ${what}.`)
  return value
}
