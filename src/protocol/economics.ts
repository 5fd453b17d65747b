/** What the economics answer over the API. A forecast is no ledger: amounts are plain numbers, in the unit of their name. */
import { z } from 'zod'

const usd = z.number()
const share = z.number()
const texts = z.array(z.string()).readonly()

export const GpuFacts = z
  .object({
    id: z.string(),
    name: z.string(),
    vendor: z.string(),
    segment: z.string(),
    architecture: z.string(),
    vramGb: z.number(),
    ratedWatts: z.number(),
    idleWatts: z.number().nullable(),
    /** Of the card alone. */
    usedPriceUsd: usd.nullable(),
    usedPriceAsOf: z.string().nullable(),
    usedPriceSource: z.string().nullable(),
    rental: z
      .object({
        usdPerGpuHour: usd,
        lowUsdPerGpuHour: usd,
        highUsdPerGpuHour: usd,
        seen: z.int().describe('How many prices were seen.'),
        source: z.string(),
        asOf: z.string(),
      })
      .nullable()
      .describe(
        'What renters are asked, not what an owner is left with; null where nobody was seen renting it out.',
      ),
    aliases: texts,
  })
  .meta({ id: 'GpuFacts' })
export type GpuFacts = z.output<typeof GpuFacts>

export const GpuList = z.object({ gpus: z.array(GpuFacts).readonly() }).meta({ id: 'GpuList' })

const PlacePrice = z.object({ usdPerKwh: usd, asOf: z.string(), source: z.string() }).nullable()

export const PlaceFacts = z
  .object({
    code: z.string(),
    name: z.string(),
    kind: z.enum(['country', 'us_state', 'region']),
    household: PlacePrice.describe('Null where it is not known: then the price must be said.'),
    industrial: PlacePrice.describe('Of large consumers, mostly without tax: for colocation only.'),
  })
  .meta({ id: 'PlaceFacts' })
export type PlaceFacts = z.output<typeof PlaceFacts>

export const PlaceList = z.object({ places: z.array(PlaceFacts).readonly() }).meta({ id: 'PlaceList' })

const InputLine = z
  .object({
    name: z.string(),
    label: z.string(),
    value: z.number(),
    unit: z.string(),
    flag: z.string().describe('The option of `shoal roi`; without its dashes, the parameter here.'),
    origin: z.enum(['given', 'measured', 'catalogue', 'assumption', 'derived']),
    source: z.string(),
    asOf: z.string().nullable(),
    ageDays: z.number().nullable(),
    boundWhy: z.string().optional(),
  })
  .meta({ id: 'EconomicsInput' })

const Unknown = z
  .object({
    name: z.string(),
    label: z.string(),
    unit: z.string(),
    flag: z.string(),
    blocks: z.enum(['everything', 'economic view']),
    why: z.string(),
  })
  .meta({ id: 'EconomicsUnknown' })

const Percentiles = z.object({ p5: usd, p50: usd, p95: usd }).meta({ id: 'Percentiles' })

const Outlook = z
  .object({
    netUsd: Percentiles,
    meanUsd: usd,
    lossShare: share,
    worstMeanUsd: usd.describe('Mean of the worst 5 %.'),
    histogramUsd: z.array(z.object({ from: usd, to: usd, count: z.int() })).readonly(),
  })
  .meta({ id: 'Outlook' })

const Forecast = z
  .object({
    seed: z.int(),
    paths: z.int(),
    months: z.int(),
    cash: Outlook.describe('For who owns the machine.'),
    economic: Outlook.nullable().describe('For who buys it today and counts what it then fetches.'),
    cashBreakEvenUsdPerKwh: Percentiles,
    fullBreakEvenUsdPerKwh: Percentiles.nullable(),
    byMonth: z
      .array(z.object({ month: z.int(), cashUsd: Percentiles, totalCashUsd: Percentiles }))
      .readonly(),
    payback: z.array(z.object({ months: z.int(), byCashShare: share, withResaleShare: share })).readonly(),
  })
  .meta({ id: 'Forecast' })

const Account = z
  .object({
    rentUsdPerDay: usd,
    revenueUsdPerDay: usd,
    energyKwhPerDay: z.number(),
    electricityUsdPerDay: usd,
    fixedUsdPerDay: usd,
    cashUsdPerDay: usd,
    depreciationUsdPerDay: usd.nullable(),
    netUsdPerDay: usd.nullable(),
  })
  .meta({ id: 'DailyAccount' })

const BreakEvens = z
  .object({
    cashUsdPerKwh: usd.nullable(),
    fullUsdPerKwh: usd.nullable(),
    cashUtilisationShare: share.nullable(),
    fullUtilisationShare: share.nullable(),
    minimumPriceUsdPerGpuHour: usd.nullable(),
    minimumCashPriceUsdPerGpuHour: usd.nullable(),
    costUsdPerGpuHour: usd.nullable(),
    cashCostUsdPerGpuHour: usd.nullable(),
  })
  .meta({ id: 'BreakEvens' })

const Tornado = z
  .object({
    lever: z.string(),
    label: z.string(),
    unit: z.string(),
    low: z.number(),
    high: z.number(),
    basis: z.string(),
    atLowUsdPerDay: usd,
    atHighUsdPerDay: usd,
    swingUsdPerDay: usd,
  })
  .meta({ id: 'Tornado' })

const Machine = z
  .object({ id: z.string(), name: z.string(), vramGb: z.number(), count: z.int() })
  .meta({ id: 'EconomicsMachine' })

