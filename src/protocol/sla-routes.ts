/** What is promised and kept: classes, reports, evidence, incidents, maintenance, and the status page. */
import { z } from 'zod'
import { Id } from './field.ts'
import { pageQuery } from './page.ts'
import type { Routes } from './route.ts'
import { organisationQuery } from './route-queries.ts'
import { Month, SlaClass } from './sla.ts'
import {
  AnnounceMaintenance,
  Incident,
  Maintenance,
  NoteIncident,
  OpenIncident,
  OrganisationSla,
  SetSlaClass,
  SlaEvidence,
  SlaReport,
  StatusPage,
} from './sla-api.ts'

const IncidentParams = z.strictObject({ incidentId: Id })

export const slaRoutes = {
  getStatusPage: {
    method: 'GET',
    path: '/api/status-page',
    scope: 'public',
    summary: 'Reads how the network does: availability, incidents, maintenance. For everybody.',
    description: 'The same as a page is at `/status`.',
    reply: StatusPage,
  },
  getSla: {
    method: 'GET',
    path: '/api/sla',
    scope: 'viewer',
    summary: 'Reads what the organisation is promised, and how it was kept to.',
    query: z.strictObject(organisationQuery),
    reply: SlaReport,
  },
  getSlaEvidence: {
    method: 'GET',
    path: '/api/sla/evidence',
    scope: 'viewer',
    summary:
      'Reads what a month’s credit is computed from, oldest first, and the network’s signature over it.',
    description:
      '`shoal sla bundle` writes it to a file, and `shoal sla recompute` computes the credit anew.',
    query: z.strictObject({ ...pageQuery, ...organisationQuery, month: Month, slaClass: SlaClass }),
    reply: SlaEvidence,
  },
  setSlaClass: {
    method: 'POST',
    path: '/api/organisations/:organisationId/sla',
    scope: 'operator',
    summary: 'Says what an organisation is promised from now on.',
    params: z.strictObject({ organisationId: Id }),
    body: SetSlaClass,
    example: { slaClass: 'business' },
    reply: OrganisationSla,
  },
  openIncident: {
    method: 'POST',
    path: '/api/incidents',
    scope: 'operator',
    summary:
      'Opens an incident on the status page. One that is an outage counts against the network, for everybody.',
    body: OpenIncident,
    example: { title: 'The network cannot be reached', isOutage: true },
    reply: Incident,
    status: 201,
  },
  noteIncident: {
    method: 'POST',
    path: '/api/incidents/:incidentId/notes',
    scope: 'operator',
    summary: 'Adds a note to an incident.',
    params: IncidentParams,
    body: NoteIncident,
    example: { text: 'A line is cut; we wait for the provider.' },
    reply: Incident,
  },
  closeIncident: {
    method: 'POST',
    path: '/api/incidents/:incidentId/close',
    scope: 'operator',
    summary: 'Closes an incident as of now.',
    params: IncidentParams,
    reply: Incident,
  },
  announceMaintenance: {
    method: 'POST',
    path: '/api/maintenance',
    scope: 'operator',
    summary:
      'Announces maintenance, a day ahead at least: what fails in it does not count. At most 8 hours a month, in whole bins of five minutes.',
    body: AnnounceMaintenance,
    example: { title: 'New disks', fromMs: 1_795_500_000_000, toMs: 1_795_507_200_000 },
    reply: Maintenance,
    status: 201,
  },
  cancelMaintenance: {
    method: 'DELETE',
    path: '/api/maintenance/:maintenanceId',
    scope: 'operator',
    summary: 'Cancels maintenance that has not begun.',
    params: z.strictObject({ maintenanceId: Id }),
    reply: Maintenance,
  },
} as const satisfies Routes
