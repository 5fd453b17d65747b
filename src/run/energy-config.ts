import { z } from 'zod'
import { NanoUsd } from '#protocol/money.ts'

const Watts = z.number().positive().max(100_000)

/** What an agent knows of its electricity, and how it makes its ask. */
export const EnergyConfig = z.object({
  /** `null`: the ask of the agent is fixed. */
  autoAsk: z
    .object({
      /** The least, whatever electricity costs. */
      floor: NanoUsd,
      /** What work sells for at the most: above it the node parks. */
      max: NanoUsd.nullable(),
    })
    .nullable(),
  /** The price for always, or where the tariff has none. */
  usdPerKwh: z.number().nullable(),
  /** A file, or an http address. */
  tariff: z.string().nullable(),
  /** What one unit of the currency of a bare list of prices is worth. */
  tariffUsdPerUnit: z.number().positive().nullable(),
  /** By whose clocks the tariff is, where it does not say so itself: `Europe/Berlin`. */
  timeZone: z.string().nullish(),
  /** A smart plug's address. */
  plug: z.string().nullable(),
  /** As its owner knows them: before what is measured. */
  watts: z.object({ loadWatts: Watts, idleWatts: Watts }).nullable(),
  /** Days of its own record after which the node believes it. */
  historyDays: z.number().positive(),
  /** The network's part of what callers pay, where it is known beforehand. */
  feeBps: z.int().min(0).max(10_000).nullable(),
})
export type EnergyConfig = z.output<typeof EnergyConfig>

/** In the agent's folder. */
export const ENERGY_FILE = 'energy.sqlite'
