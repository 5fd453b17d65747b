/** What follows when bins are over: incidents of the network's own, and budgets that burn. */
import { HOUR_MS, MINUTE_MS, type TimestampMs } from '#kernel/time.ts'
import { BIN_MS, type Bin, binStartOf, lossPpb, monthOf, type Span } from './bins.ts'
import { burningKey } from './evolve-sla.ts'
import {
  BIN_GRACE_MS,
  countKey,
  type Incident,
  isMaintained,
  type MonthCount,
  OPEN_SILENT_MS,
  type OpenRun,
  type Sla,
} from './sla.ts'
import type { SlaEvent } from './sla-events.ts'
import { PPB, tiers } from './tiers.ts'

/** So much of a bin is lost, of so many requests, in so many bins in a row: something is wrong with the network. */
export const INCIDENT_LOSS_PPB = 50_000_000
const INCIDENT_REQUESTS_MIN = 10
const INCIDENT_BINS = 2
/** And it is over after so many bins that were not so, of however few requests. */
export const QUIET_BINS = 3

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
  const isBad = (startMs: TimestampMs, requestsMin = INCIDENT_REQUESTS_MIN): boolean =>
    isBadBin(bins.get(startMs), requestsMin) && !isMaintained(sla, startMs)
  const last = (count: number): TimestampMs[] =>
    Array.from({ length: count }, (_, index) => beforeMs - (index + 1) * BIN_MS)
  if (own) {
    // Callers that fail ask less and less: of them, too, the network cannot say that it is over.
    const isStill = (startMs: TimestampMs): boolean => isBad(startMs, 1)
    if (beforeMs < own.startedAtMs + (INCIDENT_BINS + QUIET_BINS) * BIN_MS || last(QUIET_BINS).some(isStill))
      return []
    const endedAtMs = lastBadEnd(own, beforeMs, isStill)
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

const isBadBin = (bin: Bin | undefined, requestsMin: number): boolean =>
  bin !== undefined && bin.valid >= requestsMin && lossPpb(bin) >= INCIDENT_LOSS_PPB

function decideBurning(sla: Sla, { beforeMs, nowMs }: Now): SlaEvent[] {
  const events: SlaEvent[] = []
  // At a month's border somebody has two counts, and is told once.
  const looked = new Set<string>()
  for (const { organisationId, slaClass, errors } of sla.counts.values()) {
    if (errors === 0) continue
    const whose = { organisationId, slaClass }
    for (const { window, longMs, shortMs, burn, againMs } of windows) {
      const key = burningKey({ ...whose, window })
      const toldAtMs = sla.burning.get(key)
      if (looked.has(key) || (toldAtMs !== undefined && nowMs - toldAtMs < againMs)) continue
      looked.add(key)
      const long = burnOf(sla, whose, { fromMs: beforeMs - longMs, toMs: beforeMs })
      if (long < burn || burnOf(sla, whose, { fromMs: beforeMs - shortMs, toMs: beforeMs }) < burn) continue
      const burnTenths = Math.floor(long * 10)
      events.push({ type: 'sla.budget_burning', organisationId, slaClass, window, burnTenths, atMs: nowMs })
    }
  }
  return events
}

/** What was lost in a while, in whichever month, as a multiple of what may be: at 1 the budget lasts the month. */
export function burnOf(
  sla: Sla,
  { organisationId, slaClass }: Pick<MonthCount, 'organisationId' | 'slaClass'>,
  { fromMs, toMs }: Span,
): number {
  let lost = 0
  for (const month of new Set([monthOf(fromMs), monthOf(toMs - 1)])) {
    const bins = sla.counts.get(countKey({ organisationId, slaClass, month }))?.bins
    for (const bin of bins?.values() ?? [])
      if (bin.startMs >= fromMs && bin.startMs < toMs && !isMaintained(sla, bin.startMs)) lost += lossPpb(bin)
  }
  const allowed = ((toMs - fromMs) / BIN_MS) * (PPB - tiers[slaClass].targetPpb)
  return allowed === 0 ? 0 : lost / allowed
}
