/**
 * One connection to a PostgreSQL server, which never comes back by itself: what was under way when it broke is unclear,
 * and only whoever sent it knows what to do. Statements run in the order of the calls; each is a transaction of its own
 * unless `begin` was said.
 */
import { connect, type Socket } from 'node:net'
import postgres from 'postgres'
import { Problem } from '#protocol/problem.ts'
import { unfitness } from './postgres-fitness.ts'
import { sqlStateOf, toPostgresProblem, unreachableText } from './postgres-problem.ts'
import type { PostgresTarget } from './postgres-target.ts'

export interface PostgresLimits {
  /** From the first packet to a session that is ready. */
  readonly connectMsMax: number
  /** One statement on the server; it is undone beyond. */
  readonly statementMsMax: number
  /** Waiting for what another session holds. */
  readonly lockMsMax: number
  /** How much longer than `statementMsMax` an answer may take before the server counts as gone. */
  readonly answerGraceMs: number
}
export const POSTGRES_LIMITS: PostgresLimits = {
  connectMsMax: 5_000,
  statementMsMax: 30_000,
  lockMsMax: 10_000,
  answerGraceMs: 5_000,
}

export interface ConnectionOptions {
  readonly target: PostgresTarget
  /** Shown in `pg_stat_activity`. */
  readonly application: string
  readonly isolation: 'read committed' | 'serializable'
  /** Where names without a schema are looked for: nowhere but among the system's own unless given. */
  readonly searchPath?: string
  readonly limits: PostgresLimits
}

export type PgValue = string | number | bigint | boolean | null
export type PgRow = Readonly<Record<string, unknown>>
export interface PgRows extends ReadonlyArray<PgRow> {
  /** How many rows the statement wrote or read. */
  readonly count: number
}

export interface PostgresConnection {
  /** Runs one statement, prepared once per text. Rejects with PostgreSQL's or the network's own error. */
  query(sql: string, parameters?: readonly PgValue[]): Promise<PgRows>
  /** Runs several statements without parameters as one transaction. */
  script(sql: string): Promise<void>
  readonly isOpen: boolean
  /** Lets what was sent end, then closes. Repeatable. */
  close(): Promise<void>
  /** Closes at once: what is under way rejects. */
  destroy(): void
}

const KEEP_ALIVE_SECONDS = 15
const INT8 = 20
const NUMERIC = 1_700
/** One parser for all that is wider than a double: exact, or the statement fails. */
const wide = (type: number) => ({ to: type, from: [type], parse: BigInt, serialize: String })

/**
 * Connects, forces what durability needs upon the session, and checks that the server is one that takes writes and
 * keeps them. Rejects with `Problem('database_unreachable' | 'database_unfit')`.
 */
export async function connectPostgres(options: ConnectionOptions): Promise<PostgresConnection> {
  const { target, limits, isolation } = options
  const socket = await openSocket(target, limits.connectMsMax)
  const connection = new OneConnection(options, socket)
  // The library asks for a new connection for ever when a server accepts and hangs up: so the limit is ours.
  const limit = setTimeout(() => connection.destroy(), limits.connectMsMax)
  try {
    const [answer] = await connection.query(FITNESS)
    const reason = unfitness(answer ?? {})
    if (reason !== null) throw new Problem('database_unfit', `${target.label} ${reason}`)
    // Not before: a standby does not even answer in a serializable transaction.
    await connection.query(`select set_config('default_transaction_isolation', $1::text, false)`, [isolation])
    return connection
  } catch (error) {
    connection.destroy()
    throw toPostgresProblem(error, target)
  } finally {
    clearTimeout(limit)
  }
}

const FITNESS = `select
  current_setting('server_version_num')::int as version, pg_is_in_recovery() as is_standby,
  current_setting('fsync') as fsync, current_setting('full_page_writes') as full_page_writes,
  current_setting('synchronous_commit') as synchronous_commit,
  current_setting('transaction_read_only') as read_only, current_setting('server_encoding') as encoding`

