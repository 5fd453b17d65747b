/** What a node remembers of its electricity and its work, hour by hour. The real one is a SQLite file in its folder. */
import type { NanoUsd } from '#kernel/money.ts'
import type { TimestampMs } from '#kernel/time.ts'

/**
 * `plug` is the whole machine at the wall. `gpu` and `cpu` are the parts that measure themselves: together a lower
 * bound of the machine.
 */
export type EnergySource = 'plug' | 'gpu' | 'cpu'
/** `interpolated`: the readings lay so far apart that how the energy spreads between them is assumed. */
export type EnergyQuality = 'measured' | 'interpolated'

/** Energy of one source in one hour. What no row covers is missing: nothing is known of that time. */
export interface EnergySum {
  readonly source: EnergySource
  readonly quality: EnergyQuality
  /** True for a part while the plug told the whole: a detail, not to be added to the plug's energy. */
  readonly isDetail: boolean
  readonly coveredMs: number
  readonly joules: number
}

/**
 * Sums for a line through (busy share, watts) of each interval, weighted by its length: its ends are the idle and the
 * load watts. Kept apart by what measured them, for a plug reads more than the parts.
 */
export interface LoadFit {
  readonly basis: 'plug' | 'parts'
  /** Of intervals that were busy throughout or not at all: they tell load from idle without any error of the sampling. */
  readonly isPure: boolean
  /** Σ t, Σ t·b, Σ t·b², with the time in milliseconds and the busy share b within 0..1. */
  readonly timeMs: number
  readonly busyMs: number
  readonly busySquareMs: number
  /** Σ t·P and Σ t·b·P, in joules. */
  readonly joules: number
  readonly busyJoules: number
}

/** Everything that is added up within an hour. */
export interface HourSums {
  readonly energy: readonly EnergySum[]
  readonly fits: readonly LoadFit[]
  /** Connected and taking work; connected and parked. */
  readonly servingMs: number
  readonly parkedMs: number
  /** Time with a request under way, and the time of all requests together. */
  readonly busyMs: number
  readonly slotMs: number
  readonly requests: number
  readonly promptTokens: number
  readonly completionTokens: number
  /** What callers pay for that work at this node's ask: expected, for the network's bill is what counts. */
  readonly expectedGross: NanoUsd
  /** The network's part of it. */
  readonly expectedFee: NanoUsd
  /** GPU-hours that the expected gross pays for at the ask of their time. */
  readonly soldGpuHours: number
  /** Time with a known price of electricity, and Σ (USD per kWh × ms) over it: their ratio is the hour's price. */
  readonly pricedMs: number
  readonly usdPerKwhMs: number
  /** Of the machine's energy at a known price; `costedJoules` says how much of it that is. */
  readonly electricityCost: NanoUsd
  readonly costedJoules: number
  /** Where the last price came from; `null` while none is known. */
  readonly priceSource: string | null
}

export interface HourRecord extends HourSums {
  /** When the hour begins, in UTC. */
  readonly hourMs: TimestampMs
}

export interface JobRecord {
  readonly requestId: string
  readonly model: string
  readonly startedAtMs: TimestampMs
  readonly endedAtMs: TimestampMs
  readonly outcome: 'completed' | 'cancelled' | 'failed'
  readonly promptTokens: number
  readonly completionTokens: number
  readonly expectedGross: NanoUsd
  readonly expectedFee: NanoUsd
  /** Its share of the machine's energy by busy slots; `null` when part of its time was not metered. */
  readonly joules: number | null
  /** True when some of it was measured at the parts and not at the wall. */
  readonly isLowerBound: boolean
}

export interface ParkEvent {
  readonly atMs: TimestampMs
  readonly kind: 'parked' | 'resumed' | 'ask_changed'
  readonly askPerGpuHour: NanoUsd
  readonly usdPerKwh: number | null
  readonly reason: string
}

/** From `fromMs` up to, but not including, `toMs`. */
export interface Period {
  readonly fromMs: TimestampMs
  readonly toMs: TimestampMs
}

export interface EnergyAdditions {
  readonly hours: readonly HourRecord[]
  readonly jobs: readonly JobRecord[]
  readonly events: readonly ParkEvent[]
}

export interface Retention {
  readonly hoursBeforeMs: TimestampMs
  readonly jobsBeforeMs: TimestampMs
  readonly jobsMax: number
}

/** All calls are synchronous and throw a `Problem` (`disk_full`, `disk_failed`, …) when the disk refuses. */
export interface EnergyStore {
  /** Adds to what the hours hold, and keeps jobs and events: all of it or nothing. */
  add(additions: EnergyAdditions): void
  /** Hours that begin within the period, oldest first. Hours of which nothing is known are left out. */
  hours(period: Period): HourRecord[]
  /** The oldest hour that is kept; `null` without a record. */
  firstHourMs(): TimestampMs | null
  /** Jobs that ended within the period, oldest first, at most `countMax`. */
  jobs(period: Period, countMax: number): JobRecord[]
  events(period: Period): ParkEvent[]
  /** A short text under a name, such as the last prices that a tariff's address gave; `null` when none was kept. */
  read(name: string): string | null
  write(name: string, text: string): void
  /** Drops what is older than its limit, and the oldest jobs beyond their number. */
  forget(retention: Retention): void
  close(): void
}
