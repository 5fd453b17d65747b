/** What to know of a network before a machine goes there. */
import type { Gpu } from './gpu-data.ts'
import type { GpuNetwork } from './network-data.ts'
import type { MachineFacts } from './network-fit.ts'
import type { RentalPriceUsed, TokenQuote } from './network-outlook.ts'
import { emissionText } from './network-payout.ts'
import { usdText } from './usd-text.ts'

/** What is asked of a machine, and what is known of it. */
export interface Asked {
  readonly gpu: Gpu
  readonly gpuCount: number
  readonly question: {
    readonly machine: MachineFacts
    readonly tokenUsd: Readonly<Record<string, TokenQuote>>
  }
}

/** A price that the network itself publishes, and what the middle case comes to at it. */
export interface AtOwnPrice {
  readonly price: RentalPriceUsed
  readonly medianUsd: number
}

/** How far the price that all are compared at is to be trusted on this network. */
export function priceCautions(own: AtOwnPrice | null, { isOwn, usdPerGpuHour }: RentalPriceUsed): string[] {
  if (isOwn) return []
  if (!own)
    return [
      `It publishes no price for this GPU: whether its renters pay ${usdText(usdPerGpuHour)} is not known.`,
    ]
  const seen = `At the price seen there, ${usdText(own.price.usdPerGpuHour)} (${own.price.source}),`
  return [`${seen} the middle case is ${usdText(own.medianUsd)}.`]
}

/** Conditions that are open, and what is known to go wrong there. */
export function cautionsOf(network: GpuNetwork, { gpu, question }: Asked, open: readonly string[]): string[] {
  const { verification_mbps: asked, also } = network.filters
  const { withheld_first_usd, payout_min_usd, custody_risk, contract_risk, lock_days } = network.terms
  const neededMbps = asked && Math.min(Math.max(asked.per_gb_vram * gpu.vram_gb, asked.min), asked.max)
  const { downMbps } = question.machine
  const isSlow = neededMbps !== null && downMbps !== null && downMbps < neededMbps
  return [
    ...(open.length === 0 ? [] : [`It needs what is not known of your machine: ${open.join(', ')}.`]),
    ...(isSlow ? [`To be verified it needs ${Math.ceil(neededMbps)} Mbps, and you have ${downMbps}.`] : []),
    ...also,
    ...(withheld_first_usd === null
      ? []
      : [`The first ${usdText(withheld_first_usd)} of earnings are withheld.`]),
    ...(payout_min_usd === null ? [] : [`It pays out from ${usdText(payout_min_usd)} up.`]),
    ...(lock_days === null || lock_days === 0
      ? []
      : [`Lock-up: ${lock_days === 1 ? 'a day' : `${lock_days} days`} from earning to having the money.`]),
    ...stakeRisk(network),
    ...(custody_risk === null ? [] : [`Custody: ${custody_risk}`]),
    ...(contract_risk === null ? [] : [`Contract: ${contract_risk}`]),
    ...[emissionText(network, gpu.render_rnp_score)].flatMap((text) => text ?? []),
    ...network.unknown.map((unknown) => `Not known: ${unknown}.`),
  ]
}

/** A stake is lost where it is slashed, moves with its token, and waits when it is taken back. */
function stakeRisk({ terms: { stake } }: GpuNetwork): string[] {
  if (!stake) return []
  const out =
    stake.cooldown_days === null ? '' : ` It comes back ${stake.cooldown_days} days after you ask for it.`
  return [`Stake at risk: it is held in ${stake.token} and moves with its price.${out}`]
}

export interface StakeCheck {
  /** What has to be staked at least; `null` where nothing is, or its worth is not known. */
  readonly usd: number | null
  readonly failures: readonly string[]
  readonly open: readonly string[]
}

/** Whether the stake that is asked for is affordable. */
export function stakeOf({ terms: { stake } }: GpuNetwork, { gpuCount, question }: Asked): StakeCheck {
  if (!stake) return { usd: null, failures: [], open: [] }
  const { token, per_gpu, note } = stake
  if (per_gpu === null) return { usd: null, failures: [], open: [`a stake, in some cases (${note})`] }
  const tokens = per_gpu * gpuCount
  const quote = question.tokenUsd[token]
  const budget = question.machine.stakeBudgetUsd
  const asked = `a stake of at least ${tokens} ${token} (${note})`
  if (!quote) return { usd: null, failures: [], open: [asked] }
  const usd = tokens * quote.usd
  const worth = `${asked}, now ${usdText(usd)}`
  if (budget === null) return { usd, failures: [], open: [worth] }
  return {
    usd,
    failures: usd > budget ? [`It needs ${worth}; you would stake ${usdText(budget)}.`] : [],
    open: [],
  }
}
