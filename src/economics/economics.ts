/**
 * What a GPU really earns: after electricity, idle time, cooling, depreciation and fees, as a range and not a promise.
 *
 * Pure functions over plain data; they run in Node, in a browser and in a thread alike. Money is `number` in USD: a
 * forecast is no ledger. Only `hour.ts#askOf` leads to nano-USD, and rounds up.
 *
 *   catalogue.ts      parseCatalogue(files) → Catalogue            GPUs, electricity, networks, with sources
 *   roi-input.ts      RoiInput, Measured                           what an owner says, what a node measured
 *   economics.ts      assess(catalogue, input, options)            → RoiReport, or what is wrong with the input
 *                     withForecast(report, simulation)             the same report with a forecast made elsewhere
 *   simulate.ts       simulate(report.simulation, seed)            → Simulation; plain data in and out, for threads
 *   advisor.ts        adviseNetworks(catalogue, question)          → a row for each network, ranked or with the reason why not
 *   hour.ts           hourCostUsd, marginalPriceUsdPerGpuHour, decideParking, askOf
 *   tariff.ts         priceAt(tariff, atMs)                        flat, by time of use, or hourly; says when it does not know
 *   tariff-file.ts    parseTariff(json); price-feed.ts: parsePriceFeed(json, options)
 *   token-history.ts  historyOf, correlationOf                     what a series of token prices says of its past
 *   break-even-map.ts, sensitivity.ts, present-value.ts, payback.ts, break-even.ts, daily-account.ts: the parts
 */
import {
  breakEvenUsdPerKwh,
  breakEvenUtilisation,
  costUsdPerGpuHour,
  minimumPriceUsdPerGpuHour,
} from './break-even.ts'
import type { Catalogue } from './catalogue.ts'
import { accountOf, cashAfterTaxUsdPerDay, type DailyAccount } from './daily-account.ts'
import { straightLineUsdPerDay } from './depreciation.ts'
import { assumedDrivers, type Drivers } from './drivers.ts'
import type { InputLine, InputProblem, Unknown } from './input-lines.ts'
import { type Payback, paybackOf } from './payback.ts'
import { internalRateOfReturn, netPresentValueUsd } from './present-value.ts'
import { type Known, type Resolution, resolveRoi } from './resolve-roi.ts'
import type { RoiInput } from './roi-input.ts'
import { type Tornado, tornadoOf } from './sensitivity.ts'
import { type Simulation, type SimulationInput, simulate } from './simulate.ts'
import type { Capital, Terms } from './terms.ts'
import { tornadoRanges } from './tornado-ranges.ts'
import { verdictOf } from './verdict.ts'

export interface AssessOptions extends Partial<Known> {
  readonly seed?: number
  /** 0 makes no forecast: the report has the input of one, to be computed elsewhere. */
  readonly paths?: number
  readonly drivers?: Drivers
}

export const PATHS = 20_000

export interface BreakEvens {
  /** Electricity at which cash is nothing; `null` where the rental price is not known. */
  readonly cashUsdPerKwh: number | null
  /** … at which cash less depreciation is nothing. */
  readonly fullUsdPerKwh: number | null
  /** The rented share of all hours; above the availability it cannot be reached. `null`: more hours make it worse. */
  readonly cashUtilisationShare: number | null
  readonly fullUtilisationShare: number | null
  /** The lowest list price that covers all costs; `null` where the loss of value, which is one of them, is not known. */
  readonly minimumPriceUsdPerGpuHour: number | null
  /** … that covers cash costs: electricity, fixed costs and maintenance. */
  readonly minimumCashPriceUsdPerGpuHour: number | null
  /** What a rented hour costs, whatever it sells for, all costs counted; `null` as for the price that covers them. */
  readonly costUsdPerGpuHour: number | null
  /** … cash costs counted. */
  readonly cashCostUsdPerGpuHour: number | null
}

