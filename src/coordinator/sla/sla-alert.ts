import { SlaAlert } from '#protocol/sla-api.ts'
import type { CoordinatorEvent } from '../coordinator-events.ts'

/** What the operator's server is told of an event of promises; `null` for any other. */
export function slaAlertOf(event: CoordinatorEvent, alertId: string): SlaAlert | null {
  switch (event.type) {
    case 'sla.budget_burning': {
      const { organisationId, slaClass, window, burnTenths, atMs } = event
      return {
        kind: 'budget_burning',
        alertId,
        organisationId,
        slaClass,
        window,
        burn: burnTenths / 10,
        atMs,
      }
    }
    case 'sla.incident_opened': {
      const { incidentId, title, by, isOutage, startedAtMs, atMs } = event
      return { kind: 'incident_opened', alertId, incidentId, title, by, isOutage, startedAtMs, atMs }
    }
    case 'sla.incident_closed': {
      const { incidentId, endedAtMs, atMs } = event
      return { kind: 'incident_closed', alertId, incidentId, endedAtMs, atMs }
    }
    case 'sla.statement_made': {
      const { organisationId, slaClass, month, uptimePpb, targetPpb, posted, transferId, atMs } = event
      if (transferId === null) return null
      return {
        ...{ kind: 'credit_posted', alertId, organisationId, slaClass, month },
        ...{ uptimePpb, targetPpb, posted, transferId, atMs },
      }
    }
    default:
      return null
  }
}

/** As it is sent. */
export const slaAlertText = (alert: SlaAlert): string => JSON.stringify(SlaAlert.encode(alert))
