import { unreachable } from '#kernel/assert.ts'
import { HOUR_MS, type TimestampMs } from '#kernel/time.ts'
import type { SlaClass, SlaTally } from '#protocol/sla.ts'
import { monthOf, type Span, spanOfMonth } from './bins.ts'
import { decideStep, requestsLost } from './decide-step.ts'
import { classOf, type Sla } from './sla.ts'
import type { SlaEvent } from './sla-events.ts'

export type SlaCommand =
  | { kind: 'set_class'; organisationId: string; slaClass: SlaClass; nowMs: TimestampMs }
  | { kind: 'tally'; spoolId: string; sequence: number; tally: SlaTally; nowMs: TimestampMs }
  /** Closes bins that are over, and says what follows. Cheap where none is. */
  | { kind: 'step'; nowMs: TimestampMs }
  | {
      kind: 'open_incident'
      incidentId: string
      title: string
      isOutage: boolean
      startedAtMs: TimestampMs
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
  | 'maintenance_exists'
  | 'maintenance_unknown'
  | 'maintenance_begun'
  | 'maintenance_cancelled'
  | 'span_invalid'
  | 'notice_too_short'
  /** All windows of a month together. */
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
    case 'step':
      return decideStep(sla, command.nowMs)
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
  const { incidentId, title, isOutage, startedAtMs, nowMs } = command
  if (sla.incidents.has(incidentId)) return 'incident_exists'
  const month = monthOf(startedAtMs)
  const isStated = [...sla.statements.values()].some((statement) => statement.month === month)
  if (startedAtMs > nowMs || month <= sla.closedMonth || isStated) return 'start_invalid'
  const by = 'operator' as const
  return [{ type: 'sla.incident_opened', incidentId, title, by, isOutage, startedAtMs, atMs: nowMs }]
}

function decideAnnounce(
  sla: Sla,
  command: SlaCommand & { kind: 'announce_maintenance' },
): SlaRefusal | SlaEvent[] {
  const { maintenanceId, title, fromMs, toMs, nowMs } = command
  if (sla.maintenance.has(maintenanceId)) return 'maintenance_exists'
  if (toMs <= fromMs || toMs - fromMs > MAINTENANCE_MS_MAX) return 'span_invalid'
  if (fromMs < nowMs + NOTICE_MS_MIN) return 'notice_too_short'
  for (const month of new Set([monthOf(fromMs), monthOf(toMs - 1)])) {
    const whole = spanOfMonth(month)
    let ms = overlapMs({ fromMs, toMs }, whole)
    for (const other of sla.maintenance.values()) {
      if (other.cancelledAtMs === null) ms += overlapMs(other, whole)
    }
    if (ms > MAINTENANCE_MS_MAX) return 'maintenance_too_long'
  }
  return [{ type: 'sla.maintenance_announced', maintenanceId, title, fromMs, toMs, atMs: nowMs }]
}

const overlapMs = (a: Span, b: Span): number =>
  Math.max(0, Math.min(a.toMs, b.toMs) - Math.max(a.fromMs, b.fromMs))
