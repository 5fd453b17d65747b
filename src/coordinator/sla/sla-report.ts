/** What of promises the API shows: an organisation its own, and everybody how the network does. */
import { DAY_MS, HOUR_MS, type TimestampMs } from '#kernel/time.ts'
import type { SlaClass } from '#protocol/sla.ts'
import type { Incident, Maintenance, SlaMonth, SlaReport, StatusPage } from '#protocol/sla-api.ts'
import { BIN_MS, type Bin, binStartOf, emptyBin, lossPpb, monthOf, uptimeOf } from '#sla/bins.ts'
import { creditsOf } from '#sla/credits.ts'
import { burnOf, INCIDENT_LOSS_PPB, QUIET_BINS } from '#sla/decide-step.ts'
import {
  classOf,
  type DayCount,
  downStartsOf,
  isMaintained,
  type MonthCount,
  monthBinsOf,
  type Sla,
  type Incident as StoredIncident,
  type Maintenance as StoredMaintenance,
} from '#sla/sla.ts'
import { PPB, tiers } from '#sla/tiers.ts'

export function slaReport(sla: Sla, organisationId: string, nowMs: TimestampMs): SlaReport {
  const isOwn = (one: { readonly organisationId: string }): boolean => one.organisationId === organisationId
  return {
    organisationId,
    slaClass: classOf(sla, organisationId),
    months: [...sla.counts.values()]
      .filter(isOwn)
      .sort(newestMonthFirst)
      .map((count) => monthOfCount(sla, count, nowMs)),
    statements: [...sla.statements.values()]
      .filter(isOwn)
      .sort(newestMonthFirst)
      .map(({ atMs: _, ...statement }) => statement),
    jobs: [...sla.jobs.values()].filter(isOwn).length,
  }
}

interface OfMonth {
  readonly month: string
  readonly slaClass: SlaClass
}
const placeOf = ({ month, slaClass }: OfMonth): string => `${month} ${slaClass}`
const newestMonthFirst = (a: OfMonth, b: OfMonth): number => (placeOf(a) < placeOf(b) ? 1 : -1)

function monthOfCount(sla: Sla, count: MonthCount, nowMs: TimestampMs): SlaMonth {
  const { slaClass, month, valid, errors, aborted, charges, firstToken, speed } = count
  const tier = tiers[slaClass]
  const bins = monthBinsOf(sla, count, nowMs)
  const whole = creditsOf(bins, charges, tier)
  const allowedPpb = whole.binsCounted * (PPB - tier.targetPpb)
  const toMs = binStartOf(nowMs)
  // The last hour is of two months at most.
  const isOfHour = month >= monthOf(toMs - HOUR_MS)
  const burn = isOfHour ? burnOf(sla, count, { fromMs: toMs - HOUR_MS, toMs }) : 0
  return {
    ...{ slaClass, month, valid, errors, aborted, charges },
    targetPpb: tier.targetPpb,
    uptimePpb: uptimeOf(bins, nowMs).uptimePpb,
    notCounted: Object.fromEntries([...count.notCounted].sort(([a], [b]) => (a < b ? -1 : 1))),
    credit: whole.credit,
    budgetLeftPpb: allowedPpb === 0 ? PPB : Math.floor(((allowedPpb - whole.lostPpb) / allowedPpb) * PPB),
    burnHour: Math.round(burn * 100) / 100,
    firstToken: { ...firstToken },
    speed: { ...speed },
  }
}

/** Bins in the last day. */
const SHOWN_MS = 24 * HOUR_MS
const DAY_BINS = DAY_MS / BIN_MS
/** Days that are shown, today among them. */
const DAYS = 90
/** Incidents and maintenance that ended. */
const RECENT_MS = 100 * 24 * HOUR_MS

export function statusPage(
  sla: Sla,
  { network, nowMs }: { network: string; nowMs: TimestampMs },
): StatusPage {
  const isRecent = (endMs: TimestampMs | null): boolean => endMs === null || endMs > nowMs - RECENT_MS
  const incidents = [...sla.incidents.values()]
    .filter(({ endedAtMs }) => isRecent(endedAtMs))
    .sort((a, b) => b.startedAtMs - a.startedAtMs || (a.id < b.id ? 1 : -1))
  const maintenance = [...sla.maintenance.values()]
    .filter(({ toMs }) => isRecent(toMs))
    .sort((a, b) => b.fromMs - a.fromMs || (a.id < b.id ? 1 : -1))
  const { bins, days } = withOutages(sla, nowMs)
  const todayMs = dayStartOf(nowMs)
  return {
    network,
    state: stateOf(sla, { incidents, maintenance, nowMs }),
    atMs: nowMs,
    bins: inOrder(bins).map(([startMs, bin]) => counted(startMs, bin, PPB - bin.lostPpb)),
    days: inOrder(days).map(([startMs, day]) => {
      // Of today only bins that are closed can be told.
      const count = startMs === todayMs ? Math.max(1, Math.floor((nowMs - todayMs) / BIN_MS)) : DAY_BINS
      return counted(startMs, day, Math.max(0, PPB - Math.ceil(day.lostPpb / count)))
    }),
    incidents: incidents.map(toIncident),
    maintenance: maintenance.map(toMaintenance),
  }
}

