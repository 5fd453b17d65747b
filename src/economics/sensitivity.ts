/** How much the result hangs on each input: one at a time is moved over its range, the others stay. */
import { accountOf } from './daily-account.ts'
import { straightLineUsdPerDay } from './depreciation.ts'
import type { Capital, Terms } from './terms.ts'

interface Case {
  readonly terms: Terms
  readonly capital: Capital | null
}
type Change = (from: Case, value: number) => Case

const ofTerms =
  (field: keyof Terms): Change =>
  (from, value) => ({ ...from, terms: { ...from.terms, [field]: value } })
const ofCapital =
  (change: (capital: Capital, value: number) => Capital): Change =>
  (from, value) => ({ ...from, capital: from.capital && change(from.capital, value) })

/** What may be moved: its name for people, its unit, and how the case changes with it. */
export const leverage = {
  price: { label: 'rental price', unit: 'USD/GPU-hour', change: ofTerms('priceUsdPerGpuHour') },
  electricity: { label: 'electricity', unit: 'USD/kWh', change: ofTerms('electricityUsdPerKwh') },
  utilisation: { label: 'utilisation', unit: 'share of hours', change: ofTerms('utilisation') },
  take: { label: "network's part", unit: 'share of rent', change: ofTerms('takeShare') },
  fx_haircut: { label: 'exchange loss', unit: 'share of payout', change: ofTerms('fxHaircutShare') },
  pue: { label: 'cooling (PUE)', unit: 'ratio', change: ofTerms('pue') },
  watts: { label: 'power under load', unit: 'W', change: ofTerms('loadWatts') },
  purchase: {
    label: 'purchase price',
    unit: 'USD',
    // The resale moves along: it is a share of the price.
    change: ofCapital((capital, value) => ({
      ...capital,
      purchaseUsd: value,
      resaleUsd: capital.purchaseUsd > 0 ? (capital.resaleUsd / capital.purchaseUsd) * value : 0,
    })),
  },
  resale: {
    label: 'resale value',
    unit: 'share of the price',
    change: ofCapital((capital, value) => ({ ...capital, resaleUsd: value * capital.purchaseUsd })),
  },
  life: {
    label: 'years in use',
    unit: 'years',
    change: ofCapital((capital, lifeYears) => ({ ...capital, lifeYears })),
  },
} as const satisfies Record<string, { label: string; unit: string; change: Change }>

export type Lever = keyof typeof leverage

export interface LeverRange {
  readonly lever: Lever
  readonly low: number
  readonly high: number
  /** Where the range is from. */
  readonly basis: string
}

export interface Tornado extends LeverRange {
  readonly label: string
  readonly unit: string
  readonly atLowUsdPerDay: number
  readonly atHighUsdPerDay: number
  /** Distance of the two. */
  readonly swingUsdPerDay: number
}

/** Each range with what the net (or the cash, without capital) of a day is at its two ends; the widest swing first. */
export function tornadoOf(from: Case, ranges: readonly LeverRange[]): Tornado[] {
  const bars = ranges
    .filter(({ lever }) => from.capital !== null || !['purchase', 'resale', 'life'].includes(lever))
    .map((range): Tornado => {
      const { label, unit, change } = leverage[range.lever]
      const [low, high] = [resultOf(change(from, range.low)), resultOf(change(from, range.high))]
      const swing = { atLowUsdPerDay: low, atHighUsdPerDay: high, swingUsdPerDay: Math.abs(high - low) }
      return { ...range, label, unit, ...swing }
    })
  return bars.sort((a, b) => b.swingUsdPerDay - a.swingUsdPerDay || (a.lever < b.lever ? -1 : 1))
}

function resultOf({ terms, capital }: Case): number {
  const account = accountOf(terms, capital && straightLineUsdPerDay(capital))
  return account.netUsdPerDay ?? account.cashUsdPerDay
}
