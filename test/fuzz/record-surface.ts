/** Journals that were harmed: as files of SQLite, as exported files, and entry by entry with checksums made to fit. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { checkRecord, JournalRecord } from '#coordinator/coordinator-events.ts'
import { journalledHistory } from '#coordinator/read-models/journalled-history.ts'
import { busyTurns } from '#coordinator/read-models/test-turns.ts'
import { readArchive, writeArchive } from '#host/node/journal-archive.ts'
import { JournalStore } from '#host/node/sqlite-journal-store.ts'
import { openSqliteStoredJournal } from '#host/node/sqlite-stored-journal.ts'
import type { Random } from '#kernel/random.ts'
import { Problem } from '#protocol/problem.ts'
import { mutateBytes, mutateJson, pick } from './mutate.ts'
import { complain, type Surface, type Verdict } from './surface.ts'

const FILE = 0
const ARCHIVE = 1
const ENTRY = 2
/** Enough for some of every kind; every input reads all of it. */
const ENTRIES = 120

export async function recordSurface(): Promise<Surface> {
  const folder = mkdtempSync(join(tmpdir(), 'shoal-fuzz-'))
  const payloads = journalledHistory(busyTurns).payloads.slice(0, ENTRIES)
  const path = join(folder, 'journal.db')
  const made = new JournalStore(path)
  made.append(payloads)
  made.close()
  const file = readFileSync(path)
  const archive = await exported(folder)
  const records = payloads.map((payload) => JSON.parse(payload) as unknown)
  return {
    name: 'journal-records',
    next(random) {
      // A file of SQLite costs a hundred times as much as an entry.
      const kind = random.chance(1, 10) ? FILE : random.chance(1, 3) ? ARCHIVE : ENTRY
      return Buffer.concat([Buffer.from([kind]), draw(random, kind)])
    },
    attempt(input) {
      const bytes = input.subarray(1)
      if (input[0] === FILE) return attemptFile(bytes)
      return input[0] === ARCHIVE ? attemptArchive(bytes) : attemptEntry(bytes)
    },
    dispose: () => rmSync(folder, { recursive: true, force: true }),
  }

  /** Of a file, only where and what: an input of a whole file would be long to tell. */
  function draw(random: Random, kind: number): Buffer {
    if (kind === ARCHIVE) return mutateArchive(random, archive)
    if (kind === ENTRY) return mutateJson(random, pick(random, records))
    const at = Buffer.alloc(4)
    at.writeUInt32BE(random.int(file.length))
    const length = random.chance(1, 10) ? 0 : 1 + random.int(8)
    return Buffer.concat([at, Buffer.from(Array.from({ length }, () => random.int(256)))])
  }

  /** The bytes stand at their place in the file; none at all: it ends there. */
  function attemptFile(bytes: Buffer): Verdict {
    const copy = join(folder, 'copy.db')
    for (const ending of ['', '-wal', '-shm']) rmSync(`${copy}${ending}`, { force: true })
    const at = bytes.readUInt32BE(0)
    const harm = bytes.subarray(4)
    const harmed = harm.length === 0 ? file.subarray(0, at) : Buffer.from(file)
    if (harm.length > 0) harm.copy(harmed, at)
    writeFileSync(copy, harmed)
    let store: JournalStore | null = null
    try {
      store = new JournalStore(copy, { isForReading: true })
      const { lastSequence } = store
      const found = lastSequence === 0 ? [] : store.read(1, lastSequence).payloads
      // A file that ends before its first page is a new one.
      if (harmed.length === 0) return 'held'
      return isSame(found, payloads)
        ? 'held'
        : complain(`${found.length} of ${payloads.length} entries, or others`)
    } catch (error) {
      return refusal(error)
    } finally {
      store?.close()
    }
  }

  async function attemptArchive(bytes: Buffer): Promise<Verdict> {
    try {
      const { ends, steps } = await readArchive(linesOf(bytes))
      const found: string[] = []
      for await (const step of steps) found.push(...step.map(({ payload }) => payload))
      const header = JSON.stringify(ends) === JSON.stringify((await readArchive(linesOf(archive))).ends)
      return header && isSame(found, payloads)
        ? 'held'
        : complain('a harmed export was taken for another journal')
    } catch (error) {
      return refusal(error)
    }
  }

  /** Its checksum is right: whoever wrote it knew how. What no schema knows must not become a part of the state. */
  function attemptEntry(bytes: Buffer): Verdict {
    let text: string
    try {
      text = new TextDecoder('utf-8', { fatal: true }).decode(bytes)
    } catch {
      return 'refused' // A store keeps text; it says itself that this is none.
    }
    try {
      // What was read is written again as a record that is read again.
      JournalRecord.encode(checkRecord(text))
      return 'accepted'
    } catch (error) {
      return refusal(error)
    }
  }
}

async function exported(folder: string): Promise<Buffer> {
  const journal = openSqliteStoredJournal(folder, 'journal')
  const parts: string[] = []
  await writeArchive(
    journal,
    async (text) => void parts.push(text),
    () => undefined,
  )
  await journal.close()
  return Buffer.from(parts.join(''))
}

/** Half of the harms hit the header, which says what the rest is checked by. */
function mutateArchive(random: Random, archive: Buffer): Buffer {
  const headerEnd = archive.indexOf('\n') + 1
  if (random.chance(1, 2)) return mutateBytes(random, archive)
  const header = archive.subarray(0, headerEnd - 1)
  const harmed = random.chance(1, 2)
    ? mutateBytes(random, header)
    : mutateJson(random, JSON.parse(header.toString()))
  return Buffer.concat([harmed, archive.subarray(headerEnd - 1)])
}

async function* linesOf(bytes: Buffer): AsyncGenerator<string> {
  const text = bytes.toString()
  for (const line of (text.endsWith('\n') ? text.slice(0, -1) : text).split('\n')) yield line
}

const isSame = (one: readonly string[], other: readonly string[]): boolean =>
  one.length === other.length && one.every((text, index) => text === other[index])

function refusal(error: unknown): Verdict {
  if (error instanceof Problem && /^journal_(?:corrupt|newer)$/.test(error.code)) return 'refused'
  const found = error instanceof Error ? `${error.name}: ${error.message}` : String(error)
  return complain(`refused, but not by name: ${found}`)
}
