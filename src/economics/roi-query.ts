/**
 * A question to the economics as the query of a URL: `?gpu=RTX+4090&kwh=0.12&utilisation=50%25`. Its parameters are the
 * options of `shoal roi` and `shoal roi compare` without their dashes; the page, the API and a shared link read them alike.
 */
import type { RiskTolerance } from './advisor.ts'
import type { Catalogue } from './catalogue.ts'
import { inputInfo } from './input-lines.ts'
import type { MachineFacts } from './network-fit.ts'
import type { RoiInput } from './roi-input.ts'

export interface RoiQuery {
  /** `null` where nobody said which GPU. */
  readonly gpu: string | null
  readonly input: Omit<RoiInput, 'gpu'>
  readonly seed: number
  readonly tolerance: RiskTolerance
  readonly machine: MachineFacts
  readonly tokenUsd: Readonly<Record<string, number>>
  readonly networkPrice: Readonly<Record<string, number>>
}

export interface QueryProblem {
  /** The parameter. */
  readonly name: string
  readonly message: string
}

export interface QueryReading {
  /** Of all that could be read. */
  readonly query: RoiQuery
  /** Where there are any, nothing may be made of the query but further complaints. */
  readonly problems: readonly QueryProblem[]
}

type Kind =
  | { readonly kind: 'text'; readonly lengthMax: number }
  /** Money, as the economics read it: with or without its currency. */
  | { readonly kind: 'amount' }
  /** A number or a share: `350`, `0.5`, `50%`. `label` is what it says. */
  | { readonly kind: 'number'; readonly label: string; readonly min?: number }
  | { readonly kind: 'choice'; readonly values: readonly string[] }
  /** Names with numbers: `EUR=1.17,GBP=1.33`. */
  | { readonly kind: 'rates'; readonly example: string; readonly name: RegExp }

export interface QueryParameter {
  readonly name: string
  /** The member of `RoiInput`; `null` for those that are no part of it. */
  readonly field: keyof RoiInput | null
  readonly value: Kind
  /** For people: what it is, its unit and its bounds. */
  readonly about: string
}

const SEED_MAX = 2 ** 32 - 1
const FACT_MIN = 0
const text = (lengthMax: number): Kind => ({ kind: 'text', lengthMax })

const ofInput = (name: keyof typeof inputInfo, field: keyof RoiInput, kind: 'amount' | 'number') => {
  const { flag, label, unit, min, max } = inputInfo[name]
  return {
    name: flag.slice(2),
    field,
    value: kind === 'amount' ? ({ kind } as const) : ({ kind, label } as const),
    about: `${label}, ${unit}, from ${min} to ${max}`,
  }
}
const besides = (name: string, value: Kind, about: string): QueryParameter => ({
  name,
  field: null,
  value,
  about,
})
const fact = (name: string, label: string): QueryParameter =>
  besides(name, { kind: 'number', label, min: FACT_MIN }, label)

