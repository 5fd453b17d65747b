/**
 * Keeps the read models behind the journal: in order, each entry exactly once.
 *
 * The rows of a batch and the position after it are one transaction, which fails unless the tables stand right before
 * the batch. So it does not matter where a process dies. Tables that cannot belong to this journal (another schema
 * version, another journal, a position that it never reached, a history that it does not have) are dropped and
 * projected again from the first entry. Nothing that fails here stops the coordinator: it is logged and tried again.
 */
import type { Clock, Journal, JournalEntry, Log } from '#host/host.ts'
import type { SqlStore } from '#host/sql-store.ts'
import { Problem } from '#protocol/problem.ts'
import { readRecord } from '../coordinator-events.ts'
import { createPauses, type Pause, type Pauses } from './pauses.ts'
import { advancePosition, type ResetReason, readPosition, reasonToReset } from './position.ts'
import { type DecodedEntry, projectEntries } from './project.ts'
import { createReaders, type Readers } from './readers.ts'
import { createTables } from './schema.ts'

export interface Projector {
  /** Tells that the journal is durable up to `lastSequence`. Cheap, and safe to call with any number, any time. */
  notify(lastSequence: number): void
  /** The last entry that the tables include. */
  position(): number
  /** Entries of the journal that the tables do not include yet. */
  lag(): number
  /** True once the tables include entry `sequence`; false when `timeoutMs` or a `close` came first. */
  reach(sequence: number, timeoutMs: number): Promise<boolean>
  /**
   * Empties the tables and projects them from the whole journal again; resolves when they include all that it had at
   * the call. Rejects with `Problem('unavailable')`, having changed nothing, when the journal no longer begins at its
   * first entry, and with the store's problems.
   */
  rebuild(): Promise<void>
  /** Sends nothing more to the journal or the store. A batch under way still happens as a whole or not at all. */
  close(): void
}

export interface ProjectorOptions {
  readonly journal: Pick<Journal, 'id' | 'lastSequence' | 'read'>
  /** Stays its owner's, who closes it after the projector. */
  readonly store: SqlStore
  readonly clock: Pick<Clock, 'after'>
  readonly log: Log
  /** Runs with the lag in entries after each batch and each failure. */
  readonly onLag?: (entries: number) => void
}

/** Begins to follow the journal, at once and in the background. */
export const openProjector = (options: ProjectorOptions): Projector => new JournalProjector(options)

const READ_ENTRIES = 1_000
/** Payload in one transaction: an entry of one request has under 1,000 characters, but one may carry hundreds. */
const BATCH_CHARS = 2_000_000
/** Decoding gives way to other work after this much payload: 2-3 ms. */
const SLICE_CHARS = 200_000
/** Between two batches that are not full: a busy journal is followed in one transaction a second, not in hundreds; who waits to read is not kept waiting. */
const PACE_MS = 1_000
const BACKOFF_MS_MIN = 100
const BACKOFF_MS_MAX = 30_000

interface Order {
  readonly resolve: () => void
  readonly reject: (problem: unknown) => void
}

class JournalProjector implements Projector {
  readonly #options: ProjectorOptions
  readonly #readers: Readers
  #orders: Order[] = []
  #position = 0
  /** The newest entry known to be durable. */
  #known: number
  #isPrepared = false
  #isClosed = false
  #failuresInRow = 0
  readonly #pauses: Pauses

  constructor(options: ProjectorOptions) {
    this.#options = options
    this.#pauses = createPauses(options.clock)
    this.#readers = createReaders(options.clock)
    this.#known = options.journal.lastSequence
    void this.#follow()
  }

