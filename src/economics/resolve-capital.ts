import { assumptions } from './assumptions.ts'
import type { Candidate, Collector } from './collect-inputs.ts'
import type { Gpu } from './gpu-data.ts'
import type { RoiInput } from './roi-input.ts'
import type { Capital } from './terms.ts'

interface Asked {
  readonly input: RoiInput
  readonly gpu: Gpu
  readonly gpuCount: number
  /** What the source ids of the GPU file mean. */
  readonly sources: Readonly<Record<string, string>>
}

/** What is bound in the GPUs; `null` where their price is not known. A launch price says nothing of today and is not taken. */
export function resolveCapital(
  collector: Collector,
  { input, gpu, gpuCount, sources }: Asked,
): Capital | null {
  const { take, notices } = collector
  const launch =
    gpu.msrp_usd === null ? '' : ` At its launch it was ${gpu.msrp_usd} USD, which says little of today.`
  const purchaseUsd = take(
    'purchase',
    { given: input.purchase, found: usedPrice(gpu, gpuCount, sources) },
    { blocks: 'economic view', why: `No price of a used ${gpu.name} was seen.${launch}` },
  )
  const lifeYears = take('lifeYears', { given: input.lifeYears, assumed: assumptions.lifeYears })
  const discountPerYear = take('discountPerYear', {
    given: input.discountPerYear,
    assumed: assumptions.discountPerYear,
  })
  if (purchaseUsd === null || lifeYears === null || discountPerYear === null) return null
  const { value, source, asOf } = assumptions.resaleShare
  const isAsLong = lifeYears === RESALE_SHARE_YEARS
  const resaleUsd = take('resale', {
    given: input.resale,
    found: {
      value: value ** (lifeYears / RESALE_SHARE_YEARS) * purchaseUsd,
      origin: 'assumption',
      source: isAsLong ? source : `${source}; here at that rate after ${lifeYears} years`,
      asOf,
    },
  })
  if (resaleUsd === null) return null
  if (resaleUsd > purchaseUsd) {
    notices.push('You expect the machine to gain value: the market has done that in 2026, and fallen before.')
  }
  return { purchaseUsd, resaleUsd, lifeYears, discountPerYear }
}

/** After so many years the assumed share is left. */
const RESALE_SHARE_YEARS = 3

function usedPrice(gpu: Gpu, gpuCount: number, sources: Asked['sources']): Candidate | null {
  if (gpu.used_price_usd === null) return null
  const id = gpu.sources['used_price_usd'] ?? ''
  return {
    value: gpu.used_price_usd * gpuCount,
    origin: 'catalogue',
    source: `used price of the GPU alone: ${sources[id] ?? id}`,
    asOf: gpu.used_price_as_of,
  }
}
