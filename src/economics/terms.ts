/** What a forecast is computed from, once every number is known. USD, watts, hours, days; shares lie between 0 and 1. */

/** One machine that rents out its GPUs. */
export interface Terms {
  readonly gpuCount: number
  /** What the renter pays for one GPU, before the network's part. */
  readonly priceUsdPerGpuHour: number
  /** Rented share of all hours; at most `availability`. */
  readonly utilisation: number
  /** Share of all hours online and ready. */
  readonly availability: number
  /** What the network keeps of the renter's money. */
  readonly takeShare: number
  /** What the way out costs: exchange, transfer, card. */
  readonly payoutFeeShare: number
  /** What is lost when a payout is turned into dollars: slippage and lag. Zero where dollars are paid. */
  readonly fxHaircutShare: number
  readonly gasUsdPerDay: number
  /** Storage and bandwidth, for one GPU. */
  readonly extraUsdPerGpuDay: number
  /** The price of the next kilowatt-hour, not the mean of the bill. */
  readonly electricityUsdPerKwh: number
  /** Whole machine with every GPU at work, behind the power supply (see `psuEfficiency`). */
  readonly loadWatts: number
  /** Whole machine online without work. */
  readonly idleWatts: number
  /** Whole machine parked: what it draws while it is not online. */
  readonly offWatts: number
  /** 1 where watts are measured at the wall. */
  readonly psuEfficiency: number
  /** Power of the whole place over power of the machine: 1 and the share of cooling. */
  readonly pue: number
  /** Rent, internet, insurance, software: paid whether or not anything runs. */
  readonly fixedUsdPerDay: number
  readonly maintenanceUsdPerDay: number
}

/** What is bound in the machine. */
export interface Capital {
  /** What it costs, or what it would fetch today for somebody who owns it. */
  readonly purchaseUsd: number
  /** What it fetches after `lifeYears`; more than `purchaseUsd` where the market rises. */
  readonly resaleUsd: number
  readonly lifeYears: number
  readonly discountPerYear: number
}

export const HOURS_PER_DAY = 24
export const DAYS_PER_YEAR = 365
