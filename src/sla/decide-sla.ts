import { unreachable } from '#kernel/assert.ts'
import { minimum, type NanoUsd } from '#kernel/money.ts'
import { HOUR_MS, type TimestampMs } from '#kernel/time.ts'
import type { SlaClass, SlaTally } from '#protocol/sla.ts'
import { BIN_MS, binsTouched, monthOf, type Span, spanOfMonth } from './bins.ts'
import { decideStep, requestsLost } from './decide-step.ts'
import { classOf, countKey, maintenanceOf, type Sla } from './sla.ts'
import type { SlaEvent } from './sla-events.ts'

export type SlaCommand =
  | { kind: 'set_class'; organisationId: string; slaClass: SlaClass; nowMs: TimestampMs }
  | { kind: 'tally'; spoolId: string; sequence: number; tally: SlaTally; nowMs: TimestampMs }
  /** What was paid for requests came back. Nothing where the month has its statement: credits that were posted stay. */
  | {
      kind: 'refund'
      organisationId: string
      slaClass: SlaClass
      month: string
      caseId: string
      amount: NanoUsd
      nowMs: TimestampMs
    }
  /**
   * Closes bins that are over, and says what follows. Cheap where none is. No gateway is silent for longer than it could
   * have been heard: `heardSinceMs`, or always.
   */
  | { kind: 'step'; nowMs: TimestampMs; heardSinceMs?: TimestampMs }
  | {
      kind: 'open_incident'
      incidentId: string
      title: string
      isOutage: boolean
      startedAtMs: TimestampMs
      /** Of one that is over: it is closed as of then. */
      endedAtMs?: TimestampMs
      nowMs: TimestampMs
    }
  | { kind: 'note_incident'; incidentId: string; text: string; nowMs: TimestampMs }
  | { kind: 'close_incident'; incidentId: string; nowMs: TimestampMs }
  | ({ kind: 'announce_maintenance'; maintenanceId: string; title: string; nowMs: TimestampMs } & Span)
  | { kind: 'cancel_maintenance'; maintenanceId: string; nowMs: TimestampMs }

/** In order of precedence within each command. */
export type SlaRefusal =
  | 'incident_exists'
  | 'incident_unknown'
  | 'incident_closed'
  /** It began in a month that is closed, or has not begun. */
  | 'start_invalid'
  /** It is not after the beginning, or has not come. */
  | 'end_invalid'
  | 'maintenance_exists'
  | 'maintenance_unknown'
  | 'maintenance_begun'
  | 'maintenance_cancelled'
  | 'span_invalid'
  | 'notice_too_short'
  /** All windows of a month together, in bins. */
  | 'maintenance_too_long'

export const NOTICE_MS_MIN = 24 * HOUR_MS
export const MAINTENANCE_MS_MAX = 8 * HOUR_MS

