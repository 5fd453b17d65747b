/** The energy store as one SQLite file: hours are added to in place, so a year of them is a few megabytes. */
import { DatabaseSync, type SQLInputValue, type StatementSync } from 'node:sqlite'
import { Problem } from '#protocol/problem.ts'
import type {
  EnergyAdditions,
  EnergyStore,
  EnergySum,
  HourRecord,
  JobRecord,
  LoadFit,
  ParkEvent,
} from '../energy-store.ts'
import { toDiskProblem } from './disk-problem.ts'

/** Kept as `user_version`. Raised when an older program can no longer read what this one writes. */
const FORMAT = 1
/** `SHOE` in ASCII: tells it from any other SQLite file. */
const APPLICATION_ID = 0x53484f45
const BUSY_TIMEOUT_MS = 5_000

/** Columns that add up, by their name in a record. */
const sums = {
  servingMs: 'serving_ms',
  parkedMs: 'parked_ms',
  busyMs: 'busy_ms',
  slotMs: 'slot_ms',
  requests: 'requests',
  promptTokens: 'prompt_tokens',
  completionTokens: 'completion_tokens',
  soldGpuHours: 'sold_gpu_hours',
  pricedMs: 'priced_ms',
  usdPerKwhMs: 'usd_per_kwh_ms',
  costedJoules: 'costed_joules',
} as const satisfies Partial<Record<keyof HourRecord, string>>
type SumName = keyof typeof sums
const sumNames = Object.keys(sums) as SumName[]

/** Columns of money, which add up too. */
const amounts = {
  expectedGross: 'expected_gross',
  expectedFee: 'expected_fee',
  electricityCost: 'electricity_cost',
} as const satisfies Partial<Record<keyof HourRecord, string>>
type AmountName = keyof typeof amounts
const amountNames = Object.keys(amounts) as AmountName[]

const SCHEMA = `
  CREATE TABLE hour (
    hour_ms INTEGER PRIMARY KEY, price_source TEXT,
    ${amountNames.map((name) => `${amounts[name]} INTEGER NOT NULL`).join(', ')},
    ${sumNames.map((name) => `${sums[name]} REAL NOT NULL`).join(', ')}
  ) STRICT;
  CREATE TABLE energy (
    hour_ms INTEGER NOT NULL, source TEXT NOT NULL, quality TEXT NOT NULL, is_detail INTEGER NOT NULL,
    covered_ms REAL NOT NULL, joules REAL NOT NULL,
    PRIMARY KEY (hour_ms, source, quality, is_detail)
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE fit (
    hour_ms INTEGER NOT NULL, basis TEXT NOT NULL, is_pure INTEGER NOT NULL,
    time_ms REAL NOT NULL, busy_ms REAL NOT NULL, busy_square_ms REAL NOT NULL,
    joules REAL NOT NULL, busy_joules REAL NOT NULL,
    PRIMARY KEY (hour_ms, basis, is_pure)
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE job (
    id INTEGER PRIMARY KEY, ended_at_ms INTEGER NOT NULL, record TEXT NOT NULL
  ) STRICT;
  CREATE INDEX job_by_end ON job (ended_at_ms);
  CREATE TABLE event (id INTEGER PRIMARY KEY, at_ms INTEGER NOT NULL, record TEXT NOT NULL) STRICT;
  CREATE INDEX event_by_time ON event (at_ms);
  CREATE TABLE note (name TEXT PRIMARY KEY, text TEXT NOT NULL) STRICT, WITHOUT ROWID;
  PRAGMA application_id = ${APPLICATION_ID};
  PRAGMA user_version = ${FORMAT};
`

/** Opens the file `path`, or makes an empty one there. Throws a `Problem`. */
export function openSqliteEnergyStore(path: string): EnergyStore {
  const database = openFile(path)
  const guarded = guard(path)
  const statements = prepare(database)
  return {
    ...readerOf(database, path),
    add: (additions) => guarded(() => inTransaction(database, () => addAll(statements, additions))),
    write: (name, text) => guarded(() => void statements.write.run(name, text)),
    forget: ({ hoursBeforeMs, jobsBeforeMs, jobsMax }) =>
      guarded(() =>
        inTransaction(database, () => {
          for (const statement of statements.forgetHours) statement.run(hoursBeforeMs)
          statements.forgetJobs.run(jobsBeforeMs, jobsMax)
        }),
      ),
  }
}

const guard =
  (path: string) =>
  <T>(work: () => T): T => {
    try {
      return work()
    } catch (error) {
      throw toDiskProblem(error, path)
    }
  }

