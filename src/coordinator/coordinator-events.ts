/** Everything that can stand in the journal, and the form of one entry. */
import { z } from 'zod'
import { AuditEvent } from '#audit/audit-events.ts'
import { FleetEvent } from '#fleet/fleet-events.ts'
import { ReputationEvent } from '#fleet/reputation/reputation-events.ts'
import { LedgerEvent } from '#ledger/ledger-events.ts'
import { ModelEvent } from '#models/model-events.ts'
import { OrganisationEvent } from '#organisations/organisation-events.ts'
import { describeIssue } from '#protocol/describe-issue.ts'
import { NanoUsd } from '#protocol/money.ts'
import { Problem } from '#protocol/problem.ts'
import { UsageRecord } from '#protocol/usage.ts'
import { jsonWriter, wireFormsByKind } from '#protocol/wire-form.ts'
import { ReceiptEvent } from '#receipts/receipt-events.ts'
import { SlaEvent } from '#sla/sla-events.ts'
import { HardwareEvent } from '#verify/hardware/hardware-events.ts'
import { VerifyEvent } from '#verify/verify-events.ts'
import { WorkEvent } from '#work/work-events.ts'
import { upcastEvent, type WireEvent } from './upcast-event.ts'

/** A request as it was billed: for statements, usage pages and audits, and for the limits of its key. */
export const UsageEvent = z.object({
  type: z.literal('usage.recorded'),
  spoolId: z.string(),
  sequence: z.int(),
  record: UsageRecord,
  cost: NanoUsd,
  fee: NanoUsd,
  /** The capture that paid it; `null` when nothing was owed. */
  transferId: z.string().nullable(),
  /** When it was billed, by cell time. Absent in entries of the first release. */
  atMs: z.int().optional(),
  /** What it is counted for. Absent: the organisation's default project. */
  projectId: z.string().optional(),
  /** What of the request was paid by its nodes' own copies before this reading came; its record is without. */
  paidBefore: NanoUsd.optional(),
  /** Of the cost and that, what a broken promise gives back a part of. Absent: all of it. */
  slaCharge: NanoUsd.optional(),
  /** It was given up as lost, and counted for that. */
  wasLost: z.boolean().optional(),
})
export type UsageEvent = z.output<typeof UsageEvent>

export const CoordinatorEvent = z.discriminatedUnion('type', [
  LedgerEvent,
  FleetEvent,
  ReputationEvent,
  OrganisationEvent,
  AuditEvent,
  ModelEvent,
  WorkEvent,
  VerifyEvent,
  HardwareEvent,
  SlaEvent,
  ReceiptEvent,
  UsageEvent,
])
export type CoordinatorEvent = z.output<typeof CoordinatorEvent>

/** One journal entry: the events of one turn, which happened together or not at all. */
export const JournalRecord = z.object({
  version: z.literal(1),
  atMs: z.int(),
  events: z.array(CoordinatorEvent),
})
export type JournalRecord = z.output<typeof JournalRecord>

/** The record as the text of an entry. */
export const formatRecord: (record: JournalRecord) => string = jsonWriter(JournalRecord)

const eventForms = wireFormsByKind(CoordinatorEvent)

/** Every type of event that there is. */
export const eventTypes: readonly string[] = [...eventForms.keys()]

/**
 * Reads what `formatRecord` wrote. The journal's checksums vouch for the text, and only what was decided is written:
 * so all that is left to ask is whether this program knows what it reads. Throws `Problem('journal_newer')` for
 * another version and for an event whose type is unknown here.
 */
export function readRecord(text: string): JournalRecord {
  const wire = JSON.parse(text) as { version: unknown; atMs: number; events: WireEvent[] }
  if (wire.version !== 1) throw unknownHere(`an entry of version ${wire.version}`)
  const events = wire.events.map((event) => {
    const form = eventForms.get(event.type)
    if (form === undefined) throw unknownHere(`an event of type ${event.type}`)
    upcastEvent(event, wire)
    return (form ? form.fromWire(event) : event) as CoordinatorEvent
  })
  return { version: 1, atMs: wire.atMs, events }
}

/**
 * Reads an entry for whose text nobody vouches: of an imported file, or of a journal that is looked at. Throws
 * `Problem('journal_newer')` as `readRecord` does, and `Problem('journal_corrupt')` for all else that is no record.
 */
export function checkRecord(text: string): JournalRecord {
  try {
    const checked = JournalRecord.safeParse(JSON.parse(text))
    if (!checked.success) {
      readRecord(text) // What is newer is said to be newer.
      throw new Error(describeIssue(checked.error, 'the entry'))
    }
    return readRecord(text)
  } catch (error) {
    if (error instanceof Problem) throw error
    const reason = error instanceof Error ? error.message : String(error)
    throw new Problem('journal_corrupt', `An entry of the journal cannot be read (${reason}).`, {
      cause: error,
    })
  }
}

const unknownHere = (what: string): Problem =>
  new Problem(
    'journal_newer',
    `The journal has ${what}, which this Shoal does not know: a newer one wrote it. Update Shoal.`,
  )
