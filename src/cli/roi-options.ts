/** The options of `shoal roi` and what they make of a `RoiInput`. What a value may be is for the economics to say. */
import { type Command, InvalidArgumentError, Option } from 'commander'
import type { RiskTolerance } from '#economics/advisor.ts'
import { inputInfo } from '#economics/input-lines.ts'
import type { RoiInput } from '#economics/roi-input.ts'
import { decimal, wholeNumber } from './arguments.ts'

export interface RoiOptions extends Partial<RoiInput> {
  readonly seed: number
  readonly risk: RiskTolerance
  readonly tokenHistory?: readonly TokenSource[]
  readonly tariff?: string
  readonly timeZone?: string
  readonly live?: boolean
  readonly node?: 'agent' | 'provider'
  readonly historyDays: number
  readonly html?: string
  readonly png?: string
}

/** Where a series of token prices is: a file or an address, and of which token where it does not say so itself. */
export interface TokenSource {
  readonly token: string | null
  readonly place: string
}

/** A field of the input, its option, and what it says. `amount` is money in any currency, `number` is a number or a share. */
interface Flag {
  readonly field: keyof RoiInput
  readonly flag: string
  readonly value: string
  readonly read: 'text' | 'amount' | 'number'
  readonly about: string
}

const SEED_MAX = 2 ** 32 - 1
const SEED = 1
const RISK: RiskTolerance = 'medium'
const HISTORY_DAYS = 3
const { flag: kwh } = inputInfo.electricity

/** In the order in which the help lists them. */
export const roiFlags: readonly Flag[] = [
  {
    field: 'gpu',
    flag: '--gpu',
    value: 'name',
    read: 'text',
    about: 'as "RTX 4090" (`shoal gpus` lists them)',
  },
  number('gpuCount', inputInfo.gpuCount, 'GPUs in the machine'),
  amount(
    'electricityPerKwh',
    { flag: kwh },
    'what the next kilowatt-hour costs you, as 0.12, "0.30 EUR" or "30 ct"',
  ),
  {
    field: 'country',
    flag: '--country',
    value: 'place',
    read: 'text',
    about: 'country or US state, for its price of electricity: DE, US-CA',
  },
  { field: 'site', flag: '--site', value: 'site', read: 'text', about: 'where it stands' },
  number('utilisation', inputInfo.utilisation, 'rented share of all hours, as 0.5 or 50%'),
  number('availability', inputInfo.availability, 'online share of all hours'),
  amount('pricePerGpuHour', inputInfo.price, 'what a renter pays for a GPU-hour'),
  {
    field: 'network',
    flag: '--network',
    value: 'id',
    read: 'text',
    about: 'whose part and payout to count with',
  },
  amount('purchase', inputInfo.purchase, 'what all GPUs together cost, or would fetch today'),
  amount('resale', inputInfo.resale, 'what they fetch at the end'),
  number('lifeYears', inputInfo.lifeYears, 'until they are sold'),
  number('months', inputInfo.months, 'that the forecast looks ahead'),
  number('loadWatts', inputInfo.loadWatts, 'of the whole machine at work, measured at the wall'),
  number('loadWattsMax', inputInfo.loadWattsMax, '… with every GPU at its rated power'),
  number('idleWatts', inputInfo.idleWatts, '… online without work'),
  number('offWatts', inputInfo.offWatts, '… parked'),
  number('pue', inputInfo.pue, 'power of the place over that of the machine: 1.2 is 20 % for cooling'),
  number('takeShare', inputInfo.takeShare, "the network's part of the rent"),
  number('payoutFeeShare', inputInfo.payoutFeeShare, 'what a payout costs'),
  number('fxHaircutShare', inputInfo.fxHaircutShare, 'what is lost when a payout becomes dollars'),
  amount('gasPerDay', inputInfo.gasPerDay, 'transactions of your own, a day'),
  amount('extraPerGpuDay', inputInfo.extraPerGpuDay, 'income from storage and bandwidth, a GPU and day'),
  amount('fixedPerDay', inputInfo.fixedPerDay, 'rent, internet, insurance, a day'),
  amount('maintenancePerDay', inputInfo.maintenancePerDay, 'maintenance, a day'),
  number('discountPerYear', inputInfo.discountPerYear, 'what the money could earn elsewhere in a year'),
  number('taxShare', inputInfo.taxShare, 'tax on income'),
]

function number(field: keyof RoiInput, { flag, unit }: { flag: string; unit: string }, about: string): Flag {
  return { field, flag, value: unit.replace(/\/.*/, ''), read: 'number', about }
}

function amount(field: keyof RoiInput, { flag }: { flag: string }, about: string): Flag {
  return { field, flag, value: 'usd', read: 'amount', about }
}

