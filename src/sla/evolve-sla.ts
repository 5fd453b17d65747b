import { assert, unreachable } from '#kernel/assert.ts'
import { DAY_MS, type TimestampMs } from '#kernel/time.ts'
import type { SlaTally } from '#protocol/sla.ts'
import { type Bin, lossPpb, monthOf } from './bins.ts'
import { countLost, countRefund, countRefused, dayIn } from './count-request.ts'
import {
  BIN_KEPT_MS,
  countKey,
  type Incident,
  NETWORK_BINS_KEPT_MS,
  type Sla,
  STATEMENTS_KEPT_MONTHS,
} from './sla.ts'
import type { SlaEvent } from './sla-events.ts'

/** Days that the status page shows. */
const DAYS_KEPT = 90
/** Incidents and maintenance are evidence: they are known for so long, and for as long as a statement of their month is. */
const EVIDENCE_KEPT_MS = 430 * DAY_MS

/** The only writer of the state, but for `countRecord` and the job's promises, which evolve by other domains' events. */
export function evolveSla(sla: Sla, event: SlaEvent): void {
  switch (event.type) {
    case 'sla.class_set':
      if (event.slaClass === 'none') sla.classes.delete(event.organisationId)
      else sla.classes.set(event.organisationId, event.slaClass)
      break
    case 'sla.tallied':
      evolveTally(sla, event.tally, event.atMs)
      break
    case 'sla.requests_lost':
      for (const request of event.requests) {
        countLost(sla, request, event.atMs)
        sla.lost.set(request.requestId, event.atMs)
      }
      sla.open.delete(event.gatewayId)
      break
    case 'sla.refunded':
      countRefund(sla, event)
      break
    case 'sla.bins_closed':
      closeBins(sla, event.beforeMs)
      break
    case 'sla.budget_burning':
      sla.burning.set(burningKey(event), event.atMs)
      break
    case 'sla.incident_opened': {
      const { incidentId: id, title, by, isOutage, startedAtMs } = event
      sla.incidents.set(id, { id, title, by, isOutage, startedAtMs, endedAtMs: null, notes: [] })
      break
    }
    case 'sla.incident_noted':
      incidentOf(sla, event.incidentId).notes.push({ atMs: event.atMs, text: event.text })
      break
    case 'sla.incident_closed':
      incidentOf(sla, event.incidentId).endedAtMs = event.endedAtMs
      break
    case 'sla.maintenance_announced': {
      const { maintenanceId: id, title, fromMs, toMs, atMs } = event
      sla.maintenance.set(id, { id, title, fromMs, toMs, announcedAtMs: atMs, cancelledAtMs: null })
      break
    }
    case 'sla.maintenance_cancelled': {
      const maintenance = sla.maintenance.get(event.maintenanceId)
      assert(maintenance, `maintenance ${event.maintenanceId} is known`)
      maintenance.cancelledAtMs = event.atMs
      break
    }
    case 'sla.statement_made': {
      const { type: _, ...statement } = event
      sla.statements.set(countKey(event), statement)
      sla.counts.delete(countKey(event))
      for (const { jobId } of event.jobs) sla.jobs.delete(jobId)
      break
    }
    case 'sla.month_closed':
      closeMonth(sla, event.month, event.atMs)
      break
    default:
      unreachable(event)
  }
}

export const burningKey = (of: { organisationId: string; slaClass: string; window: string }): string =>
  `${of.organisationId} ${of.slaClass} ${of.window}`

function evolveTally(sla: Sla, { gatewayId, run, refused, open }: SlaTally, atMs: TimestampMs): void {
  for (const one of refused) countRefused(sla, one, atMs)
  // What was given up as lost has been counted: a gateway that is heard again does not fail it a second time.
  const counting = open.filter(({ requestId }) => !sla.lost.has(requestId))
  if (counting.length === 0) sla.open.delete(gatewayId)
  else
    sla.open.set(gatewayId, {
      run,
      requests: new Map(counting.map((one) => [one.requestId, one])),
      toldAtMs: atMs,
    })
}

/** The end of a request that was told as open. */
export function closeRequest({ open }: Pick<Sla, 'open'>, requestId: string): void {
  for (const [gatewayId, { requests }] of open) {
    if (!requests.delete(requestId)) continue
    if (requests.size === 0) open.delete(gatewayId)
    return
  }
}

function closeBins(sla: Sla, beforeMs: TimestampMs): void {
  const { bins, days } = sla.network
  for (const [startMs, bin] of bins) {
    if (startMs >= sla.closedBeforeMs && startMs < beforeMs) {
      const lost = lossPpb(bin)
      if (lost > 0) dayIn(days, Math.floor(startMs / DAY_MS) * DAY_MS).lostPpb += lost
    }
    if (startMs < beforeMs - NETWORK_BINS_KEPT_MS) {
      letGo(sla, bin)
      bins.delete(startMs)
    }
  }
  for (const startMs of days.keys()) if (startMs < beforeMs - DAYS_KEPT * DAY_MS) days.delete(startMs)
  sla.hasOpenBins = false
  for (const { bins: own } of sla.counts.values()) {
    for (const [startMs, bin] of own) {
      if (bin.errors === 0 && startMs < beforeMs - BIN_KEPT_MS) own.delete(startMs)
      if (startMs >= beforeMs) sla.hasOpenBins = true
    }
  }
  for (const startMs of bins.keys()) if (startMs >= beforeMs) sla.hasOpenBins = true
  sla.closedBeforeMs = beforeMs
}

/** An outage has the whole of its bins, and may be told of after they are forgotten. */
function letGo(sla: Sla, bin: Bin): void {
  const { startMs } = bin
  const lost = lossPpb(bin)
  if (lost > 0) sla.network.days.get(Math.floor(startMs / DAY_MS) * DAY_MS)?.gone.set(startMs, lost)
}

function closeMonth(sla: Sla, month: string, atMs: TimestampMs): void {
  sla.closedMonth = month
  for (const [key, count] of sla.counts) if (count.month <= month) sla.counts.delete(key)
  const months = [...new Set([...sla.statements.values()].map((one) => one.month))].sort()
  const kept = new Set(months.slice(-STATEMENTS_KEPT_MONTHS))
  // Months without a statement do not count: the oldest one that is kept may be of years ago.
  const [oldest = month] = kept
  const isForgotten = (endMs: TimestampMs): boolean =>
    endMs < atMs - EVIDENCE_KEPT_MS && monthOf(endMs) < oldest
  for (const [key, one] of sla.statements) if (!kept.has(one.month)) sla.statements.delete(key)
  for (const [id, { toMs }] of sla.maintenance) if (isForgotten(toMs)) sla.maintenance.delete(id)
  for (const [id, { endedAtMs }] of sla.incidents) {
    if (endedAtMs !== null && isForgotten(endedAtMs)) sla.incidents.delete(id)
  }
  for (const [requestId, lostAtMs] of sla.lost) if (lostAtMs < atMs - DAY_MS) sla.lost.delete(requestId)
  for (const [key, toldAtMs] of sla.burning) if (toldAtMs < atMs - DAY_MS) sla.burning.delete(key)
}

function incidentOf({ incidents }: Sla, incidentId: string): Incident {
  const incident = incidents.get(incidentId)
  assert(incident, `incident ${incidentId} is known, for decide checked it`)
  return incident
}
