/** Adds up, by hour, what happens between two writes to the store. */
import type {
  EnergyAdditions,
  EnergySum,
  HourRecord,
  JobRecord,
  LoadFit,
  ParkEvent,
} from '#host/energy-store.ts'
import { NANO_PER_USD } from '#kernel/money.ts'
import { HOUR_MS, MINUTE_MS } from '#kernel/time.ts'
import { cutAtSteps, type Stretch } from './integrate-power.ts'
import type { EnergyPiece, MeanPower } from './machine-energy.ts'
import type { WorkSlice } from './metered-engine.ts'

/** What electricity costs at a time, and who says so; `null` where nobody does. */
export type PriceAt = (atMs: number) => { readonly usdPerKwh: number; readonly source: string } | null

export interface HourBook {
  addEnergy(piece: EnergyPiece): void
  /** Time of the node, with the work in it. */
  addTime(
    stretch: Stretch,
    time: { readonly state: NodeTime; readonly work: WorkSlice; readonly power: MeanPower | null },
  ): void
  addJob(job: JobRecord & { readonly soldGpuHours: number }): void
  addEvent(event: ParkEvent): void
  /** All that was added since the last call; `null` when that is nothing. */
  take(): EnergyAdditions | null
}
/** `offline`: not connected, so it is neither at work nor ready for any. */
export type NodeTime = 'serving' | 'parked' | 'offline'

/** Prices change at the quarter of an hour at the most. */
const PRICE_STEP_MS = 15 * MINUTE_MS
const JOULES_PER_KWH = 3_600_000

type OpenHour = { -readonly [Key in keyof HourRecord]: HourRecord[Key] }

export function createHourBook(priceAt: PriceAt): HourBook {
  let hours = new Map<number, OpenHour>()
  let jobs: JobRecord[] = []
  let events: ParkEvent[] = []

  function hourOf(atMs: number): OpenHour {
    const hourMs = Math.floor(atMs / HOUR_MS) * HOUR_MS
    const known = hours.get(hourMs)
    if (known) return known
    const fresh = emptyHour(hourMs)
    hours.set(hourMs, fresh)
    return fresh
  }

  return {
    addEnergy(piece) {
      for (const { fromMs, toMs, share } of cutAtSteps(piece, PRICE_STEP_MS)) {
        const hour = hourOf(fromMs)
        const joules = piece.joules * share
        hour.energy = addEnergySum(hour.energy, { ...piece, coveredMs: toMs - fromMs, joules })
        const price = piece.isDetail ? null : priceAt(fromMs)
        if (!price) continue
        hour.costedJoules += joules
        hour.electricityCost += toNano((joules / JOULES_PER_KWH) * price.usdPerKwh)
      }
    },
    addTime(stretch, { state, work, power }) {
      for (const { fromMs, toMs, share } of cutAtSteps(stretch, PRICE_STEP_MS)) {
        const hour = hourOf(fromMs)
        const ms = toMs - fromMs
        if (state === 'serving') hour.servingMs += ms
        else if (state === 'parked') hour.parkedMs += ms
        hour.busyMs += work.busyMs * share
        hour.slotMs += work.slotMs * share
        if (power?.quality === 'measured' && work.elapsedMs > 0)
          hour.fits = addFit(hour.fits, fitOf(power, { ms, busy: work.busyMs / work.elapsedMs }))
        const price = priceAt(fromMs)
        if (!price) continue
        hour.pricedMs += ms
        hour.usdPerKwhMs += price.usdPerKwh * ms
        hour.priceSource = price.source
      }
    },
    addJob({ soldGpuHours, ...job }) {
      const hour = hourOf(job.endedAtMs)
      hour.requests += 1
      hour.promptTokens += job.promptTokens
      hour.completionTokens += job.completionTokens
      hour.expectedGross += job.expectedGross
      hour.expectedFee += job.expectedFee
      hour.soldGpuHours += soldGpuHours
      jobs.push(job)
    },
    addEvent: (event) => void events.push(event),
    take() {
      if (hours.size + jobs.length + events.length === 0) return null
      const additions = { hours: [...hours.values()], jobs, events }
      hours = new Map()
      jobs = []
      events = []
      return additions
    },
  }
}

const toNano = (usd: number): bigint => BigInt(Math.round(usd * Number(NANO_PER_USD)))

const emptyHour = (hourMs: number): OpenHour => ({
  hourMs,
  energy: [],
  fits: [],
  servingMs: 0,
  parkedMs: 0,
  busyMs: 0,
  slotMs: 0,
  requests: 0,
  promptTokens: 0,
  completionTokens: 0,
  expectedGross: 0n,
  expectedFee: 0n,
  soldGpuHours: 0,
  pricedMs: 0,
  usdPerKwhMs: 0,
  electricityCost: 0n,
  costedJoules: 0,
  priceSource: null,
})

function addEnergySum(
  sums: readonly EnergySum[],
  { source, quality, isDetail, ...more }: EnergySum,
): EnergySum[] {
  const isSame = (sum: EnergySum): boolean =>
    sum.source === source && sum.quality === quality && sum.isDetail === isDetail
  const known = sums.find(isSame) ?? { coveredMs: 0, joules: 0 }
  return [
    ...sums.filter((sum) => !isSame(sum)),
    {
      source,
      quality,
      isDetail,
      coveredMs: known.coveredMs + more.coveredMs,
      joules: known.joules + more.joules,
    },
  ]
}

const fitOf = ({ watts, basis }: MeanPower, { ms, busy }: { ms: number; busy: number }): LoadFit => {
  const joules = watts * (ms / 1_000)
  return {
    basis,
    isPure: busy === 0 || busy === 1,
    timeMs: ms,
    busyMs: ms * busy,
    busySquareMs: ms * busy ** 2,
    joules,
    busyJoules: joules * busy,
  }
}

function addFit(fits: readonly LoadFit[], more: LoadFit): LoadFit[] {
  const known = fits.find(({ basis, isPure }) => basis === more.basis && isPure === more.isPure)
  return [...fits.filter((fit) => fit !== known), known ? sumOfFits(known, more) : more]
}

/** Two fits of one basis together. */
export const sumOfFits = (a: LoadFit, b: LoadFit): LoadFit => ({
  basis: a.basis,
  isPure: a.isPure && b.isPure,
  timeMs: a.timeMs + b.timeMs,
  busyMs: a.busyMs + b.busyMs,
  busySquareMs: a.busySquareMs + b.busySquareMs,
  joules: a.joules + b.joules,
  busyJoules: a.busyJoules + b.busyJoules,
})
