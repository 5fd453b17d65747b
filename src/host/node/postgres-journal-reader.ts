/** Reads entries of a journal on PostgreSQL and verifies them against the chain of checksums, also at its ends. */
import { Problem } from '#protocol/problem.ts'
import type { JournalEntry } from '../host.ts'
import type { PgRow } from './postgres-connection.ts'
import { fromStored, SELECT_ENTRIES } from './postgres-journal-tables.ts'
import type { LazyConnection } from './postgres-lazy-connection.ts'
import { chain } from './sqlite-journal-file.ts'

export interface JournalPlace {
  readonly name: string
  /** Of the database. */
  readonly label: string
}

/**
 * Entries from `fromSequence` on, or from the oldest kept, `countMax` at most. Rejects with `Problem('journal_corrupt')`
 * that names the first entry which is not what was written.
 */
export async function readEntries(
  connection: Pick<LazyConnection, 'query'>,
  place: JournalPlace,
  { fromSequence, countMax }: { fromSequence: number; countMax: number },
): Promise<JournalEntry[]> {
  const [trimmed, newest, ...rows] = await connection.query(SELECT_ENTRIES, [
    place.name,
    fromSequence,
    countMax,
  ])
  if (!trimmed || !newest) throw corruptRecord(place, 'at its head')
  const trimmedSequence = Number(trimmed['sequence'])
  const lastSequence = Number(newest['sequence'])
  const first = Math.max(fromSequence, trimmedSequence + 1)
  const count = Math.max(0, Math.min(countMax, lastSequence - first + 1))
  if (count === 0) return []
  const before = rows[0]?.['sequence'] === BigInt(first - 1) ? rows.shift() : undefined
  const anchor = first === trimmedSequence + 1 ? trimmed : before
  if (!anchor) throw corruptRecord(place, first - 1)
  const entries = verifiedEntries(rows, { first, count, anchor: String(anchor['checksum']), newest })
  if (entries.length !== count) throw corruptRecord(place, first + entries.length)
  return entries
}

interface Expected {
  readonly first: number
  readonly count: number
  /** The checksum before the first. */
  readonly anchor: string
  readonly newest: PgRow
}

/** The entries up to the first that is not what was written. */
function verifiedEntries(rows: readonly PgRow[], { first, count, anchor, newest }: Expected): JournalEntry[] {
  const entries: JournalEntry[] = []
  let previous = anchor
  for (const row of rows.slice(0, count)) {
    const sequence = first + entries.length
    const epoch = Number(row['epoch'])
    const payload = storedPayload(row)
    if (payload === null || row['sequence'] !== BigInt(sequence)) break
    previous = chain(previous, sequence, epoch, payload)
    const isLast = newest['sequence'] === BigInt(sequence)
    if (previous !== row['checksum'] || (isLast && previous !== newest['checksum'])) break
    entries.push({ sequence, epoch, payload })
  }
  return entries
}

function storedPayload(row: PgRow): string | null {
  try {
    return fromStored(String(row['payload']))
  } catch (error) {
    if (error instanceof SyntaxError) return null
    throw error
  }
}

/** `where` is the entry's number, or ends the sentence "the journal is damaged ...". */
export const corruptRecord = ({ name, label }: JournalPlace, where: number | string): Problem =>
  new Problem(
    'journal_corrupt',
    `The journal "${name}" in ${label} is damaged ${typeof where === 'number' ? `at entry ${where}` : where}: it is not what was written. Restore the database from a backup.`,
    { details: { database: label, ...(typeof where === 'number' && { sequence: where }) } },
  )
