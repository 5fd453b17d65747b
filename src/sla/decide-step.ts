/** What follows when bins are over: incidents of the network's own, and budgets that burn. */
import { HOUR_MS, MINUTE_MS, type TimestampMs } from '#kernel/time.ts'
import { BIN_MS, type Bin, binStartOf, lossPpb } from './bins.ts'
import { burningKey } from './evolve-sla.ts'
import {
  BIN_GRACE_MS,
  type Incident,
  type MonthCount,
  maintenanceOf,
  OPEN_SILENT_MS,
  type OpenRun,
  type Sla,
} from './sla.ts'
import type { SlaEvent } from './sla-events.ts'
import { PPB, tiers } from './tiers.ts'

/** So much of a bin is lost, of so many requests, in so many bins in a row: something is wrong with the network. */
const INCIDENT_LOSS_PPB = 50_000_000
const INCIDENT_REQUESTS_MIN = 10
const INCIDENT_BINS = 2
/** And it is over after so many bins that were not so. */
const QUIET_BINS = 3

/** A budget burns so many times too fast, over a long and over a short while: the short one says that it still does. */
const windows = [
  { window: 'fast', longMs: HOUR_MS, shortMs: BIN_MS, burn: 14.4, againMs: HOUR_MS },
  { window: 'slow', longMs: 6 * HOUR_MS, shortMs: 30 * MINUTE_MS, burn: 6, againMs: 6 * HOUR_MS },
] as const

export function decideStep(
  sla: Sla,
  { nowMs, heardSinceMs = 0 }: { readonly nowMs: TimestampMs; readonly heardSinceMs?: TimestampMs },
): SlaEvent[] {
  const beforeMs = binStartOf(nowMs - BIN_GRACE_MS)
  const own = ownIncident(sla)
  // What a gateway told while nobody heard it is not here yet, and its requests went on.
  const silent = [...sla.open].filter(
    ([, { toldAtMs }]) => nowMs - Math.max(toldAtMs, heardSinceMs) > OPEN_SILENT_MS,
  )
  const lost = silent.map(([gatewayId, run]) => requestsLost(gatewayId, run, nowMs))
  if (beforeMs <= sla.closedBeforeMs || (!sla.hasOpenBins && !own)) return lost
  return [
    ...lost,
    { type: 'sla.bins_closed', beforeMs, atMs: nowMs },
    ...decideIncident(sla, own, { beforeMs, nowMs }),
    ...decideBurning(sla, { beforeMs, nowMs }),
  ]
}

export const requestsLost = (gatewayId: string, { requests }: OpenRun, nowMs: TimestampMs): SlaEvent => ({
  type: 'sla.requests_lost',
  gatewayId,
  requests: [...requests.values()],
  atMs: nowMs,
})

const ownIncident = ({ incidents }: Sla): Incident | undefined =>
  [...incidents.values()].find(({ by, endedAtMs }) => by === 'network' && endedAtMs === null)

interface Now {
  readonly beforeMs: TimestampMs
  readonly nowMs: TimestampMs
}

function decideIncident(sla: Sla, own: Incident | undefined, { beforeMs, nowMs }: Now): SlaEvent[] {
  const { bins } = sla.network
  const isBad = (startMs: TimestampMs): boolean => isBadBin(bins.get(startMs)) && !isMaintained(sla, startMs)
  const last = (count: number): TimestampMs[] =>
    Array.from({ length: count }, (_, index) => beforeMs - (index + 1) * BIN_MS)
  if (own) {
    if (beforeMs < own.startedAtMs + (INCIDENT_BINS + QUIET_BINS) * BIN_MS || last(QUIET_BINS).some(isBad))
      return []
    const endedAtMs = lastBadEnd(own, beforeMs, isBad)
    return [{ type: 'sla.incident_closed', incidentId: own.id, endedAtMs, atMs: nowMs }]
  }
  // Several bins may be closed at once, as after a restart: each pair of them may be the one.
  const firstMs = Math.max(sla.closedBeforeMs, beforeMs - HOUR_MS)
  for (let startMs = firstMs; startMs < beforeMs; startMs += BIN_MS) {
    const startedAtMs = startMs - (INCIDENT_BINS - 1) * BIN_MS
    if (!isBad(startMs) || !isBad(startedAtMs)) continue
    const incidentId = `inc_${startedAtMs / BIN_MS}`
    if (sla.incidents.has(incidentId)) continue
    const title = 'Requests fail more often than usual'
    return [
      {
        type: 'sla.incident_opened',
        incidentId,
        title,
        by: 'network',
        isOutage: false,
        startedAtMs,
        atMs: nowMs,
      },
    ]
  }
  return []
}

function lastBadEnd(
  own: Incident,
  beforeMs: TimestampMs,
  isBad: (startMs: TimestampMs) => boolean,
): TimestampMs {
  for (let startMs = beforeMs - BIN_MS; startMs > own.startedAtMs; startMs -= BIN_MS) {
    if (isBad(startMs)) return startMs + BIN_MS
  }
  return own.startedAtMs + BIN_MS
}

const isBadBin = (bin: Bin | undefined): boolean =>
  bin !== undefined && bin.valid >= INCIDENT_REQUESTS_MIN && lossPpb(bin) >= INCIDENT_LOSS_PPB

const isMaintained = (sla: Sla, startMs: TimestampMs): boolean =>
  maintenanceOf(sla).some(({ fromMs, toMs }) => fromMs < startMs + BIN_MS && toMs > startMs)

function decideBurning(sla: Sla, { beforeMs, nowMs }: Now): SlaEvent[] {
  const events: SlaEvent[] = []
  for (const count of sla.counts.values()) {
    if (count.errors === 0) continue
    const { organisationId, slaClass } = count
    for (const { window, longMs, shortMs, burn, againMs } of windows) {
      const toldAtMs = sla.burning.get(burningKey({ organisationId, slaClass, window }))
      if (toldAtMs !== undefined && nowMs - toldAtMs < againMs) continue
      const long = burnOf(sla, count, { fromMs: beforeMs - longMs, toMs: beforeMs })
      if (long < burn || burnOf(sla, count, { fromMs: beforeMs - shortMs, toMs: beforeMs }) < burn) continue
      const burnTenths = Math.floor(long * 10)
      events.push({ type: 'sla.budget_burning', organisationId, slaClass, window, burnTenths, atMs: nowMs })
    }
  }
  return events
}

/** What was lost in a while, as a multiple of what may be: at 1 the budget lasts the month. */
export function burnOf(
  sla: Sla,
  { bins, slaClass }: Pick<MonthCount, 'bins' | 'slaClass'>,
  { fromMs, toMs }: { fromMs: TimestampMs; toMs: TimestampMs },
): number {
  let lost = 0
  for (const bin of bins.values()) {
    if (bin.startMs >= fromMs && bin.startMs < toMs && !isMaintained(sla, bin.startMs)) lost += lossPpb(bin)
  }
  const allowed = ((toMs - fromMs) / BIN_MS) * (PPB - tiers[slaClass].targetPpb)
  return allowed === 0 ? 0 : lost / allowed
}