function openSocket(target: PostgresTarget, connectMsMax: number): Promise<Socket> {
  const { host, port, label } = target
  const socket = host.startsWith('/') ? connect(`${host}/.s.PGSQL.${port}`) : connect(port, host)
  return new Promise((resolve, reject) => {
    const limit = setTimeout(() => {
      socket.destroy()
      const why = `no answer within ${connectMsMax / 1_000} s`
      reject(
        new Problem('database_unreachable', unreachableText(label, why), { details: { database: label } }),
      )
    }, connectMsMax)
    socket.once('error', (error) => {
      clearTimeout(limit)
      reject(toPostgresProblem(error, target))
    })
    socket.once('connect', () => {
      clearTimeout(limit)
      socket.removeAllListeners('error')
      socket.setNoDelay(true)
      resolve(socket)
    })
  })
}

class OneConnection implements PostgresConnection {
  readonly #sql: postgres.Sql<{ int8: bigint; numeric: bigint }>
  readonly #socket: Socket
  readonly #answerMsMax: number
  #isOpen = true
  #closing: Promise<void> | null = null

  constructor(options: ConnectionOptions, socket: Socket) {
    const { target, application, limits, searchPath = 'pg_catalog' } = options
    let isUsed = false
    this.#socket = socket
    this.#answerMsMax = limits.statementMsMax + limits.answerGraceMs
    // `socket` and `no_subscribe` are the library's, but missing in its types.
    const more = {
      no_subscribe: true,
      socket() {
        if (isUsed) throw Object.assign(new Error('the connection was lost'), { code: 'CONNECTION_CLOSED' })
        isUsed = true
        return socket
      },
    }
    this.#sql = postgres({
      ...more,
      host: target.host,
      port: target.port,
      user: target.user,
      pass: target.password,
      database: target.database,
      ssl: target.tls ?? false,
      max: 1,
      max_lifetime: null,
      idle_timeout: 0,
      connect_timeout: limits.connectMsMax / 1_000,
      keep_alive: KEEP_ALIVE_SECONDS,
      fetch_types: false,
      onnotice: () => {},
      onclose: () => {
        this.#isOpen = false
      },
      types: { int8: wide(INT8), numeric: wide(NUMERIC) },
      connection: {
        application_name: application,
        // A commit returns once it is on the disk, whatever the server's or the role's own setting says.
        synchronous_commit: 'on',
        default_transaction_isolation: 'read committed',
        statement_timeout: limits.statementMsMax,
        lock_timeout: limits.lockMsMax,
        idle_in_transaction_session_timeout: limits.statementMsMax,
        client_min_messages: 'warning',
        search_path: searchPath,
      },
    } as postgres.Options<{ int8: ReturnType<typeof wide>; numeric: ReturnType<typeof wide> }>)
  }

  get isOpen(): boolean {
    return this.#isOpen
  }

  async query(sql: string, parameters: readonly PgValue[] = []): Promise<PgRows> {
    // A bigint would be declared as int8, and a larger one refused.
    const plain = parameters.map((value) => (typeof value === 'bigint' ? String(value) : value))
    return await this.#answered(this.#sql.unsafe(sql, plain, { prepare: true, simple: false } as object))
  }

  async script(sql: string): Promise<void> {
    await this.#answered(this.#sql.unsafe(sql))
  }

  close(): Promise<void> {
    this.#closing ??= this.#sql.end({ timeout: this.#answerMsMax / 1_000 }).then(() => this.destroy())
    return this.#closing
  }

  destroy(): void {
    this.#isOpen = false
    this.#closing ??= Promise.resolve()
    this.#sql.end({ timeout: 0 }).catch(() => undefined)
    this.#socket.destroy()
  }

  /** A server that says nothing for longer than it may take is gone, whatever the network says. */
  async #answered<T>(answer: Promise<T>): Promise<T> {
    const limit = setTimeout(() => this.#socket.destroy(), this.#answerMsMax)
    try {
      return await answer
    } catch (error) {
      // What the server did not say itself, or said as its last word, ends the connection.
      if (isLastWord(error)) this.destroy()
      throw error
    } finally {
      clearTimeout(limit)
    }
  }
}

const isLastWord = (error: unknown): boolean =>
  sqlStateOf(error) === null ||
  (error instanceof Error && 'severity' in error && ['FATAL', 'PANIC'].includes(String(error.severity)))
