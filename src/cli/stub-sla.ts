/** The promises of the network in memory that tests of the commands run against. */
import type { Handlers } from '#protocol/route.ts'
import type { Incident, Maintenance } from '#protocol/sla-api.ts'
import type { slaRoutes } from '#protocol/sla-routes.ts'

export function stubSlaHandlers(nowMs: number): Handlers<typeof slaRoutes> {
  const incident: Incident = {
    incidentId: 'inc_1',
    title: 'Requests fail \u001b[31mred',
    by: 'operator',
    isOutage: false,
    startedAtMs: nowMs - 600_000,
    endedAtMs: null,
    notes: [],
  }
  const maintenance: Maintenance = {
    maintenanceId: 'maint_1',
    title: 'Disks',
    fromMs: nowMs + 86_400_000,
    toMs: nowMs + 90_000_000,
    announcedAtMs: nowMs,
    cancelledAtMs: null,
  }
  const day = { startMs: nowMs - (nowMs % 86_400_000), valid: 1_000, errors: 1, availabilityPpb: 999_876_543 }
  return {
    getStatusPage: () => ({
      network: 'local',
      state: 'degraded',
      atMs: nowMs,
      bins: [],
      days: [day],
      incidents: [incident],
      maintenance: [maintenance],
    }),
    getSla: () => ({
      organisationId: 'org_1',
      slaClass: 'business',
      months: [
        {
          slaClass: 'business',
          month: '2026-11',
          targetPpb: 995_000_000,
          uptimePpb: 999_953_000,
          valid: 1_000,
          errors: 1,
          aborted: 2,
          notCounted: { client_abort: 2, unpaid: 1 },
          charges: 1_000_000_000n,
          credit: 0n,
          budgetLeftPpb: 976_000_000,
          burnHour: 0.25,
          firstToken: { met: 990, of: 999 },
          speed: { met: 999, of: 999 },
        },
      ],
      statements: [],
      jobs: 0,
    }),
    getSlaEvidence: () => ({ items: [], next: null, seal: null, signature: null, lagEntries: 0 }),
    setSlaClass: ({ params, body }) => ({ ...params, ...body }),
    openIncident: ({ body }) => ({ ...incident, title: body.title, isOutage: body.isOutage ?? false }),
    noteIncident: () => incident,
    closeIncident: () => ({ ...incident, endedAtMs: nowMs }),
    announceMaintenance: ({ body }) => ({ ...maintenance, ...body }),
    cancelMaintenance: () => ({ ...maintenance, cancelledAtMs: nowMs }),
  }
}
