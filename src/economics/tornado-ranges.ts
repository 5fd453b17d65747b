import type { MarketPrice } from './market-price.ts'
import type { LeverRange } from './sensitivity.ts'
import type { Capital, Terms } from './terms.ts'

/** How far each input may reasonably be from what was put in, with the basis of each range. */
export function tornadoRanges(
  terms: Terms,
  capital: Capital | null,
  market: MarketPrice | null,
): LeverRange[] {
  const { availability, loadWatts, priceUsdPerGpuHour: price } = terms
  const isSpread = market !== null && market.count > 1 && market.lowUsd <= price && price <= market.highUsd
  const prices: LeverRange = isSpread
    ? {
        lever: 'price',
        low: market.lowUsd,
        high: market.highUsd,
        basis: `lowest and highest of ${market.count} prices seen (${market.asOf})`,
      }
    : {
        lever: 'price',
        low: 0.4 * price,
        high: 2.2 * price,
        basis: 'as far apart as prices of the RTX 4090 (2026-08)',
      }
  return [
    prices,
    {
      lever: 'electricity',
      low: 0.05,
      high: 0.4495,
      basis: 'from cheap water power to a German household (2025)',
    },
    {
      lever: 'utilisation',
      low: Math.min(0.25, availability),
      high: Math.min(0.85, availability),
      basis: 'a bad and a very good month',
    },
    { lever: 'take', low: 0, high: 0.44, basis: 'Akash to Salad (2026)' },
    { lever: 'fx_haircut', low: 0, high: 0.25, basis: 'dollars to a token sold too late' },
    { lever: 'pue', low: 1, high: 1.4, basis: 'open window to air conditioning' },
    {
      lever: 'watts',
      low: 0.725 * loadWatts,
      high: 1.167 * loadWatts,
      basis: 'power limit of 300 W to a thirsty host, of an RTX 4090',
    },
    ...(capital === null ? [] : ofCapital(capital)),
  ]
}

const ofCapital = ({ purchaseUsd }: Capital): LeverRange[] => [
  {
    lever: 'purchase',
    low: 0.65 * purchaseUsd,
    high: 1.94 * purchaseUsd,
    basis: 'from the launch price to the peak of 2026, of an RTX 4090',
  },
  { lever: 'resale', low: 0.1, high: 0.9, basis: 'a crash, and a year as 2026' },
  { lever: 'life', low: 2, high: 5, basis: 'sold early, or used up' },
]
