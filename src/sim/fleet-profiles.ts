/**
 * The kinds of machine that a network is made of: what they are, when they are there, what they ask and what their
 * electricity costs.
 */

import {
  awayMs as awayOf,
  type Churn,
  type FleetName,
  fleetNames,
  namedFleets,
  stayMs as stayOf,
  TIME_ZONES,
} from '#economics/fleet/named-fleets.ts'
import { uniform } from '#economics/normal.ts'
import type { Random } from '#kernel/random.ts'
import { MINUTE_MS } from '#kernel/time.ts'

export interface Hardware {
  readonly gpu: string
  readonly gpuCount: number
  readonly vramMib: number
  /** Of the whole machine at the wall. */
  readonly watts: { readonly load: number; readonly idle: number }
  /** Of one request, by model. */
  readonly tokensPerSecond: Readonly<Record<string, number>>
  readonly slots: number
  /** USD per GPU-hour that such cards ask for, before each owner's own mind. */
  readonly askUsd: number
}

export interface FleetProfile extends Churn {
  /** Of all nodes. */
  readonly share: number
  readonly hardware: readonly Hardware[]
  readonly tariffs: readonly TariffName[]
}

export type TariffName = 'flat' | 'day_and_night' | 'dear_evenings'

const card = (
  gpu: string,
  vramGib: number,
  [load, idle]: readonly [number, number],
  tokensPerSecond: readonly [small: number, large: number | null],
  askUsd: number,
): Hardware => ({
  gpu,
  gpuCount: 1,
  vramMib: vramGib * 1_024,
  watts: { load, idle },
  tokensPerSecond: {
    'guide-small': tokensPerSecond[0],
    ...(tokensPerSecond[1] === null ? {} : { 'guide-large': tokensPerSecond[1] }),
  },
  slots: 4,
  askUsd,
})

const RTX_3060 = card('NVIDIA GeForce RTX 3060', 12, [270, 75], [22, null], 0.08)
const RTX_3090 = card('NVIDIA GeForce RTX 3090', 24, [450, 90], [38, 18], 0.16)
const RTX_4070 = card('NVIDIA GeForce RTX 4070 SUPER', 12, [320, 75], [28, null], 0.12)
const RTX_4080 = card('NVIDIA GeForce RTX 4080', 16, [400, 80], [34, null], 0.19)
const RTX_4090 = card('NVIDIA GeForce RTX 4090', 24, [540, 95], [52, 26], 0.34)
const RTX_5090 = card('NVIDIA GeForce RTX 5090', 32, [680, 100], [74, 36], 0.53)
const L40S = { ...card('NVIDIA L40S', 48, [900, 260], [60, 30], 0.75), gpuCount: 2, slots: 8 }
const A100 = { ...card('NVIDIA A100-SXM4-80GB', 80, [650, 220], [66, 38], 1.1), slots: 8 }
const H100 = { ...card('NVIDIA H100 80GB HBM3', 80, [950, 260], [95, 60], 2.1), slots: 8 }

export const fleetProfiles: Readonly<Record<FleetName, FleetProfile>> = {
  datacentre: { ...namedFleets.datacentre, hardware: [L40S, A100, H100], tariffs: ['flat'] },
  dedicated: {
    ...namedFleets.dedicated,
    hardware: [RTX_3060, RTX_3090, RTX_4080, RTX_4090, RTX_5090],
    tariffs: ['flat', 'flat', 'day_and_night', 'dear_evenings'],
  },
  gaming: {
    ...namedFleets.gaming,
    hardware: [RTX_3060, RTX_4070, RTX_4080, RTX_4090],
    tariffs: ['flat', 'day_and_night'],
  },
  spot: { ...namedFleets.spot, hardware: [L40S, A100], tariffs: ['flat'] },
}

/** One machine of a fleet, with its owner's mind. */
export interface FleetNode {
  readonly fleet: FleetName
  readonly profile: FleetProfile
  readonly hardware: Hardware
  readonly askUsd: number
  readonly ask: 'fixed' | 'auto'
  readonly tariff: TariffName
  readonly usdPerKwh: number
  readonly utcOffsetHours: number
}

/** The nodes of a network in their fleets' shares, in turn, so that each gateway and each model has some of all. */
export function drawFleet(count: number, random: Random): FleetNode[] {
  const names = fleetNames.flatMap((fleet) =>
    Array.from({ length: Math.max(1, Math.round(fleetProfiles[fleet].share * count)) }, () => fleet),
  )
  while (names.length < count) names.push('dedicated')
  while (names.length > count) names.splice(names.indexOf('dedicated'), 1)
  const shuffled = names.map((fleet) => ({ fleet, rank: random.int(2 ** 31) }))
  return shuffled.toSorted((a, b) => a.rank - b.rank).map(({ fleet }) => drawNode(fleet, random))
}

/** A machine of `fleet`, with an owner. */
export function drawNode(fleet: FleetName, random: Random): FleetNode {
  const profile = fleetProfiles[fleet]
  const pick = <T>(items: readonly T[]): T => items[random.int(items.length)] as T
  const hardware = pick(profile.hardware)
  return {
    fleet,
    profile,
    hardware,
    askUsd: hardware.askUsd * (0.85 + 0.4 * uniform(random)),
    ask: fleet === 'dedicated' && random.chance(1, 5) ? 'auto' : 'fixed',
    tariff: pick(profile.tariffs),
    usdPerKwh: 0.08 + 0.22 * uniform(random),
    utcOffsetHours: pick(TIME_ZONES),
  }
}

export const stayMs = ({ profile, utcOffsetHours }: FleetNode, atMs: number, random: Random): number =>
  stayOf(profile, { atMs, utcOffsetHours }, random)

export const awayMs = ({ profile }: FleetNode, random: Random): number =>
  Math.max(MINUTE_MS, awayOf(profile, random))

/** The file in which the owner wrote the tariff down. */
export function tariffText({ tariff, usdPerKwh, utcOffsetHours }: FleetNode): string {
  const periods = {
    flat: [],
    day_and_night: [period('22:00', '06:00', 0.6 * usdPerKwh)],
    dear_evenings: [period('17:00', '21:00', 2 * usdPerKwh), period('23:00', '06:00', 0.75 * usdPerKwh)],
  }[tariff]
  return JSON.stringify({
    kind: 'time_of_use',
    currency: 'USD',
    utc_offset_minutes: utcOffsetHours * 60,
    periods,
    otherwise: usdPerKwh,
  })
}
const period = (from: string, to: string, perKwh: number) => ({
  days: ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'],
  from,
  to,
  per_kwh: perKwh,
})
