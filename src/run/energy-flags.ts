/** The options of `up` and `provide` that say what electricity costs here, what measures it, and how the ask is made. */
import { resolve } from 'node:path'
import { InvalidArgumentError, Option } from 'commander'
import { decimal } from '#cli/arguments.ts'
import { parseAmount } from '#economics/amount.ts'
import { type NanoUsd, parseUsd } from '#kernel/money.ts'
import { Problem } from '#protocol/problem.ts'
import type { EnergyConfig } from './energy-config.ts'

export interface EnergyFlags {
  readonly ask: NanoUsd | 'auto'
  readonly askFloor?: NanoUsd
  readonly askMax?: NanoUsd
  readonly kwh?: number
  readonly tariff?: string
  readonly tariffUsd?: number
  readonly timeZone?: string
  readonly plug?: string
  readonly wattsLoad?: number
  readonly wattsIdle?: number
  readonly historyDays: number
}

export const ASK_DEFAULT: NanoUsd = 20_000_000n
/** Above any price that a household pays. */
const USD_PER_KWH_MAX = 3
const WATTS_MAX = 100_000

/** The options, `--ask` first; `who` begins its sentence. */
export const energyOptions = (who: string): Option[] => [
  new Option(
    '--ask <usd|auto>',
    `${who} per GPU-hour (or hour, without a GPU), in USD; auto: what work costs in electricity, never less than the floor`,
  )
    .argParser(parseAsk)
    .default(ASK_DEFAULT, '0.02'),
  new Option('--ask-floor <usd>', 'with --ask auto: the least (default: 0.02)').argParser(parseMoney),
  new Option(
    '--ask-max <usd>',
    'with --ask auto: what work sells for at most; above it the card parks',
  ).argParser(parseMoney),
  new Option(
    '--kwh <usd>',
    'what a kilowatt-hour costs here; with --tariff: where that has no price',
  ).argParser(parseKwh),
  new Option('--tariff <file|url>', 'prices by the time of use or by the hour: a JSON file or an address'),
  new Option('--tariff-usd <rate>', "what one unit of the tariff's currency is worth in USD").argParser(
    decimal(0.000_001, 1_000),
  ),
  new Option(
    '--time-zone <name>',
    'by whose clocks the tariff is, where it does not say so itself: Europe/Berlin',
  ),
  new Option('--plug <url>', 'a smart plug that measures this machine: Shelly or Tasmota'),
  new Option('--watts-load <watts>', 'what the machine draws at work, measured at the wall').argParser(
    decimal(1, WATTS_MAX),
  ),
  new Option('--watts-idle <watts>', 'what it draws without work').argParser(decimal(1, WATTS_MAX)),
  new Option('--history-days <days>', 'days of its own record after which the node believes it')
    .argParser(decimal(0.04, 365))
    .default(3),
]

export const parseMoney = (text: string): NanoUsd => {
  const amount = parseUsd(text)
  if (amount === null) throw new InvalidArgumentError('Expected an amount in USD such as 0.25.')
  return amount
}

const parseAsk = (text: string): NanoUsd | 'auto' => (text === 'auto' ? 'auto' : parseMoney(text))

function parseKwh(text: string): number {
  const amount = parseAmount(text)
  if (amount.kind === 'unreadable') throw new InvalidArgumentError('Expected a price in USD such as 0.30.')
  const { value, currency } = amount
  if (currency !== 'USD') {
    const message = `This is in ${currency}; asks are in USD. Give the price in USD, or a tariff file that says what one ${currency} is worth.`
    throw new InvalidArgumentError(message)
  }
  if (value > 0 && value <= USD_PER_KWH_MAX) return value
  const cents =
    value > USD_PER_KWH_MAX && value <= 100 ? ` Did you mean ${value / 100} (${value} cents)?` : ''
  const message = `A kilowatt-hour costs more than 0 and at most ${USD_PER_KWH_MAX} USD.${cents}`
  throw new InvalidArgumentError(message)
}

/** Throws `Problem('config_invalid')` for options that do not go together. */
export function energyOf(flags: EnergyFlags, feeBps: number | null): EnergyConfig {
  const { ask, askFloor, askMax, kwh, tariff, tariffUsd, plug, wattsLoad, wattsIdle, timeZone } = flags
  const isAuto = ask === 'auto'
  const floor = askFloor ?? ASK_DEFAULT
  if (isAuto && kwh === undefined && tariff === undefined)
    throw refused('--ask auto needs to know what electricity costs: give --kwh, --tariff, or both.')
  if (!isAuto && (askFloor !== undefined || askMax !== undefined))
    throw refused('--ask-floor and --ask-max go with --ask auto. A fixed ask is its own floor.')
  if (askMax !== undefined && askMax < floor)
    throw refused(
      '--ask-max is below the floor of the ask: nothing could ever be sold. Give --ask-floor too.',
    )
  if ((wattsLoad === undefined) !== (wattsIdle === undefined))
    throw refused('--watts-load and --watts-idle go together: what work costs is the difference.')
  if (wattsLoad !== undefined && wattsIdle !== undefined && wattsLoad < wattsIdle)
    throw refused(`The machine cannot draw ${wattsIdle} W without work and ${wattsLoad} W with it.`)
  if (tariffUsd !== undefined && tariff === undefined)
    throw refused('--tariff-usd says what a tariff is worth: give --tariff too.')
  if (timeZone !== undefined && tariff === undefined)
    throw refused('--time-zone says by whose clocks a tariff is: give --tariff too.')
  return {
    autoAsk: isAuto ? { floor, max: askMax ?? null } : null,
    usdPerKwh: kwh ?? null,
    tariff: tariff === undefined ? null : /^https?:\/\//.test(tariff) ? tariff : resolve(tariff),
    tariffUsdPerUnit: tariffUsd ?? null,
    timeZone: timeZone ?? null,
    plug: plug ?? null,
    watts:
      wattsLoad === undefined || wattsIdle === undefined
        ? null
        : { loadWatts: wattsLoad, idleWatts: wattsIdle },
    historyDays: flags.historyDays,
    feeBps,
  }
}

/** The ask to begin with. */
export const firstAsk = ({ ask, askFloor }: EnergyFlags): NanoUsd =>
  ask === 'auto' ? (askFloor ?? ASK_DEFAULT) : ask

const refused = (message: string): Problem => new Problem('config_invalid', message)