/** A number that is not known, or does not exist, is `null`; every other bears its unit in its name. */
export interface RoiReport {
  readonly kind: 'report'
  readonly gpu: {
    readonly id: string
    readonly name: string
    readonly vramGb: number
    readonly count: number
  }
  readonly place: { readonly code: string; readonly name: string } | null
  readonly network: { readonly id: string; readonly name: string; readonly stability: string } | null
  /** Every number that went in, with its unit, origin, source and date. */
  readonly inputs: readonly InputLine[]
  /** What to ask for, what it blocks and why it is not known. */
  readonly unknowns: readonly Unknown[]
  readonly notices: readonly string[]
  /** Why the result is an upper bound; empty where it is none. */
  readonly upperBounds: readonly string[]
  /** `null` while something is missing that everything hangs on. */
  readonly terms: Terms | null
  readonly capital: Capital | null
  readonly account: DailyAccount | null
  readonly cashAfterTaxUsdPerDay: number | null
  readonly breakEvens: BreakEvens
  readonly payback: Payback | null
  readonly netPresentValueUsd: number | null
  readonly internalRateOfReturnPerYear: number | null
  readonly tornado: readonly Tornado[]
  /** Give it to `simulate`; `null` while something is missing. */
  readonly simulation: SimulationInput | null
  readonly forecast: Simulation | null
  readonly verdict: string
}

export interface RefusedInput {
  readonly kind: 'refused'
  readonly problems: readonly InputProblem[]
}

/** About 0.3 s for a forecast of 20,000 futures; a millisecond without. */
export function assess(
  catalogue: Catalogue,
  input: RoiInput,
  options: AssessOptions = {},
): RoiReport | RefusedInput {
  const { measured = null, nowMs = null, seed = 1, paths = PATHS, drivers = assumedDrivers } = options
  const { tokenSeries, tariff } = options
  const resolving = resolveRoi(input, catalogue, {
    measured,
    nowMs,
    ...(tokenSeries && { tokenSeries }),
    ...(tariff && { tariff }),
  })
  if (resolving.kind === 'refused') return resolving
  const report = reportOf(resolving.resolution, drivers, paths === 0 ? PATHS : paths)
  return paths > 0 && report.simulation ? withForecast(report, simulate(report.simulation, seed)) : report
}

/** The report with this forecast, and a verdict that knows of it. */
export function withForecast(report: RoiReport, forecast: Simulation): RoiReport {
  return { ...report, forecast, verdict: verdictOfReport({ ...report, forecast }) }
}

function reportOf(of: Resolution, drivers: Drivers, paths: number): RoiReport {
  const terms = of.terms && of.isPriceKnown && of.isElectricityKnown ? of.terms : null
  const depreciation = of.capital && straightLineUsdPerDay(of.capital)
  const account = terms && accountOf(terms, depreciation)
  const taxDepreciationUsdPerDay = Math.max(0, depreciation ?? 0)
  const report: RoiReport = {
    kind: 'report',
    gpu: { id: of.gpu.id, name: of.gpu.name, vramGb: of.gpu.vram_gb, count: of.gpuCount },
    place: of.place && { code: of.place.code, name: of.place.name },
    network: of.network && {
      id: of.network.id,
      name: of.network.name,
      stability: of.network.payout_stability,
    },
    inputs: of.lines,
    unknowns: of.unknowns,
    notices: of.notices,
    upperBounds: upperBoundsOf(of),
    terms,
    capital: of.capital,
    account,
    cashAfterTaxUsdPerDay:
      account &&
      cashAfterTaxUsdPerDay(account.cashUsdPerDay, { taxShare: of.taxShare, taxDepreciationUsdPerDay }),
    breakEvens: breakEvensOf(of, depreciation),
    payback: account && of.capital && paybackOf(account.cashUsdPerDay, of.capital),
    netPresentValueUsd: account && of.capital && netPresentValueUsd(account.cashUsdPerDay, of.capital),
    internalRateOfReturnPerYear:
      account && of.capital && internalRateOfReturn(account.cashUsdPerDay, of.capital),
    tornado: terms
      ? tornadoOf({ terms, capital: of.capital }, tornadoRanges(terms, of.capital, of.market))
      : [],
    simulation: terms && simulationOf(of, terms, { drivers, paths }),
    forecast: null,
    verdict: '',
  }
  return { ...report, verdict: verdictOfReport(report) }
}

