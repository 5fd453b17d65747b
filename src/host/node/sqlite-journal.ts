/**
 * The journal of one machine, on SQLite in a worker thread. This half gathers groups while the worker is busy, and
 * each batch it sends becomes one transaction and one sync: group commit. Two batches are on their way at most, so
 * that the worker always has the next one and the others grow.
 */
import { join } from 'node:path'
import { Worker } from 'node:worker_threads'
import type { Journal, JournalEntry, Journals } from '#host/host.ts'
import { assert } from '#kernel/assert.ts'
import { Problem, toProblem } from '#protocol/problem.ts'
import { type FolderLock, takeLock } from './folder-lock.ts'
import {
  type EntryColumns,
  type FromWorker,
  fromPlain,
  type OpenedJournal,
  type ToWorker,
} from './sqlite-journal-messages.ts'

const NAME = /^[a-z0-9]+(-[a-z0-9]+)*$/
const BATCHES_SENT_MAX = 2
/** Bounds how long the first group of a batch waits for the last. */
const GROUPS_PER_BATCH_MAX = 4_096

/**
 * Journals as files `<folder>/<name>.db`, each open in one process at most. `folder` is made when missing.
 * A group that fails with `disk_failed` may still be found by the next opener, as after a crash: the disk did not say.
 */
export function createSqliteJournals(folder: string): Journals {
  return {
    async open(name) {
      assert(NAME.test(name) && name !== 'lock', `a journal's name is kebab-case and not "lock": ${name}`)
      const path = join(folder, `${name}.db`)
      const lock = takeLock({ subject: path, owner: 'shoal', path: join(folder, `${name}.lock`) })
      try {
        const worker = startWorker(path)
        return new SqliteJournal(worker, await openedBy(worker), lock)
      } catch (error) {
        lock.release()
        throw error
      }
    },
  }
}

interface Group {
  readonly payloads: readonly string[]
  readonly done: (problem: Problem | null) => void
}
interface Read {
  readonly resolve: (entries: readonly JournalEntry[]) => void
  readonly reject: (problem: Problem) => void
}

class SqliteJournal implements Journal {
  readonly id: string
  readonly epoch: number
  readonly #worker: Worker
  readonly #lock: FolderLock
  readonly #ended: Promise<void>
  #lastSequence: number
  /** Groups that wait for the worker; bounded by what callers leave unacknowledged. */
  #waiting: Group[] = []
  /** Batches and reads that the worker has, oldest first. */
  readonly #sent: Group[][] = []
  readonly #reads: Read[] = []
  #isFlushDue = false
  #closing: Promise<void> | null = null
  #problem: Problem | null = null
  /** What killed the worker. */
  #cause: unknown
  #isDead = false
  #isCloseSent = false

