/**
 * How the uncertain quantities of a forecast move. These are assumptions, not measurements, but for those whose basis
 * says otherwise (`docs/concepts/economics.md` has the basis of each); whoever has a history of their own replaces them.
 */
import type { Correlations } from './correlated-shocks.ts'

export interface Drivers {
  /** Rental price: geometric Brownian motion. Its mean changes by `exp(drift)` a year. */
  readonly rental: { readonly driftPerYear: number; readonly volatilityPerYear: number }
  /** Logit of the rented share: pulled back to its start by `pullPerMonth` of the distance. */
  readonly utilisation: { readonly pullPerMonth: number; readonly volatilityPerMonth: number }
  /** Availability is Beta distributed, as if known from so many trials; one draw a path. */
  readonly availabilityTrials: number
  /** Share of the GPU's rated power that it draws under load: normal, cut off at both ends. One draw a path. */
  readonly loadShare: {
    readonly mean: number
    readonly deviation: number
    readonly min: number
    readonly max: number
  }
  /** Electricity: log-normal, one step a year, its mean today's price. */
  readonly electricityVolatilityPerYear: number
  /** Resale: log-normal around `medianPerYear` of the price a year before. */
  readonly resale: { readonly medianPerYear: number; readonly volatilityPerYear: number }
  /** At most once a year, in a month that is drawn. */
  readonly failure: { readonly chancePerYear: number; readonly daysDown: number; readonly usd: number }
  readonly correlations: Correlations
}

/** Drivers without a history. Availability: 60 and 2 of 62 trials at the default of 0.968. */
export const assumedDrivers: Drivers = {
  rental: { driftPerYear: -0.2, volatilityPerYear: 0.35 },
  utilisation: { pullPerMonth: 0.35, volatilityPerMonth: 0.45 },
  availabilityTrials: 62,
  loadShare: { mean: 0.82, deviation: 0.08, min: 0.55, max: 1 },
  electricityVolatilityPerYear: 0.06,
  resale: { medianPerYear: 0.75, volatilityPerYear: 0.3 },
  failure: { chancePerYear: 0.05, daysDown: 15, usd: 60 },
  correlations: {
    rentalUtilisation: 0.4,
    rentalResale: 0.5,
    utilisationResale: 0.3,
    tokenRental: 0.2,
    tokenUtilisation: 0.25,
    tokenResale: 0.1,
  },
}

/** How the network pays. */
export type PayoutRisk =
  | { readonly kind: 'stable' }
  | {
      readonly kind: 'token'
      /** `usd_indexed`: so many tokens as the dollars buy on that day. `floating`: a number of tokens fixed at the start. */
      readonly tie: 'usd_indexed' | 'floating'
      readonly volatilityPerYear: number
      /** Days from earning to selling: lag and lock-up. */
      readonly lockDays: number
      /** Never sold within the forecast: valued at each month's price, like a stock of tokens. */
      readonly isHeld: boolean
    }
