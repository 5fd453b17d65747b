import { accessSync, constants, statfsSync } from 'node:fs'
import { dirname } from 'node:path'
import { Problem } from '#protocol/problem.ts'

/** SQLite's result codes that say what the disk did: https://sqlite.org/rescode.html. */
export const SQLITE_ERROR = 1
export const SQLITE_BUSY = 5
const SQLITE_READONLY = 8
const SQLITE_IOERR = 10
const SQLITE_CORRUPT = 11
const SQLITE_FULL = 13
const SQLITE_CANTOPEN = 14
const SQLITE_NOTADB = 26
/** No room for the memory-mapped index of a write-ahead log: SQLite calls a full disk an input/output error here. */
const SQLITE_IOERR_SHMSIZE = SQLITE_IOERR | (19 << 8)

type Cause = 'full' | 'read_only' | 'not_a_folder' | 'corrupt' | 'in_use' | 'failed'

const READ_ONLY = new Set(['EACCES', 'EPERM', 'EROFS'])
const NOT_A_FOLDER = new Set(['EEXIST', 'ENOTDIR'])
const FULL = new Set(['ENOSPC', 'EDQUOT'])

/**
 * What the disk said about `path`, as a problem with the way out: `disk_full`, `disk_read_only`, `journal_corrupt`,
 * `folder_in_use` (locked by another program) or `disk_failed`. An error that no disk raised is a bug and is thrown.
 */
export function toDiskProblem(error: unknown, path: string): Problem {
  if (error instanceof Problem) return error
  const cause = causeOf(error, path)
  if (cause === null) throw error
  const said = error instanceof Error ? error.message : String(error)
  const options = { details: { file: path }, cause: error }
  switch (cause) {
    case 'full':
      return new Problem(
        'disk_full',
        `The disk is full: ${path} could not be written. Free some space and start again; nothing acknowledged is lost.`,
        options,
      )
    case 'read_only':
      return new Problem(
        'disk_read_only',
        `${path} cannot be written (${said}). Make the folder writable for this user, or choose another with --data.`,
        options,
      )
    case 'not_a_folder':
      return new Problem(
        'disk_failed',
        `${path} cannot be made: a file stands where a folder should be (${said}). Move it away, or choose another folder with --data.`,
        options,
      )
    case 'corrupt':
      return new Problem(
        'journal_corrupt',
        `${path} is damaged (${said}). Restore it from a backup, or move it away to start empty.`,
        options,
      )
    case 'in_use':
      return new Problem(
        'folder_in_use',
        `${path} is locked by another program. Close that program and start again.`,
        options,
      )
    case 'failed':
      return new Problem(
        'disk_failed',
        `The disk failed at ${path} (${said}). Check the disk and start again; nothing acknowledged is lost.`,
        options,
      )
  }
}

/** SQLite's extended result code, or `null` for an error that is not SQLite's. */
export function sqliteCode(error: unknown): number | null {
  if (!(error instanceof Error) || !('errcode' in error)) return null
  return typeof error.errcode === 'number' ? error.errcode : null
}

function causeOf(error: unknown, path: string): Cause | null {
  const code = sqliteCode(error)
  if (code !== null) return causeOfSqlite(code, path)
  if (!(error instanceof Error) || !('errno' in error) || !('code' in error)) return null
  if (FULL.has(String(error.code))) return 'full'
  if (NOT_A_FOLDER.has(String(error.code))) return 'not_a_folder'
  return READ_ONLY.has(String(error.code)) ? 'read_only' : 'failed'
}

function causeOfSqlite(code: number, path: string): Cause | null {
  if (code === SQLITE_IOERR_SHMSIZE) return 'full'
  switch (code & 0xff) {
    case SQLITE_FULL:
      return 'full'
    case SQLITE_READONLY:
      return 'read_only'
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      return 'corrupt'
    case SQLITE_BUSY:
      return 'in_use'
    case SQLITE_IOERR:
      return 'failed'
    case SQLITE_CANTOPEN:
      return causeOfClosedDoor(dirname(path))
    default:
      return null
  }
}

/** SQLite says only that a file could not be opened or made; the folder knows why. */
function causeOfClosedDoor(folder: string): Cause {
  try {
    accessSync(folder, constants.W_OK)
    const { bavail, files, ffree } = statfsSync(folder)
    // Some file systems count no inodes at all and report 0 of 0.
    return bavail === 0 || (files > 0 && ffree === 0) ? 'full' : 'failed'
  } catch (error) {
    return causeOf(error, folder) ?? 'failed'
  }
}

/** What `run` gives; what the disk refuses it is a `Problem` that names `path`. */
export async function asDiskProblem<T>(path: string, run: () => Promise<T>): Promise<T> {
  try {
    return await run()
  } catch (error) {
    throw error instanceof Problem ? error : toDiskProblem(error, path)
  }
}
