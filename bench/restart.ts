/**
 * How long a coordinator takes to open against the length of its journal: by replay from empty, and from a snapshot.
 * `--million` adds a journal of a million entries, `--entries` names other lengths, `--postgres` keeps the journals on a
 * PostgreSQL server of its own and `--database` on one that is there. Each opening is a process of its own.
 */
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { parseArgs } from 'node:util'
import { type Coordinator, openCoordinator } from '#coordinator/coordinator.ts'
import { checkState, emptyState, formatState, parseState } from '#coordinator/coordinator-state.ts'
import { openOrganisation } from '#coordinator/open-organisation.ts'
import { startTurn } from '#coordinator/turn.ts'
import type { LogFields } from '#host/host.ts'
import { openNodeHost } from '#host/node/open-node-host.ts'
import { createPostgresJournals } from '#host/node/postgres-journal.ts'
import { startPostgres } from '#host/node/test-postgres.ts'
import { assert } from '#kernel/assert.ts'
import { type CellSize, foundCell, work } from './parts/cell-load.ts'
import { print, whole } from './parts/machine.ts'

const JOURNAL = 'journal'
const LENGTHS = [1_000, 10_000, 100_000]
/** What `shoal up` keeps: a crash just before the next snapshot leaves one less to replay. */
const SNAPSHOT_EVERY = 20_000
/** Turns under way at once while a journal is written. */
const GROUP = 2_000
const MIB = 2 ** 20
const SNAPSHOT_ACCOUNTS = 100_000
/** Founding is a small part of any journal. */
const cellFor = (entries: number): CellSize => ({
  organisations: Math.min(1_000, entries / 20),
  nodes: Math.min(200, entries / 20),
})

interface Opening {
  readonly openMs: number
  readonly cpuSeconds: number
  /** The most that the process ever took, Node's own part included. */
  readonly rssMib: number
  readonly digest: string
  /** The last entry that the snapshot included; 0 without one. */
  readonly snapshotSequence: number
}
interface Result {
  readonly entries: number
  readonly events: number
  /** Entries after the snapshot. */
  readonly tail: number
  /** `null` where it is not a file of ours. */
  readonly journalMib: number | null
  readonly empty: Opening
  readonly snapshot: Opening
}

interface Place {
  readonly folder: string
  /** The journal is on this PostgreSQL server; in the folder without one. */
  readonly database: string | undefined
}

if (import.meta.main) {
  const { values } = parseArgs({
    options: {
      json: { type: 'boolean', default: false },
      folder: { type: 'string', default: tmpdir() },
      million: { type: 'boolean', default: false },
      entries: { type: 'string', multiple: true },
      postgres: { type: 'boolean', default: false },
      database: { type: 'string' },
      open: { type: 'string' },
    },
  })
  const { folder, database } = values
  if (values.open !== undefined) console.log(JSON.stringify(await open({ folder: values.open, database })))
  else {
    const lengths = values.entries?.map(Number) ?? (values.million ? [...LENGTHS, 1_000_000] : LENGTHS)
    const server = values.postgres ? await startPostgres({ settings: { shared_buffers: '128MB' } }) : null
    try {
      await measureAll({ folder, database: server?.url ?? database }, lengths, values.json)
    } finally {
      await server?.dispose()
    }
  }
}

async function measureAll(place: Place, lengths: readonly number[], isJson: boolean): Promise<void> {
  const store = place.database === undefined ? 'SQLite' : 'PostgreSQL'
  const results: Result[] = []
  for (const length of lengths) results.push(await measure(place, length))
  const snapshot = measureSnapshot()
  print(isJson, { bench: 'restart', store, folder: place.folder, results, snapshot }, () => [
    `Time to open a coordinator with its journal on ${store}, process start not included:`,
    '',
    ...results.flatMap(describe),
    `A snapshot of ${whole(snapshot.accounts)} accounts: ${snapshot.mib.toFixed(1)} MiB, ${whole(snapshot.formatMs)} ms to write as text, ${whole(snapshot.parseMs)} ms to read.`,
  ])
}

/** Writes a journal of `entries` entries, with a snapshot as old as one gets, and opens it with and without that. */
async function measure({ folder, database }: Place, entries: number): Promise<Result> {
  const own = { folder: mkdtempSync(join(folder, 'shoal-bench-')), database }
  try {
    const tail = Math.min(SNAPSHOT_EVERY - 1, entries / 2)
    const early = await write(own, { entries: entries - tail, cell: cellFor(entries), nextTurn: 0 })
    await early.coordinator.close()
    const late = await write(own, { entries, cell: cellFor(entries), nextTurn: early.nextTurn })
    await late.coordinator.journal.close()
    const path = join(own.folder, 'journals', `${JOURNAL}.db`)
    const journalMib = database === undefined ? statSync(path).size / MIB : null
    const snapshot = openInProcess(own)
    rmSync(join(own.folder, 'secrets', 'snapshot'))
    const empty = openInProcess(own)
    assert(empty.digest === snapshot.digest, 'both ways lead to the same state')
    assert(empty.snapshotSequence === 0 && snapshot.snapshotSequence === entries - tail, 'each its own way')
    return { entries, events: early.events + late.events, tail, journalMib, empty, snapshot }
  } finally {
    rmSync(own.folder, { recursive: true })
  }
}

