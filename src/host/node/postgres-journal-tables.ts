/**
 * The journals of a PostgreSQL database: one row of `shoal.journals` each, its *head*, and a row of `shoal.entries` for
 * each entry, chained by checksums as in the SQLite twin.
 *
 * All that a leader writes begins with an update of the head that names the leader's epoch, and an append also the last
 * number that it knows. So a statement of a leader that lost its place, or that was sent after one which failed, finds
 * no head and writes nothing. Each is one statement and a transaction of its own: a leader that stops in between holds
 * no lock.
 */
import { randomBytes } from 'node:crypto'
import { Problem } from '#protocol/problem.ts'
import type { PgRow, PostgresConnection } from './postgres-connection.ts'
import { sqlStateOf } from './postgres-problem.ts'
import { chain } from './sqlite-journal-file.ts'

/** Raised when an older program can no longer read what this one writes. */
export const POSTGRES_JOURNAL_FORMAT = 1

const MISSING = new Set(['42P01', '3F000'])

/** The lock lets one of several openers make the tables. The head is rewritten all the time: most of its page stays free. */
export const CREATE_TABLES = `
  select pg_advisory_xact_lock(hashtext('shoal.journals'));
  create schema if not exists shoal;
  create table if not exists shoal.journals (
    name text collate "C" primary key,
    id text not null,
    format int not null,
    epoch bigint not null,
    last_sequence bigint not null,
    last_checksum text not null,
    trimmed_sequence bigint not null,
    trimmed_checksum text not null,
    holder text not null,
    holder_pid int not null,
    lease_ms int not null,
    renewals bigint not null,
    renewed_at timestamptz not null
  ) with (fillfactor = 10);
  create table if not exists shoal.entries (
    journal text collate "C" not null,
    sequence bigint not null,
    epoch bigint not null,
    payload text not null,
    checksum text not null,
    primary key (journal, sequence)
  );
`
const INSERT_HEAD = `
  insert into shoal.journals values (
    $1::text, $2::text, ${POSTGRES_JOURNAL_FORMAT}, 0, 0, $3::text, 0, $3::text, '', 0, 0, 0, clock_timestamp())
  on conflict (name) do nothing`

export const SELECT_HEAD = `
  select id, epoch, last_sequence, last_checksum, trimmed_sequence, holder, holder_pid, lease_ms, renewals,
    (extract(epoch from clock_timestamp() - renewed_at) * 1000)::bigint as age_ms
  from shoal.journals where name = $1::text`

/** Takes the next epoch, unless somebody else did since the head was read; without `$6`, also unless it was renewed. */
export const TAKE_EPOCH = `
  update shoal.journals set epoch = epoch + 1, holder = $3::text, holder_pid = pg_backend_pid(), lease_ms = $4::int,
    renewals = renewals + 1, renewed_at = clock_timestamp()
  where name = $1::text and epoch = $2::bigint and (renewals = $5::bigint or $6::boolean)
  returning id, epoch, last_sequence, last_checksum, trimmed_sequence`

/** The payloads and checksums are one text each, cut up by the server: an array would escape every quote. */
export const APPEND = `
  with head as (
    update shoal.journals set last_sequence = $3::bigint + $4::int, last_checksum = $7::text,
      renewals = renewals + 1, renewed_at = clock_timestamp()
    where name = $1::text and epoch = $2::bigint and last_sequence = $3::bigint
    returning name, epoch
  )
  insert into shoal.entries (journal, sequence, epoch, payload, checksum)
  select head.name, $3::bigint + part.place, head.epoch, part.payload, part.checksum
  from head, unnest(string_to_array($5::text, e'\\x1e'), string_to_array($6::text, ','))
    with ordinality as part(payload, checksum, place)`

export const RENEW = `
  update shoal.journals set renewals = renewals + 1, renewed_at = clock_timestamp()
  where name = $1::text and epoch = $2::bigint`

