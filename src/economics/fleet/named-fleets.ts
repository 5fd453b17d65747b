/**
 * Kinds of machines by how long they stay and stay away, after published traces: datacentre hosts as reported for large training
 * runs, dedicated community hosts as on Salad, volunteers' as at RakeSearch, spot capacity as in SkyPilot's traces.
 */

import { HOUR_MS, MINUTE_MS, SECOND_MS } from '#kernel/time.ts'
import { type Draw, exponential, gammaBelowOne, hyperExponential, logNormal, weibull } from '../draws.ts'

export const fleetNames = ['datacentre', 'dedicated', 'gaming', 'spot'] as const
export type FleetName = (typeof fleetNames)[number]

/** How machines of a kind come and go. */
export interface Churn {
  /** Hours that a machine stays, and stays away. */
  readonly up: Draw
  readonly down: Draw
  /** While its owner plays, a machine leaves so many times as soon. */
  readonly eveningHazard: number
  /** How long before it leaves a machine knows, and in how many cases of a hundred. */
  readonly noticeMs: number
  readonly noticePercent: number
  /** Of those that leave, in hundredths, how many do so with all of their kind in their region, within three minutes. */
  readonly togetherPercent: number
}

export interface NamedFleet extends Churn {
  /** Of all nodes of a mixed network. */
  readonly share: number
  /** What one GPU-hour of such a machine costs, in USD: what `asks` says, unless another price is given. */
  readonly usdPerHour: number
  readonly asks: string
}

const alone = { eveningHazard: 1, noticeMs: 0, noticePercent: 0, togetherPercent: 0 } as const

export const namedFleets: Readonly<Record<FleetName, NamedFleet>> = {
  datacentre: {
    ...alone,
    share: 0.1,
    up: exponential(2_000),
    down: logNormal({ median: 0.5, sigma: 1 }),
    noticeMs: 120 * SECOND_MS,
    noticePercent: 90,
    usdPerHour: 1.1,
    asks: 'an A100 80 GB',
  },
  dedicated: {
    ...alone,
    share: 0.5,
    up: weibull({ shape: 0.7, scale: 97.3 }),
    down: logNormal({ median: 1 / 6, sigma: 1.08 }),
    usdPerHour: 0.34,
    asks: 'an RTX 4090',
  },
  gaming: {
    ...alone,
    share: 0.3,
    up: gammaBelowOne({ shape: 0.357, scale: 43.65 }),
    down: hyperExponential([
      { weight: 0.338, mean: 1 / 0.029 },
      { weight: 0.39, mean: 1 / 30.1 },
      { weight: 0.272, mean: 1 / 1.069 },
    ]),
    eveningHazard: 3,
    usdPerHour: 0.19,
    asks: 'an RTX 4080',
  },
  spot: {
    ...alone,
    share: 0.1,
    up: weibull({ shape: 0.6, scale: 2.5 }),
    down: logNormal({ median: 0.5, sigma: 1.3 }),
    noticeMs: 30 * SECOND_MS,
    noticePercent: 100,
    togetherPercent: 92,
    usdPerHour: 0.75,
    asks: 'an L40S',
  },
}

/** A kind of machine that nothing but its two lifetimes is known of. */
export const ownChurn = (lifetimes: Pick<Churn, 'up' | 'down'>): Churn => ({ ...alone, ...lifetimes })

/** Nobody is away for longer: the tails of the traces end there too. */
const DOWN_HOURS_MAX = 7 * 24

/** Hours from UTC at which owners live. */
export const TIME_ZONES = [-8, -5, 0, 1, 8, 9] as const

/** How long a machine that comes at `atMs` stays: its owner's evenings and weekends wear it down sooner. */
export function stayMs(
  { up, eveningHazard }: Pick<Churn, 'up' | 'eveningHazard'>,
  { atMs, utcOffsetHours }: { readonly atMs: number; readonly utcOffsetHours: number },
  random: Parameters<Draw>[0],
): number {
  let left = up(random) * HOUR_MS
  if (eveningHazard === 1) return Math.max(MINUTE_MS, left)
  let nowMs = atMs
  while (left > 0) {
    const stepMs = HOUR_MS - (nowMs % HOUR_MS)
    const hazard = isPlayTime(Math.floor(nowMs / HOUR_MS) + utcOffsetHours) ? eveningHazard : 1
    const lastedMs = Math.min(stepMs, left / hazard)
    left -= lastedMs * hazard
    nowMs += lastedMs
  }
  return Math.max(MINUTE_MS, nowMs - atMs)
}

export const awayMs = ({ down }: Pick<Churn, 'down'>, random: Parameters<Draw>[0]): number =>
  Math.max(1, Math.min(down(random), DOWN_HOURS_MAX) * HOUR_MS)

/** From five to eleven in the evening, on weekends from noon. `localHour`: hours since 1970, which began on a Thursday. */
function isPlayTime(localHour: number): boolean {
  const hour = localHour % 24
  const isWeekend = ((Math.floor(localHour / 24) + 4) % 7) % 6 === 0
  return hour >= (isWeekend ? 12 : 17) && hour < 23
}
