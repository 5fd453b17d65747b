/**
 * Where a machine should work: each network of the catalogue as a row, ranked by what it leaves in the middle of the
 * futures less what a bad one takes, or with the reason why it is not ranked. Rewards, points and "APY" count nothing.
 *
 * All are ranked at one rental price, the owner's or the market's, unless the owner knows another for one of them: a
 * network of which no price is known must not gain by that. What it comes to at a network's own price stands beside it.
 */
import type { Catalogue } from './catalogue.ts'
import type { Gpu } from './gpu-data.ts'
import type { InputProblem } from './input-lines.ts'
import { tierNames, tiersOf } from './machine-tier.ts'
import { type GpuNetwork, type Stability, stabilities } from './network-data.ts'
import { fitOf, type MachineFacts } from './network-fit.ts'
import {
  type NetworkOutlook,
  type NetworkQuestion,
  networkOutlook,
  type Outlooking,
  outlookAtOwnPrice,
  type RentalPriceUsed,
} from './network-outlook.ts'
import { type AtOwnPrice, cautionsOf, priceCautions, stakeOf } from './network-risks.ts'
import { type Known, type Resolution, resolveRoi } from './resolve-roi.ts'
import { type TokenRisk, tokenRiskOf } from './token-risk.ts'
import { usdText } from './usd-text.ts'

/** How much of a bad case counts against a good middle. */
export const tolerances = { high: 0, medium: 0.5, low: 1 } as const
export type RiskTolerance = keyof typeof tolerances

export interface AdviceQuestion extends NetworkQuestion {
  readonly machine: MachineFacts
  readonly tolerance: RiskTolerance
}

export interface NetworkAdvice {
  readonly id: string
  readonly name: string
  /** `excluded`: it does not take the machine. `not_ranked`: too little is known to compare it. */
  readonly status: 'ranked' | 'not_ranked' | 'excluded'
  /** From 1; `null` unless ranked. */
  readonly rank: number | null
  /** Median less tolerance times shortfall, USD over the months of the forecast; `null` unless ranked. */
  readonly scoreUsd: number | null
  readonly medianUsd: number | null
  /** How far the mean of the worst 5 % lies below the median. */
  readonly shortfallUsd: number | null
  readonly lossShare: number | null
  readonly price: RentalPriceUsed | null
  /** What it comes to at the price that the network itself publishes for this GPU; `null` where there is none. */
  readonly atOwnPrice: AtOwnPrice | null
  readonly takeShare: number | null
  readonly stability: Stability
  readonly token: TokenRisk | null
  /** What has to be staked at least; `null` where nothing is, or its worth is not known. */
  readonly stakeUsd: number | null
  /** From earning to having the money; `null` where it is not known. */
  readonly lockDays: number | null
  /** Who holds the money until then, and what may change under one's feet; `null` where it is not known. */
  readonly custodyRisk: string | null
  readonly contractRisk: string | null
  /** Why it is where it is. At least one. */
  readonly why: readonly string[]
  /** What to know before going there. */
  readonly cautions: readonly string[]
  readonly asOf: string
  readonly sources: readonly string[]
}

export type Advice =
  | { readonly kind: 'advice'; readonly months: number; readonly rows: readonly NetworkAdvice[] }
  | { readonly kind: 'refused'; readonly problems: readonly InputProblem[] }

/** Enough for a median within a few dollars; a quarter of the time of a full forecast for each network. */
export const ADVICE_PATHS = 5_000

export function adviseNetworks(catalogue: Catalogue, question: AdviceQuestion): Advice {
  const { network: _network, ...input } = question.input
  const resolving = resolveRoi(input, catalogue, question.known)
  if (resolving.kind === 'refused') return resolving
  const { gpu, gpuCount, months } = resolving.resolution
  const machine = { gpu, gpuCount, question, common: commonPrice(resolving.resolution) }
  return {
    kind: 'advice',
    months,
    rows: inOrder(catalogue.networks.map((one) => adviceOn(catalogue, one, machine))),
  }
}

interface Machine {
  readonly gpu: Gpu
  readonly gpuCount: number
  readonly question: AdviceQuestion
  readonly common: RentalPriceUsed | null
}

function commonPrice({ terms, isPriceKnown, lines }: Resolution): RentalPriceUsed | null {
  if (!terms || !isPriceKnown) return null
  const { source = '', asOf = null } = lines.find(({ name }) => name === 'price') ?? {}
  return {
    usdPerGpuHour: terms.priceUsdPerGpuHour,
    source: asOf === null ? source : `${source}, ${asOf}`,
    isOwn: false,
  }
}

