/** What of promises the API shows: an organisation its own, and everybody how the network does. */
import { HOUR_MS, type TimestampMs } from '#kernel/time.ts'
import type { SlaClass } from '#protocol/sla.ts'
import type { Incident, Maintenance, SlaMonth, SlaReport, StatusPage } from '#protocol/sla-api.ts'
import { availabilityPpb, BIN_MS, type Bin, binStartOf, uptimeOf } from '#sla/bins.ts'
import { creditsOf } from '#sla/credits.ts'
import { burnOf } from '#sla/decide-step.ts'
import {
  classOf,
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
  return {
    ...{ slaClass, month, valid, errors, aborted, charges },
    targetPpb: tier.targetPpb,
    uptimePpb: uptimeOf(bins, nowMs).uptimePpb,
    notCounted: Object.fromEntries([...count.notCounted].sort(([a], [b]) => (a < b ? -1 : 1))),
    credit: whole.credit,
    budgetLeftPpb: allowedPpb === 0 ? PPB : Math.floor(((allowedPpb - whole.lostPpb) / allowedPpb) * PPB),
    burnHour: Math.round(burnOf(sla, count, { fromMs: toMs - HOUR_MS, toMs }) * 100) / 100,
    firstToken: { ...firstToken },
    speed: { ...speed },
  }
}

/** Bins in the last day. */
const SHOWN_MS = 24 * HOUR_MS
const DAY_BINS = 288
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
  const { bins, days } = sla.network
  const todayMs = Math.floor(nowMs / (DAY_BINS * BIN_MS)) * DAY_BINS * BIN_MS
  return {
    network,
    state: stateOf(incidents, maintenance, nowMs),
    atMs: nowMs,
    bins: inOrder(bins)
      .filter(([startMs]) => startMs >= nowMs - SHOWN_MS)
      .map(([startMs, bin]) => counted(startMs, bin, availabilityPpb(bin))),
    days: inOrder(days).map(([startMs, day]) => {
      // Of today only bins that are closed can be told.
      const count = startMs === todayMs ? Math.max(1, Math.floor((nowMs - todayMs) / BIN_MS)) : DAY_BINS
      return counted(startMs, day, Math.max(0, PPB - Math.ceil(day.lostPpb / count)))
    }),
    incidents: incidents.map(toIncident),
    maintenance: maintenance.map(toMaintenance),
  }
}

const inOrder = <Value>(map: ReadonlyMap<TimestampMs, Value>): [TimestampMs, Value][] =>
  [...map].sort(([a], [b]) => a - b)

const counted = (
  startMs: TimestampMs,
  { valid, errors }: Pick<Bin, 'valid' | 'errors'>,
  availability: number,
) => ({
  startMs,
  valid,
  errors,
  availabilityPpb: availability,
})

function stateOf(
  incidents: readonly StoredIncident[],
  maintenance: readonly StoredMaintenance[],
  nowMs: TimestampMs,
): StatusPage['state'] {
  const open = incidents.filter(({ endedAtMs }) => endedAtMs === null)
  if (open.some(({ isOutage }) => isOutage)) return 'outage'
  if (open.length > 0) return 'degraded'
  const isMaintained = maintenance.some(
    ({ fromMs, toMs, cancelledAtMs }) => cancelledAtMs === null && fromMs <= nowMs && nowMs < toMs,
  )
  return isMaintained ? 'maintenance' : 'operational'
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
