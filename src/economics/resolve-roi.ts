/** From what an owner says to the numbers of a forecast, each with its origin, and the names of those that are missing. */
import type { TimestampMs } from '#kernel/time.ts'
import { assumptions } from './assumptions.ts'
import type { Catalogue } from './catalogue.ts'
import { type Candidate, type Collector, createCollector } from './collect-inputs.ts'
import type { PayoutRisk } from './drivers.ts'
import type { InputLine, InputProblem, Unknown } from './input-lines.ts'
import { type MarketPrice, marketPriceOf } from './market-price.ts'
import type { GpuNetwork } from './network-data.ts'
import { networkPriceOf } from './network-price.ts'
import { payoutRiskOf } from './payout-risk.ts'
import { resolveCapital } from './resolve-capital.ts'
import { resolveElectricity } from './resolve-electricity.ts'
import { type Names, resolveNames } from './resolve-names.ts'
import { resolvePower } from './resolve-power.ts'
import type { Measured, RoiInput } from './roi-input.ts'
import type { TariffMean } from './tariff-mean.ts'
import type { Capital, Terms } from './terms.ts'
import type { TokenSeries } from './token-past.ts'

export interface Known {
  readonly measured: Measured | null
  /** Tells how old the sources are; `null`: their age is not told. */
  readonly nowMs: TimestampMs | null
  /** Prices of tokens that the owner gave: they go before the shipped figures of the same token. */
  readonly tokenSeries?: readonly TokenSeries[]
  /** The price of electricity as a tariff of the owner has it in the mean; whatever the owner says goes before it. */
  readonly tariff?: TariffMean
}

export interface Resolution extends Names {
  readonly gpuCount: number
  readonly market: MarketPrice | null
  /** `null` where one is missing besides the price and the electricity; those two are 0 where they are not known. */
  readonly terms: Terms | null
  readonly isPriceKnown: boolean
  readonly isElectricityKnown: boolean
  /** How much of the power under load moves with the draw of the GPUs. */
  readonly ratedGpuWatts: number
  /** `null` where the purchase price is not known. */
  readonly capital: Capital | null
  /** Whether the owner said what it fetches at the end: then the forecast falls to it. */
  readonly isResaleGiven: boolean
  readonly payout: PayoutRisk
  readonly taxShare: number
  readonly months: number
  readonly lines: readonly InputLine[]
  readonly unknowns: readonly Unknown[]
  readonly notices: readonly string[]
}

export type Resolving =
  | { readonly kind: 'resolved'; readonly resolution: Resolution }
  | { readonly kind: 'refused'; readonly problems: readonly InputProblem[] }

export function resolveRoi(input: RoiInput, catalogue: Catalogue, known: Known): Resolving {
  const names = resolveNames(input, catalogue)
  if (!('gpu' in names)) return { kind: 'refused', problems: names }
  const { gpu, place, network } = names
  const { measured } = known
  const collector = createCollector({ usdPer: input.usdPer ?? {}, ...known })
  const { take, lines, unknowns, notices, problems } = collector
  const gpuCount = take('gpuCount', { given: input.gpuCount, assumed: assumptions.gpuCount }) ?? 1
  const market = marketPriceOf(gpu)
  const price = resolvePrice({ input, measured, collector, ...names }, market)
  const electricity = resolveElectricity(collector, {
    input,
    measured,
    place,
    tariff: known.tariff ?? null,
    sources: catalogue.sources.electricity,
  })
  notices.push(...(known.tariff?.notices ?? []))
  const power = resolvePower(collector, { gpu, gpuCount, input, measured })
  const rest = resolveRest({ input, measured, collector, ...names })
  const capital = resolveCapital(collector, { input, gpu, gpuCount, sources: catalogue.sources.gpus })
  const taxShare = take('taxShare', { given: input.taxShare, assumed: assumptions.taxShare }) ?? 0
  const months = take('months', { given: input.months, assumed: assumptions.months }) ?? 12
  if (problems.length > 0) return { kind: 'refused', problems }
  const prices = { priceUsdPerGpuHour: price ?? 0, electricityUsdPerKwh: electricity ?? 0 }
  const resolution: Resolution = {
    ...names,
    gpuCount,
    market,
    // All watts are those at the wall.
    terms: power && { ...rest, ...power.watts, ...prices, gpuCount, psuEfficiency: 1 },
    isPriceKnown: price !== null,
    isElectricityKnown: electricity !== null,
    ratedGpuWatts: power?.ratedGpuWatts ?? 0,
    capital,
    isResaleGiven: input.resale !== undefined,
    payout: payoutRiskOf(network, catalogue.tokens, known.tokenSeries),
    taxShare,
    months,
    lines,
    unknowns,
    notices,
  }
  return { kind: 'resolved', resolution }
}

