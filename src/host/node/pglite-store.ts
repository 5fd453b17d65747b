/** `SqlStore` on PGlite, in a thread of its own: neither opening nor a query ever blocks the caller's event loop. */
import { Worker } from 'node:worker_threads'
import { Problem } from '#protocol/problem.ts'
import type { Log } from '../host.ts'
import type { Row, SqlStore, Statement } from '../sql-store.ts'
import { type FolderLock, lockFolder } from './folder-lock.ts'
import type { FromWorker, ToWorker, WorkerStart } from './pglite-store-worker.ts'

export interface PgliteStoreOptions {
  /** Belongs to this store alone, made if missing; `null` keeps the data in memory. */
  readonly folder: string | null
  /** Who opens it, for the message to whoever finds the folder in use. */
  readonly owner: string
  readonly log: Log
}

/**
 * Locks the folder and begins to open the database, which takes 0.3 s, or 3-7 s the first time; calls wait for it.
 * A database that cannot be opened or breaks later is set aside in the folder and replaced by an empty one, with a
 * line in the log: the caller notices that its tables are gone and makes them again. An open store does not keep
 * the process alive. Throws as `lockFolder` does.
 */
export function openPgliteStore(options: PgliteStoreOptions): SqlStore {
  const lock = options.folder === null ? null : lockFolder(options.folder, options.owner)
  return new PgliteStore(options, lock)
}

interface Pending {
  readonly statements: readonly Statement[]
  /** False while it waits for the next thread, as the present one is ending. */
  isSent: boolean
  readonly resolve: (rows: Row[][]) => void
  readonly reject: (problem: Problem) => void
}

const PENDING_MAX = 256
/** No answer for this long, opening included: the thread is taken for hung. */
const SILENCE_MS_MAX = 120_000
/** Syncing the files is the slow part. */
const CLOSE_MS_MAX = 30_000
const CRASHES_UNTIL_SUSPECT = 3
/** The files contradict themselves: data_corrupted, index_corrupted, undefined_file. */
const DAMAGED = new Set(['XX001', 'XX002', '58P01'])
const DISK_FULL = '53100'
const URL_OF_WORKER = new URL(
  import.meta.url.endsWith('.ts') ? './pglite-store-worker.ts' : './pglite-store-worker.js',
  import.meta.url,
)

class PgliteStore implements SqlStore {
  readonly #options: PgliteStoreOptions
  readonly #lock: FolderLock | null
  readonly #pending = new Map<number, Pending>()
  #worker: Worker | null = null
  #isOpen = false
  #isSuspect = false
  #crashesInRow = 0
  #lastId = 0
  /** Why the thread ends, once something went wrong in it. */
  #failure: string | null = null
  #watchdog: NodeJS.Timeout | undefined
  #closed: Promise<void> | null = null

  constructor(options: PgliteStoreOptions, lock: FolderLock | null) {
    this.#options = options
    this.#lock = lock
    this.#worker = this.#start()
  }