/** Gives the lease back, so that the next opener need not wait for its end. */
export const RELEASE = `
  update shoal.journals set holder = '', renewals = renewals + 1, renewed_at = clock_timestamp()
  where name = $1::text and epoch = $2::bigint`

export const TRIM = `
  with head as (
    update shoal.journals set trimmed_sequence = $3::bigint,
      trimmed_checksum = (select checksum from shoal.entries where journal = $1::text and sequence = $3::bigint)
    where name = $1::text and epoch = $2::bigint and trimmed_sequence < $3::bigint
    returning name
  )
  delete from shoal.entries using head where journal = head.name and sequence <= $3::bigint`

/**
 * Both ends of the chain, then the entries from the one before `$2` on, all of one moment. `place` tells them apart:
 * 0 the last that was trimmed, 1 the newest, 2 an entry.
 */
export const SELECT_ENTRIES = `
  select 0 as place, trimmed_sequence as sequence, epoch, '' as payload, trimmed_checksum as checksum
  from shoal.journals where name = $1::text
  union all
  select 1, last_sequence, epoch, '', last_checksum from shoal.journals where name = $1::text
  union all (
    select 2, sequence, epoch, payload, checksum from shoal.entries
    where journal = $1::text and sequence >= $2::bigint - 1 order by sequence limit $3::int + 1
  )
  order by 1, 2`

/** Between payloads; what has one in it is stored as JSON text, in which there is none. */
export const SEPARATOR = '\x1e'
/** Begins a payload that is stored as JSON text. */
const AS_JSON = '\x1f'

/** PostgreSQL has no text with a NUL in it, and no array of one empty text. */
export const toStored = (payload: string): string =>
  payload === '' || payload.startsWith(AS_JSON) || payload.includes('\0') || payload.includes(SEPARATOR)
    ? AS_JSON + JSON.stringify(payload)
    : payload

/** What `toStored` was given. Throws `SyntaxError` for a text that it never made. */
export const fromStored = (stored: string): string =>
  stored.startsWith(AS_JSON) ? String(JSON.parse(stored.slice(1))) : stored

/** Makes the tables and the journal where they are missing. Throws `Problem('journal_newer')`. */
export async function prepareJournal(
  connection: PostgresConnection,
  { name, label }: { name: string; label: string },
): Promise<void> {
  let head = await selectFormat(connection, name)
  if (head === 'missing') {
    await connection.script(CREATE_TABLES)
    head = null
  }
  if (head === null) {
    const id = randomBytes(16).toString('hex')
    // The chain starts at the id: entries of another journal do not fit in.
    await connection.query(INSERT_HEAD, [name, id, chain('', 0, 0, id)])
    return
  }
  if (head === POSTGRES_JOURNAL_FORMAT) return
  throw new Problem(
    'journal_newer',
    `The journal "${name}" in ${label} was written by a newer Shoal, in journal format ${head}; this one reads up to format ${POSTGRES_JOURNAL_FORMAT}. Update Shoal.`,
    { details: { database: label, format: head } },
  )
}

/** The journal's format; `null` without one, `missing` without its tables. */
async function selectFormat(
  connection: PostgresConnection,
  name: string,
): Promise<number | null | 'missing'> {
  try {
    const [row] = await connection.query('select format from shoal.journals where name = $1::text', [name])
    return row ? Number(row['format']) : null
  } catch (error) {
    if (MISSING.has(sqlStateOf(error) ?? '')) return 'missing'
    throw error
  }
}

export interface Head {
  readonly id: string
  readonly epoch: number
  readonly lastSequence: number
  readonly lastChecksum: string
  readonly trimmedSequence: number
}

export const toHead = (row: PgRow): Head => ({
  id: String(row['id']),
  epoch: Number(row['epoch']),
  lastSequence: Number(row['last_sequence']),
  lastChecksum: String(row['last_checksum']),
  trimmedSequence: Number(row['trimmed_sequence']),
})
