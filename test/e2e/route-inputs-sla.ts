/** Of promises, incidents and maintenance: a call that must succeed, and whom it could be pointed at. */
import type { Client } from '#protocol/client.ts'
import type { RouteMaker } from './route-inputs.ts'

const slaMonth = { month: '2026-11', slaClass: 'business' }

/** Incidents and maintenance are the network's own. */
const newIncident = async (operator: Client): Promise<string> =>
  (await operator.openIncident({ body: { title: 'incident' } })).incidentId

/** A minute long, months ahead: all of a month is bounded. */
const maintenanceBody = (days: number) => {
  const fromMs = Date.now() + (30 + days) * 86_400_000
  return { title: 'Disks', fromMs, toMs: fromMs + 60_000 }
}

export const slaRouteMakers: Readonly<Record<string, RouteMaker>> = {
  getStatusPage: { own: () => ({}) },
  getSla: {
    own: () => ({}),
    pointers: { 'query organisationId': ({ organisationId }) => ({ query: { organisationId } }) },
  },
  getSlaEvidence: {
    own: () => ({ query: slaMonth }),
    pointers: {
      'query organisationId': ({ organisationId }) => ({ query: { ...slaMonth, organisationId } }),
    },
  },
  setSlaClass: {
    own: ({ organisationId }) => ({ params: { organisationId }, body: { slaClass: 'standard' } }),
    pointers: {
      'path organisationId': ({ organisationId }) => ({
        params: { organisationId },
        body: { slaClass: 'standard' },
      }),
    },
  },
  openIncident: { own: () => ({ body: { title: 'Away' } }) },
  noteIncident: {
    own: async (_tenant, operator) => ({
      params: { incidentId: await newIncident(operator) },
      body: { text: 'We look.' },
    }),
  },
  closeIncident: {
    own: async (_tenant, operator) => ({ params: { incidentId: await newIncident(operator) } }),
  },
  announceMaintenance: { own: () => ({ body: maintenanceBody(1) }) },
  cancelMaintenance: {
    own: async (_tenant, operator) => {
      const { maintenanceId } = await operator.announceMaintenance({ body: maintenanceBody(2) })
      return { params: { maintenanceId } }
    },
  },
}