  run(statements: readonly Statement[]): Promise<readonly Row[][]> {
    if (this.#closed) return Promise.reject(new Problem('unavailable', `${this.#name()} is closed.`))
    if (this.#pending.size >= PENDING_MAX) {
      const message = `${this.#name()} has ${PENDING_MAX} calls waiting. Try again in a moment.`
      return Promise.reject(new Problem('queue_full', message))
    }
    return new Promise((resolve, reject) => {
      this.#pending.set(++this.#lastId, { statements, isSent: false, resolve, reject })
      this.#sendPending()
    })
  }

  close(): Promise<void> {
    this.#closed ??= this.#end()
    return this.#closed
  }

  async #end(): Promise<void> {
    const worker = this.#worker
    if (worker) {
      const exited = new Promise<void>((resolve) => void worker.once('exit', () => resolve()))
      worker.ref()
      // Half a database is no loss: the next opener sees that it was never finished.
      if (!this.#isOpen) this.#kill(worker, 'it was closed before it had opened')
      else worker.postMessage({ kind: 'close' } satisfies ToWorker)
      const limit = setTimeout(
        () => this.#kill(worker, `it took over ${CLOSE_MS_MAX} ms to close`),
        CLOSE_MS_MAX,
      )
      await exited
      clearTimeout(limit)
    }
    this.#lock?.release()
  }

  #start(): Worker {
    const { folder } = this.#options
    const workerData: WorkerStart = { folder, isSuspect: this.#isSuspect }
    // The program's own flags (`--input-type`, `--test`) are not for the thread.
    const worker = new Worker(URL_OF_WORKER, { workerData, execArgv: [] })
    this.#isOpen = false
    this.#failure = null
    worker.unref()
    worker.on('message', (message: FromWorker) => this.#receive(worker, message))
    worker.on('error', (error) => {
      this.#failure ??= error instanceof Error ? error.message : String(error)
    })
    worker.on('exit', () => {
      this.#worker = null
      this.#unwatch()
      if (!this.#closed) this.#recover()
      else this.#rejectSent(new Problem('unavailable', `${this.#name()} was closed.`))
    })
    return worker
  }

  #receive(worker: Worker, message: FromWorker): void {
    switch (message.kind) {
      case 'opened': {
        const { openMs, isNew, setAside } = message
        this.#isOpen = true
        this.#isSuspect = false
        if (setAside) this.#options.log.warn('sql_store.set_aside', { ...setAside })
        this.#options.log.info('sql_store.opened', { folder: this.#options.folder, openMs, isNew })
        break
      }
      case 'open_failed':
        this.#kill(worker, `could not open: ${message.message}`)
        break
      case 'closed':
        void worker.terminate()
        break
      case 'done':
        this.#crashesInRow = 0
        this.#settle(message.id)?.resolve(message.rows)
        break
      case 'refused': {
        const { id, sqlState } = message
        this.#settle(id)?.reject(this.#toProblem(message))
        if (sqlState === null || !DAMAGED.has(sqlState)) break
        this.#isSuspect = true
        this.#kill(worker, message.message)
      }
    }
    if (this.#pending.size > 0) this.#watch()
    else this.#unwatch()
    if (this.#pending.size === 0 && !this.#closed) worker.unref()
  }

  #settle(id: number): Pending | undefined {
    const pending = this.#pending.get(id)
    this.#pending.delete(id)
    return pending
  }

  /** Sends what was not sent, to a new thread if there is none; to one that is ending nothing is sent. */
  #sendPending(): void {
    this.#worker ??= this.#start()
    if (this.#failure !== null) return
    for (const [id, pending] of this.#pending) {
      if (pending.isSent) continue
      this.#worker.postMessage({ kind: 'run', id, statements: pending.statements } satisfies ToWorker)
      pending.isSent = true
    }
    this.#worker.ref()
    if (!this.#watchdog) this.#watch()
  }

  /** The thread has ended, unasked. */
  #recover(): void {
    const reason = this.#failure ?? 'its thread ended'
    if (++this.#crashesInRow >= CRASHES_UNTIL_SUSPECT) this.#isSuspect = true
    const { folder, log } = this.#options
    log.error('sql_store.stopped', { folder, reason, crashesInRow: this.#crashesInRow })
    const message = `${this.#name()} stopped (${reason}). It starts again with the next call.`
    this.#rejectSent(new Problem('unavailable', message))
    if (this.#pending.size > 0) this.#sendPending()
  }

  #rejectSent(problem: Problem): void {
    for (const [id, pending] of this.#pending) {
      if (!pending.isSent && !this.#closed) continue
      this.#pending.delete(id)
      pending.reject(problem)
    }
  }

  #toProblem({ sqlState, message }: FromWorker & { kind: 'refused' }): Problem {
    if (sqlState === null) return new Problem('conflict', message)
    const details = { sqlState }
    if (sqlState === DISK_FULL) {
      return new Problem('disk_full', `The disk is full: ${message}. Free some space.`, { details })
    }
    if (DAMAGED.has(sqlState)) {
      return new Problem('unavailable', `${this.#name()} is damaged (${message}) and is made again.`, {
        details,
      })
    }
    return new Problem('internal', `${this.#name()} refused a statement: ${message}`, { details })
  }

  /** Gives the thread its full time again. */
  #watch(): void {
    this.#unwatch()
    const worker = this.#worker
    if (!worker) return
    this.#watchdog = setTimeout(() => {
      this.#kill(worker, `no answer for ${SILENCE_MS_MAX} ms`)
    }, SILENCE_MS_MAX)
    this.#watchdog.unref()
  }

  #unwatch(): void {
    clearTimeout(this.#watchdog)
    this.#watchdog = undefined
  }

  #kill(worker: Worker, reason: string): void {
    this.#failure ??= reason
    void worker.terminate()
  }

  #name(): string {
    return this.#options.folder === null
      ? 'The database in memory'
      : `The database in ${this.#options.folder}`
  }
}
