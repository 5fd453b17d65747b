/** What a PostgreSQL server, or the way to it, has against what was asked, as a problem with the way out. */
import { Problem, type ProblemCode } from '#protocol/problem.ts'
import type { PostgresTarget } from './postgres-target.ts'

/** PostgreSQL's codes: https://www.postgresql.org/docs/15/errcodes-appendix.html. */
export const SERIALIZATION_FAILURE = '40001'
export const DEADLOCK = '40P01'
const DISK_FULL = '53100'
const TOO_MANY_CONNECTIONS = '53300'
const READ_ONLY_TRANSACTION = '25006'
const INSUFFICIENT_PRIVILEGE = '42501'
const UNKNOWN_DATABASE = '3D000'
const QUERY_CANCELLED = '57014'
const LOCK_NOT_AVAILABLE = '55P03'
const IO_ERROR = '58030'
const DAMAGED = new Set(['XX001', 'XX002', '58P01'])

/** The library's own codes, in words. */
const LIBRARY_SAID: Readonly<Record<string, string>> = {
  CONNECTION_CLOSED: 'the connection was lost',
  CONNECTION_ENDED: 'the connection was closed',
  CONNECTION_DESTROYED: 'the connection was closed, or took too long to open',
  CONNECT_TIMEOUT: 'it took too long to answer',
}
/** Errors of TLS itself: the server is there, but is not known to be the right one. */
const UNTRUSTED = /CERT|SELF_SIGNED|ERR_TLS|UNABLE_TO_/
const NO_TLS = /before secure TLS connection was established|wrong version number/

/** PostgreSQL's five characters, or `null` for an error that is not the server's answer. */
export function sqlStateOf(error: unknown): string | null {
  if (!(error instanceof Error) || !('code' in error) || !('severity' in error)) return null
  return typeof error.code === 'string' ? error.code : null
}

/** `error` as a problem about the server at `label`; an error that neither server nor network raised is a bug and is thrown. */
export function toPostgresProblem(error: unknown, { label }: Pick<PostgresTarget, 'label'>): Problem {
  if (error instanceof Problem) return error
  const said = error instanceof Error ? error.message : String(error)
  const sqlState = sqlStateOf(error)
  const problem = (code: ProblemCode, message: string): Problem =>
    new Problem(code, message, { cause: error, details: { database: label, sqlState } })
  if (sqlState !== null) return problem(...toServerProblem({ sqlState, said, label }))
  const code = error instanceof Error && 'code' in error ? String(error.code) : null
  if (code === null) throw error
  if (UNTRUSTED.test(code)) {
    return problem(
      'database_unfit',
      `${label} has a certificate that is not trusted here (${said}). Name the one that signed it with sslrootcert in the URL.`,
    )
  }
  if (NO_TLS.test(said)) {
    return problem(
      'database_unfit',
      `${label} does not speak TLS. Turn it on there (ssl = on), or say sslmode=disable in the URL if the way to it is safe.`,
    )
  }
  return problem('database_unreachable', unreachableText(label, LIBRARY_SAID[code] ?? said))
}

/** The one sentence for a server that is away, whatever the reason. */
export const unreachableText = (label: string, why: string): string =>
  `${label} cannot be reached (${why}). Nothing acknowledged is lost; it goes on when the server is back.`

type Answer = [code: ProblemCode, message: string]

function toServerProblem({
  sqlState,
  said,
  label,
}: {
  sqlState: string
  said: string
  label: string
}): Answer {
  switch (sqlState) {
    case DISK_FULL:
      return [
        'disk_full',
        `The disk of ${label} is full (${said}). Free some space there; nothing acknowledged is lost.`,
      ]
    case READ_ONLY_TRANSACTION:
      return [
        'database_unfit',
        `${label} takes no writes (${said}): it is a standby, or set to read-only. Name the primary in the URL.`,
      ]
    case INSUFFICIENT_PRIVILEGE:
      return [
        'database_unfit',
        `${label} does not let this user do what is needed (${said}). Make the user the database's owner.`,
      ]
    case UNKNOWN_DATABASE:
      return ['database_unfit', `${label} is not there (${said}). Make it with createdb, or correct the URL.`]
    case QUERY_CANCELLED:
    case LOCK_NOT_AVAILABLE:
      return ['database_unreachable', unreachableText(label, `it took too long: ${said}`)]
    case TOO_MANY_CONNECTIONS:
      return ['database_unreachable', unreachableText(label, said)]
    case IO_ERROR:
      return ['disk_failed', `The disk of ${label} failed (${said}). Check it; nothing acknowledged is lost.`]
  }
  if (DAMAGED.has(sqlState)) {
    return ['journal_corrupt', `${label} is damaged (${said}). Restore it from a backup.`]
  }
  // Connection exceptions; the operator's intervention: a server that starts, stops or crashed.
  if (/^(08|57P)/.test(sqlState)) return ['database_unreachable', unreachableText(label, said)]
  if (sqlState.startsWith('28')) {
    return [
      'database_unfit',
      `${label} does not let this user in (${said}). Correct the user or password in the URL.`,
    ]
  }
  return ['internal', `${label} refused a statement: ${said}`]
}
