/** What a GPU rents for, out of what was seen in the market. */
import type { Gpu, RentalPrice } from './gpu-data.ts'

export interface MarketPrice {
  readonly usd: number
  /** Which observation it is, for people. */
  readonly source: string
  readonly asOf: string
  /** Of all observations of this GPU. */
  readonly lowUsd: number
  readonly highUsd: number
  readonly count: number
}

/** Whose price is most like a single owner's: communities of hosts, then hosts that were vetted, then clouds. */
const kinds = ['community', 'secure', 'on-demand', 'spot'] as const

/** `null`: nobody was seen renting it out. */
export function marketPriceOf(gpu: Gpu): MarketPrice | null {
  const all = gpu.rental_usd_per_hour
  const kind = kinds.find((wanted) => all.some((price) => price.kind === wanted))
  const middle = kind === undefined ? undefined : medianOf(all.filter((price) => price.kind === kind))
  if (!middle) return null
  return {
    usd: middle.usd,
    source: `list price at ${middle.provider}, ${middle.kind} (${middle.basis})`,
    asOf: middle.as_of,
    ...rangeOf(all),
    count: all.length,
  }
}

/** The middle one, the lower of the two in the middle of an even number; dated ones and real lists go first. */
function medianOf(prices: readonly RentalPrice[]): RentalPrice | undefined {
  const dated = prices.filter(({ as_of, basis }) => !as_of.includes('undated') && basis !== 'cheapest offer')
  const sorted = [...(dated.length > 0 ? dated : prices)].sort((a, b) => a.usd - b.usd)
  return sorted[(sorted.length - 1) >> 1]
}

const rangeOf = (prices: readonly RentalPrice[]): { lowUsd: number; highUsd: number } => ({
  lowUsd: Math.min(...prices.map(({ usd }) => usd)),
  highUsd: Math.max(...prices.map(({ usd }) => usd)),
})