/** The events that `command` causes (none for what is already so), or why it is refused. Changes nothing. */
export function decideSla(sla: Sla, command: SlaCommand): SlaRefusal | SlaEvent[] {
  switch (command.kind) {
    case 'set_class': {
      const { organisationId, slaClass, nowMs } = command
      if (classOf(sla, organisationId) === slaClass) return []
      return [{ type: 'sla.class_set', organisationId, slaClass, atMs: nowMs }]
    }
    case 'tally': {
      const { spoolId, sequence, tally, nowMs } = command
      const before = sla.open.get(tally.gatewayId)
      // What an earlier run told the end of came before this in the spool.
      const lost = before && before.run !== tally.run ? [requestsLost(tally.gatewayId, before, nowMs)] : []
      return [...lost, { type: 'sla.tallied', spoolId, sequence, tally, atMs: nowMs }]
    }
    case 'refund': {
      const { kind: _, nowMs, ...refund } = command
      const amount = minimum(refund.amount, sla.counts.get(countKey(refund))?.charges ?? 0n)
      return amount > 0n ? [{ type: 'sla.refunded', ...refund, amount, atMs: nowMs }] : []
    }
    case 'step':
      return decideStep(sla, command)
    case 'open_incident':
      return decideOpen(sla, command)
    case 'note_incident': {
      const { incidentId, text, nowMs } = command
      if (!sla.incidents.has(incidentId)) return 'incident_unknown'
      return [{ type: 'sla.incident_noted', incidentId, text, atMs: nowMs }]
    }
    case 'close_incident': {
      const { incidentId, nowMs } = command
      const incident = sla.incidents.get(incidentId)
      if (!incident) return 'incident_unknown'
      if (incident.endedAtMs !== null) return 'incident_closed'
      return [{ type: 'sla.incident_closed', incidentId, endedAtMs: nowMs, atMs: nowMs }]
    }
    case 'announce_maintenance':
      return decideAnnounce(sla, command)
    case 'cancel_maintenance': {
      const { maintenanceId, nowMs } = command
      const maintenance = sla.maintenance.get(maintenanceId)
      if (!maintenance) return 'maintenance_unknown'
      if (maintenance.cancelledAtMs !== null) return 'maintenance_cancelled'
      // What is past was left out of the count, and stays so: to undo it would move bins under a bill.
      if (maintenance.fromMs <= nowMs) return 'maintenance_begun'
      return [{ type: 'sla.maintenance_cancelled', maintenanceId, atMs: nowMs }]
    }
    default:
      return unreachable(command)
  }
}

function decideOpen(sla: Sla, command: SlaCommand & { kind: 'open_incident' }): SlaRefusal | SlaEvent[] {
  const { incidentId, title, isOutage, startedAtMs, endedAtMs, nowMs } = command
  if (sla.incidents.has(incidentId)) return 'incident_exists'
  const month = monthOf(startedAtMs)
  const isStated = [...sla.statements.values()].some((statement) => statement.month === month)
  if (startedAtMs > nowMs || month <= sla.closedMonth || isStated) return 'start_invalid'
  if (endedAtMs !== undefined && (endedAtMs <= startedAtMs || endedAtMs > nowMs)) return 'end_invalid'
  const by = 'operator' as const
  return [
    { type: 'sla.incident_opened', incidentId, title, by, isOutage, startedAtMs, atMs: nowMs },
    ...(endedAtMs === undefined
      ? []
      : [{ type: 'sla.incident_closed', incidentId, endedAtMs, atMs: nowMs } as const]),
  ]
}

function decideAnnounce(
  sla: Sla,
  command: SlaCommand & { kind: 'announce_maintenance' },
): SlaRefusal | SlaEvent[] {
  const { maintenanceId, title, fromMs, toMs, nowMs } = command
  if (sla.maintenance.has(maintenanceId)) return 'maintenance_exists'
  if (toMs <= fromMs || toMs - fromMs > MAINTENANCE_MS_MAX) return 'span_invalid'
  if (fromMs < nowMs + NOTICE_MS_MIN) return 'notice_too_short'
  const all = [...maintenanceOf(sla), { fromMs, toMs }]
  for (const month of new Set([monthOf(fromMs), monthOf(toMs - 1)])) {
    const { bins, binsMax } = maintenanceIn(all, month)
    if (bins > binsMax) return 'maintenance_too_long'
  }
  return [{ type: 'sla.maintenance_announced', maintenanceId, title, fromMs, toMs, atMs: nowMs }]
}

/**
 * How many bins of the month these spans leave out, and how many may be: bins are what is left out, however little of one
 * a span touches. Eight hours that do not begin as a bin does touch one more, and that is allowed once.
 */
export function maintenanceIn(
  spans: readonly Span[],
  month: string,
): { readonly bins: number; readonly binsMax: number } {
  const whole = spanOfMonth(month)
  const isWithinBin = ({ fromMs }: Span): boolean =>
    fromMs > whole.fromMs && fromMs < whole.toMs && fromMs % BIN_MS !== 0
  const binsMax = MAINTENANCE_MS_MAX / BIN_MS + (spans.some(isWithinBin) ? 1 : 0)
  return { bins: binsTouched(spans, whole), binsMax }
}