function breakEvensOf(of: Resolution, depreciation: number | null): BreakEvens {
  const { terms, isPriceKnown, isElectricityKnown } = of
  const withPrice = isPriceKnown ? terms : null
  const withElectricity = isElectricityKnown ? terms : null
  const withBoth = isElectricityKnown ? withPrice : null
  return {
    cashUsdPerKwh: withPrice && breakEvenUsdPerKwh(withPrice),
    fullUsdPerKwh: withPrice && depreciation !== null ? breakEvenUsdPerKwh(withPrice, depreciation) : null,
    cashUtilisationShare: withBoth && breakEvenUtilisation(withBoth),
    fullUtilisationShare:
      withBoth && depreciation !== null ? breakEvenUtilisation(withBoth, depreciation) : null,
    minimumPriceUsdPerGpuHour:
      withElectricity && depreciation !== null
        ? minimumPriceUsdPerGpuHour(withElectricity, depreciation)
        : null,
    minimumCashPriceUsdPerGpuHour: withElectricity && minimumPriceUsdPerGpuHour(withElectricity),
    costUsdPerGpuHour:
      withElectricity && depreciation !== null ? costUsdPerGpuHour(withElectricity, depreciation) : null,
    cashCostUsdPerGpuHour: withElectricity && costUsdPerGpuHour(withElectricity),
  }
}

function upperBoundsOf({ lines }: Resolution): string[] {
  const bounds = lines.flatMap(({ boundWhy }) => boundWhy ?? [])
  const utilisation = lines.find(({ name }) => name === 'utilisation')?.value ?? 0
  return utilisation > 0.7
    ? [...bounds, `${Math.round(utilisation * 100)} % of all hours are rarely rented`]
    : bounds
}

function simulationOf(
  of: Resolution,
  terms: Terms,
  { drivers, paths }: { drivers: Drivers; paths: number },
): SimulationInput {
  const { capital, isResaleGiven } = of
  // Who says what it fetches at the end has said how it falls each year.
  const medianPerYear = capital && isResaleGiven ? resalePerYear(capital) : drivers.resale.medianPerYear
  return {
    terms,
    ratedGpuWatts: of.ratedGpuWatts,
    purchaseUsd: capital?.purchaseUsd ?? null,
    payout: of.payout,
    drivers: { ...drivers, resale: { ...drivers.resale, medianPerYear } },
    months: of.months,
    paths,
  }
}

/** Nothing at all is no rate: what is worth a thousandth is as good as worthless. */
const WORTHLESS_SHARE = 0.001
const resalePerYear = ({ purchaseUsd, resaleUsd, lifeYears }: Capital): number =>
  Math.max(resaleUsd / purchaseUsd, WORTHLESS_SHARE) ** (1 / lifeYears)

const verdictOfReport = (report: RoiReport): string =>
  verdictOf({
    gpuName: report.gpu.name,
    gpuCount: report.gpu.count,
    account: report.account,
    cashBreakEvenUsdPerKwh: report.breakEvens.cashUsdPerKwh,
    minimumPriceUsdPerGpuHour: report.breakEvens.minimumPriceUsdPerGpuHour,
    minimumCashPriceUsdPerGpuHour: report.breakEvens.minimumCashPriceUsdPerGpuHour,
    purchaseUsd: report.capital?.purchaseUsd ?? null,
    forecast: report.forecast,
    unknowns: report.unknowns,
    upperBounds: report.upperBounds,
  })
