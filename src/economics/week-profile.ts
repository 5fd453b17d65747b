/** A ratio by the hour of the week, each hour leaning on hours like it. */
import { DAY_MS, HOUR_MS } from '#kernel/time.ts'

export const HOURS_OF_WEEK = 168
const HOURS_OF_DAY = 24
/** The first of January 1970 was a Thursday. */
const EPOCH_DAY_OF_WEEK = 4

/** 0 is the hour from midnight on Sunday, in UTC. */
export function hourOfWeek(atMs: number): number {
  const day = (Math.floor(atMs / DAY_MS) + EPOCH_DAY_OF_WEEK) % 7
  return day * HOURS_OF_DAY + Math.floor((atMs % DAY_MS) / HOUR_MS)
}

/** What is divided, and by what: a ratio rests on so much of its divisor. */
export interface Cell {
  readonly sum: number
  readonly weight: number
}

/** So many hours' worth of the coarser mean goes into each finer one. */
const LEAN = { dayKind: 24, hourOfDay: 8, hourOfWeek: 4 } as const

/**
 * For each hour of the week `sum / weight`, shrunk to the mean of its hour of the day times that of its kind of day
 * (working day, weekend), which are shrunk to the mean of all. `cells` has one entry for each hour of the week; without
 * any weight all are 0.
 */
export function weekProfile(cells: readonly Cell[]): number[] {
  const all = total(cells)
  const mean = all.weight > 0 ? all.sum / all.weight : 0
  if (mean === 0) return cells.map(() => 0)
  const meanOf = (isAlike: (hour: number) => boolean, by: number): number =>
    lean(total(cells.filter((_cell, hour) => isAlike(hour))), { to: mean, by })
  const kinds = [false, true].map((is) => meanOf((hour) => isWeekend(hour) === is, LEAN.dayKind))
  const hours = Array.from({ length: HOURS_OF_DAY }, (_, of) =>
    meanOf((hour) => hour % HOURS_OF_DAY === of, LEAN.hourOfDay),
  )
  return cells.map((cell, hour) => {
    const like = (kinds[Number(isWeekend(hour))] ?? mean) * ((hours[hour % HOURS_OF_DAY] ?? mean) / mean)
    return lean(cell, { to: like, by: LEAN.hourOfWeek })
  })
}

const isWeekend = (hour: number): boolean => Math.floor(hour / HOURS_OF_DAY) % 6 === 0

const lean = ({ sum, weight }: Cell, prior: { to: number; by: number }): number =>
  (sum + prior.by * prior.to) / (weight + prior.by)

const total = (cells: readonly Cell[]): Cell =>
  cells.reduce((all, cell) => ({ sum: all.sum + cell.sum, weight: all.weight + cell.weight }), {
    sum: 0,
    weight: 0,
  })
