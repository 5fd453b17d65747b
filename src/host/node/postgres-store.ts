/** `SqlStore` on a PostgreSQL server: one connection, made when it is needed and anew after it broke. */
import { Problem } from '#protocol/problem.ts'
import type { Log } from '../host.ts'
import type { Row, SqlStore, SqlValue, Statement } from '../sql-store.ts'
import {
  type PgRows,
  POSTGRES_LIMITS,
  type PostgresConnection,
  type PostgresLimits,
} from './postgres-connection.ts'
import { LazyConnection } from './postgres-lazy-connection.ts'
import { sqlStateOf, toPostgresProblem } from './postgres-problem.ts'
import { parsePostgresUrl } from './postgres-target.ts'

export interface PostgresStoreOptions {
  /** `postgres://…`, as `parsePostgresUrl` reads it. The tables name their schema themselves. */
  readonly url: string
  readonly log: Log
  readonly limits?: PostgresLimits
}

const PENDING_MAX = 256
/** In the midst of a transaction: an earlier statement of it has failed, and says why. */
const ABORTED = '25P02'

/**
 * A store on the database at `url`. Nothing is opened before the first call. Several processes may share it: their
 * transactions are serializable, so one that would not fit the others' is run again, and fails at its `rowsExpected`.
 * Throws `Problem('config_invalid')` for a wrong URL.
 */
export const openPostgresStore = (options: PostgresStoreOptions): SqlStore => new PostgresStore(options)

class PostgresStore implements SqlStore {
  readonly #label: string
  readonly #log: Log
  readonly #connection: LazyConnection
  /** The end of the last call that was made. */
  #last: Promise<unknown> = Promise.resolve()
  #pending = 0
  #isAway = false
  #closed: Promise<void> | null = null

  constructor({ url, log, limits = POSTGRES_LIMITS }: PostgresStoreOptions) {
    const target = parsePostgresUrl(url)
    this.#label = target.label
    this.#log = log
    this.#connection = new LazyConnection({
      target,
      application: 'shoal read models',
      isolation: 'serializable',
      searchPath: 'read_models, public',
      limits,
    })
  }

  run(statements: readonly Statement[]): Promise<readonly Row[][]> {
    if (this.#closed) return Promise.reject(this.#unavailable('is closed'))
    if (this.#pending >= PENDING_MAX) {
      const message = `${this.#label} has ${PENDING_MAX} calls waiting. Try again in a moment.`
      return Promise.reject(new Problem('queue_full', message))
    }
    this.#pending++
    const rows = this.#last.then(() => this.#transact(statements))
    this.#last = rows.then(
      () => void this.#pending--,
      () => void this.#pending--,
    )
    return rows
  }

  close(): Promise<void> {
    this.#closed ??= this.#last.then(() => this.#connection.close())
    return this.#closed
  }

  async #transact(statements: readonly Statement[]): Promise<Row[][]> {
    try {
      const rows = await this.#connection.use((connection) => transact(connection, statements))
      this.#noteAway(null)
      return rows
    } catch (error) {
      throw this.#toStoreProblem(toPostgresProblem(error, { label: this.#label }))
    }
  }

  /** The codes that a store's callers know. */
  #toStoreProblem(problem: Problem): Problem {
    const { code, details, message } = problem
    if (code === 'disk_full' || code === 'internal' || code === 'conflict') return problem
    if (code === 'database_unreachable' || code === 'database_unfit') this.#noteAway(problem)
    return new Problem('unavailable', message, { details, cause: problem })
  }

  #noteAway(problem: Problem | null): void {
    if (this.#isAway === (problem !== null)) return
    this.#isAway = problem !== null
    if (problem) this.#log.error('sql_store.away', { database: this.#label, message: problem.message })
    else this.#log.info('sql_store.back', { database: this.#label })
  }

  #unavailable(what: string): Problem {
    return new Problem('unavailable', `The store on ${this.#label} ${what}.`)
  }
}

/** All statements are sent at once, and the commit when each has kept its word: two ways to the server and back. */
async function transact(connection: PostgresConnection, statements: readonly Statement[]): Promise<Row[][]> {
  if (statements.length === 0) return []
  const answers = await Promise.allSettled([
    connection.query('begin'),
    ...statements.map(({ sql, parameters }) => connection.query(sql, parameters)),
  ])
  try {
    const [, ...all] = answers.map(answered)
    for (const [index, { sql, rowsExpected }] of statements.entries()) {
      const count = all[index]?.length
      if (rowsExpected === undefined || count === rowsExpected) continue
      throw new Problem('conflict', `${count} rows instead of ${rowsExpected}: ${sql}`)
    }
    await connection.query('commit')
    return all.map((rows) => rows.map(toRow))
  } catch (error) {
    if (connection.isOpen) await connection.query('rollback')
    throw firstCause(answers) ?? error
  }
}

function answered(answer: PromiseSettledResult<PgRows>): PgRows {
  if (answer.status === 'rejected') throw answer.reason
  return answer.value
}

const firstCause = (answers: readonly PromiseSettledResult<unknown>[]): unknown =>
  answers.find(
    (answer): answer is PromiseRejectedResult =>
      answer.status === 'rejected' && sqlStateOf(answer.reason) !== ABORTED,
  )?.reason

/** A plain row: the library's types are those of the columns that were asked for. */
const toRow = (row: Readonly<Record<string, unknown>>): Row => ({ ...row }) as Record<string, SqlValue>
