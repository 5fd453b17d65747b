/** What a fleet's months come to: how often a promise is kept, and what machines and broken promises cost. */
import { percentile } from '../percentiles.ts'
import { type FleetMonths, MONTH_HOURS } from './fleet-hours.ts'
import type { FleetPlan } from './fleet-plan.ts'

/** What is promised, and what is given back where it is not kept, worst first. Shares are parts per billion. */
export interface UptimePromise {
  readonly name: string
  readonly targetPpb: number
  readonly credits: readonly { readonly belowPpb: number; readonly creditBps: number }[]
}

export interface PromiseKept {
  readonly name: string
  /** Share of the time. */
  readonly target: number
  /** Share of the months of all services in which it was kept. */
  readonly keptShare: number
  /** Of what customers pay, in the mean. */
  readonly creditShare: number
}

export interface FleetOutlook {
  /** Months of services that were looked at. */
  readonly serviceMonths: number
  readonly meanAvailability: number
  readonly promises: readonly PromiseKept[]
  /** Minutes that a service is down in a month. */
  readonly downMinutes: {
    readonly p50: number
    readonly p95: number
    readonly p99: number
    readonly worst: number
  }
  /** How many months were down for how long. */
  readonly bands: readonly DownBand[]
  /** Of each service, in a month. */
  readonly outagesPerMonth: number
  readonly longestOutageMinutes: number
  /** Share of the time at which every copy served. */
  readonly fullShare: number
  /** Of all machines, in a month. */
  readonly lossesPerMonth: number
  /** Share of the time that a machine is there. */
  readonly machineAvailability: number
  readonly machinesUsdPerMonth: number
}

export interface DownBand {
  /** Down for longer than the band before, and no longer than this; `null`: for longer than all others. */
  readonly minutesMax: number | null
  /** The availability that so many minutes leave. */
  readonly availability: number | null
  readonly share: number
}

const PPB = 1e9
const BPS = 10_000
const BANDS = [1, 0.9999, 0.9995, 0.999, 0.995, 0.99, 0.95] as const

export function outlookOf(
  lived: FleetMonths,
  { nodes, spares }: Pick<FleetPlan, 'nodes' | 'spares'>,
  promises: readonly UptimePromise[],
): FleetOutlook {
  const { downHours, months, services } = lived
  const sorted = Float64Array.from(downHours).sort()
  const count = sorted.length
  const minutesAt = (share: number): number => percentile(sorted, share) * 60
  return {
    serviceMonths: count,
    meanAvailability: 1 - sorted.reduce((sum, hours) => sum + hours, 0) / (count * MONTH_HOURS),
    promises: promises.map((one) => keptOf(one, sorted)),
    downMinutes: { p50: minutesAt(0.5), p95: minutesAt(0.95), p99: minutesAt(0.99), worst: minutesAt(1) },
    bands: bandsOf(sorted),
    outagesPerMonth: lived.outages / (months * services),
    longestOutageMinutes: lived.longestHours * 60,
    fullShare: lived.fullShare,
    lossesPerMonth: lived.losses / months,
    machineAvailability: lived.upHours / ((nodes + spares) * months * MONTH_HOURS),
    machinesUsdPerMonth: lived.usd / months,
  }
}

/** Bins of five minutes with steady traffic have the mean that the time has: so this is the uptime that the SLA counts. */
const uptimePpb = (downHours: number): number => Math.floor((1 - downHours / MONTH_HOURS) * PPB)

function keptOf({ name, targetPpb, credits }: UptimePromise, downHours: Float64Array): PromiseKept {
  let kept = 0
  let creditBps = 0
  for (const hours of downHours) {
    const uptime = uptimePpb(hours)
    if (uptime >= targetPpb) kept++
    else creditBps += credits.find(({ belowPpb }) => uptime < belowPpb)?.creditBps ?? 0
  }
  const count = downHours.length
  return { name, target: targetPpb / PPB, keptShare: kept / count, creditShare: creditBps / BPS / count }
}

function bandsOf(sorted: Float64Array): DownBand[] {
  const edges: readonly (number | null)[] = [...BANDS, null]
  let before = 0
  return edges.map((availability) => {
    const hoursMax = availability === null ? Number.POSITIVE_INFINITY : (1 - availability) * MONTH_HOURS
    const above = sorted.findIndex((hours) => hours > hoursMax + 1e-12)
    const until = above === -1 ? sorted.length : above
    const share = (until - before) / sorted.length
    before = until
    return { minutesMax: availability === null ? null : hoursMax * 60, availability, share }
  })
}