interface Asked extends Names {
  readonly input: RoiInput
  readonly measured: Measured | null
  readonly collector: Collector
}

function resolvePrice(
  { input, measured, collector, gpu, network }: Asked,
  market: MarketPrice | null,
): number | null {
  const own = network && networkPriceOf(network, gpu)
  const seen = own ?? market
  const found: Candidate | null = seen && {
    value: seen.usd,
    origin: 'catalogue',
    source: network && !own ? `${seen.source}; ${network.name} publishes none for this GPU` : seen.source,
    asOf: seen.asOf,
    boundWhy: 'the rental price is a list price',
  }
  const isMarkets = network !== null && own === null && seen !== null
  if (isMarkets && input.pricePerGpuHour === undefined)
    collector.notices.push(
      `${network.name} publishes no price for this GPU: what counts is what it rents for elsewhere.`,
    )
  if (network && !network.terms.has_demand_evidence)
    collector.notices.push(`Nothing tells how much is rented on ${network.name}, and for how much.`)
  const atHome = network ? undefined : measured?.pricePerGpuHour
  const candidates = { given: input.pricePerGpuHour, measured: atHome, found }
  return collector.take('price', candidates, {
    blocks: 'everything',
    why: `Nobody was seen renting out this GPU (${gpu.name}). Say what a renter would pay for an hour.`,
  })
}

type Rest = Omit<
  Terms,
  | 'gpuCount'
  | 'priceUsdPerGpuHour'
  | 'electricityUsdPerKwh'
  | 'loadWatts'
  | 'idleWatts'
  | 'offWatts'
  | 'psuEfficiency'
>

function resolveRest(asked: Asked): Rest {
  const { input, network, measured } = asked
  const { take } = asked.collector
  const a = assumptions
  return {
    ...resolveHours(asked),
    takeShare:
      take('takeShare', {
        given: input.takeShare,
        // What this node's own network keeps says nothing of another that the owner asks about.
        measured: network ? undefined : measured?.takeShare,
        found: takeOf(network),
        assumed: a.takeShare,
      }) ?? 0,
    payoutFeeShare: take('payoutFeeShare', { given: input.payoutFeeShare, assumed: a.payoutFeeShare }) ?? 0,
    fxHaircutShare: take('fxHaircutShare', { given: input.fxHaircutShare, assumed: a.fxHaircutShare }) ?? 0,
    gasUsdPerDay: take('gasPerDay', { given: input.gasPerDay, assumed: a.gasPerDay }) ?? 0,
    extraUsdPerGpuDay:
      take('extraPerGpuDay', { given: input.extraPerGpuDay, assumed: a.extraPerGpuDay }) ?? 0,
    pue: take('pue', { given: input.pue, assumed: a.pue }) ?? 1,
    fixedUsdPerDay: take('fixedPerDay', { given: input.fixedPerDay, assumed: a.fixedPerDay }) ?? 0,
    maintenanceUsdPerDay:
      take('maintenancePerDay', { given: input.maintenancePerDay, assumed: a.maintenancePerDay }) ?? 0,
  }
}

function resolveHours({
  input,
  measured,
  collector,
  network,
}: Asked): Pick<Terms, 'utilisation' | 'availability'> {
  const { take, problems } = collector
  const a = assumptions
  // What was sold at home says nothing of another network; how long the machine is online does.
  const atHome = network ? undefined : measured?.utilisation
  const hours = { given: input.utilisation, measured: atHome, assumed: a.utilisation }
  const utilisation = take('utilisation', hours)
  if (utilisation === null) return { utilisation: 0, availability: 1 }
  // Whoever is rented so much is online as much: an assumption of less would contradict what the owner said.
  const asMuch = 'as much as the utilisation that you gave'
  const online: Candidate = { value: utilisation, origin: 'derived', source: asMuch, asOf: null }
  const availability = take('availability', {
    given: input.availability,
    measured: measured?.availability,
    ...(utilisation > a.availability.value ? { found: online } : { assumed: a.availability }),
  })
  if (availability !== null && utilisation > availability) {
    const message = `It cannot be rented ${utilisation} of the time and online only ${availability} of it: utilisation is at most availability.`
    problems.push({ name: 'utilisation', message })
  }
  return { utilisation, availability: availability ?? 1 }
}

function takeOf(network: GpuNetwork | null): Candidate | null {
  if (!network || network.terms.take_share === null) return null
  const source = `${network.name}: ${network.terms.take_basis ?? 'see its sources'}`
  return { value: network.terms.take_share, origin: 'catalogue', source, asOf: network.as_of }
}
