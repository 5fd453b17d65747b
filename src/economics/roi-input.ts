/**
 * What an owner says. Everything but the GPU may be left out: what the catalogue knows is looked up, what only an
 * assumption can fill is filled and said, what neither can is asked for.
 */
import { z } from 'zod'

/** A number in USD (for electricity: USD/kWh), or text with its currency: `0.30 EUR`, `€0.30`, `30 ct`. */
const Amount = z.union([z.number(), z.string().max(40)])

export const RoiInput = z.strictObject({
  /** `RTX 4090`, or what `nvidia-smi` says. */
  gpu: z.string().max(100),
  gpuCount: z.number().optional(),
  /** Code or name of a country or a state of the USA: for its price of electricity. */
  country: z.string().max(100).optional(),
  /** At home by the household's price; in a data centre by the industrial one. */
  site: z.enum(['home', 'colocation']).optional(),
  electricityPerKwh: Amount.optional(),
  /** What a renter pays for a GPU-hour. */
  pricePerGpuHour: Amount.optional(),
  utilisation: z.number().optional(),
  availability: z.number().optional(),
  /** Id of a network of the catalogue: its part, its payout. */
  network: z.string().max(40).optional(),
  takeShare: z.number().optional(),
  payoutFeeShare: z.number().optional(),
  fxHaircutShare: z.number().optional(),
  gasPerDay: Amount.optional(),
  extraPerGpuDay: Amount.optional(),
  /** Whole machine at the wall, as measured. */
  loadWatts: z.number().optional(),
  /** Whole machine at the wall with every GPU at its rated power: what it draws at most. */
  loadWattsMax: z.number().optional(),
  idleWatts: z.number().optional(),
  offWatts: z.number().optional(),
  pue: z.number().optional(),
  fixedPerDay: Amount.optional(),
  maintenancePerDay: Amount.optional(),
  /** For all GPUs together; for an owner: what they would fetch today. */
  purchase: Amount.optional(),
  /** For all GPUs together, after `lifeYears`. */
  resale: Amount.optional(),
  lifeYears: z.number().optional(),
  discountPerYear: z.number().optional(),
  taxShare: z.number().optional(),
  /** Of the forecast. */
  months: z.number().optional(),
  /** USD for one unit of each currency that an amount is in. */
  usdPer: z.record(z.string().regex(/^[A-Z]{3}$/), z.number().positive()).optional(),
})
export type RoiInput = z.output<typeof RoiInput>

export type MeasuredName =
  | 'loadWatts'
  | 'idleWatts'
  | 'utilisation'
  | 'availability'
  | 'pricePerGpuHour'
  | 'electricityPerKwh'
  | 'takeShare'

/** What this node measured of itself: used before any assumption, after whatever the owner says. */
export interface Measured {
  readonly loadWatts?: number
  readonly idleWatts?: number
  readonly utilisation?: number
  readonly availability?: number
  readonly pricePerGpuHour?: number
  readonly electricityPerKwh?: number
  readonly takeShare?: number
  /** `node, 14 days to 2026-11-22`. */
  readonly source: string
  /** What a single figure rests on, and since when, where that is known more exactly than `source`. */
  readonly sources?: Readonly<Partial<Record<MeasuredName, string>>>
  /** ISO date of the last day that is in it. */
  readonly asOf: string
}
