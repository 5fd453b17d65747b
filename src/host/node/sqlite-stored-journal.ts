/** The journal of a data folder while nothing runs there. Whoever holds it keeps its lock, so that nothing starts. */
import { existsSync, renameSync, rmSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { Problem } from '#protocol/problem.ts'
import { toDiskProblem } from './disk-problem.ts'
import { syncFolderAsync } from './durable-file.ts'
import { type FolderLock, takeLock } from './folder-lock.ts'
import { openJournalFile } from './sqlite-journal-file.ts'
import { JournalStore } from './sqlite-journal-store.ts'
import type { JournalEnds, JournalSink, StoredJournal } from './stored-journal.ts'

/**
 * Opens `<folder>/<name>.db` for reading. Throws `Problem`: `not_found`, `folder_in_use` while a network runs on it, and
 * those of the journal.
 */
export function openSqliteStoredJournal(folder: string, name: string): StoredJournal {
  const path = join(folder, `${name}.db`)
  const lock = lockJournal(path)
  try {
    if (!existsSync(path)) {
      throw new Problem('not_found', `There is no journal at ${path}. Name the network's folder with --data.`)
    }
    const store = new JournalStore(path, { isForReading: true })
    return {
      label: path,
      ends: store.ends(),
      async read(fromSequence, countMax) {
        const { firstSequence, epochs, payloads } = store.read(fromSequence, countMax)
        return payloads.map((payload, index) => ({
          sequence: firstSequence + index,
          epoch: epochs[index] ?? 0,
          payload,
        }))
      },
      async close() {
        store.close()
        lock.release()
      },
    }
  } catch (error) {
    lock.release()
    throw error
  }
}

/** A new journal at `<folder>/<name>.db`, which shows once it is whole. Throws `Problem('conflict')` where one has entries. */
export function createSqliteSink(folder: string, name: string, ends: JournalEnds): JournalSink {
  const path = join(folder, `${name}.db`)
  const temporary = `${path}.importing`
  const lock = lockJournal(path)
  try {
    refuseEntries(path)
    removeJournal(temporary)
    return new SqliteSink({ path, temporary, lock, ends })
  } catch (error) {
    lock.release()
    throw toDiskProblem(error, path)
  }
}

class SqliteSink implements JournalSink {
  readonly label: string
  readonly #temporary: string
  readonly #lock: FolderLock
  readonly #database: ReturnType<typeof openJournalFile>

  constructor(parts: { path: string; temporary: string; lock: FolderLock; ends: JournalEnds }) {
    const { id, epoch, firstSequence, anchor, lastSequence, checksum } = parts.ends
    this.label = parts.path
    this.#temporary = parts.temporary
    this.#lock = parts.lock
    this.#database = openJournalFile(this.#temporary)
    this.#database
      .prepare(
        `UPDATE meta SET id = ?, epoch = ?, last_sequence = ?, last_checksum = ?, trimmed_sequence = ?, trimmed_checksum = ?`,
      )
      .run(id, epoch, lastSequence, checksum, firstSequence - 1, anchor)
  }

  async add(entries: Parameters<JournalSink['add']>[0]): Promise<void> {
    try {
      const insert = this.#database.prepare(
        'INSERT INTO entry (sequence, epoch, payload, checksum) VALUES (?, ?, ?, ?)',
      )
      this.#database.exec('BEGIN IMMEDIATE')
      for (const { sequence, epoch, payload, checksum } of entries) {
        insert.run(sequence, epoch, payload, checksum)
      }
      this.#database.exec('COMMIT')
    } catch (error) {
      throw toDiskProblem(error, this.#temporary)
    }
  }

  async commit(): Promise<void> {
    try {
      this.#database.exec('PRAGMA wal_checkpoint(TRUNCATE)')
      this.#database.close()
      removeJournal(this.label)
      renameSync(this.#temporary, this.label)
      await syncFolderAsync(dirname(this.label))
    } catch (error) {
      throw toDiskProblem(error, this.label)
    } finally {
      this.#lock.release()
    }
  }

  async abort(): Promise<void> {
    if (this.#database.isOpen) this.#database.close()
    removeJournal(this.#temporary)
    this.#lock.release()
  }
}

const lockJournal = (path: string): FolderLock =>
  takeLock({ subject: path, owner: 'shoal journal', path: path.replace(/\.db$/, '.lock') })

function refuseEntries(path: string): void {
  if (!existsSync(path)) return
  const store = new JournalStore(path, { isForReading: true })
  const { lastSequence } = store.ends()
  store.close()
  if (lastSequence > 0) throw notEmpty(path, lastSequence)
}

/** A journal is never written over. */
export const notEmpty = (label: string, lastSequence: number): Problem =>
  new Problem(
    'conflict',
    `${label} has a journal of ${lastSequence} entries already. Import into an empty place, or move it away first.`,
    { details: { lastSequence } },
  )

function removeJournal(path: string): void {
  for (const ending of ['', '-wal', '-shm']) rmSync(`${path}${ending}`, { force: true })
}