/** Every parameter there is, in the order in which a link lists them. */
export const queryParameters: readonly QueryParameter[] = [
  { name: 'gpu', field: 'gpu', value: text(100), about: 'name of the GPU, as RTX 4090' },
  ofInput('gpuCount', 'gpuCount', 'number'),
  ofInput('electricity', 'electricityPerKwh', 'amount'),
  {
    name: 'country',
    field: 'country',
    value: text(100),
    about: 'code or name of a country or a state of the USA, for its price of electricity',
  },
  {
    name: 'site',
    field: 'site',
    value: { kind: 'choice', values: ['home', 'colocation'] },
    about: 'where the machine stands: home or colocation',
  },
  ofInput('utilisation', 'utilisation', 'number'),
  ofInput('availability', 'availability', 'number'),
  ofInput('price', 'pricePerGpuHour', 'amount'),
  {
    name: 'network',
    field: 'network',
    value: text(40),
    about: 'id of a network, for its part and its payout',
  },
  ofInput('purchase', 'purchase', 'amount'),
  ofInput('resale', 'resale', 'amount'),
  ofInput('lifeYears', 'lifeYears', 'number'),
  ofInput('months', 'months', 'number'),
  ofInput('loadWatts', 'loadWatts', 'number'),
  ofInput('loadWattsMax', 'loadWattsMax', 'number'),
  ofInput('idleWatts', 'idleWatts', 'number'),
  ofInput('offWatts', 'offWatts', 'number'),
  ofInput('pue', 'pue', 'number'),
  ofInput('takeShare', 'takeShare', 'number'),
  ofInput('payoutFeeShare', 'payoutFeeShare', 'number'),
  ofInput('fxHaircutShare', 'fxHaircutShare', 'number'),
  ofInput('gasPerDay', 'gasPerDay', 'amount'),
  ofInput('extraPerGpuDay', 'extraPerGpuDay', 'amount'),
  ofInput('fixedPerDay', 'fixedPerDay', 'amount'),
  ofInput('maintenancePerDay', 'maintenancePerDay', 'amount'),
  ofInput('discountPerYear', 'discountPerYear', 'number'),
  ofInput('taxShare', 'taxShare', 'number'),
  {
    name: 'usd-per',
    field: 'usdPer',
    value: { kind: 'rates', example: 'EUR=1.17', name: /^[A-Z]{3}$/ },
    about: 'what one unit of a currency is worth in USD, as EUR=1.17',
  },
  besides(
    'seed',
    { kind: 'number', label: 'seed', min: 0 },
    'seed of the chance in the forecast; 1 unless said',
  ),
  besides(
    'risk',
    { kind: 'choice', values: ['low', 'medium', 'high'] satisfies RiskTolerance[] },
    'how much of a bad case you can bear: low, medium (unless said) or high',
  ),
  besides(
    'os',
    { kind: 'choice', values: ['linux', 'windows', 'macos'] },
    'operating system of the machine: linux, windows or macos',
  ),
  fact('ram', 'memory of the machine, GB'),
  fact('storage', 'free fast storage, GB'),
  fact('down', 'internet towards you, Mbps'),
  fact('up', 'internet from you, Mbps'),
  besides(
    'dedicated',
    { kind: 'choice', values: ['yes', 'no'] },
    'whether the machine is used for nothing else',
  ),
  besides('power-limited', { kind: 'choice', values: ['yes', 'no'] }, 'whether its GPUs have a power limit'),
  fact('stake', 'most that you would stake, USD'),
  besides(
    'token-usd',
    { kind: 'rates', example: 'RENDER=3.10', name: /^[A-Z0-9]{2,12}$/ },
    'what a token is worth in USD, as RENDER=3.10',
  ),
  besides(
    'network-price',
    { kind: 'rates', example: 'akash=0.30', name: /^[\w-]{1,40}$/ },
    'what you know renters to pay on a network, USD/GPU-hour, as akash=0.30',
  ),
]

const AMOUNT_LENGTH_MAX = 40
type Value = string | number | Readonly<Record<string, number>>

/**
 * Reads parameters by name. Whether a number can be right is for the economics to say; what is refused here is unknown,
 * empty or of the wrong form. `catalogue` tells which networks and tokens there are.
 */
export function parseRoiQuery(
  given: Readonly<Record<string, string>>,
  catalogue: Pick<Catalogue, 'networks'>,
): QueryReading {
  const problems: QueryProblem[] = []
  const values = new Map<string, Value>()
  for (const [name, said] of Object.entries(given)) {
    const parameter = queryParameters.find((one) => one.name === name)
    if (!parameter) problems.push({ name, message: `Nothing is called "${name}" here: leave it out.` })
    else {
      const read = readValue(parameter, said.trim())
      if (typeof read === 'object' && 'wrong' in read) problems.push({ name, message: String(read.wrong) })
      else values.set(name, read)
    }
  }
  problems.push(...strangeNames(values, catalogue))
  return { query: queryOf(values), problems }
}

/** The parameters of a link, in order, those that are said. */
export function formatRoiQuery(given: Readonly<Record<string, string>>): string {
  const known = queryParameters.flatMap(({ name }) => (name in given ? [[name, given[name] ?? '']] : []))
  const unknown = Object.entries(given).filter(([name]) => queryParameters.every((one) => one.name !== name))
  return new URLSearchParams([...known, ...unknown] as [string, string][]).toString()
}

