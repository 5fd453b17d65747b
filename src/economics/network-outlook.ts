/** What a machine would earn on one network: its terms there, and many futures of them. */
import type { Catalogue } from './catalogue.ts'
import { assumedDrivers } from './drivers.ts'
import type { Gpu } from './gpu-data.ts'
import type { GpuNetwork } from './network-data.ts'
import { whyNoForecast } from './network-payout.ts'
import { networkPriceOf } from './network-price.ts'
import { type Known, resolveRoi } from './resolve-roi.ts'
import type { RoiInput } from './roi-input.ts'
import { type Simulation, simulate } from './simulate.ts'

/** A token's price as a source tells it. */
export interface TokenQuote {
  readonly usd: number
  readonly source: string
  readonly asOf: string
}

export interface NetworkQuestion {
  readonly input: RoiInput
  readonly known: Known
  /** What the owner knows renters to pay on a network, by its id. */
  readonly priceUsdPerGpuHour: Readonly<Record<string, number>>
  readonly tokenUsd: Readonly<Record<string, TokenQuote>>
  readonly paths: number
  readonly seed: number
}

export interface RentalPriceUsed {
  readonly usdPerGpuHour: number
  readonly source: string
  /** False: it is the same for all networks, and whether renters of this one pay it is not known. */
  readonly isOwn: boolean
}

export interface NetworkOutlook {
  readonly price: RentalPriceUsed
  readonly takeShare: number
  readonly simulation: Simulation
}

/** Or why nothing can be said. */
export type Outlooking = NetworkOutlook | { readonly why: string }

/**
 * With the price that the owner knows of this network, else with `common`, the same for all: so that what differs is
 * what the networks keep and how they pay.
 */
export function networkOutlook(
  catalogue: Catalogue,
  { network, gpu, common }: { network: GpuNetwork; gpu: Gpu; common: RentalPriceUsed | null },
  question: NetworkQuestion,
): Outlooking {
  const why = whyNoForecast(network)
  if (why !== null) return { why }
  const said = question.priceUsdPerGpuHour[network.id]
  if (said !== undefined) {
    return outlookAt(catalogue, network, {
      question,
      price: { usdPerGpuHour: said, source: 'you', isOwn: true },
    })
  }
  if (!network.terms.has_demand_evidence) {
    return { why: 'Nothing tells what is rented there, and for how much: say a price if you know one.' }
  }
  if (common) return outlookAt(catalogue, network, { question, price: common })
  return (
    outlookAtOwnPrice(catalogue, { network, gpu }, question) ?? {
      why: 'Nobody was seen renting out this GPU.',
    }
  )
}

/** With the price that the network publishes for this GPU; `null` where there is none. */
export function outlookAtOwnPrice(
  catalogue: Catalogue,
  { network, gpu }: { network: GpuNetwork; gpu: Gpu },
  question: NetworkQuestion,
): Outlooking | null {
  const own = whyNoForecast(network) === null ? networkPriceOf(network, gpu) : null
  if (!own) return null
  const price = { usdPerGpuHour: own.usd, source: `${own.source}, ${own.asOf}`, isOwn: true }
  return outlookAt(catalogue, network, { question, price })
}

interface At {
  readonly question: NetworkQuestion
  readonly price: RentalPriceUsed
}

function outlookAt(catalogue: Catalogue, network: GpuNetwork, { question, price }: At): Outlooking {
  const { takeShare: _take, ...owner } = question.input
  const there = { ...owner, network: network.id, pricePerGpuHour: price.usdPerGpuHour }
  const resolving = resolveRoi(there, catalogue, question.known)
  if (resolving.kind === 'refused') return { why: resolving.problems.map(({ message }) => message).join(' ') }
  const { terms, isElectricityKnown, unknowns, ratedGpuWatts, payout, months } = resolving.resolution
  if (!terms || !isElectricityKnown) {
    const missing = unknowns.filter(({ blocks }) => blocks === 'everything').map(({ label }) => label)
    return { why: `Not known: ${missing.join(', ')}.` }
  }
  const { paths, seed } = question
  // Where to run a machine does not hang on what it cost.
  const machine = { terms, ratedGpuWatts, payout, purchaseUsd: null, drivers: assumedDrivers }
  return { price, takeShare: terms.takeShare, simulation: simulate({ ...machine, months, paths }, seed) }
}