  constructor(worker: Worker, opened: OpenedJournal, lock: FolderLock) {
    this.id = opened.id
    this.epoch = opened.epoch
    this.#lastSequence = opened.lastSequence
    this.#worker = worker
    this.#lock = lock
    this.#ended = new Promise((resolve) => {
      worker.on('exit', (code) => {
        this.#onExit(code)
        resolve()
      })
    })
    worker.on('error', (error) => {
      this.#cause = error
    })
    worker.on('message', (message: FromWorker) => this.#onMessage(message))
    worker.unref()
  }

  get lastSequence(): number {
    return this.#lastSequence
  }

  get rivalMs(): number {
    return 0
  }

  heldUntilMs(): number {
    return Number.POSITIVE_INFINITY // The folder's lock keeps others out for as long as this process lives.
  }

  onLost(): void {}

  append(payloads: readonly string[], done: (problem: Problem | null) => void): void {
    assert(!this.#closing, 'nothing is appended to a closed journal')
    const problem = this.#problem
    if (problem) {
      queueMicrotask(() => done(problem))
      return
    }
    this.#lastSequence += payloads.length
    this.#waiting.push({ payloads, done })
    if (this.#isFlushDue || this.#sent.length >= BATCHES_SENT_MAX) return
    this.#isFlushDue = true
    this.#worker.ref()
    // What this turn of the event loop appends goes along in one message, and becomes durable by one sync.
    setImmediate(() => {
      this.#isFlushDue = false
      this.#flush()
    })
  }

  read(fromSequence: number, countMax: number): Promise<readonly JournalEntry[]> {
    assert(!this.#closing, 'nothing is read from a closed journal')
    if (this.#isDead) return Promise.reject(this.#problem)
    return new Promise((resolve, reject) => {
      this.#reads.push({ resolve, reject })
      this.#worker.ref()
      this.#send({ kind: 'read', fromSequence, countMax })
    })
  }

  trim(sequence: number): void {
    assert(!this.#closing, 'nothing is trimmed from a closed journal')
    assert(sequence <= this.#lastSequence, 'nothing is forgotten before it was appended')
    this.#send({ kind: 'trim', sequence })
  }

  /** Lets every append end first. Repeatable. */
  close(): Promise<void> {
    if (!this.#closing) {
      this.#closing = this.#ended.then(() => this.#lock.release())
      this.#worker.ref()
      this.#closeWhenIdle()
    }
    return this.#closing
  }

  #send(message: ToWorker): void {
    this.#worker.postMessage(message)
  }

  #flush(): void {
    while (this.#waiting.length > 0 && this.#sent.length < BATCHES_SENT_MAX && !this.#problem) {
      const batch =
        this.#waiting.length <= GROUPS_PER_BATCH_MAX
          ? this.#waiting
          : this.#waiting.slice(0, GROUPS_PER_BATCH_MAX)
      this.#waiting = this.#waiting.slice(batch.length)
      this.#sent.push(batch)
      this.#send({ kind: 'append', payloads: batch.flatMap((group) => group.payloads) })
    }
  }

  #onMessage(message: FromWorker): void {
    switch (message.kind) {
      case 'appended':
        this.#onAppended()
        break
      case 'failed':
        this.#fail(fromPlain(message.problem))
        break
      case 'entries':
        this.#reads.shift()?.resolve(toEntries(message))
        break
      case 'unreadable':
        this.#reads.shift()?.reject(fromPlain(message.problem))
        break
      case 'opened':
      case 'refused':
        assert(false, 'a worker opens once')
    }
    if (this.#closing) this.#closeWhenIdle()
    else if (this.#isIdle()) this.#worker.unref()
  }

  #onAppended(): void {
    const batch = this.#sent.shift()
    assert(batch, 'the worker answers what it was sent')
    for (const group of batch) group.done(null)
    this.#flush()
  }

  /** Nothing after the first problem happens, so everything that waits hears of it, in call order. */
  #fail(problem: Problem): void {
    if (this.#problem) return
    this.#problem = problem
    const groups = [...this.#sent.flat(), ...this.#waiting]
    this.#sent.length = 0
    this.#waiting = []
    for (const group of groups) group.done(problem)
  }

  #onExit(code: number): void {
    if (this.#closing && this.#isIdle()) return
    this.#isDead = true
    const said = this.#cause === undefined ? '' : `: ${toProblem(this.#cause).message}`
    const problem = new Problem(
      'internal',
      `The journal's thread ended unexpectedly (exit code ${code}${said}). Start again; nothing acknowledged is lost.`,
      { cause: this.#cause },
    )
    this.#fail(problem)
    for (const read of this.#reads.splice(0)) read.reject(problem)
  }

  #isIdle(): boolean {
    return this.#sent.length + this.#waiting.length + this.#reads.length === 0
  }

  #closeWhenIdle(): void {
    if (!this.#isIdle() || this.#isCloseSent) return
    this.#isCloseSent = true
    this.#send({ kind: 'close' })
  }
}

/** Beside this file and of its kind: the published package is compiled. */
const startWorker = (path: string): Worker =>
  new Worker(new URL(import.meta.url.replace(/sqlite-journal(\.\w+)$/, 'sqlite-journal-worker$1')), {
    workerData: path,
  })

/** The worker's first message. Rejects with why the journal could not be opened, once its file is closed. */
function openedBy(worker: Worker): Promise<OpenedJournal> {
  return new Promise((resolve, reject) => {
    let reason = new Problem('internal', "The journal's thread ended before it opened the file. Start again.")
    worker.once('message', (message: FromWorker) => {
      if (message.kind === 'opened') resolve(message)
      if (message.kind === 'refused') reason = fromPlain(message.problem)
    })
    worker.once('error', reject)
    worker.once('exit', () => reject(reason))
  })
}

function toEntries({ firstSequence, epochs, payloads }: EntryColumns): JournalEntry[] {
  return payloads.map((payload, index) => ({
    sequence: firstSequence + index,
    epoch: epochs[index] ?? 0,
    payload,
  }))
}
