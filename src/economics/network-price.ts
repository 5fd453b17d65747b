import type { Gpu } from './gpu-data.ts'
import type { GpuNetwork } from './network-data.ts'

export interface NetworkPrice {
  readonly usd: number
  readonly source: string
  readonly asOf: string
}

/** What renters pay for this GPU on this network, the middle of its range; `null` where the network publishes nothing for it. */
export function networkPriceOf({ name, terms: { price } }: GpuNetwork, gpu: Gpu): NetworkPrice | null {
  switch (price.kind) {
    case 'none':
    case 'own_default':
      return null
    case 'own': {
      const row = price.rows.find(({ gpu_id }) => gpu_id === gpu.id)
      if (!row) return null
      return { usd: (row.low_usd + row.high_usd) / 2, source: `${name}: ${price.basis}`, asOf: price.as_of }
    }
    case 'observed': {
      const seen = gpu.rental_usd_per_hour
        .filter(
          ({ provider, kind, as_of }) =>
            provider === price.provider && kind === price.rental_kind && !as_of.includes('undated'),
        )
        .sort((a, b) => a.usd - b.usd)
      const middle = seen[(seen.length - 1) >> 1]
      return middle ? { usd: middle.usd, source: `${name}: ${price.basis}`, asOf: middle.as_of } : null
    }
  }
}
