/** What a node's own record says to a forecast; the shape in which whoever can read the record hands it over. */
import type { TimestampMs } from '#kernel/time.ts'
import type { Measured, MeasuredName } from './roi-input.ts'

export interface OwnHistory {
  /** Of which node, for people: a folder. */
  readonly place: string
  /** The first hour that counts, and until when the record was read; `null`: there is none. */
  readonly sinceMs: TimestampMs | null
  readonly untilMs: TimestampMs
  readonly calendarHours: number
  /** From so many hours on record the node believes it. */
  readonly hoursMin: number
  /** What measured the energy: `parts` is a lower bound; `null`: nothing did. */
  readonly basis: 'plug' | 'parts' | null
  /** `null`: nothing takes the place of an assumption yet. */
  readonly measured: Measured | null
  readonly figures: readonly OwnFigure[]
  /** What each day of the record came to. */
  readonly actual: DayFigures
  /** Forecasts that were made out of the record up to a day, against what came after it. */
  readonly checks: readonly ForecastCheck[]
}

export interface OwnFigure {
  readonly name: MeasuredName
  readonly value: number | null
  readonly isUsed: boolean
  /** What it rests on and since when, or what is missing until it is used. */
  readonly basis: string
}

/** A mean day; `null` is not known. */
export interface DayFigures {
  /** What the node expects to get, the network's part taken off. */
  readonly incomeUsd: number | null
  readonly energyKwh: number | null
  readonly electricityUsd: number | null
}

export interface ForecastCheck {
  /** Whole days on record when it was made. */
  readonly day: number
  readonly madeAtMs: TimestampMs
  readonly forecast: DayFigures
  readonly actual: DayFigures
}

/** Forecast over actual, less 1; `null` where either is not known or nothing came. */
export const errorOf = (forecast: number | null, actual: number | null): number | null =>
  forecast === null || actual === null || actual === 0 ? null : forecast / actual - 1
