/** The address of a PostgreSQL database, as a URL says it. */
import { readFileSync } from 'node:fs'
import type { PeerCertificate } from 'node:tls'
import { Problem } from '#protocol/problem.ts'

export interface PostgresTarget {
  /** For messages and logs: without the password. */
  readonly label: string
  readonly host: string
  readonly port: number
  readonly user: string
  readonly password: string
  readonly database: string
  /** `null` for a connection in the clear. */
  readonly tls: PostgresTls | null
}
export interface PostgresTls {
  readonly rejectUnauthorized: boolean
  /** Whom the certificate must be for. */
  readonly host: string
  readonly servername?: string
  readonly ca?: string
  readonly cert?: string
  readonly key?: string
  readonly checkServerIdentity?: (hostname: string, certificate: PeerCertificate) => Error | undefined
}

const PORT_DEFAULT = 5_432
const FORM = 'postgres://user:password@host:5432/database?sslmode=verify-full'
const NO_HOST = 'no-host.invalid'
const SSL_MODES = ['disable', 'require', 'verify-ca', 'verify-full']
const KNOWN = new Set(['sslmode', 'sslrootcert', 'sslcert', 'sslkey', 'host'])

/** True for what `parsePostgresUrl` is meant for. */
export const isPostgresUrl = (text: string): boolean => /^postgres(ql)?:\/\//.test(text)

/**
 * Reads `postgres://user:password@host:port/database`, with libpq's `sslmode` (`disable`, `require`, `verify-ca`,
 * `verify-full`), `sslrootcert`, `sslcert`, `sslkey`, and `host` for a socket's folder. Without `sslmode` it is
 * `verify-full`, but `disable` on this machine. Throws `Problem('config_invalid')`, never with the password.
 */
export function parsePostgresUrl(text: string): PostgresTarget {
  // A URL has a host; libpq's form for a socket has none.
  const whole = text.replace(/^(postgres(?:ql)?:\/\/(?:[^/@]*@)?)(?=\/)/, `$1${NO_HOST}`)
  const url = isPostgresUrl(text) && URL.canParse(whole) ? new URL(whole) : null
  if (!url) throw invalid(`is not an address such as ${FORM} (one server, the one that takes the writes)`)
  for (const name of url.searchParams.keys()) {
    if (!KNOWN.has(name))
      throw invalid(`has ${name}, which is unknown here; known are ${[...KNOWN].join(', ')}`)
  }
  const host = url.searchParams.get('host') ?? decode(url.hostname.replace(/^\[(.*)\]$/, '$1'))
  const user = decode(url.username)
  const database = decode(url.pathname.slice(1))
  if (host === NO_HOST) throw invalid('names no host')
  if (user === '') throw invalid('names no user')
  if (database === '') throw invalid('names no database')
  const port = url.port === '' ? PORT_DEFAULT : Number(url.port)
  return {
    label: `PostgreSQL at ${host}:${port}/${database}`,
    host,
    port,
    user,
    password: decode(url.password),
    database,
    tls: tlsOf(url.searchParams, host),
  }
}

function tlsOf(query: URLSearchParams, host: string): PostgresTls | null {
  const mode = query.get('sslmode') ?? (isHere(host) ? 'disable' : 'verify-full')
  if (!SSL_MODES.includes(mode)) throw invalid(`has sslmode=${mode}; known are ${SSL_MODES.join(', ')}`)
  if (mode === 'disable') return null
  const file = (name: string): string | undefined => {
    const path = query.get(name)
    return path === null || path === 'system' ? undefined : readPem(name, path)
  }
  const [ca, cert, key] = [file('sslrootcert'), file('sslcert'), file('sslkey')]
  return {
    rejectUnauthorized: mode !== 'require',
    host,
    ...(!/^[\d.]+$|:/.test(host) && { servername: host }),
    ...(ca !== undefined && { ca }),
    ...(cert !== undefined && { cert }),
    ...(key !== undefined && { key }),
    ...(mode === 'verify-ca' && { checkServerIdentity: () => undefined }),
  }
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    throw invalid('is malformed: write % as %25')
  }
}

const isHere = (host: string): boolean =>
  host.startsWith('/') || host === 'localhost' || host === '::1' || /^127\./.test(host)

function readPem(name: string, path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (cause) {
    throw new Problem(
      'config_invalid',
      `The database's ${name} ${path} cannot be read. Correct its path in the URL.`,
      {
        cause,
      },
    )
  }
}

const invalid = (what: string): Problem => new Problem('config_invalid', `The database's URL ${what}.`)