type Shown = Readonly<Omit<DayCount, 'gone'>>

const dayStartOf = (atMs: TimestampMs): TimestampMs => Math.floor(atMs / DAY_MS) * DAY_MS

/**
 * What was counted on the days and in the bins of the last one, where outages are whole losses: of requests that reached nobody
 * nothing else tells. A bin is a part of its day once it is over.
 */
function withOutages(sla: Sla, nowMs: TimestampMs) {
  const { network, closedBeforeMs } = sla
  const days = new Map<TimestampMs, Shown>(network.days)
  const bins = new Map<TimestampMs, Shown>()
  const show = (startMs: TimestampMs, { valid, errors }: Bin, lostPpb: number): void => {
    if (startMs >= nowMs - SHOWN_MS) bins.set(startMs, { valid, errors, lostPpb })
  }
  for (const [startMs, bin] of network.bins) show(startMs, bin, lossPpb(bin))
  const shown = { fromMs: dayStartOf(nowMs) - (DAYS - 1) * DAY_MS, toMs: nowMs }
  for (const startMs of downStartsOf(sla, shown, nowMs)) {
    const bin = network.bins.get(startMs) ?? emptyBin(startMs)
    show(startMs, bin, PPB)
    if (startMs + BIN_MS > nowMs) continue
    const { valid, errors, lostPpb } = days.get(dayStartOf(startMs)) ?? { valid: 0, errors: 0, lostPpb: 0 }
    const gone = network.days.get(dayStartOf(startMs))?.gone.get(startMs) ?? 0
    const lostAlready = startMs < closedBeforeMs ? lossPpb(bin) + gone : 0
    days.set(dayStartOf(startMs), { valid, errors, lostPpb: lostPpb + PPB - lostAlready })
  }
  return { bins, days }
}

const inOrder = <Value>(map: ReadonlyMap<TimestampMs, Value>): [TimestampMs, Value][] =>
  [...map].sort(([a], [b]) => a - b)

const counted = (startMs: TimestampMs, { valid, errors }: Shown, availability: number) => ({
  startMs,
  valid,
  errors,
  availabilityPpb: availability,
})

function stateOf(
  sla: Sla,
  {
    incidents,
    maintenance,
    nowMs,
  }: {
    readonly incidents: readonly StoredIncident[]
    readonly maintenance: readonly StoredMaintenance[]
    readonly nowMs: TimestampMs
  },
): StatusPage['state'] {
  const open = incidents.filter(({ endedAtMs }) => endedAtMs === null)
  if (open.some(({ isOutage }) => isOutage)) return 'outage'
  if (open.length > 0) return 'degraded'
  const isUnderWay = maintenance.some(
    ({ fromMs, toMs, cancelledAtMs }) => cancelledAtMs === null && fromMs <= nowMs && nowMs < toMs,
  )
  if (isUnderWay) return 'maintenance'
  return isFailing(sla, nowMs) ? 'degraded' : 'operational'
}

/** So few requests open no incident, and yet who asks gets none: the last of them within the hour say so. */
function isFailing(sla: Sla, nowMs: TimestampMs): boolean {
  const last = [...sla.network.bins.values()]
    .filter(({ startMs, valid }) => valid > 0 && startMs + BIN_MS <= nowMs && startMs >= nowMs - HOUR_MS)
    .filter(({ startMs }) => !isMaintained(sla, startMs))
    .sort((a, b) => b.startMs - a.startMs)
    .slice(0, QUIET_BINS)
  const all = emptyBin(nowMs)
  for (const { valid, errors, aborted } of last) {
    all.valid += valid
    all.errors += errors
    all.aborted += aborted
  }
  return lossPpb(all) >= INCIDENT_LOSS_PPB
}

export const toIncident = ({ id: incidentId, notes, ...incident }: StoredIncident): Incident => ({
  incidentId,
  ...incident,
  notes: notes.map((note) => ({ ...note })),
})

export const toMaintenance = ({ id: maintenanceId, ...maintenance }: StoredMaintenance): Maintenance => ({
  maintenanceId,
  ...maintenance,
})