function adviceOn(catalogue: Catalogue, network: GpuNetwork, machine: Machine): NetworkAdvice {
  const { question, gpu, common } = machine
  const fit = fitOf(network, { ...machine, facts: question.machine })
  const stake = stakeOf(network, machine)
  const cautions = cautionsOf(network, machine, [...fit.open, ...stake.open])
  const { tokenSeries = [] } = question.known
  const row = rowOf(catalogue, network, { stakeUsd: stake.usd, cautions, tokenSeries })
  const failures = [...fit.failures, ...stake.failures]
  if (network.verified && failures.length > 0) return { ...row, status: 'excluded', why: failures }
  const outlook = networkOutlook(catalogue, { network, gpu, common }, question)
  if ('why' in outlook) return { ...row, why: [outlook.why] }
  const atOwn = outlook.price.isOwn ? null : outlookAtOwnPrice(catalogue, { network, gpu }, question)
  return ranked({ ...row, atOwnPrice: ownOf(atOwn) }, outlook, { network, machine })
}

const ownOf = (outlook: Outlooking | null): AtOwnPrice | null =>
  outlook && 'simulation' in outlook
    ? { price: outlook.price, medianUsd: outlook.simulation.cash.netUsd.p50 }
    : null

function rowOf(
  catalogue: Catalogue,
  network: GpuNetwork,
  {
    stakeUsd,
    cautions,
    tokenSeries,
  }: Pick<NetworkAdvice, 'stakeUsd' | 'cautions'> & Pick<Known, 'tokenSeries'>,
): NetworkAdvice {
  return {
    id: network.id,
    name: network.name,
    status: 'not_ranked',
    rank: null,
    scoreUsd: null,
    medianUsd: null,
    shortfallUsd: null,
    lossShare: null,
    price: null,
    atOwnPrice: null,
    takeShare: network.terms.take_share,
    stability: network.payout_stability,
    token: tokenRiskOf(catalogue, network, tokenSeries),
    stakeUsd,
    lockDays: network.terms.lock_days,
    custodyRisk: network.terms.custody_risk,
    contractRisk: network.terms.contract_risk,
    why: [],
    cautions,
    asOf: network.as_of,
    sources: network.sources.map((id) => catalogue.sources.networks[id] ?? id),
  }
}

function ranked(
  row: NetworkAdvice,
  { price, takeShare, simulation }: NetworkOutlook,
  { network, machine }: { network: GpuNetwork; machine: Machine },
): NetworkAdvice {
  const { netUsd, worstMeanUsd, lossShare } = simulation.cash
  const shortfallUsd = netUsd.p50 - worstMeanUsd
  const shared = tiersOf(machine.gpu, machine.gpuCount).filter((tier) => network.tiers.includes(tier))
  const at = price.isOwn ? '' : `, at ${usdText(price.usdPerGpuHour)} a GPU-hour as everywhere`
  return {
    ...row,
    status: 'ranked',
    scoreUsd: netUsd.p50 - tolerances[machine.question.tolerance] * shortfallUsd,
    medianUsd: netUsd.p50,
    shortfallUsd,
    lossShare,
    price,
    takeShare,
    why: [
      `It leaves ${usdText(netUsd.p50)} in the middle case and ${usdText(worstMeanUsd)} in a bad one, within ${simulation.months} months${at}.`,
      `It keeps ${(takeShare * 100).toFixed(1)} % of the rent. ${network.terms.take_basis ?? ''}`.trim(),
      ...shared.map((tier) => `It is documented for ${tierNames[tier]}.`),
    ],
    cautions: [...priceCautions(row.atOwnPrice, price), ...row.cautions],
  }
}

/** Ranked ones by score, then those not ranked by how stable they pay, then the excluded ones; names break ties. */
function inOrder(rows: readonly NetworkAdvice[]): NetworkAdvice[] {
  const statuses = ['ranked', 'not_ranked', 'excluded']
  const sorted = [...rows].sort(
    (a, b) =>
      statuses.indexOf(a.status) - statuses.indexOf(b.status) ||
      (b.scoreUsd ?? 0) - (a.scoreUsd ?? 0) ||
      stabilities.indexOf(a.stability) - stabilities.indexOf(b.stability) ||
      (a.id < b.id ? -1 : 1),
  )
  return sorted.map((row, index) => (row.status === 'ranked' ? { ...row, rank: index + 1 } : row))
}
