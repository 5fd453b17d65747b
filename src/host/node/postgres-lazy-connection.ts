/** A connection that is made when it is needed, and anew after it broke: for reading, where a call may just be repeated. */
import { Problem } from '#protocol/problem.ts'
import {
  type ConnectionOptions,
  connectPostgres,
  type PgRows,
  type PgValue,
  type PostgresConnection,
} from './postgres-connection.ts'
import { DEADLOCK, SERIALIZATION_FAILURE, sqlStateOf, toPostgresProblem } from './postgres-problem.ts'

const CONFLICTS_MAX = 10

export class LazyConnection {
  readonly #options: ConnectionOptions
  #connection: Promise<PostgresConnection> | null = null
  #isClosed = false

  constructor(options: ConnectionOptions) {
    this.#options = options
  }

  /** Runs one statement; repeats it while the server asks for that. Rejects with a `Problem`. */
  query(sql: string, parameters: readonly PgValue[] = []): Promise<PgRows> {
    return this.use((connection) => connection.query(sql, parameters))
  }

  /** Runs `work` on the connection, from the start again when another transaction was in its way. */
  async use<T>(work: (connection: PostgresConnection) => Promise<T>): Promise<T> {
    for (let conflicts = 0; ; conflicts++) {
      const connection = await this.#connected()
      try {
        return await work(connection)
      } catch (error) {
        const sqlState = sqlStateOf(error)
        const isConflict = sqlState === SERIALIZATION_FAILURE || sqlState === DEADLOCK
        if (isConflict && connection.isOpen && conflicts < CONFLICTS_MAX) continue
        throw toPostgresProblem(error, this.#options.target)
      }
    }
  }

  async close(): Promise<void> {
    this.#isClosed = true
    const connection = await this.#connection?.catch(() => null)
    await connection?.close()
  }

  async #connected(): Promise<PostgresConnection> {
    const { label } = this.#options.target
    if (this.#isClosed) throw new Problem('unavailable', `The connection to ${label} is closed.`)
    this.#connection ??= connectPostgres(this.#options)
    const current = this.#connection
    const connection = await current.catch((error) => {
      this.#forget(current)
      throw error
    })
    if (connection.isOpen) return connection
    this.#forget(current)
    return this.#connected()
  }

  /** Of several callers that found it broken, the first makes a new one. */
  #forget(broken: Promise<PostgresConnection>): void {
    if (this.#connection === broken) this.#connection = null
  }
}
