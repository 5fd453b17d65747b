/**
 * The thread that PGlite computes on. It opens the database before it listens, then takes one message after the
 * other. What it does not expect ends it: the thread's owner starts another.
 */
import { existsSync } from 'node:fs'
import { parentPort, workerData } from 'node:worker_threads'
import { PGlite, type PGliteOptions, type Transaction, types } from '@electric-sql/pglite'
import { assert } from '#kernel/assert.ts'
import type { Row, Statement } from '../sql-store.ts'
import { openPgliteFolder, type PgliteFolder } from './pglite-folder.ts'

export interface WorkerStart {
  /** `null` keeps the database in memory. */
  readonly folder: string | null
  /** The owner no longer trusts the data: set it aside. */
  readonly isSuspect: boolean
}

export type ToWorker = { kind: 'run'; id: number; statements: readonly Statement[] } | { kind: 'close' }

export type FromWorker =
  | { kind: 'opened'; openMs: number; isNew: boolean; setAside: SetAside | null }
  | { kind: 'open_failed'; message: string }
  | { kind: 'done'; id: number; rows: Row[][] }
  /** `sqlState` is `null` when a statement did not return the rows it had to. */
  | { kind: 'refused'; id: number; sqlState: string | null; message: string }
  | { kind: 'closed' }

export interface SetAside {
  readonly reason: string
  readonly path: string
}

const options: PGliteOptions = {
  /** int8 and numeric as bigint, whatever their size: PGlite's own choice depends on the value. */
  parsers: { [types.INT8]: BigInt, [types.NUMERIC]: BigInt },
  /** PGlite's default of 160 MB for buffers is a third of the process; the write-ahead log may take up to 1 GB. */
  startParams: [
    ...PGlite.defaultStartParams,
    ...['shared_buffers=32MB', 'wal_buffers=1MB', 'max_wal_size=64MB', 'min_wal_size=32MB'].flatMap(
      (setting) => ['-c', setting],
    ),
  ],
}

/**
 * PostgreSQL's background workers do not run here, so nobody else would ever trim the write-ahead log, reuse dead rows
 * or count rows for the planner. Due after this many characters of parameters; takes 0.3-0.8 s.
 */
const CHARS_BETWEEN_CARE = 16_000_000

/** A statement returned other rows than it had to: thrown to undo the transaction. */
class RowsUnexpected extends Error {}

assert(parentPort, 'this file runs as a worker')
const port = parentPort
const { folder: path, isSuspect } = workerData as WorkerStart
const folder = path === null ? null : openPgliteFolder(path)
const send = (message: FromWorker): void => port.postMessage(message)

let charsWritten = 0

try {
  const db = await open()
  let previous: Promise<void> = Promise.resolve()
  port.on('message', (message: ToWorker) => {
    previous = previous.then(() => (message.kind === 'run' ? run(db, message) : close(db)))
  })
} catch (error) {
  send({ kind: 'open_failed', message: messageOf(error) })
}

async function open(): Promise<PGlite> {
  const startedMs = performance.now()
  const existing = folder ? await findExisting(folder) : { db: null, setAside: null }
  const db = existing.db ?? (await create(existing.setAside))
  const openMs = Math.round(performance.now() - startedMs)
  send({ kind: 'opened', openMs, isNew: existing.db === null, setAside: existing.setAside })
  return db
}

/** The database of the folder; without one that can be used, what became of its files. */
async function findExisting(
  existing: PgliteFolder,
): Promise<{ db: PGlite | null; setAside: SetAside | null }> {
  if (existing.harm === 'unfinished') existing.remove()
  if (!existsSync(existing.data)) return { db: null, setAside: null }
  const found = isSuspect ? 'damaged' : (existing.harm ?? (await openExisting(existing)))
  if (typeof found !== 'string') return { db: found, setAside: null }
  return { db: null, setAside: { reason: found, path: existing.setAside() } }
}

/** The database, or what PGlite had against its files. */
async function openExisting(existing: PgliteFolder): Promise<PGlite | string> {
  try {
    existing.mark('open')
    return await PGlite.create(existing.data, options)
  } catch (error) {
    return messageOf(error)
  }
}

async function create(setAside: SetAside | null): Promise<PGlite> {
  if (!folder) return PGlite.create('memory://', options)
  try {
    folder.mark('creating')
    const db = await PGlite.create(folder.data, options)
    folder.mark('open')
    return db
  } catch (error) {
    // No new one either (a full disk?): then the old one may have been good, and is worth another try.
    if (setAside) {
      folder.restore()
      folder.mark('open')
    }
    throw error
  }
}

async function run(db: PGlite, call: ToWorker & { kind: 'run' }): Promise<void> {
  try {
    const rows = await db.transaction((transaction) => runAll(transaction, call.statements))
    send({ kind: 'done', id: call.id, rows })
  } catch (error) {
    const sqlState = error instanceof RowsUnexpected ? null : sqlStateOf(error)
    if (sqlState === undefined) throw error
    send({ kind: 'refused', id: call.id, sqlState, message: messageOf(error) })
  }
  await care(db, call.statements)
}

async function care(db: PGlite, statements: readonly Statement[]): Promise<void> {
  charsWritten += charsOf(statements)
  if (charsWritten < CHARS_BETWEEN_CARE) return
  charsWritten = 0
  await db.query('vacuum (analyze)')
  await db.query('checkpoint')
}

function charsOf(statements: readonly Statement[]): number {
  let chars = 0
  for (const { parameters } of statements) {
    for (const parameter of parameters) if (typeof parameter === 'string') chars += parameter.length
  }
  return chars
}

async function runAll(transaction: Transaction, statements: readonly Statement[]): Promise<Row[][]> {
  const all: Row[][] = []
  for (const { sql, parameters, rowsExpected } of statements) {
    const { rows } = await transaction.query<Row>(sql, [...parameters])
    if (rowsExpected !== undefined && rows.length !== rowsExpected) {
      throw new RowsUnexpected(`${rows.length} rows instead of ${rowsExpected}: ${sql}`)
    }
    all.push(rows)
  }
  return all
}

async function close(db: PGlite): Promise<void> {
  await db.close()
  await folder?.markClosed()
  send({ kind: 'closed' })
}

/** PostgreSQL's five characters, or `undefined` for an error that is not the database's answer. */
function sqlStateOf(error: unknown): string | undefined {
  if (!(error instanceof Error) || !('code' in error) || !('severity' in error)) return undefined
  return typeof error.code === 'string' ? error.code : undefined
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