function readerOf(database: DatabaseSync, path: string): EnergyRecord {
  const guarded = guard(path)
  const { firstHour, jobs, events, read } = prepareReading(database)
  return {
    hours: ({ fromMs, toMs }) => guarded(() => readHours(database, fromMs, toMs)),
    firstHourMs: () => guarded(() => (firstHour.get()?.['hour_ms'] as number | null | undefined) ?? null),
    jobs: ({ fromMs, toMs }, countMax) =>
      guarded(() => jobs.all(fromMs, toMs, countMax).map((row) => readJob(row['record']))),
    events: ({ fromMs, toMs }) =>
      guarded(() => events.all(fromMs, toMs).map((row) => readEvent(row['record']))),
    read: (name) => guarded(() => (read.get(name)?.['text'] as string | undefined) ?? null),
    close: () => database.close(),
  }
}

/** What can be read of a store that another process may be writing to. */
export type EnergyRecord = Pick<EnergyStore, 'hours' | 'firstHourMs' | 'jobs' | 'events' | 'read' | 'close'>

/** Opens the file `path` of a node that may be running, and changes nothing in it. Throws a `Problem`. */
export function readSqliteEnergyStore(path: string): EnergyRecord {
  let database: DatabaseSync | null = null
  try {
    database = new DatabaseSync(path, { readOnly: true, timeout: BUSY_TIMEOUT_MS })
    verifyFormat(database, path)
    return readerOf(database, path)
  } catch (error) {
    database?.close()
    throw toDiskProblem(error, path)
  }
}

function openFile(path: string): DatabaseSync {
  let database: DatabaseSync | null = null
  try {
    database = new DatabaseSync(path, { timeout: BUSY_TIMEOUT_MS })
    if (pragma(database, 'page_count') === 0) database.exec(`BEGIN IMMEDIATE; ${SCHEMA} COMMIT`)
    else verifyFormat(database, path)
    // A power cut may cost the last seconds, never the file: nobody is owed by this record.
    database.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL')
    return database
  } catch (error) {
    database?.close()
    throw toDiskProblem(error, path)
  }
}

function verifyFormat(database: DatabaseSync, path: string): void {
  const format = pragma(database, 'user_version')
  if (pragma(database, 'application_id') === APPLICATION_ID && format <= FORMAT) return
  throw new Problem(
    'disk_failed',
    format > FORMAT
      ? `${path} was written by a newer Shoal, in format ${format}; this one reads up to ${FORMAT}. Update Shoal.`
      : `${path} is not an energy record of Shoal. Move it away, and a new one is begun.`,
    { details: { file: path } },
  )
}

const pragma = (database: DatabaseSync, name: string): number =>
  Number(database.prepare(`PRAGMA ${name}`).get()?.[name])

function inTransaction(database: DatabaseSync, work: () => void): void {
  database.exec('BEGIN IMMEDIATE')
  try {
    work()
    database.exec('COMMIT')
  } catch (error) {
    // On a full disk SQLite has done it by itself, and says so in place of why.
    if (database.isTransaction) database.exec('ROLLBACK')
    throw error
  }
}

function prepare(database: DatabaseSync) {
  const columns = [...amountNames.map((name) => amounts[name]), ...sumNames.map((name) => sums[name])]
  const addition = (column: string): string => `${column} = ${column} + excluded.${column}`
  const upsert = (table: string, keys: readonly string[], added: readonly string[]): StatementSync =>
    database.prepare(`
      INSERT INTO ${table} (${[...keys, ...added].join(', ')}) VALUES (${[...keys, ...added].map(() => '?').join(', ')})
      ON CONFLICT (${keys.join(', ')}) DO UPDATE SET ${added.map(addition).join(', ')}`)
  return {
    addHour: upsert('hour', ['hour_ms'], columns),
    setSource: database.prepare('UPDATE hour SET price_source = ? WHERE hour_ms = ?'),
    addEnergy: upsert('energy', ['hour_ms', 'source', 'quality', 'is_detail'], ['covered_ms', 'joules']),
    addFit: upsert(
      'fit',
      ['hour_ms', 'basis', 'is_pure'],
      ['time_ms', 'busy_ms', 'busy_square_ms', 'joules', 'busy_joules'],
    ),
    addJob: database.prepare('INSERT INTO job (ended_at_ms, record) VALUES (?, ?)'),
    addEvent: database.prepare('INSERT INTO event (at_ms, record) VALUES (?, ?)'),
    write: database.prepare('INSERT OR REPLACE INTO note (name, text) VALUES (?, ?)'),
    forgetHours: [
      database.prepare('DELETE FROM hour WHERE hour_ms < ?'),
      database.prepare('DELETE FROM energy WHERE hour_ms < ?'),
      database.prepare('DELETE FROM fit WHERE hour_ms < ?'),
      database.prepare('DELETE FROM event WHERE at_ms < ?'),
    ],
    forgetJobs: database.prepare(`
      DELETE FROM job WHERE ended_at_ms < ?
        OR id <= (SELECT id FROM job ORDER BY id DESC LIMIT 1 OFFSET ?)`),
  }
}
type Statements = ReturnType<typeof prepare>

