/** What happened to promises, as it stands in the journal. Versioned, only added to, replayed for ever. */
import { z } from 'zod'
import { NanoUsd } from '#protocol/money.ts'
import { Month, OpenRequest, SlaClass, SlaTally } from '#protocol/sla.ts'
import { SlaStatement } from '#protocol/sla-statement.ts'

const span = { fromMs: z.int(), toMs: z.int() }
const customer = { organisationId: z.string(), slaClass: SlaClass }

export const SlaEvent = z.discriminatedUnion('type', [
  z.object({ type: z.literal('sla.class_set'), ...customer, atMs: z.int() }),
  z.object({
    type: z.literal('sla.tallied'),
    spoolId: z.string(),
    sequence: z.int(),
    tally: SlaTally,
    atMs: z.int(),
  }),
  /** Nothing was heard of what this gateway had under way: it failed. */
  z.object({
    type: z.literal('sla.requests_lost'),
    gatewayId: z.string(),
    requests: z.array(OpenRequest),
    atMs: z.int(),
  }),
  /** Of what was paid for requests in this month so much came back by the verdict on a node: no credit is a part of it. */
  z.object({
    type: z.literal('sla.refunded'),
    ...customer,
    month: Month,
    caseId: z.string(),
    amount: NanoUsd,
    atMs: z.int(),
  }),
  /** Bins that begin before `beforeMs` are over. */
  z.object({ type: z.literal('sla.bins_closed'), beforeMs: z.int(), atMs: z.int() }),
  z.object({
    type: z.literal('sla.budget_burning'),
    ...customer,
    window: z.enum(['fast', 'slow']),
    /** How many times faster than it would last the month, in tenths. */
    burnTenths: z.int(),
    atMs: z.int(),
  }),
  z.object({
    type: z.literal('sla.incident_opened'),
    incidentId: z.string(),
    title: z.string(),
    by: z.enum(['network', 'operator']),
    /** Nobody could be served: all bins that it touches are lost for everybody. */
    isOutage: z.boolean(),
    startedAtMs: z.int(),
    atMs: z.int(),
  }),
  z.object({
    type: z.literal('sla.incident_noted'),
    incidentId: z.string(),
    text: z.string(),
    atMs: z.int(),
  }),
  z.object({
    type: z.literal('sla.incident_closed'),
    incidentId: z.string(),
    endedAtMs: z.int(),
    atMs: z.int(),
  }),
  z.object({
    type: z.literal('sla.maintenance_announced'),
    maintenanceId: z.string(),
    title: z.string(),
    ...span,
    atMs: z.int(),
  }),
  z.object({ type: z.literal('sla.maintenance_cancelled'), maintenanceId: z.string(), atMs: z.int() }),
  z.object({ type: z.literal('sla.statement_made'), ...SlaStatement.shape, atMs: z.int() }),
  /** Everybody has the statement; what comes late for the month counts no more. */
  z.object({ type: z.literal('sla.month_closed'), month: Month, atMs: z.int() }),
])
export type SlaEvent = z.output<typeof SlaEvent>
