/**
 * The journal's file: entries in a table, each with a checksum over itself and the checksum before it, and one row
 * of meta data with both ends of that chain. So a changed, lost, moved or foreign entry shows, also at the ends.
 *
 * SQLite runs in WAL mode with `synchronous=FULL`: a commit returns once the log is synced. Checkpoints are ours to
 * start, after the acknowledgement, because SQLite's own run inside a commit and hide their errors.
 */
import type { DatabaseSync, StatementSync } from 'node:sqlite'
import { Problem } from '#protocol/problem.ts'
import { SQLITE_ERROR, sqliteCode, toDiskProblem } from './disk-problem.ts'
import { chain, corruptJournal, openJournalFile } from './sqlite-journal-file.ts'
import type { EntryColumns } from './sqlite-journal-messages.ts'
import type { JournalEnds } from './stored-journal.ts'

/** How many of the newest entries are verified when the journal opens; reading verifies the others. */
const TAIL_COUNT = 1_000
/** A checkpoint is due at 8 MiB of log: each costs two syncs, and the log is replayed after a crash. */
const CHECKPOINT_PAGES = 2_048
const TRIM_COUNT = 2_000
interface Meta {
  readonly id: string
  readonly epoch: number
  readonly lastSequence: number
  readonly lastChecksum: string
  readonly trimmedSequence: number
  readonly trimmedChecksum: string
}
const SELECT_META = `
  SELECT id, epoch, last_sequence AS lastSequence, last_checksum AS lastChecksum,
    trimmed_sequence AS trimmedSequence, trimmed_checksum AS trimmedChecksum FROM meta
`

/** All methods are synchronous and throw a `Problem`; once one that writes has thrown, no more may be written. */
export class JournalStore {
  readonly #path: string
  readonly #database: DatabaseSync
  readonly #statements: Statements
  #meta: Meta

  /**
   * Opens or makes the journal in the file `path`, verifies its end and takes the next epoch durably; with `isForReading`
   * the epoch stays as it is, and nothing may be appended.
   */
  constructor(path: string, { isForReading = false } = {}) {
    this.#path = path
    this.#database = openJournalFile(path)
    try {
      this.#statements = this.#prepare()
      this.#meta = this.#readMeta()
      this.#verifyEnd()
      if (!isForReading) this.#meta = this.#guard(() => this.#takeEpoch())
    } catch (error) {
      this.#database.close()
      throw error
    }
  }

  get id(): string {
    return this.#meta.id
  }

  get epoch(): number {
    return this.#meta.epoch
  }

  get lastSequence(): number {
    return this.#meta.lastSequence
  }

  /** Where the chain of the kept entries begins and ends. */
  ends(): JournalEnds {
    const { id, epoch, trimmedSequence, trimmedChecksum, lastSequence, lastChecksum } = this.#meta
    return {
      id,
      epoch,
      firstSequence: trimmedSequence + 1,
      anchor: trimmedChecksum,
      lastSequence,
      checksum: lastChecksum,
    }
  }

