/**
 * The leader's half of a journal on PostgreSQL. Groups gather while statements are on their way, and each batch becomes
 * one statement, which is one transaction and one sync: group commit. Two are on their way at most. Each names the
 * number that it follows, so after one that failed no later one happens.
 *
 * Every statement renews the lease, and the lease counts from before it was sent. A connection that is lost is the end:
 * what was on its way may have happened or not, and only the next opener finds out.
 */
import { assert } from '#kernel/assert.ts'
import { Problem } from '#protocol/problem.ts'
import type { Clock, Journal, JournalEntry, Timer } from '../host.ts'
import type { PgRows, PostgresConnection } from './postgres-connection.ts'
import { type JournalPlace, readEntries } from './postgres-journal-reader.ts'
import { APPEND, type Head, RELEASE, RENEW, SEPARATOR, TRIM, toStored } from './postgres-journal-tables.ts'
import type { LazyConnection } from './postgres-lazy-connection.ts'
import { toPostgresProblem } from './postgres-problem.ts'
import { chain } from './sqlite-journal-file.ts'

const STATEMENTS_SENT_MAX = 2
/** Bounds how long the first group of a batch waits for the last. */
const GROUPS_PER_BATCH_MAX = 4_096
/** Bounds the memory of one statement, here and on the server; a group that is larger alone goes alone. */
const BATCH_CHARS_MAX = 4_000_000
const TRIM_COUNT = 2_000
const RENEWALS_PER_LEASE = 4
/** For clocks that do not run at the same speed: a twentieth of the lease. */
const MARGINS_PER_LEASE = 20

interface Group {
  readonly payloads: readonly string[]
  readonly done: (problem: Problem | null) => void
}
interface Sent {
  readonly groups: readonly Group[]
  readonly atMs: number
}

export interface WriterParts {
  readonly writer: PostgresConnection
  readonly reader: LazyConnection
  readonly place: JournalPlace
  /** As the take of the epoch, sent at `sentAtMs`, left it. */
  readonly head: Head
  readonly sentAtMs: number
  readonly clock: Pick<Clock, 'elapsedMs' | 'after'>
  readonly leaseMs: number
  readonly rivalMs: number
}

export class PostgresJournal implements Journal {
  readonly id: string
  readonly epoch: number
  readonly rivalMs: number
  readonly #parts: WriterParts
  /** Of the newest entry that was appended, sent, and acknowledged by the server. */
  #lastSequence: number
  #sentSequence: number
  #durableSequence: number
  #sentChecksum: string
  #trimmedSequence: number
  #trimTarget = 0
  /** Groups that wait for a statement; bounded by what callers leave unacknowledged. */
  #waiting: Group[] = []
  /** Statements on their way, oldest first. */
  readonly #sent: Sent[] = []
  /**
   * Groups that are durable, and whose answer came so late that the lease it renewed is over: whether this is still the
   * leader, the next answer tells.
   */
  readonly #durable: Group[] = []
  #reads = 0
  #isFlushDue = false
  #heldUntilMs = 0
  #isOverdue = false
  #timer: Timer
  #problem: Problem | null = null
  #onLost: ((problem: Problem) => void)[] = []
  #closing: Promise<void> | null = null
  #idle = Promise.withResolvers<void>()

  constructor(parts: WriterParts) {
    const { head, sentAtMs, clock } = parts
    this.#parts = parts
    this.id = head.id
    this.epoch = head.epoch
    this.rivalMs = parts.rivalMs
    this.#lastSequence = head.lastSequence
    this.#sentSequence = head.lastSequence
    this.#durableSequence = head.lastSequence
    this.#sentChecksum = head.lastChecksum
    this.#trimmedSequence = head.trimmedSequence
    this.#renewedAt(sentAtMs)
    this.#timer = clock.after(this.#renewEveryMs, this.#tick)
  }

  get lastSequence(): number {
    return this.#lastSequence
  }

  heldUntilMs(): number {
    return this.#heldUntilMs
  }

