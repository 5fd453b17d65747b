/** Promises, incidents and the status page on the API. */
import { z } from 'zod'
import { Id, Line, Name, TimestampMs } from './field.ts'
import { NanoUsd } from './money.ts'
import { pageOf } from './page.ts'
import { Month, SlaClass } from './sla.ts'
import { BundleSeal, SlaFact } from './sla-evidence.ts'
import { SlaStatement } from './sla-statement.ts'

const Attainment = z.object({
  met: z.int().nonnegative(),
  of: z.int().nonnegative().describe('Of how many this can be told.'),
})

const ppb = z.int().nonnegative().describe('In parts per billion: 995,000,000 is 99.5 %.')

export const SlaMonth = z
  .object({
    slaClass: SlaClass,
    month: Month,
    targetPpb: ppb,
    uptimePpb: ppb.describe('So far, over bins of five minutes that are closed.'),
    valid: z.int().describe('Requests that were answered or failed.'),
    errors: z.int(),
    aborted: z.int().describe('Given up by their callers.'),
    notCounted: z.record(z.string(), z.int()).describe('How many requests did not count, by the reason.'),
    charges: NanoUsd,
    credit: NanoUsd.describe('What would be posted if nothing else failed this month.'),
    budgetLeftPpb: z
      .int()
      .describe('Of what may be lost in the whole month, what is left; below 0: the promise is broken.'),
    burnHour: z.number().describe('How many times faster than it may the last hour lost; 1 lasts the month.'),
    firstToken: Attainment.describe('Answers whose first token came in time.'),
    speed: Attainment.describe('Answers that came as fast as promised.'),
  })
  .meta({ id: 'SlaMonth' })
export type SlaMonth = z.output<typeof SlaMonth>

export const SlaReport = z
  .object({
    organisationId: Id,
    slaClass: SlaClass.describe('The most that is promised; a key may have less.'),
    months: z.array(SlaMonth).describe('Those that are not closed, newest first.'),
    statements: z.array(SlaStatement).describe('Of the last months, newest first.'),
    jobs: z.int().nonnegative().describe('Jobs that were promised something and are not settled yet.'),
  })
  .meta({ id: 'SlaReport' })
export type SlaReport = z.output<typeof SlaReport>

export const SetSlaClass = z.strictObject({ slaClass: SlaClass }).meta({ id: 'SetSlaClass' })
export const OrganisationSla = z
  .object({ organisationId: Id, slaClass: SlaClass })
  .meta({ id: 'OrganisationSla' })
export type OrganisationSla = z.output<typeof OrganisationSla>

export const SlaEvidence = z
  .object({
    ...pageOf(SlaFact),
    seal: BundleSeal.nullable().describe('On the last page.'),
    signature: z.string().nullable().describe('Of the network, over the seal, in hex.'),
    lagEntries: z.int().nonnegative(),
  })
  .meta({ id: 'SlaEvidence', description: 'What a month’s credit is computed from, in order.' })
export type SlaEvidence = z.output<typeof SlaEvidence>

export const Incident = z
  .object({
    incidentId: Id,
    title: z.string(),
    by: z.enum(['network', 'operator']),
    isOutage: z
      .boolean()
      .describe('Nobody could be served: all bins that it touches are lost for everybody.'),
    startedAtMs: TimestampMs,
    endedAtMs: TimestampMs.nullable(),
    notes: z.array(z.object({ atMs: TimestampMs, text: z.string() })),
  })
  .meta({ id: 'Incident' })
export type Incident = z.output<typeof Incident>

export const OpenIncident = z
  .strictObject({
    title: Name,
    isOutage: z.boolean().optional().describe('False unless given.'),
    startedAtMs: TimestampMs.optional().describe('Now unless given.'),
    endedAtMs: TimestampMs.optional().describe('Of one that is over; it is open unless given.'),
  })
  .meta({ id: 'OpenIncident' })
export const NoteIncident = z.strictObject({ text: Line.min(1) }).meta({ id: 'NoteIncident' })

export const Maintenance = z
  .object({
    maintenanceId: Id,
    title: z.string(),
    fromMs: TimestampMs,
    toMs: TimestampMs,
    announcedAtMs: TimestampMs,
    cancelledAtMs: TimestampMs.nullable(),
  })
  .meta({ id: 'Maintenance' })
export type Maintenance = z.output<typeof Maintenance>

export const AnnounceMaintenance = z
  .strictObject({ title: Name, fromMs: TimestampMs, toMs: TimestampMs })
  .meta({ id: 'AnnounceMaintenance' })

const Counted = z.object({ startMs: TimestampMs, valid: z.int(), errors: z.int(), availabilityPpb: ppb })

export const StatusPage = z
  .object({
    network: z.string(),
    state: z.enum(['operational', 'degraded', 'outage', 'maintenance']),
    atMs: TimestampMs,
    bins: z
      .array(Counted)
      .describe(
        'Of five minutes, the last day’s with traffic or an outage, oldest first. An outage is a whole loss.',
      ),
    days: z.array(Counted).describe('UTC, the last 90 with traffic or an outage, oldest first.'),
    incidents: z.array(Incident).describe('Open ones and those of the last 100 days, newest first.'),
    maintenance: z
      .array(Maintenance)
      .describe('Announced and past, newest first; cancelled ones among them.'),
  })
  .meta({ id: 'StatusPage', description: 'How the network does, for everybody. Names no customer.' })
export type StatusPage = z.output<typeof StatusPage>

const ofCustomer = { alertId: Id, organisationId: Id, slaClass: SlaClass, atMs: TimestampMs }

/** What the server for alerts is told of promises, beside alerts of spending: told apart by `kind`. */
export const SlaAlert = z.discriminatedUnion('kind', [
  z.object({
    kind: z.literal('budget_burning'),
    ...ofCustomer,
    window: z.enum(['fast', 'slow']).describe('An hour and five minutes, or six hours and half an hour.'),
    burn: z.number().describe('How many times faster than it may.'),
  }),
  z.object({
    kind: z.literal('incident_opened'),
    alertId: Id,
    incidentId: Id,
    title: z.string(),
    by: z.enum(['network', 'operator']),
    isOutage: z.boolean(),
    startedAtMs: TimestampMs,
    atMs: TimestampMs,
  }),
  z.object({
    kind: z.literal('incident_closed'),
    alertId: Id,
    incidentId: Id,
    endedAtMs: TimestampMs,
    atMs: TimestampMs,
  }),
  z.object({
    kind: z.literal('credit_posted'),
    ...ofCustomer,
    month: Month,
    uptimePpb: ppb,
    targetPpb: ppb,
    posted: NanoUsd,
    transferId: Id,
  }),
])
export type SlaAlert = z.output<typeof SlaAlert>