  notify(lastSequence: number): void {
    if (lastSequence <= this.#known) return
    this.#known = lastSequence
    this.#pauses.wake('news')
  }

  position(): number {
    return this.#position
  }

  lag(): number {
    return Math.max(0, this.#options.journal.lastSequence - this.#position)
  }

  reach(sequence: number, timeoutMs: number): Promise<boolean> {
    if (this.#position >= sequence || this.#isClosed) return Promise.resolve(this.#position >= sequence)
    const reached = this.#readers.wait(sequence, timeoutMs)
    this.#pauses.wake('reader')
    return reached
  }

  rebuild(): Promise<void> {
    if (this.#isClosed) return Promise.reject(closed())
    return new Promise((resolve, reject) => {
      this.#orders.push({ resolve, reject })
      this.#pauses.wake('order')
    })
  }

  close(): void {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#readers.drop()
    this.#rejectOrders(closed())
    this.#pauses.stop()
  }

  async #follow(): Promise<void> {
    while (!this.#isClosed) await this.#rest(await this.#turn())
  }

  /** One step, and how long to rest after it. Never rejects. */
  async #turn(): Promise<Pause> {
    try {
      if (this.#orders.length > 0) await this.#obey()
      if (!this.#isPrepared) await this.#prepare()
      const count = await this.#advance()
      if (this.#failuresInRow > 0)
        this.#options.log.info('read_models.recovered', { position: this.#position })
      this.#failuresInRow = 0
      this.#options.onLag?.(this.lag())
      if (count === READ_ENTRIES) return { ms: 0, endsOn: [] }
      if (count > 0) return { ms: PACE_MS, endsOn: ['reader', 'order'] }
      return { ms: null, endsOn: ['news', 'reader', 'order'] }
    } catch (error) {
      return this.#fail(error)
    }
  }

  #fail(error: unknown): Pause {
    if (this.#isClosed) return { ms: 0, endsOn: [] }
    // The store may have lost its tables, or another projector moved them: look again before the next step.
    this.#isPrepared = false
    this.#rejectOrders(error)
    const ms = Math.min(BACKOFF_MS_MAX, BACKOFF_MS_MIN * 2 ** Math.min(this.#failuresInRow, 20))
    this.#failuresInRow++
    const message = error instanceof Error ? error.message : String(error)
    this.#options.log.warn('read_models.failed', { position: this.#position, message, nextTryMs: ms })
    this.#options.onLag?.(this.lag())
    return { ms, endsOn: ['order'] }
  }

  /** Learns where the tables stand and makes them anew unless they are this journal's. */
  async #prepare(): Promise<void> {
    const stored = await readPosition(this.#options.store)
    const reason = await reasonToReset(stored, this.#options.journal)
    if (reason !== null) await this.#reset(reason)
    else this.#moveTo(stored?.sequence ?? 0)
    this.#isPrepared = true
    if (this.#failuresInRow === 0)
      this.#options.log.info('read_models.opened', { position: this.#position, lag: this.lag() })
  }

  async #reset(reason: ResetReason | 'asked'): Promise<void> {
    const { journal, store, log } = this.#options
    const [first] = await journal.read(1, 1)
    if (first && first.sequence !== 1) throw journalCut(first.sequence)
    log.info('read_models.rebuilding', { reason, entries: journal.lastSequence })
    await store.run(createTables(journal.id))
    this.#moveTo(0)
  }

  /** Empties the tables as the callers of `rebuild` ordered, and promises them to be filled again. */
  async #obey(): Promise<void> {
    await this.#reset('asked')
    this.#isPrepared = true
    const filled = this.#readers.wait(this.#options.journal.lastSequence, null)
    const orders = this.#orders
    this.#orders = []
    void filled.then((isFilled) => {
      for (const { resolve, reject } of orders) isFilled ? resolve() : reject(closed())
    })
    this.#readers.answer(this.#position)
  }

  /** Applies the next entries and tells how many; 0 when the tables include all that is durable. */
  async #advance(): Promise<number> {
    const { journal } = this.#options
    if (this.#known <= this.#position || this.#isClosed) return 0
    const entries = await journal.read(this.#position + 1, READ_ENTRIES)
    // Appended but not durable yet: `notify` tells when.
    if (entries.length === 0) this.#known = this.#position
    for (let done = 0; done < entries.length; ) {
      const batch = batchFrom(entries, done)
      await this.#project(batch)
      if (this.#isClosed) return 0
      done += batch.length
    }
    return entries.length
  }

  async #project(batch: readonly JournalEntry[]): Promise<void> {
    const { journal, store } = this.#options
    const decoded = await this.#decode(batch)
    const last = batch.at(-1)
    if (this.#isClosed || !last) return
    await store.run([advancePosition(journal.id, this.#position, last), ...projectEntries(decoded)])
    this.#moveTo(last.sequence)
  }

  async #decode(batch: readonly JournalEntry[]): Promise<DecodedEntry[]> {
    const decoded: DecodedEntry[] = []
    let chars = 0
    for (const { sequence, payload } of batch) {
      if (sequence !== this.#position + decoded.length + 1) throw journalCut(sequence)
      decoded.push({ sequence, record: readRecord(payload) })
      chars += payload.length
      if (chars < SLICE_CHARS) continue
      chars = 0
      await this.#pauses.rest({ ms: 0, endsOn: [] })
    }
    return decoded
  }

  #moveTo(position: number): void {
    this.#position = position
    this.#readers.answer(position)
  }

  #rejectOrders(problem: unknown): void {
    const orders = this.#orders
    this.#orders = []
    for (const { reject } of orders) reject(problem)
  }

  /** What would have woken while the turn was under way found no pause to end. */
  #rest(pause: Pause): Promise<void> {
    const { endsOn } = pause
    const isBehind = this.#known > this.#position
    const isDue =
      (endsOn.includes('news') && isBehind) ||
      (endsOn.includes('reader') && isBehind && !this.#readers.isEmpty()) ||
      (endsOn.includes('order') && this.#orders.length > 0)
    return isDue ? Promise.resolve() : this.#pauses.rest(pause)
  }
}

/** The entries from `start` on that one transaction takes: at least one. */
function batchFrom(entries: readonly JournalEntry[], start: number): readonly JournalEntry[] {
  let end = start
  let chars = 0
  for (; end < entries.length && (end === start || chars < BATCH_CHARS); end++) {
    chars += entries[end]?.payload.length ?? 0
  }
  return entries.slice(start, end)
}

const closed = (): Problem => new Problem('unavailable', 'The read models are closed.')

const journalCut = (sequence: number): Problem =>
  new Problem(
    'unavailable',
    `The journal continues at entry ${sequence}: earlier ones that the read models need were trimmed. ` +
      'Restore the journal from a backup that has them, or keep the tables as they are.',
  )