  onLost(run: (problem: Problem) => void): void {
    const problem = this.#problem
    if (problem) queueMicrotask(() => run(problem))
    else this.#onLost.push(run)
  }

  append(payloads: readonly string[], done: (problem: Problem | null) => void): void {
    assert(!this.#closing, 'nothing is appended to a closed journal')
    const problem = this.#problem
    if (problem) {
      queueMicrotask(() => done(problem))
      return
    }
    this.#lastSequence += payloads.length
    this.#waiting.push({ payloads, done })
    if (this.#isFlushDue) return
    this.#isFlushDue = true
    // What the same event appends goes along in one statement.
    queueMicrotask(() => {
      this.#isFlushDue = false
      this.#flush()
    })
  }

  async read(fromSequence: number, countMax: number): Promise<readonly JournalEntry[]> {
    assert(!this.#closing, 'nothing is read from a closed journal')
    const { reader, place } = this.#parts
    this.#reads++
    try {
      const from = Math.max(fromSequence, this.#trimTarget + 1)
      return await readEntries(reader, place, { fromSequence: from, countMax })
    } finally {
      this.#reads--
      this.#settle()
    }
  }

  trim(sequence: number): void {
    assert(!this.#closing, 'nothing is trimmed from a closed journal')
    assert(sequence <= this.#lastSequence, 'nothing is forgotten before it was appended')
    this.#trimTarget = Math.max(this.#trimTarget, sequence)
    this.#flush()
  }

  /** Lets every append end first, then gives the lease back. Repeatable. */
  close(): Promise<void> {
    this.#closing ??= this.#end()
    return this.#closing
  }

  async #end(): Promise<void> {
    const { writer, reader, place } = this.#parts
    queueMicrotask(() => this.#settle())
    await this.#idle.promise
    this.#timer.cancel()
    if (!this.#problem) await writer.query(RELEASE, [place.name, this.epoch]).catch(() => undefined)
    await Promise.all([this.#problem ? writer.destroy() : writer.close(), reader.close()])
  }

  get #renewEveryMs(): number {
    return this.#parts.leaseMs / RENEWALS_PER_LEASE
  }

  #renewedAt(sentAtMs: number): void {
    const { leaseMs } = this.#parts
    this.#heldUntilMs = sentAtMs + leaseMs - leaseMs / MARGINS_PER_LEASE
  }

  #flush(): void {
    while (this.#waiting.length > 0 && this.#sent.length < STATEMENTS_SENT_MAX && !this.#problem) {
      const groups = this.#nextBatch()
      const payloads = groups.flatMap((group) => group.payloads)
      // Groups of nothing wait in line, and for the answer that this is still the leader.
      this.#send(groups, () => (payloads.length === 0 ? this.#renew() : this.#append(payloads)))
    }
    const isDue = Math.min(this.#trimTarget, this.#durableSequence) > this.#trimmedSequence
    if (isDue && this.#sent.length < STATEMENTS_SENT_MAX && !this.#problem)
      this.#send([], () => this.#trimSome())
  }

  #nextBatch(): readonly Group[] {
    let count = 0
    let chars = 0
    for (const { payloads } of this.#waiting) {
      for (const payload of payloads) chars += payload.length
      if (count > 0 && (chars > BATCH_CHARS_MAX || count === GROUPS_PER_BATCH_MAX)) break
      count++
    }
    const groups = this.#waiting.slice(0, count)
    this.#waiting = this.#waiting.slice(count)
    return groups
  }

  /** Resolves once the entries are durable. */
  async #append(payloads: readonly string[]): Promise<void> {
    const { writer, place } = this.#parts
    const before = this.#sentSequence
    const checksums: string[] = []
    for (const payload of payloads) {
      this.#sentSequence++
      this.#sentChecksum = chain(this.#sentChecksum, this.#sentSequence, this.epoch, payload)
      checksums.push(this.#sentChecksum)
    }
    const after = this.#sentSequence
    const stored = payloads.map(toStored).join(SEPARATOR)
    const parameters = [place.name, this.epoch, before, payloads.length, stored, checksums.join(',')]
    this.#demand(await writer.query(APPEND, [...parameters, this.#sentChecksum]), payloads.length)
    this.#durableSequence = after
  }

  async #renew(): Promise<void> {
    const { writer, place } = this.#parts
    this.#demand(await writer.query(RENEW, [place.name, this.epoch]), 1)
  }

  async #trimSome(): Promise<void> {
    const { writer, place } = this.#parts
    const target = Math.min(this.#trimTarget, this.#durableSequence, this.#trimmedSequence + TRIM_COUNT)
    const count = target - this.#trimmedSequence
    this.#trimmedSequence = target
    this.#demand(await writer.query(TRIM, [place.name, this.epoch, target]), count)
  }

  /** Nothing was written: the head has another epoch, or another number than this process left it with. */
  #demand({ count }: PgRows, expected: number): void {
    if (count === expected) return
    const { name, label } = this.#parts.place
    throw new Problem(
      'epoch_stale',
      `Another process has taken over the journal "${name}" in ${label}: this one, of epoch ${this.epoch}, must stop.`,
      { details: { database: label, epoch: this.epoch } },
    )
  }

  #send(groups: readonly Group[], ask: () => Promise<void>): void {
    // Before it is sent: the lease counts from a moment at which the server had not renewed it yet.
    const sent = { groups, atMs: this.#parts.clock.elapsedMs() }
    this.#sent.push(sent)
    ask().then(
      () => this.#onAnswer(sent),
      (error) => this.#fail(toPostgresProblem(error, this.#parts.place)),
    )
  }

  #onAnswer(sent: Sent): void {
    if (this.#problem) return
    assert(this.#sent.shift() === sent, 'the server answers in the order in which it was asked')
    this.#renewedAt(sent.atMs)
    this.#durable.push(...sent.groups)
    if (this.#parts.clock.elapsedMs() < this.#heldUntilMs) {
      for (const { done } of this.#durable.splice(0)) done(null)
    } else if (this.#sent.length === 0) this.#send([], () => this.#renew())
    this.#flush()
    this.#settle()
  }

  /** Nothing after the first problem happens, so everything that waits hears of it, in call order. */
  #fail(problem: Problem): void {
    if (this.#problem) return
    this.#problem = problem
    this.#heldUntilMs = 0
    this.#timer.cancel()
    this.#parts.writer.destroy()
    const groups = [...this.#durable, ...this.#sent.flatMap((sent) => sent.groups), ...this.#waiting]
    this.#durable.length = 0
    this.#sent.length = 0
    this.#waiting = []
    for (const { done } of groups) done(problem)
    for (const run of this.#onLost.splice(0)) run(problem)
    this.#settle()
  }

  /** Renews the lease where nothing else did, and gives up when no answer comes for as long as it runs. */
  readonly #tick = (): void => {
    const { clock, leaseMs } = this.#parts
    const oldest = this.#sent[0]
    if (oldest) {
      // Twice in a row: after a pause of this process the answer may be there, and not be heard yet.
      const isOverdue = clock.elapsedMs() - oldest.atMs > leaseMs
      if (isOverdue && this.#isOverdue) return this.#fail(this.#unanswered())
      this.#isOverdue = isOverdue
    } else if (!this.#closing) this.#send([], () => this.#renew())
    this.#timer = clock.after(this.#renewEveryMs, this.#tick)
  }

  #unanswered(): Problem {
    const { place, leaseMs } = this.#parts
    return new Problem(
      'lease_lost',
      `${place.label} has not answered for ${leaseMs / 1_000} s, the time of the lease: another process may lead by now, so this one must stop.`,
      { details: { database: place.label, epoch: this.epoch } },
    )
  }

  #settle(): void {
    const isTrimmed = Math.min(this.#trimTarget, this.#durableSequence) <= this.#trimmedSequence
    const isIdle = this.#sent.length + this.#waiting.length + this.#durable.length === 0 && isTrimmed
    if (this.#closing !== null && this.#reads === 0 && (isIdle || this.#problem)) this.#idle.resolve()
  }
}
