/** The shape of `data/gpus.json`: what is known of each GPU, with the source of every field; `null` is not known. */
import { z } from 'zod'

/** `2026-08-22`, `2026-04`, `2023`, `2024-2025`, `2025 (undated)`: as exact as the source is. */
export const SourceDate = z.union([z.string().min(4), z.int().min(2000).max(2100)]).transform(String)
/** Key into the file's `sources`. */
const SourceId = z.string().min(1)
const Usd = z.number().positive()

const UsedPrice = z.object({
  usd: Usd,
  as_of: SourceDate,
  source: SourceId,
  /** How it was observed: `mean of 3 cheapest listings`. */
  basis: z.string(),
  p25_usd: Usd.optional(),
  p75_usd: Usd.optional(),
  /** Listings behind it. */
  n: z.int().positive().optional(),
})

const RentalPrice = z.object({
  provider: z.string(),
  kind: z.enum(['on-demand', 'community', 'spot', 'secure']),
  /** What a renter pays for one GPU for an hour. */
  usd: Usd,
  basis: z.string(),
  as_of: SourceDate,
  source: SourceId,
})
export type RentalPrice = z.output<typeof RentalPrice>

export const Gpu = z.object({
  id: z.string(),
  vendor: z.enum(['NVIDIA', 'AMD', 'Intel', 'Apple']),
  name: z.string(),
  segment: z.enum(['consumer', 'workstation', 'datacenter', 'apple']),
  architecture: z.string(),
  release_date: z.string().nullable(),
  vram_gb: z.number().positive(),
  mem_bandwidth_gbs: z.number().positive().nullable(),
  tdp_w: z.number().positive(),
  idle_w: z.number().positive().nullable(),
  idle_note: z.string().nullable(),
  msrp_usd: Usd.nullable(),
  render_rnp_score: z.number().positive().nullable(),
  used_price_usd: Usd.nullable(),
  used_price_as_of: SourceDate.nullable(),
  used_prices: z.array(UsedPrice),
  rental_usd_per_hour: z.array(RentalPrice),
  aliases: z.array(z.string()),
  /** Field to source. */
  sources: z.record(z.string(), SourceId),
})
export type Gpu = z.output<typeof Gpu>

export const GpuFile = z.object({
  schema: z.literal('gpus/v1'),
  generated: z.iso.date(),
  note: z.string(),
  sources: z.record(SourceId, z.string()),
  gpus: z.array(Gpu),
})
export type GpuFile = z.output<typeof GpuFile>
