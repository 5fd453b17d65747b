/** The journal of a PostgreSQL database, to be verified and copied. Reading takes nothing: a network may run meanwhile. */
import { Problem } from '#protocol/problem.ts'
import { connectPostgres, POSTGRES_LIMITS, type PostgresConnection } from './postgres-connection.ts'
import { readEntries } from './postgres-journal-reader.ts'
import {
  CREATE_TABLES,
  POSTGRES_JOURNAL_FORMAT,
  prepareJournal,
  SELECT_HEAD,
  SEPARATOR,
  toHead,
  toStored,
} from './postgres-journal-tables.ts'
import { LazyConnection } from './postgres-lazy-connection.ts'
import { toPostgresProblem } from './postgres-problem.ts'
import { parsePostgresUrl } from './postgres-target.ts'
import { notEmpty } from './sqlite-stored-journal.ts'
import type { ChainedEntry, JournalEnds, JournalSink, StoredJournal } from './stored-journal.ts'

const APPLICATION = 'shoal journal copy'

/** The journal `name` as of now: what is appended later is not seen. Rejects with `Problem`: `not_found` and the server's. */
export async function openPostgresStoredJournal(url: string, name: string): Promise<StoredJournal> {
  const target = parsePostgresUrl(url)
  const { label } = target
  const connection = new LazyConnection({
    target,
    application: APPLICATION,
    isolation: 'serializable',
    limits: POSTGRES_LIMITS,
  })
  try {
    const ends = await connection.use((inner) => readEnds(inner, { name, label }))
    return {
      label,
      ends,
      read: (fromSequence, countMax) =>
        readEntries(
          connection,
          { name, label },
          { fromSequence, countMax: Math.min(countMax, ends.lastSequence - fromSequence + 1) },
        ),
      close: () => connection.close(),
    }
  } catch (error) {
    await connection.close()
    throw error
  }
}

async function readEnds(
  connection: PostgresConnection,
  place: { name: string; label: string },
): Promise<JournalEnds> {
  const isThere = await connection.query(`select to_regclass('shoal.journals') is not null as is_there`)
  const missing = (): Problem =>
    new Problem('not_found', `There is no journal in ${place.label}. Correct the URL of --database.`)
  if (isThere[0]?.['is_there'] !== true) throw missing()
  const known = await connection.query('select from shoal.journals where name = $1::text', [place.name])
  if (known.length === 0) throw missing()
  await prepareJournal(connection, place) // Refuses a newer format.
  const [row] = await connection.query(SELECT_HEAD, [place.name])
  const [trimmed] = await connection.query(
    'select trimmed_checksum from shoal.journals where name = $1::text',
    [place.name],
  )
  if (!row || !trimmed) throw missing()
  const { id, epoch, lastSequence, lastChecksum, trimmedSequence } = toHead(row)
  const anchor = String(trimmed['trimmed_checksum'])
  return { id, epoch, firstSequence: trimmedSequence + 1, anchor, lastSequence, checksum: lastChecksum }
}

/**
 * A journal `name` that is written in one transaction: nobody sees it before it is whole. Rejects with
 * `Problem('conflict')` where one has entries, and `journal_held` where somebody leads one that has none.
 */
export async function createPostgresSink(url: string, name: string, ends: JournalEnds): Promise<JournalSink> {
  const target = parsePostgresUrl(url)
  const connection = await connectPostgres({
    target,
    application: APPLICATION,
    isolation: 'read committed',
    limits: POSTGRES_LIMITS,
  })
  const guard = async <T>(work: () => Promise<T>): Promise<T> => {
    try {
      return await work()
    } catch (error) {
      connection.destroy()
      throw toPostgresProblem(error, target)
    }
  }
  await guard(() => begin(connection, { name, label: target.label, ends }))
  return {
    label: target.label,
    add: (entries) =>
      guard(async () => {
        const stored = entries.map((entry) => toStored(entry.payload)).join(SEPARATOR)
        const column = (text: (entry: ChainedEntry) => string | number): string => entries.map(text).join(',')
        const columns = [column((e) => e.sequence), column((e) => e.epoch), stored, column((e) => e.checksum)]
        await connection.query(INSERT_ENTRIES, [name, ...columns])
      }),
    commit: () =>
      guard(async () => {
        await connection.query('commit')
        await connection.close()
      }),
    abort: async () => connection.destroy(),
  }
}

async function begin(
  connection: PostgresConnection,
  { name, label, ends }: { name: string; label: string; ends: JournalEnds },
): Promise<void> {
  await connection.script(CREATE_TABLES)
  await connection.query('begin')
  const [row] = await connection.query(`${SELECT_HEAD} for update`, [name])
  if (row) {
    const { lastSequence } = toHead(row)
    if (lastSequence > 0) throw notEmpty(label, lastSequence)
    if (row['holder'] !== '') {
      const message = `${row['holder']} leads the journal "${name}" in ${label}. Stop it first.`
      throw new Problem('journal_held', message, {
        details: { holder: String(row['holder']), remainingMs: 0 },
      })
    }
    await connection.query('delete from shoal.journals where name = $1::text', [name])
  }
  const { id, epoch, firstSequence, anchor, lastSequence, checksum } = ends
  const parameters = [name, id, epoch, lastSequence, checksum, firstSequence - 1, anchor]
  await connection.query(INSERT_HEAD, parameters)
}

const INSERT_HEAD = `
  insert into shoal.journals values (
    $1::text, $2::text, ${POSTGRES_JOURNAL_FORMAT}, $3::bigint, $4::bigint, $5::text, $6::bigint, $7::text,
    '', 0, 0, 0, clock_timestamp())`

const INSERT_ENTRIES = `
  insert into shoal.entries (journal, sequence, epoch, payload, checksum)
  select $1::text, part.sequence, part.epoch, part.payload, part.checksum
  from unnest(
    string_to_array($2::text, ',')::bigint[], string_to_array($3::text, ',')::bigint[],
    string_to_array($4::text, e'\\x1e'), string_to_array($5::text, ',')
  ) as part(sequence, epoch, payload, checksum)`
