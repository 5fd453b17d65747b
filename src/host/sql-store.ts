/**
 * The port to a database that speaks PostgreSQL's SQL, for data that can be derived again: read models. PGlite
 * embedded, a PostgreSQL server when outgrown.
 */

export interface SqlStore {
  /**
   * Runs `statements` in order as one transaction on one snapshot: all of them happen, or none. Resolves to the rows
   * of each. Calls run one after another, in call order. Rejects with a `Problem`, and then nothing happened:
   * `conflict` (a statement did not meet its `rowsExpected`), `queue_full`, `disk_full`, `unavailable` (closed,
   * crashed, taking too long, or not opened: the call may succeed later, except after `close`; here alone the
   * transaction may have happened after all), `internal` (the database refused a statement: `details.sqlState`).
   */
  run(statements: readonly Statement[]): Promise<readonly Row[][]>
  /** Lets calls already made finish, then frees the store. Repeatable. */
  close(): Promise<void>
}

export interface Statement {
  /** One statement of SQL, with `$1`, `$2`, … for its parameters. */
  readonly sql: string
  readonly parameters: readonly SqlValue[]
  /** The transaction is undone unless the statement returns exactly this many rows. */
  readonly rowsExpected?: number
}

/**
 * `int8` and `numeric` columns always come back as bigint, small or not: a fraction must be cast or rounded in the
 * SQL. `int4` comes back as number.
 */
export type SqlValue = string | number | bigint | boolean | null
export type Row = Readonly<Record<string, SqlValue>>