  /** Adds `payloads` in order, all or none, and returns once they are durable. Throws `epoch_stale` and disk problems. */
  append(payloads: readonly string[]): void {
    const { epoch } = this.#meta
    let { lastSequence, lastChecksum } = this.#meta
    this.#transact(() => {
      for (const payload of payloads) {
        lastSequence++
        lastChecksum = chain(lastChecksum, lastSequence, epoch, payload)
        this.#statements.insert.run(lastSequence, epoch, payload, lastChecksum)
      }
      this.#statements.setLast.run(lastSequence, lastChecksum)
    })
    this.#meta = { ...this.#meta, lastSequence, lastChecksum }
  }

  /** Entries from `fromSequence` on, or from the oldest kept, verified against the chain. */
  read(fromSequence: number, countMax: number): EntryColumns {
    const { trimmedSequence, lastSequence } = this.#meta
    const firstSequence = Math.max(fromSequence, trimmedSequence + 1)
    const count = Math.max(0, Math.min(countMax, lastSequence - firstSequence + 1))
    const epochs: number[] = []
    const payloads: string[] = []
    let sequence = firstSequence
    try {
      let previous = count > 0 ? this.#checksumAt(firstSequence - 1) : ''
      for (const row of this.#statements.select.iterate(firstSequence, count)) {
        const { sequence: found, epoch, payload, checksum } = row
        if (found !== sequence || typeof epoch !== 'number' || typeof payload !== 'string') break
        previous = chain(previous, sequence, epoch, payload)
        if (checksum !== previous) break
        epochs.push(epoch)
        payloads.push(payload)
        sequence++
      }
      const isWhole = sequence <= lastSequence || count === 0 || previous === this.#meta.lastChecksum
      if (payloads.length !== count || !isWhole) throw this.#corrupt(Math.min(sequence, lastSequence))
    } catch (error) {
      // An integer too large for JavaScript: nothing that a journal ever wrote.
      if (error instanceof RangeError) throw this.#corrupt(sequence)
      throw toDiskProblem(error, this.#path)
    }
    return { firstSequence, epochs, payloads }
  }

  /** Forgets some of the entries up to `sequence`, in a step short enough to append in between. True when more remain. */
  trimSome(sequence: number): boolean {
    const target = Math.min(sequence, this.#meta.lastSequence)
    const trimmedSequence = Math.min(target, this.#meta.trimmedSequence + TRIM_COUNT)
    if (trimmedSequence <= this.#meta.trimmedSequence) return false
    const trimmedChecksum = this.#guard(() => this.#checksumAt(trimmedSequence))
    this.#transact(() => {
      this.#statements.forget.run(trimmedSequence)
      this.#statements.setTrimmed.run(trimmedSequence, trimmedChecksum)
    })
    this.#meta = { ...this.#meta, trimmedSequence, trimmedChecksum }
    return trimmedSequence < target
  }

  /** Moves the log into the file once it has grown long. With a full disk the log just goes on growing. */
  checkpointIfDue(): void {
    const { log } = this.#guard(() => this.#statements.logSize.get()) as { log: number }
    if (log < CHECKPOINT_PAGES) return
    try {
      this.#database.exec('PRAGMA wal_checkpoint(PASSIVE)')
    } catch (error) {
      const problem = toDiskProblem(error, this.#path)
      if (problem.code !== 'disk_full') throw problem
    }
  }

  close(): void {
    this.#database.close()
  }

  /** The file says that it is a journal: so one that lacks a table or a column has been harmed. */
  #prepare(): Statements {
    try {
      return prepareStatements(this.#database)
    } catch (error) {
      if (sqliteCode(error) === SQLITE_ERROR) throw corruptJournal(this.#path, 'in its tables', {})
      throw toDiskProblem(error, this.#path)
    }
  }

  #verifyEnd(): void {
    const { lastSequence, epoch } = this.#meta
    const { epochs } = this.read(lastSequence - TAIL_COUNT + 1, TAIL_COUNT)
    if ((epochs.at(-1) ?? 0) > epoch) throw this.#corrupt(lastSequence)
  }

  /** The checksum of the entry `sequence`, or that from before the oldest kept one. */
  #checksumAt(sequence: number): string {
    if (sequence === this.#meta.trimmedSequence) return this.#meta.trimmedChecksum
    const { checksum } = this.#statements.checksum.get(sequence) ?? {}
    if (typeof checksum !== 'string') throw this.#corrupt(sequence)
    return checksum
  }

  #readMeta(): Meta {
    try {
      const meta = this.#statements.meta.get() as Meta | undefined
      if (meta && meta.trimmedSequence <= meta.lastSequence) return meta
    } catch (error) {
      if (!(error instanceof RangeError)) throw toDiskProblem(error, this.#path)
    }
    throw corruptJournal(this.#path, 'at its head', {})
  }

  #takeEpoch(): Meta {
    this.#database.exec('BEGIN IMMEDIATE; UPDATE meta SET epoch = epoch + 1; COMMIT')
    return this.#readMeta()
  }

  /** Runs `write` in one transaction and returns once it is durable, unless a later opener has taken over. */
  #transact(write: () => void): void {
    const { begin, selectEpoch, commit } = this.#statements
    try {
      begin.run()
      const { epoch } = selectEpoch.get() ?? {}
      if (epoch !== this.#meta.epoch) throw this.#stale()
      write()
      commit.run()
    } catch (error) {
      this.#rollBack()
      throw toDiskProblem(error, this.#path)
    }
  }

  #rollBack(): void {
    try {
      if (this.#database.isTransaction) this.#database.exec('ROLLBACK')
    } catch {
      // The first error is the one to report, and nothing will be written after it.
    }
  }

  #guard<T>(work: () => T): T {
    try {
      return work()
    } catch (error) {
      throw toDiskProblem(error, this.#path)
    }
  }

  #corrupt(sequence: number): Problem {
    return corruptJournal(this.#path, `at entry ${sequence}`, { sequence })
  }

  #stale(): Problem {
    return new Problem(
      'epoch_stale',
      `Another process has taken over ${this.#path}: this one, of epoch ${this.#meta.epoch}, must stop.`,
      { details: { file: this.#path, epoch: this.#meta.epoch } },
    )
  }
}

type Statements = ReturnType<typeof prepareStatements>

const prepareStatements = (database: DatabaseSync) =>
  ({
    begin: database.prepare('BEGIN IMMEDIATE'),
    commit: database.prepare('COMMIT'),
    meta: database.prepare(SELECT_META),
    selectEpoch: database.prepare('SELECT epoch FROM meta'),
    insert: database.prepare('INSERT INTO entry (sequence, epoch, payload, checksum) VALUES (?, ?, ?, ?)'),
    setLast: database.prepare('UPDATE meta SET last_sequence = ?, last_checksum = ?'),
    select: database.prepare(
      'SELECT sequence, epoch, payload, checksum FROM entry WHERE sequence >= ? ORDER BY sequence LIMIT ?',
    ),
    checksum: database.prepare('SELECT checksum FROM entry WHERE sequence = ?'),
    forget: database.prepare('DELETE FROM entry WHERE sequence <= ?'),
    setTrimmed: database.prepare('UPDATE meta SET trimmed_sequence = ?, trimmed_checksum = ?'),
    logSize: database.prepare('PRAGMA wal_checkpoint(NOOP)'),
  }) satisfies Record<string, StatementSync>
