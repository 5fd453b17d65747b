/** What a PostgreSQL server must be for a journal: one that takes the writes, and keeps what it acknowledged. */
import type { PgRow } from './postgres-connection.ts'

/** 13.0, as `server_version_num` says it: the oldest that this program is tested for. */
const VERSION_MIN = 130_000

/** Why a server that answers so cannot be used, as the rest of a sentence about it, or `null`. */
export function unfitness(answer: PgRow): string | null {
  const { version, is_standby, fsync, full_page_writes, synchronous_commit, read_only, encoding } = answer
  if (typeof version !== 'number') return 'does not say what it is: it is no PostgreSQL. Correct the URL.'
  if (version < VERSION_MIN) {
    return `is PostgreSQL ${versionText(version)}; 13 or later is needed. Upgrade the server.`
  }
  if (is_standby !== false) return 'is a standby, which takes no writes. Name the primary in the URL.'
  if (read_only !== 'off') {
    return 'takes no writes from this user (default_transaction_read_only). Set it off, or name another user.'
  }
  if (fsync !== 'on')
    return 'runs with fsync off, so a power cut loses what was acknowledged. Set fsync = on.'
  if (full_page_writes !== 'on') {
    return 'runs with full_page_writes off, so a power cut can tear its pages. Set full_page_writes = on.'
  }
  if (synchronous_commit !== 'on') {
    return `keeps synchronous_commit at ${synchronous_commit}: what stands between did not pass the setting on. Connect to the server itself.`
  }
  if (encoding !== 'UTF8') {
    return `has a database of encoding ${encoding}; UTF8 is needed. Make one with createdb --encoding=UTF8 --template=template0.`
  }
  return null
}

const versionText = (version: number): string =>
  version >= 100_000
    ? `${Math.floor(version / 10_000)}.${version % 10_000}`
    : `${Math.floor(version / 10_000)}.${Math.floor(version / 100) % 100}`
