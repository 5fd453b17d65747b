/**
 * Journals on a PostgreSQL server that several machines reach: one leads by a lease and an epoch, the others follow.
 * `docs/decisions/011-postgres-journal.md` says why it is safe.
 */
import { assert } from '#kernel/assert.ts'
import { Problem } from '#protocol/problem.ts'
import type { Clock, Journal, JournalFollower, Log, OpenSharedJournal, SharedJournals } from '../host.ts'
import {
  connectPostgres,
  POSTGRES_LIMITS,
  type PostgresConnection,
  type PostgresLimits,
} from './postgres-connection.ts'
import { corruptRecord, type JournalPlace, readEntries } from './postgres-journal-reader.ts'
import { type Head, prepareJournal, SELECT_HEAD, TAKE_EPOCH, toHead } from './postgres-journal-tables.ts'
import { PostgresJournal } from './postgres-journal-writer.ts'
import { LazyConnection } from './postgres-lazy-connection.ts'
import { type Lease, LeaseWatch, toLease } from './postgres-lease-watch.ts'
import { sqlStateOf, toPostgresProblem } from './postgres-problem.ts'
import { parsePostgresUrl } from './postgres-target.ts'

export interface PostgresJournalsOptions {
  /** `postgres://…`, as `parsePostgresUrl` reads it. */
  readonly url: string
  /** Names this process to the others: who leads. Not empty. */
  readonly holder: string
  readonly clock: Pick<Clock, 'elapsedMs' | 'after'>
  readonly log: Log
  /** How long a leader that says nothing is waited for: 2 s unless given. It renews four times as often. */
  readonly leaseMs?: number
  readonly limits?: PostgresLimits
}

export const LEASE_MS = 3_000
/** How many of the newest entries are verified when a journal opens; reading verifies the others. */
const TAIL_COUNT = 1_000
/** A statement under way may hold the head this long before its session is ended. */
const TAKE_LOCK_MS = 1_000
const LOCK_NOT_AVAILABLE = '55P03'
const NAME = /^[a-z0-9]+(-[a-z0-9]+)*$/

/**
 * Journals in the database's schema `shoal`, made when missing. Open and follow with the same object: what it saw as a
 * follower tells it when a lease is over. `close` frees what the object itself holds; journals are closed on their own.
 * Throws `Problem('config_invalid')` for a wrong URL.
 */
export function createPostgresJournals(
  options: PostgresJournalsOptions,
): SharedJournals & { close(): Promise<void> } {
  assert(options.holder !== '', 'a holder has a name: none means that nobody leads')
  return new PostgresJournals(options)
}

class PostgresJournals implements SharedJournals {
  readonly #options: Required<PostgresJournalsOptions>
  readonly #target: ReturnType<typeof parsePostgresUrl>
  readonly #watches = new Map<string, LeaseWatch>()

  constructor(options: PostgresJournalsOptions) {
    this.#options = { leaseMs: LEASE_MS, limits: POSTGRES_LIMITS, ...options }
    this.#target = parsePostgresUrl(options.url)
  }

  async open(name: string, { takeOver = false, epoch }: OpenSharedJournal = {}): Promise<Journal> {
    assert(NAME.test(name), `a journal's name is kebab-case: ${name}`)
    const place = { name, label: this.#target.label }
    const writer = await this.#connect('leader', 'read committed')
    const reader = this.#lazy('reader')
    try {
      await prepareJournal(writer, place)
      const { head, sentAtMs, rivalMs } = await this.#takeLead(writer, place, { takeOver, epoch })
      const { clock, leaseMs } = this.#options
      const journal = new PostgresJournal({ writer, reader, place, head, clock, leaseMs, sentAtMs, rivalMs })
      await this.#verifyEnd(journal, place).catch(async (error) => {
        await journal.close()
        throw error
      })
      return journal
    } catch (error) {
      writer.destroy()
      await reader.close()
      throw toPostgresProblem(error, this.#target)
    }
  }

