/** The record of a simulated node: survives its process like a file, and adds up like the real one. */
import { sumOfFits } from '#agent/energy/hour-book.ts'
import type {
  EnergyAdditions,
  EnergyStore,
  HourRecord,
  JobRecord,
  ParkEvent,
  Period,
} from '#host/energy-store.ts'

const numbers = [
  'servingMs',
  'parkedMs',
  'busyMs',
  'slotMs',
  'requests',
  'promptTokens',
  'completionTokens',
  'soldGpuHours',
  'pricedMs',
  'usdPerKwhMs',
  'costedJoules',
] as const satisfies readonly (keyof HourRecord)[]

export function createSimEnergyStore(): EnergyStore {
  const hours = new Map<number, HourRecord>()
  let jobs: JobRecord[] = []
  let events: ParkEvent[] = []
  const notes = new Map<string, string>()

  const within = <T>(items: Iterable<T>, { fromMs, toMs }: Period, atOf: (item: T) => number): T[] =>
    [...items].filter((item) => atOf(item) >= fromMs && atOf(item) < toMs)

  return {
    add(additions: EnergyAdditions) {
      for (const hour of additions.hours) {
        const known = hours.get(hour.hourMs)
        hours.set(hour.hourMs, known ? addHours(known, hour) : hour)
      }
      jobs.push(...additions.jobs)
      events.push(...additions.events)
    },
    hours: (period) =>
      within(hours.values(), period, (hour) => hour.hourMs).toSorted((a, b) => a.hourMs - b.hourMs),
    firstHourMs: () => (hours.size === 0 ? null : Math.min(...hours.keys())),
    jobs: (period, countMax) =>
      within(jobs, period, (job) => job.endedAtMs)
        .toSorted((a, b) => a.endedAtMs - b.endedAtMs)
        .slice(0, countMax),
    events: (period) => within(events, period, (event) => event.atMs).toSorted((a, b) => a.atMs - b.atMs),
    read: (name) => notes.get(name) ?? null,
    write: (name, text) => void notes.set(name, text),
    forget({ hoursBeforeMs, jobsBeforeMs, jobsMax }) {
      for (const hourMs of hours.keys()) if (hourMs < hoursBeforeMs) hours.delete(hourMs)
      jobs = jobs.filter((job) => job.endedAtMs >= jobsBeforeMs).slice(-jobsMax)
      events = events.filter((event) => event.atMs >= hoursBeforeMs)
    },
    close: () => undefined,
  }
}

function addHours(a: HourRecord, b: HourRecord): HourRecord {
  const sums = Object.fromEntries(numbers.map((name) => [name, a[name] + b[name]]))
  return {
    ...a,
    ...(sums as Record<(typeof numbers)[number], number>),
    expectedGross: a.expectedGross + b.expectedGross,
    expectedFee: a.expectedFee + b.expectedFee,
    electricityCost: a.electricityCost + b.electricityCost,
    priceSource: b.priceSource ?? a.priceSource,
    energy: b.energy.reduce(addEnergy, a.energy),
    fits: b.fits.reduce(addFit, a.fits),
  }
}

function addEnergy(sums: HourRecord['energy'], more: HourRecord['energy'][number]): HourRecord['energy'] {
  const { source, quality, isDetail } = more
  const known = sums.find(
    (sum) => sum.source === source && sum.quality === quality && sum.isDetail === isDetail,
  )
  if (!known) return [...sums, more]
  const coveredMs = known.coveredMs + more.coveredMs
  return sums.map((sum) => (sum === known ? { ...sum, coveredMs, joules: sum.joules + more.joules } : sum))
}

function addFit(fits: HourRecord['fits'], more: HourRecord['fits'][number]): HourRecord['fits'] {
  const known = fits.find((fit) => fit.basis === more.basis && fit.isPure === more.isPure)
  if (!known) return [...fits, more]
  return fits.map((fit) => (fit === known ? sumOfFits(known, more) : fit))
}