interface Writing {
  readonly entries: number
  readonly cell: CellSize
  /** Number of the first turn of work. */
  readonly nextTurn: number
}

/** Opens the cell in its place, or founds it, and works on it until the journal has `entries` entries. */
async function write(place: Place, { entries, cell, nextTurn }: Writing) {
  const coordinator = await openIn(place)
  let events = 0
  coordinator.onEvent(() => events++)
  if (coordinator.sequence() === 0) foundCell(coordinator, cell)
  let turn = nextTurn
  while (coordinator.sequence() < entries) {
    for (let count = 0; count < GROUP && coordinator.sequence() < entries; count++) {
      work(coordinator, turn++, cell)
    }
    await durable(coordinator)
  }
  checkState(coordinator.state)
  return { coordinator, events, nextTurn: turn }
}

function durable(coordinator: Coordinator): Promise<void> {
  return new Promise((resolve) => coordinator.execute(() => {}, resolve))
}

function openIn(
  { folder, database }: Place,
  onOpened: (fields?: LogFields) => void = () => undefined,
): Promise<Coordinator> {
  const host = openNodeHost({ folder, logName: 'bench', logLevel: 'error' })
  const { clock, log } = host
  const holder = `bench ${process.pid}`
  // Nobody else wants it, and whole seconds of turns are taken in one go here.
  const leaseMs = 60_000
  const shared =
    database === undefined ? null : createPostgresJournals({ url: database, holder, clock, log, leaseMs })
  // A name of its own for each folder: the server may have others.
  const name = basename(folder).toLowerCase()
  const journals = shared ? { open: () => shared.open(name) } : host.journals
  const info = (event: string, fields?: LogFields): void => {
    if (event === 'coordinator.opened') onOpened(fields)
  }
  return openCoordinator(
    { ...host, journals, log: { info, warn: log.warn.bind(log), error: log.error.bind(log) } },
    {
      snapshotEvery: Number.POSITIVE_INFINITY,
      onFatal: (problem) => {
        throw problem
      },
    },
  )
}

function openInProcess({ folder, database }: Place): Opening {
  const where = database === undefined ? [] : ['--database', database]
  const flags = [import.meta.filename, '--open', folder, ...where]
  const { status, stdout, stderr } = spawnSync(process.execPath, flags, { encoding: 'utf8' })
  assert(status === 0, `a coordinator opens: ${stderr}`)
  return JSON.parse(stdout) as Opening
}

async function open(place: Place): Promise<Opening> {
  const startedMs = performance.now()
  const cpuBefore = process.cpuUsage()
  let snapshotSequence = 0
  const coordinator = await openIn(place, (fields) => {
    snapshotSequence = Number(fields?.['snapshotSequence'])
  })
  const openMs = performance.now() - startedMs
  const { user, system } = process.cpuUsage(cpuBefore)
  const rssMib = process.resourceUsage().maxRSS / 1_024
  const digest = createHash('sha256').update(formatState(coordinator.state)).digest('hex')
  await coordinator.journal.close()
  return { openMs, cpuSeconds: (user + system) / 1e6, rssMib, digest, snapshotSequence }
}

/** What a snapshot of a large cell costs: its text is taken between two turns, so nothing else happens meanwhile. */
function measureSnapshot(): { accounts: number; mib: number; formatMs: number; parseMs: number } {
  const state = emptyState()
  for (let number = 0; number < SNAPSHOT_ACCOUNTS / 2; number++) {
    const organisationId = `org_${String(number).padStart(24, '0')}`
    const turn = startTurn(state, 0, [])
    assert(openOrganisation(turn, { organisationId, name: organisationId }) === null, 'the cell is new')
  }
  const startedMs = performance.now()
  const text = formatState(state)
  const formattedMs = performance.now()
  const read = parseState(text)
  const parsedMs = performance.now()
  assert(formatState(read) === text, 'a snapshot is read as it was written')
  return {
    accounts: state.ledger.accounts.size,
    mib: text.length / MIB,
    formatMs: formattedMs - startedMs,
    parseMs: parsedMs - formattedMs,
  }
}

function describe({ entries, events, tail, journalMib, empty, snapshot }: Result): string[] {
  const rate = (count: number, { openMs }: Opening): string => `${whole((count * 1_000) / openMs)}/s`
  const cost = ({ openMs, cpuSeconds, rssMib }: Opening): string =>
    `${whole(openMs).padStart(7)} ms, ${cpuSeconds.toFixed(2)} CPU-seconds, ${whole(rssMib)} MiB at most`
  const size = journalMib === null ? '' : `, ${journalMib.toFixed(1)} MiB`
  return [
    `${whole(entries)} entries, ${whole(events)} events${size}; state ${empty.digest.slice(0, 16)} both ways`,
    `  from empty:      ${cost(empty)}; ${rate(entries, empty)} entries, ${rate(events, empty)} events`,
    `  from a snapshot: ${cost(snapshot)}, ${whole(tail)} entries of it replayed`,
  ]
}
