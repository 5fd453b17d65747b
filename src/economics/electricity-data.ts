/** The shape of `data/electricity.json`: what a kilowatt-hour costs where, in USD; `null` is not known. */
import { z } from 'zod'
import { SourceDate } from './gpu-data.ts'

const UsdPerKwh = z.number().positive()

const Observation = z.object({
  sector: z.string(),
  usd_kwh: UsdPerKwh,
  year: SourceDate,
  source: z.string(),
  detail: z.string().optional(),
})

export const Place = z.object({
  /** Two letters of ISO 3166, `US-CA` for a state, `EU27` and `WORLD` for a region. */
  code: z.string(),
  name: z.string(),
  kind: z.enum(['country', 'us_state', 'region']),
  /** What a household pays, all taxes included where the source says so. */
  residential_usd_kwh: UsdPerKwh.nullable(),
  residential_year: SourceDate.nullable(),
  residential_source: z.string().nullable(),
  /** What large consumers pay, mostly without tax: for colocation only. */
  industrial_usd_kwh: UsdPerKwh.nullable(),
  industrial_year: SourceDate.nullable(),
  industrial_source: z.string().nullable(),
  commercial_usd_kwh: UsdPerKwh.nullable(),
  observations: z.array(Observation),
})
export type Place = z.output<typeof Place>

export const ElectricityFile = z.object({
  schema: z.literal('electricity/v1'),
  generated: z.iso.date(),
  note: z.string(),
  sources: z.record(z.string(), z.object({ name: z.string(), url: z.string(), basis: z.string() })),
  places: z.array(Place),
})
export type ElectricityFile = z.output<typeof ElectricityFile>
