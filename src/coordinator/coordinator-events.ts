/** Everything that can stand in the journal, and the form of one entry. */
import { z } from 'zod'
import { FleetEvent } from '#fleet/fleet-events.ts'
import { LedgerEvent } from '#ledger/ledger-events.ts'
import { OrganisationEvent } from '#organisations/organisation-events.ts'
import { NanoUsd } from '#protocol/money.ts'
import { UsageRecord } from '#protocol/usage.ts'

/** A request as it was billed. Changes no state: it is there for statements, usage pages and audits. */
export const UsageEvent = z.object({
  type: z.literal('usage.recorded'),
  spoolId: z.string(),
  sequence: z.int(),
  record: UsageRecord,
  cost: NanoUsd,
  fee: NanoUsd,
  /** The capture that paid it; `null` when nothing was owed. */
  transferId: z.string().nullable(),
})
export type UsageEvent = z.output<typeof UsageEvent>

export const CoordinatorEvent = z.discriminatedUnion('type', [
  LedgerEvent,
  FleetEvent,
  OrganisationEvent,
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

export const formatRecord = (record: JournalRecord): string =>
  JSON.stringify(record, (_key, value: unknown) => (typeof value === 'bigint' ? value.toString() : value))