  async follow(name: string): Promise<JournalFollower> {
    assert(NAME.test(name), `a journal's name is kebab-case: ${name}`)
    const place = { name, label: this.#target.label }
    const connection = this.#lazy('follower')
    try {
      await connection.use((inner) => prepareJournal(inner, place))
      const { id } = (await this.#look(connection, place)).head
      return {
        id,
        head: async () => {
          const { head, lease, remainingMs } = await this.#look(connection, place)
          return { lastSequence: head.lastSequence, epoch: head.epoch, holder: lease.holder, remainingMs }
        },
        read: (fromSequence, countMax) => readEntries(connection, place, { fromSequence, countMax }),
        close: () => connection.close(),
      }
    } catch (error) {
      await connection.close()
      throw error
    }
  }

  async close(): Promise<void> {
    this.#watches.clear()
  }

  /** Takes the next epoch once no lease stands in the way. Rejects with `journal_held`. */
  async #takeLead(
    writer: PostgresConnection,
    place: JournalPlace,
    asked: { takeOver: boolean; epoch: number | undefined },
  ): Promise<{ head: Head; sentAtMs: number; rivalMs: number }> {
    const { clock, leaseMs, holder, log } = this.#options
    let { takeOver } = asked
    let firstMark: string | null = null
    for (;;) {
      const { head, lease, remainingMs, holderPid } = await this.#look(writer, place)
      // Whoever was to be followed was followed by another meanwhile.
      if (head.epoch !== (asked.epoch ?? head.epoch)) takeOver = false
      if (remainingMs > 0 && !takeOver) {
        firstMark ??= lease.mark
        // Who renewed lately by the server's clock, or while this process watched, is alive and not waited for.
        const isAlive = lease.ageMs < lease.leaseMs || lease.mark !== firstMark
        if (isAlive) throw heldProblem(place, lease.holder, remainingMs)
        const pauseMs = Math.min(remainingMs, lease.leaseMs / 4)
        await new Promise<void>((resolve) => clock.after(pauseMs, resolve))
        continue
      }
      const sentAtMs = clock.elapsedMs()
      const mark = BigInt(lease.mark.split(':')[1] ?? 0)
      const parameters = [place.name, head.epoch, holder, leaseMs, mark, takeOver]
      const taken = await withoutLock(writer, holderPid, () => writer.query(TAKE_EPOCH, parameters))
      if (taken[0]) {
        log.info('journal.taken', { name: place.name, epoch: head.epoch + 1, holder, before: lease.holder })
        return { head: toHead(taken[0]), sentAtMs, rivalMs: remainingMs > 0 ? lease.leaseMs : 0 }
      }
      // Somebody else was quicker, and leads now.
      takeOver = false
    }
  }

  async #look(connection: Pick<PostgresConnection, 'query'>, place: JournalPlace) {
    const { clock } = this.#options
    const askedMs = clock.elapsedMs()
    const [row] = await connection.query(SELECT_HEAD, [place.name])
    if (!row) throw corruptRecord(place, 'at its head')
    const lease: Lease = toLease(row)
    const remainingMs = this.#watch(place.name).remainingMs(lease, { askedMs, heardMs: clock.elapsedMs() })
    return { head: toHead(row), lease, remainingMs, holderPid: Number(row['holder_pid']) }
  }

  async #verifyEnd(journal: Journal, place: JournalPlace): Promise<void> {
    const { lastSequence, epoch } = journal
    const entries = await journal.read(Math.max(1, lastSequence - TAIL_COUNT + 1), TAIL_COUNT)
    if ((entries.at(-1)?.epoch ?? 0) >= epoch) throw corruptRecord(place, lastSequence)
  }

  #watch(name: string): LeaseWatch {
    const known = this.#watches.get(name) ?? new LeaseWatch()
    this.#watches.set(name, known)
    return known
  }

  #connect(role: string, isolation: 'read committed' | 'serializable'): Promise<PostgresConnection> {
    return connectPostgres(this.#connectionOptions(role, isolation))
  }

  #lazy(role: string): LazyConnection {
    return new LazyConnection(this.#connectionOptions(role, 'serializable'))
  }

  #connectionOptions(role: string, isolation: 'read committed' | 'serializable') {
    const { limits } = this.#options
    return { target: this.#target, application: `${APPLICATION} ${role}`, isolation, limits }
  }
}

const APPLICATION = 'shoal journal'

/**
 * Runs `take`, which waits for the statement that the old leader has under way. One that was cut off between two
 * packets could hold the head for ever: then the old leader's session is ended, which undoes it.
 */
async function withoutLock<T>(
  writer: PostgresConnection,
  holderPid: number,
  take: () => Promise<T>,
): Promise<T> {
  const setLimit = (ms: number) =>
    writer.query(`select set_config('lock_timeout', $1::text, false)`, [String(ms)])
  await setLimit(TAKE_LOCK_MS)
  try {
    return await take()
  } catch (error) {
    if (sqlStateOf(error) !== LOCK_NOT_AVAILABLE) throw error
    await writer.query(END_SESSION, [holderPid])
    return await take()
  } finally {
    if (writer.isOpen) await setLimit(POSTGRES_LIMITS.lockMsMax)
  }
}
const END_SESSION = `
  select pg_terminate_backend(pid) from pg_stat_activity
  where pid = $1::int and pid <> pg_backend_pid() and application_name like '${APPLICATION}%'`

const heldProblem = ({ name, label }: JournalPlace, holder: string, remainingMs: number): Problem =>
  new Problem(
    'journal_held',
    `${holder} leads the journal "${name}" in ${label}, and renewed its lease within the last seconds. Stop it, let this process stand by, or order it to take over.`,
    { details: { holder, remainingMs: Math.ceil(remainingMs), database: label } },
  )
