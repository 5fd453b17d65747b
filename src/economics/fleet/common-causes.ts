/** What takes several machines away at once. Where no study says how often, the figure is an assumption, and `about` says so. */

import { DAY_MS, HOUR_MS, MINUTE_MS } from '#kernel/time.ts'
import { type Draw, logNormal } from '../draws.ts'

export interface Cause {
  /** The mean time between two of them: of each region, owner or version, or of each machine. */
  readonly everyMs: number
  readonly downHours: Draw
  readonly about: string
}

export const commonCauses = {
  region: {
    everyMs: 300 * DAY_MS,
    downHours: logNormal({ median: 1, sigma: 0.8 }),
    about: 'A provider or a region fails: each once in 300 days, for 1 hour in the median.',
  },
  owner: {
    everyMs: 60 * DAY_MS,
    downHours: logNormal({ median: 0.5, sigma: 1 }),
    about:
      'The line or the fuse of an owner with several machines: once in 60 days, for 30 minutes in the median (an assumption).',
  },
  version: {
    everyMs: 360 * DAY_MS,
    downHours: logNormal({ median: 20 / 60, sigma: 0.7 }),
    about:
      'A version of the agent has a fault that stops all who run it: each version once in 360 days, for 20 minutes in the median, until the fleet is back on the last one (an assumption).',
  },
  blip: {
    everyMs: 50 * DAY_MS,
    downHours: (random) => ((random.int(1_000) + 0.5) / 1_000) * ((5 * MINUTE_MS) / HOUR_MS),
    about: 'Power or line of a single machine blinks: 2 % of machines a day, for less than 5 minutes.',
  },
} as const satisfies Readonly<Record<string, Cause>>

export type CauseName = keyof typeof commonCauses
export const causeNames = ['region', 'owner', 'version', 'blip'] as const satisfies CauseName[]