const prepareReading = (database: DatabaseSync) => ({
  firstHour: database.prepare('SELECT MIN(hour_ms) AS hour_ms FROM hour'),
  jobs: database.prepare(
    'SELECT record FROM job WHERE ended_at_ms >= ? AND ended_at_ms < ? ORDER BY ended_at_ms, id LIMIT ?',
  ),
  events: database.prepare('SELECT record FROM event WHERE at_ms >= ? AND at_ms < ? ORDER BY at_ms, id'),
  read: database.prepare('SELECT text FROM note WHERE name = ?'),
})

function addAll(statements: Statements, { hours, jobs, events }: EnergyAdditions): void {
  for (const hour of hours) {
    const { hourMs, priceSource } = hour
    const values: SQLInputValue[] = [...amountNames, ...sumNames].map((name) => hour[name])
    statements.addHour.run(hourMs, ...values)
    if (priceSource !== null) statements.setSource.run(priceSource, hourMs)
    for (const { source, quality, isDetail, coveredMs, joules } of hour.energy)
      statements.addEnergy.run(hourMs, source, quality, Number(isDetail), coveredMs, joules)
    for (const { basis, isPure, timeMs, busyMs, busySquareMs, joules, busyJoules } of hour.fits)
      statements.addFit.run(hourMs, basis, Number(isPure), timeMs, busyMs, busySquareMs, joules, busyJoules)
  }
  for (const job of jobs) {
    const { expectedGross, expectedFee } = job
    const record = { ...job, expectedGross: String(expectedGross), expectedFee: String(expectedFee) }
    statements.addJob.run(job.endedAtMs, JSON.stringify(record))
  }
  for (const event of events) {
    const record = { ...event, askPerGpuHour: String(event.askPerGpuHour) }
    statements.addEvent.run(event.atMs, JSON.stringify(record))
  }
}

function readHours(database: DatabaseSync, fromMs: number, toMs: number): HourRecord[] {
  const rowsOf = (table: string, columns: string) =>
    database
      .prepare(`SELECT ${columns} FROM ${table} WHERE hour_ms >= ? AND hour_ms < ? ORDER BY hour_ms`)
      .all(fromMs, toMs)
  const energy = Map.groupBy(rowsOf('energy', '*'), (row) => Number(row['hour_ms']))
  const fits = Map.groupBy(rowsOf('fit', '*'), (row) => Number(row['hour_ms']))
  // An amount can be beyond what a double holds exactly.
  const exact = amountNames.map((name) => `CAST(${amounts[name]} AS TEXT) AS ${amounts[name]}`)
  const columns = ['hour_ms', 'price_source', ...sumNames.map((name) => sums[name]), ...exact]
  return rowsOf('hour', columns.join(', ')).map((row) => {
    const hourMs = Number(row['hour_ms'])
    const numbers = Object.fromEntries(sumNames.map((name) => [name, Number(row[sums[name]])]))
    const money = Object.fromEntries(amountNames.map((name) => [name, BigInt(String(row[amounts[name]]))]))
    return {
      ...(numbers as Record<SumName, number>),
      ...(money as Record<AmountName, bigint>),
      hourMs,
      priceSource: row['price_source'] === null ? null : String(row['price_source']),
      energy: (energy.get(hourMs) ?? []).map(readEnergy),
      fits: (fits.get(hourMs) ?? []).map(readFit),
    }
  })
}

type Row = Readonly<Record<string, unknown>>

/** Only this file writes its tables, and their columns are typed. */
const readEnergy = (row: Row): EnergySum => ({
  source: row['source'] as EnergySum['source'],
  quality: row['quality'] as EnergySum['quality'],
  isDetail: row['is_detail'] === 1,
  coveredMs: Number(row['covered_ms']),
  joules: Number(row['joules']),
})

const readFit = (row: Row): LoadFit => ({
  basis: row['basis'] as LoadFit['basis'],
  isPure: row['is_pure'] === 1,
  timeMs: Number(row['time_ms']),
  busyMs: Number(row['busy_ms']),
  busySquareMs: Number(row['busy_square_ms']),
  joules: Number(row['joules']),
  busyJoules: Number(row['busy_joules']),
})

function readJob(text: unknown): JobRecord {
  const record = JSON.parse(String(text)) as JobRecord & { expectedGross: string; expectedFee: string }
  return {
    ...record,
    expectedGross: BigInt(record.expectedGross),
    expectedFee: BigInt(record.expectedFee),
  }
}

function readEvent(text: unknown): ParkEvent {
  const record = JSON.parse(String(text)) as ParkEvent & { askPerGpuHour: string }
  return { ...record, askPerGpuHour: BigInt(record.askPerGpuHour) }
}
