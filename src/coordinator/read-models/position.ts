import type { Journal, JournalEntry } from '#host/host.ts'
import type { SqlStore, Statement } from '#host/sql-store.ts'
import { Problem } from '#protocol/problem.ts'
import { READ_MODEL_VERSION } from './schema.ts'

/** How far the tables follow which journal. */
export interface Position {
  readonly schemaVersion: number
  readonly journalId: string
  /** The last entry that the tables include; 0 for none. */
  readonly sequence: number
  /** Of that entry; empty for none. */
  readonly lastEntry: string
}

const UNDEFINED_TABLE = '42P01'
const UNDEFINED_COLUMN = '42703'
const FINGERPRINT_LENGTH = 200

/** Where the tables of `store` stand, or `null` when there are none that this program made. */
export async function readPosition(store: SqlStore): Promise<Position | null> {
  try {
    const [rows] = await store.run([
      {
        sql: 'select schema_version, journal_id, sequence, last_entry from read_models.position',
        parameters: [],
      },
    ])
    const row = rows?.[0]
    if (!row) return null
    const { schema_version, journal_id, sequence, last_entry } = row
    return {
      schemaVersion: Number(schema_version),
      journalId: String(journal_id),
      sequence: Number(sequence),
      lastEntry: String(last_entry),
    }
  } catch (error) {
    if (isUndefined(error)) return null
    throw error
  }
}

export type ResetReason =
  | 'no_tables'
  | 'other_schema_version'
  | 'other_journal'
  | 'ahead_of_journal'
  | 'other_history'

/** Why tables that stand at `stored` cannot belong to `journal` as it is, or `null` when they do. */
export async function reasonToReset(
  stored: Position | null,
  journal: Pick<Journal, 'id' | 'lastSequence' | 'read'>,
): Promise<ResetReason | null> {
  if (!stored) return 'no_tables'
  if (stored.schemaVersion !== READ_MODEL_VERSION) return 'other_schema_version'
  if (stored.journalId !== journal.id) return 'other_journal'
  if (stored.sequence > journal.lastSequence) return 'ahead_of_journal'
  if (stored.sequence === 0) return null
  const [last] = await journal.read(stored.sequence, 1)
  // An entry that was trimmed cannot be compared.
  const isSame = last?.sequence !== stored.sequence || fingerprint(last) === stored.lastEntry
  return isSame ? null : 'other_history'
}

/** True when the database says that it has no such table or column. */
export function isUndefined(error: unknown): boolean {
  if (!(error instanceof Problem)) return false
  const { sqlState } = error.details
  return sqlState === UNDEFINED_TABLE || sqlState === UNDEFINED_COLUMN
}

/**
 * Moves the position over entries that follow it, in the transaction that writes their rows. Fails (`conflict`)
 * when the tables stand anywhere but at `from`: so no entry is ever applied twice or left out.
 */
export const advancePosition = (journalId: string, from: number, last: JournalEntry): Statement => ({
  sql: `update read_models.position set sequence = $1, last_entry = $2
    where schema_version = $3 and journal_id = $4 and sequence = $5 returning sequence`,
  parameters: [last.sequence, fingerprint(last), READ_MODEL_VERSION, journalId, from],
  rowsExpected: 1,
})

/**
 * Enough of an entry to know it by: its beginning carries the epoch, the time and the first ids. Well-formed, for
 * half a surrogate pair would not come back from the database as it went in.
 */
const fingerprint = (entry: JournalEntry): string =>
  `${entry.epoch}:${entry.payload.slice(0, FINGERPRINT_LENGTH)}`.toWellFormed()
