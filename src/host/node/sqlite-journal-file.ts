/** What makes a SQLite file a journal: its tables, its format, and the checksum that chains one entry to the next. */
import { hash, randomBytes } from 'node:crypto'
import { statSync } from 'node:fs'
import { DatabaseSync } from 'node:sqlite'
import { Problem, type ProblemDetails } from '#protocol/problem.ts'
import { SQLITE_ERROR, sqliteCode, toDiskProblem } from './disk-problem.ts'
import { isLogDamaged } from './sqlite-log.ts'

/** Kept as `user_version`. Raised when an older program can no longer read what this one writes. */
const JOURNAL_FORMAT = 1
/** `SHOA` in ASCII: tells a journal from any other SQLite file. */
const APPLICATION_ID = 0x53484f41

/** How long to wait for another program that inspects the file. */
const BUSY_TIMEOUT_MS = 5_000

const SCHEMA = `
  CREATE TABLE meta (
    id TEXT NOT NULL, epoch INTEGER NOT NULL,
    last_sequence INTEGER NOT NULL, last_checksum TEXT NOT NULL,
    trimmed_sequence INTEGER NOT NULL, trimmed_checksum TEXT NOT NULL
  ) STRICT;
  CREATE TABLE entry (
    sequence INTEGER PRIMARY KEY, epoch INTEGER NOT NULL, payload TEXT NOT NULL, checksum TEXT NOT NULL
  ) STRICT;
  PRAGMA application_id = ${APPLICATION_ID};
  PRAGMA user_version = ${JOURNAL_FORMAT};
`

/** The first half, 16 bytes, of a sha256, in hex. */
export const chain = (previous: string, sequence: number, epoch: number, payload: string): string =>
  hash('sha256', `${previous}:${sequence}:${epoch}:${payload}`, 'hex').slice(0, 32)

/** Opens the journal in the file `path`, or makes an empty one there. Throws a `Problem`. */
export function openJournalFile(path: string): DatabaseSync {
  let database: DatabaseSync | null = null
  try {
    refuseOrphanedLog(path)
    if (isLogDamaged(`${path}-wal`))
      throw corruptJournal(path, 'in its log, the file beside it that ends in -wal', {})
    database = new DatabaseSync(path, { timeout: BUSY_TIMEOUT_MS })
    database.exec('PRAGMA synchronous = FULL; PRAGMA fullfsync = ON')
    if (pragma(database, 'page_count') === 0) create(database)
    else verifyFormat(database, path)
    database.exec('PRAGMA journal_mode = WAL; PRAGMA wal_autocheckpoint = 0')
    return database
  } catch (error) {
    database?.close()
    // These statements are right in themselves: it is the file that is of a form which SQLite does not know.
    if (sqliteCode(error) === SQLITE_ERROR) throw corruptJournal(path, 'in its header', {})
    throw toDiskProblem(error, path)
  }
}

/** SQLite deletes the log of a file that is gone or empty; its entries may be all that is left. */
function refuseOrphanedLog(path: string): void {
  const sizeOf = (name: string): number => statSync(name, { throwIfNoEntry: false })?.size ?? 0
  if (sizeOf(path) > 0 || sizeOf(`${path}-wal`) === 0) return
  throw new Problem(
    'journal_corrupt',
    `${path} is missing or empty, but its log ${path}-wal is there. Restore both from a backup, or move the log away to start empty.`,
    { details: { file: path } },
  )
}

function create(database: DatabaseSync): void {
  const id = randomBytes(16).toString('hex')
  // The chain starts at the id: entries of another journal do not fit in.
  const start = chain('', 0, 0, id)
  database.exec('BEGIN IMMEDIATE')
  database.exec(SCHEMA)
  database.prepare('INSERT INTO meta VALUES (?, 0, 0, ?, 0, ?)').run(id, start, start)
  database.exec('COMMIT')
}

function verifyFormat(database: DatabaseSync, path: string): void {
  const details = { file: path }
  if (pragma(database, 'application_id') !== APPLICATION_ID) {
    throw new Problem(
      'journal_corrupt',
      `${path} is not a journal of Shoal. Move it away, or choose another folder with --data.`,
      { details },
    )
  }
  const format = pragma(database, 'user_version')
  if (format <= JOURNAL_FORMAT) return
  throw new Problem(
    'journal_newer',
    `${path} was written by a newer Shoal, in journal format ${format}; this one reads up to format ${JOURNAL_FORMAT}. Update Shoal.`,
    { details: { ...details, format } },
  )
}

/** The value of a pragma that is one integer. */
function pragma(database: DatabaseSync, name: string): number {
  const row = database.prepare(`PRAGMA ${name}`).get() ?? {}
  return Number(row[name])
}

/** `place` ends the sentence "the file is damaged ...". */
export const corruptJournal = (path: string, place: string, details: ProblemDetails): Problem =>
  new Problem(
    'journal_corrupt',
    `${path} is damaged ${place}: it is not what was written. Restore the file from a backup, or move it away to start empty.`,
    { details: { file: path, ...details } },
  )
