/**
 * The shape of `data/networks.json`: what GPU networks pay, keep and ask for. `null` is not known, never "none"; an
 * empty list or 0 is a documented nothing.
 */
import { z } from 'zod'
import { SourceDate } from './gpu-data.ts'

const Share = z.number().min(0).max(1)
const Usd = z.number().positive()

const Price = z.discriminatedUnion('kind', [
  /** Nothing published for single cards. */
  z.object({ kind: z.literal('none') }),
  /** One figure for whatever GPU: shown, not ranked by. */
  z.object({
    kind: z.literal('own_default'),
    usd: Usd,
    basis: z.string(),
    as_of: SourceDate,
    source: z.string(),
  }),
  z.object({
    kind: z.literal('own'),
    rows: z.array(z.object({ gpu_id: z.string(), low_usd: Usd, high_usd: Usd })),
    basis: z.string(),
    as_of: SourceDate,
    source: z.string(),
  }),
  /** In the rental observations of the GPU file. */
  z.object({ kind: z.literal('observed'), provider: z.string(), rental_kind: z.string(), basis: z.string() }),
])

const Terms = z.object({
  take_share: Share.nullable(),
  take_basis: z.string().nullable(),
  /** `none`: nothing is paid. `usd_indexed`: tokens worth the dollars of that day. `floating`: a number of tokens. */
  payout_tie: z.enum(['usd', 'usd_indexed', 'floating', 'none']).nullable(),
  payout_token: z.string().nullable(),
  /** From earning to being able to sell. */
  lock_days: z.number().min(0).nullable(),
  stake: z
    .object({
      token: z.string(),
      per_gpu: z.number().positive().nullable(),
      note: z.string(),
      cooldown_days: z.number().nullable(),
    })
    .nullable(),
  withheld_first_usd: Usd.nullable(),
  payout_min_usd: Usd.nullable(),
  /** Whether anything tells that work is really bought there. */
  has_demand_evidence: z.boolean(),
  price: Price,
  /** Where nodes share an emission instead of what renters pay. */
  emission: z
    .object({
      /** Tokens for 168 hours of work at weight 1. */
      job_tokens_per_full_week: z.number().positive(),
      availability_tokens_per_week: z.number().min(0),
      weight_field: z.literal('render_rnp_score'),
      source: z.string(),
      as_of: SourceDate,
      note: z.string(),
    })
    .nullable(),
  custody_risk: z.string().nullable(),
  contract_risk: z.string().nullable(),
})

const Filters = z.object({
  os: z.array(z.enum(['linux', 'windows', 'macos'])).nullable(),
  vendors: z.array(z.string()).nullable(),
  architectures: z.array(z.string()).nullable(),
  gpu_ids: z.array(z.string()).nullable(),
  /** The GPU must have this score in the GPU file. */
  needs_score: z.literal('render_rnp_score').nullable(),
  vram_gb_min: z.number().positive().nullable(),
  ram_gb_min: z.number().positive().nullable(),
  storage_gb_min: z.number().positive().nullable(),
  down_mbps_min: z.number().positive().nullable(),
  up_mbps_min: z.number().positive().nullable(),
  /** To be marked as verified; not to be let in. */
  verification_mbps: z.object({ per_gb_vram: z.number(), min: z.number(), max: z.number() }).nullable(),
  gpus_per_machine_max: z.int().positive().nullable(),
  is_dedicated: z.boolean().nullable(),
  allows_power_limit: z.boolean().nullable(),
  /** Conditions that no number expresses. */
  also: z.array(z.string()),
})

export const Tier = z.enum(['older', 'mid-range', 'consumer-24gb', 'datacenter', 'multi-gpu', 'latest'])
export type Tier = z.output<typeof Tier>

/** From what is dollars to what is nothing. */
export const stabilities = [
  'stable',
  'usd_indexed_token_paid',
  'token_floating',
  'none_documented',
  'unverified',
] as const
export type Stability = (typeof stabilities)[number]

export const GpuNetwork = z.object({
  id: z.string(),
  name: z.string(),
  /** False: no primary source was found. Shown, never ranked. */
  verified: z.boolean(),
  use_case: z.array(z.string()),
  tiers: z.array(Tier),
  payout_stability: z.enum(stabilities),
  risk_class: z.string(),
  as_of: SourceDate,
  sources: z.array(z.string()),
  unknown: z.array(z.string()),
  terms: Terms,
  filters: Filters,
})
export type GpuNetwork = z.output<typeof GpuNetwork>

const TokenVolatility = z.object({
  method: z.string(),
  window: z.string(),
  annualised_vol: z.record(z.string(), z.number().positive()),
  max_drawdown: z.record(z.string(), z.number().max(0)),
  correlation: z.record(z.string(), z.number().min(-1).max(1)),
  /** Tokens without a series of their own. */
  not_available: z.array(z.string()),
  proxy_rule: z.string(),
  source: z.string(),
})

export const NetworkFile = z.object({
  schema: z.literal('networks/v2'),
  generated: z.iso.date(),
  note: z.string(),
  sources: z.record(z.string(), z.string()),
  token_volatility: TokenVolatility,
  networks: z.array(GpuNetwork),
})
export type NetworkFile = z.output<typeof NetworkFile>