export const RoiReply = z
  .object({
    gpu: Machine,
    place: z.object({ code: z.string(), name: z.string() }).nullable(),
    network: z.object({ id: z.string(), name: z.string(), stability: z.string() }).nullable(),
    verdict: z.string(),
    inputs: z
      .array(InputLine)
      .readonly()
      .describe('Every number that went in, with its origin, source and date.'),
    unknowns: z.array(Unknown).readonly().describe('What to ask for, and what cannot be said without it.'),
    notices: texts,
    upperBounds: texts.describe('Why the result is an upper bound; empty where it is none.'),
    account: Account.nullable().describe('One mean day.'),
    cashAfterTaxUsdPerDay: usd.nullable(),
    breakEvens: BreakEvens,
    payback: z
      .object({ days: z.number().nullable(), withResaleDays: z.number().nullable() })
      .nullable()
      .describe('Of a mean day repeated; null days are never.'),
    netPresentValueUsd: usd.nullable(),
    internalRateOfReturnPerYear: z.number().nullable(),
    tornado: z.array(Tornado).readonly(),
    forecast: Forecast.nullable(),
  })
  .meta({ id: 'RoiReply' })
export type RoiReply = z.output<typeof RoiReply>

const RentalPriceUsed = z.object({ usdPerGpuHour: usd, source: z.string(), isOwn: z.boolean() })

const NetworkAdvice = z
  .object({
    id: z.string(),
    name: z.string(),
    status: z.enum(['ranked', 'not_ranked', 'excluded']),
    rank: z.int().nullable(),
    scoreUsd: usd.nullable(),
    medianUsd: usd.nullable(),
    shortfallUsd: usd.nullable(),
    lossShare: share.nullable(),
    price: RentalPriceUsed.nullable(),
    atOwnPrice: z.object({ price: RentalPriceUsed, medianUsd: usd }).nullable(),
    takeShare: share.nullable(),
    stability: z.string(),
    token: z
      .object({
        token: z.string(),
        volatilityPerYear: z.number(),
        maxDrawdown: z.number().nullable(),
        isOwnSeries: z.boolean(),
        source: z.string(),
        lockDays: z.number().nullable(),
        lockLossShare: share,
        text: z.string(),
      })
      .nullable(),
    stakeUsd: usd.nullable(),
    lockDays: z.number().nullable(),
    custodyRisk: z.string().nullable(),
    contractRisk: z.string().nullable(),
    why: texts.describe('Why it is where it is; at least one.'),
    cautions: texts,
    asOf: z.string(),
    sources: texts,
  })
  .meta({ id: 'NetworkAdvice' })

export const NetworkComparison = z
  .object({
    gpu: Machine,
    months: z.int(),
    risk: z.enum(['low', 'medium', 'high']),
    seed: z.int(),
    unknowns: z.array(Unknown).readonly(),
    networks: z.array(NetworkAdvice).readonly(),
  })
  .meta({ id: 'NetworkComparison' })
export type NetworkComparison = z.output<typeof NetworkComparison>

const said = (about: string) => z.string().max(2_000).optional().describe(about)
const ofMachine = {
  gpu: said('Name of the GPU, as `RTX 4090`; needed.'),
  count: said('GPUs in the machine; 1 unless said.'),
  kwh: said('Price of the next kilowatt-hour: `0.12`, `0.30 EUR`, `30 ct`; USD unless said.'),
  country: said('Country or state of the USA, for its price of electricity: `DE`, `US-CA`.'),
  site: said('`home` or `colocation`.'),
  utilisation: said('Rented share of all hours: `0.5` or `50%`.'),
  availability: said('Online share of all hours.'),
  price: said('What a renter pays, USD/GPU-hour.'),
  network: said('Id of a network, for its part and its payout.'),
  purchase: said('What all GPUs together cost, or would fetch today, USD.'),
  resale: said('What they fetch at the end, USD.'),
  years: said('Years in use.'),
  months: said('Months that the forecast looks ahead, 1 to 60.'),
  watts: said('Whole machine at work, at the wall, W.'),
  'max-watts': said('… with every GPU at its rated power, W.'),
  'idle-watts': said('… online without work, W.'),
  'off-watts': said('… parked, W.'),
  pue: said('Power of the place over that of the machine.'),
  take: said("The network's part of the rent, as a share."),
  'payout-fee': said('What a payout costs, as a share.'),
  'fx-haircut': said('What is lost when a payout becomes dollars, as a share.'),
  gas: said('Transactions of your own, USD/day.'),
  extra: said('Income from storage and bandwidth, USD/GPU-day.'),
  fixed: said('Rent, internet, insurance, USD/day.'),
  maintenance: said('Maintenance, USD/day.'),
  discount: said('What the money could earn elsewhere in a year, as a share.'),
  tax: said('Tax on income, as a share.'),
  'usd-per': said('What one unit of a currency is worth in USD: `EUR=1.17,GBP=1.33`.'),
  seed: said('Of the chance in the forecast; 1 unless said.'),
}

/** Of both calls, so that one link serves them; an estimate makes no use of what only the networks ask. */
export const EconomicsQuery = z.strictObject({
  ...ofMachine,
  risk: said(
    'For the networks: how much of a bad case you can bear: `low`, `medium` (unless said) or `high`.',
  ),
  os: said('`linux`, `windows` or `macos`; what is not said excludes no network.'),
  ram: said('Memory of the machine, GB.'),
  storage: said('Free fast storage, GB.'),
  down: said('Internet towards you, Mbps.'),
  up: said('Internet from you, Mbps.'),
  dedicated: said('`yes` or `no`: whether the machine is used for nothing else.'),
  'power-limited': said('`yes` or `no`: whether its GPUs have a power limit.'),
  stake: said('Most that you would stake, USD.'),
  'token-usd': said('What a token is worth in USD: `RENDER=3.10`.'),
  'network-price': said('What you know renters to pay on a network, USD/GPU-hour: `akash=0.30`.'),
})
