/**
 * One process at a time. The lock is an exclusive SQLite transaction that is never committed, so the system frees it
 * however its holder dies, and no lock is ever stale. Who holds it stands beside it in a JSON file, for the message only.
 */
import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { Problem } from '#protocol/problem.ts'
import { SQLITE_BUSY, sqliteCode, toDiskProblem } from './disk-problem.ts'
import { makeFolder } from './durable-file.ts'

export interface FolderLock {
  /** Lets others in. Repeatable. */
  release(): void
}

export interface LockRequest {
  /** What is locked, as the message names it. */
  readonly subject: string
  /** Who locks it, as the message of the next one names it. */
  readonly owner: string
  /** Path of the lock without its endings `.db` and `.json`. Nothing else may open these files. */
  readonly path: string
}

/**
 * Makes `folder` if missing and locks it as a whole, against other processes and this one alike.
 * Throws `Problem('folder_in_use')` that names the holder, `disk_read_only`, `disk_full` or `disk_failed`.
 */
export function lockFolder(folder: string, owner: string): FolderLock {
  return takeLock({ subject: folder, owner, path: join(folder, 'lock') })
}

/** Takes the lock at `path`, whose folder is made if missing. Throws as `lockFolder` does. */
export function takeLock(request: LockRequest): FolderLock {
  const holderPath = `${request.path}.json`
  const database = lockDatabase(request)
  const lock: FolderLock = {
    release() {
      if (!held.delete(lock)) return
      try {
        rmSync(holderPath, { force: true })
      } catch {
        // On a disk that became read-only it stays. It is for people: the lock is the transaction.
      }
      database.close()
    },
  }
  held.add(lock)
  try {
    writeFileSync(
      holderPath,
      JSON.stringify({ pid: process.pid, owner: request.owner, sinceMs: Date.now() } satisfies Holder),
    )
    return lock
  } catch (error) {
    lock.release()
    throw toDiskProblem(error, holderPath)
  }
}

/** A lock whose object nobody keeps must not end with a garbage collection: these references hold it. */
const held = new Set<FolderLock>()

function lockDatabase(request: LockRequest): DatabaseSync {
  const path = `${request.path}.db`
  let database: DatabaseSync | null = null
  try {
    makeFolder(dirname(path))
    database = new DatabaseSync(path, { timeout: 0 })
    database.exec('BEGIN EXCLUSIVE')
    return database
  } catch (error) {
    database?.close()
    const code = sqliteCode(error)
    if (code !== null && (code & 0xff) === SQLITE_BUSY) throw inUse(request, error)
    throw toDiskProblem(error, path)
  }
}

interface Holder {
  readonly pid: number
  readonly owner: string
  readonly sinceMs: number
}

function inUse(request: LockRequest, cause: unknown): Problem {
  const holder = readHolder(`${request.path}.json`)
  const who = holder
    ? `${holder.owner} (process ${holder.pid}, since ${new Date(holder.sinceMs).toISOString()})`
    : 'another process'
  return new Problem(
    'folder_in_use',
    `${request.subject} is in use by ${who}. Stop it, or choose another folder with --data.`,
    { details: { file: request.subject, pid: holder?.pid ?? null, owner: holder?.owner ?? null }, cause },
  )
}

/** The file is for people: missing, half-written or foreign, it only makes the message shorter. */
function readHolder(path: string): Holder | null {
  try {
    const { pid, owner, sinceMs } = JSON.parse(readFileSync(path, 'utf8'))
    const isHolder = Number.isInteger(pid) && typeof owner === 'string' && Number.isSafeInteger(sinceMs)
    return isHolder && Math.abs(sinceMs) <= 8.64e15 ? { pid, owner, sinceMs } : null
  } catch {
    return null
  }
}
