/**
 * How long a coordinator takes to open against the length of its journal: by replay from empty, and from a snapshot.
 * `--million` adds a journal of a million entries. Each opening is a process of its own, as after a crash.
 */
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { type Coordinator, openCoordinator } from '#coordinator/coordinator.ts'
import { checkState, emptyState, formatState, parseState } from '#coordinator/coordinator-state.ts'
import { openOrganisation } from '#coordinator/open-organisation.ts'
import { startTurn } from '#coordinator/turn.ts'
import { openNodeHost } from '#host/node/open-node-host.ts'
import { assert } from '#kernel/assert.ts'
import { type CellSize, foundCell, work } from './parts/cell-load.ts'
import { print, whole } from './parts/machine.ts'

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
}
interface Result {
  readonly entries: number
  readonly events: number
  /** Entries after the snapshot. */
  readonly tail: number
  readonly journalMib: number
  readonly empty: Opening
  readonly snapshot: Opening
}

if (import.meta.main) {
  const { values } = parseArgs({
    options: {
      json: { type: 'boolean', default: false },
      folder: { type: 'string', default: tmpdir() },
      million: { type: 'boolean', default: false },
      open: { type: 'string' },
    },
  })
  if (values.open !== undefined) console.log(JSON.stringify(await open(values.open)))
  else {
    const results: Result[] = []
    for (const length of values.million ? [...LENGTHS, 1_000_000] : LENGTHS) {
      results.push(await measure(values.folder, length))
    }
    const snapshot = measureSnapshot()
    print(values.json, { bench: 'restart', folder: values.folder, results, snapshot }, () => [
      'Time to open a coordinator, process start not included:',
      '',
      ...results.flatMap(describe),
      `A snapshot of ${whole(snapshot.accounts)} accounts: ${snapshot.mib.toFixed(1)} MiB, ${whole(snapshot.formatMs)} ms to write as text, ${whole(snapshot.parseMs)} ms to read.`,
    ])
  }
}

/** Writes a journal of `entries` entries, with a snapshot as old as one gets, and opens it with and without that. */
async function measure(folder: string, entries: number): Promise<Result> {
  const own = mkdtempSync(join(folder, 'shoal-bench-'))
  try {
    const tail = Math.min(SNAPSHOT_EVERY - 1, entries / 2)
    const early = await write(own, { entries: entries - tail, cell: cellFor(entries), nextTurn: 0 })
    await early.coordinator.close()
    const late = await write(own, { entries, cell: cellFor(entries), nextTurn: early.nextTurn })
    await late.coordinator.journal.close()
    const journalMib = statSync(join(own, 'journals', 'journal.db')).size / MIB
    const snapshot = openInProcess(own)
    rmSync(join(own, 'secrets', 'snapshot'))
    const empty = openInProcess(own)
    assert(empty.digest === snapshot.digest, 'both ways lead to the same state')
    return { entries, events: early.events + late.events, tail, journalMib, empty, snapshot }
  } finally {
    rmSync(own, { recursive: true })
  }
}

interface Writing {
  readonly entries: number
  readonly cell: CellSize
  /** Number of the first turn of work. */
  readonly nextTurn: number
}

/** Opens the cell in `folder`, or founds it, and works on it until the journal has `entries` entries. */
async function write(folder: string, { entries, cell, nextTurn }: Writing) {
  const coordinator = await openIn(folder)
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

function openIn(folder: string): Promise<Coordinator> {
  const host = openNodeHost({ folder, logName: 'bench', logLevel: 'error' })
  return openCoordinator(host, {
    snapshotEvery: Number.POSITIVE_INFINITY,
    onFatal: (problem) => {
      throw problem
    },
  })
}

function openInProcess(folder: string): Opening {
  const { status, stdout, stderr } = spawnSync(process.execPath, [import.meta.filename, '--open', folder], {
    encoding: 'utf8',
  })
  assert(status === 0, `a coordinator opens: ${stderr}`)
  return JSON.parse(stdout) as Opening
}

async function open(folder: string): Promise<Opening> {
  const startedMs = performance.now()
  const cpuBefore = process.cpuUsage()
  const coordinator = await openIn(folder)
  const openMs = performance.now() - startedMs
  const { user, system } = process.cpuUsage(cpuBefore)
  const rssMib = process.resourceUsage().maxRSS / 1_024
  const digest = createHash('sha256').update(formatState(coordinator.state)).digest('hex')
  await coordinator.journal.close()
  return { openMs, cpuSeconds: (user + system) / 1e6, rssMib, digest }
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
  return [
    `${whole(entries)} entries, ${whole(events)} events, ${journalMib.toFixed(1)} MiB`,
    `  from empty:      ${cost(empty)}; ${rate(entries, empty)} entries, ${rate(events, empty)} events`,
    `  from a snapshot: ${cost(snapshot)}, ${whole(tail)} entries of it replayed`,
  ]
}