export function withRoiOptions(command: Command): Command {
  for (const flag of roiFlags) {
    const option = new Option(`${flag.flag} <${flag.value}>`, flag.about)
    if (flag.field === 'site') option.choices(['home', 'colocation'])
    else if (flag.read === 'number') option.argParser(numberOrShare)
    command.addOption(option)
  }
  return command
    .option(
      '--tariff <file|url>',
      'in place of --kwh: the mean of a tariff by the time of use or by the hour, as for `shoal provide`',
    )
    .option(
      '--time-zone <name>',
      'by whose clocks the tariff is, where it does not say so itself: Europe/Berlin',
    )
    .option(
      '--usd-per <currency=rate>',
      'what one unit of a currency is worth, as EUR=1.17',
      readRates(/^[A-Z]{3}$/, 'EUR=1.17'),
    )
    .addOption(
      new Option('--risk <tolerance>', 'how much of a bad case you can bear, for the ranking of networks')
        .choices(['low', 'medium', 'high'])
        .default(RISK),
    )
    .option(
      '--token-history <[token=]file|url>',
      'prices of a payout token, as AKT=akt.csv: its past instead of the shipped figures; may be repeated',
      readTokenSource,
    )
    .option('--live', "this machine's node: its own record in place of assumptions, and how forecasts fared")
    .addOption(
      new Option(
        '--node <kind>',
        'with --live: the node of "shoal up" (agent) or of "shoal provide" (provider)',
      ).choices(['agent', 'provider']),
    )
    .option(
      '--history-days <days>',
      'with --live: days of its own record after which the node is believed',
      decimal(0.04, 365),
      HISTORY_DAYS,
    )
    .option('--html <file>', 'write the report as a page in one file, with charts, for a forum')
    .option('--png <file>', 'write it as a picture (takes Chromium or Chrome)')
    .option('--seed <number>', 'of the chance in the forecast', wholeNumber(0, SEED_MAX), SEED)
}

/** What was given, as the economics take it; `gpu` is missing where nobody said which. */
export function roiInputOf(options: Readonly<Record<string, unknown>>): Partial<RoiInput> {
  const given = roiFlags.flatMap(({ field, flag }) => {
    const value = options[nameOf(flag)]
    return value === undefined ? [] : [[field, value] as const]
  })
  const usdPer = options['usdPer'] as RoiInput['usdPer']
  // Commander has read each by the table above, whose kinds are those of the fields.
  return { ...(Object.fromEntries(given) as Partial<RoiInput>), ...(usdPer && { usdPer }) }
}

/** The option as it would be typed: `--gpu "RTX 4090"`. */
export function typedOptions(input: Partial<RoiInput>): string {
  const given = roiFlags.flatMap(({ field, flag }) => {
    const value = input[field]
    return value === undefined ? [] : [`${flag} ${quoted(String(value))}`]
  })
  const rates = Object.entries(input.usdPer ?? {}).map(([code, rate]) => `--usd-per ${code}=${rate}`)
  return [...given, ...rates].join(' ')
}

/** What else the report rests on, as it would be typed. Of files the name alone: a report is handed on. */
export function typedBesides(options: RoiOptions): string[] {
  const { tariff, timeZone, tokenHistory = [], risk, live, node, historyDays, seed } = options
  const history = tokenHistory.map(
    ({ token, place }) => (token === null ? '' : `${token}=`) + placeName(place),
  )
  return [
    ...(tariff === undefined ? [] : [`--tariff ${quoted(placeName(tariff))}`]),
    ...(timeZone === undefined ? [] : [`--time-zone ${quoted(timeZone)}`]),
    ...history.map((text) => `--token-history ${quoted(text)}`),
    ...(live ? ['--live'] : []),
    ...(live && node ? [`--node ${node}`] : []),
    ...(live && historyDays !== HISTORY_DAYS ? [`--history-days ${historyDays}`] : []),
    ...(risk === RISK ? [] : [`--risk ${risk}`]),
    ...(seed === SEED ? [] : [`--seed ${seed}`]),
  ]
}

/** Neither the folders of a file nor what an address has behind its path, which may be a key. */
function placeName(place: string): string {
  if (!URL.canParse(place) || !/^https?:/.test(place)) return place.replace(/^.*[\\/]/, '')
  const { origin, pathname } = new URL(place)
  return `${origin}${pathname}`
}

const quoted = (text: string): string => (/^[\w.%+-]+$/.test(text) ? text : `"${text.replaceAll('"', '')}"`)

/** `--max-watts` → `maxWatts`, as commander has it. */
const nameOf = (flag: string): string =>
  flag.slice(2).replaceAll(/-(\w)/g, (_, letter: string) => letter.toUpperCase())

/** `0.5`, `50%`, `350`. */
export function readNumber(text: string): number | null {
  const [, digits, percent] = /^(-?\d{1,12}(?:\.\d{1,12})?)\s*(%?)$/.exec(text.trim()) ?? []
  return digits === undefined ? null : Number(digits) / (percent ? 100 : 1)
}

function numberOrShare(text: string): number {
  const value = readNumber(text)
  if (value !== null) return value
  throw new InvalidArgumentError('Expected a number with a point, such as 0.5, or a share such as 50%.')
}

/** Reads `name=number` again and again into one record; `name` says which names there are, `example` what one looks like. */
export const readRates =
  (name: RegExp, example: string) =>
  (text: string, before: Readonly<Record<string, number>> = {}): Readonly<Record<string, number>> => {
    const [, key = '', rate = ''] = /^([^=]+)=(\d{1,9}(?:\.\d{1,12})?)$/.exec(text) ?? []
    if (name.test(key) && Number(rate) > 0) return { ...before, [key]: Number(rate) }
    throw new InvalidArgumentError(`Expected a name and a number above zero, such as ${example}.`)
  }

function readTokenSource(text: string, before: readonly TokenSource[] = []): readonly TokenSource[] {
  const [, token, place] = /^(?:([A-Za-z0-9]{1,12})=)?(\S.*)$/.exec(text) ?? []
  if (place === undefined)
    throw new InvalidArgumentError('Expected a file or an address, such as AKT=akt.csv.')
  return [...before, { token: token?.toUpperCase() ?? null, place }]
}