function readValue({ name, value }: QueryParameter, said: string): Value | { readonly wrong: string } {
  const wrong = (expected: string) => ({ wrong: `"${said}" is no ${name}: expected ${expected}.` })
  if (said === '') return { wrong: `${name} is empty: say it, or leave it out.` }
  switch (value.kind) {
    case 'text':
      return said.length <= value.lengthMax ? said : wrong(`at most ${value.lengthMax} characters`)
    case 'amount':
      return said.length <= AMOUNT_LENGTH_MAX ? said : wrong('an amount such as 0.12 or 0.30 EUR')
    case 'choice':
      return value.values.includes(said) ? said : wrong(value.values.join(', '))
    case 'number': {
      const number = readNumber(said)
      if (number === null)
        return { wrong: `"${said}" is no ${value.label}: expected a number such as 0.5 or 50%.` }
      if (value.min !== undefined && number < value.min)
        return { wrong: `"${said}" is no ${value.label}: expected at least ${value.min}.` }
      return name === 'seed' && !(Number.isInteger(number) && number <= SEED_MAX)
        ? wrong(`a whole number from 0 to ${SEED_MAX}`)
        : number
    }
    case 'rates':
      return readRates(said, value.name) ?? wrong(`names with numbers above zero, as ${value.example}`)
  }
}

/** `0.5`, `50%`, `350`; a comma is a decimal sign in one country and a thousand's in the next. */
function readNumber(said: string): number | null {
  const [, digits, percent] = /^(-?\d{1,12}(?:\.\d{1,12})?)\s*(%?)$/.exec(said) ?? []
  return digits === undefined ? null : Number(digits) / (percent ? 100 : 1)
}

function readRates(said: string, name: RegExp): Record<string, number> | null {
  const rates: Record<string, number> = {}
  for (const part of said.split(',')) {
    const [, key = '', rate = ''] = /^\s*([^=]+)=(\d{1,9}(?:\.\d{1,12})?)\s*$/.exec(part) ?? []
    if (!name.test(key) || Number(rate) <= 0 || Object.hasOwn(rates, key)) return null
    rates[key] = Number(rate)
  }
  return rates
}

/** A name that means nothing would change nothing, in silence. */
function strangeNames(
  values: ReadonlyMap<string, Value>,
  { networks }: Pick<Catalogue, 'networks'>,
): QueryProblem[] {
  const known = {
    'network-price': networks.map(({ id }) => id),
    'token-usd': networks.flatMap(({ terms }) => terms.payout_token ?? []),
  }
  return Object.entries(known).flatMap(([name, names]) =>
    Object.keys((values.get(name) ?? {}) as object)
      .filter((key) => !names.includes(key))
      .map((key) => ({ name, message: `${name} knows no "${key}". It knows: ${names.join(', ')}.` })),
  )
}

function queryOf(values: ReadonlyMap<string, Value>): RoiQuery {
  const fields = queryParameters.flatMap(({ name, field }) => {
    const value = values.get(name)
    return field === null || field === 'gpu' || value === undefined ? [] : [[field, value] as const]
  })
  const number = (name: string): number | null => (values.get(name) as number | undefined) ?? null
  const isSaid = (name: string): boolean | null => (values.has(name) ? values.get(name) === 'yes' : null)
  const rates = (name: string) => (values.get(name) as Readonly<Record<string, number>> | undefined) ?? {}
  return {
    gpu: (values.get('gpu') as string | undefined) ?? null,
    // Each was read by the table above, whose kinds are those of the fields.
    input: Object.fromEntries(fields) as Omit<RoiInput, 'gpu'>,
    seed: number('seed') ?? 1,
    tolerance: (values.get('risk') as RiskTolerance | undefined) ?? 'medium',
    machine: {
      os: (values.get('os') as MachineFacts['os'] | undefined) ?? null,
      ramGb: number('ram'),
      storageGb: number('storage'),
      downMbps: number('down'),
      upMbps: number('up'),
      isDedicated: isSaid('dedicated'),
      isPowerLimited: isSaid('power-limited'),
      stakeBudgetUsd: number('stake'),
    },
    tokenUsd: rates('token-usd'),
    networkPrice: rates('network-price'),
  }
}
