/** What `shoal journal` does. */
import { createReadStream, createWriteStream, existsSync, renameSync, rmSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { createInterface } from 'node:readline'
import type { Readable, Writable } from 'node:stream'
import type { CliContext } from '#cli/context.ts'
import { dataFolderOf, type GlobalOptions } from '#cli/credentials.ts'
import { formatCount } from '#cli/format.ts'
import { toDiskProblem } from '#host/node/disk-problem.ts'
import { type Progress, readArchive, writeArchive } from '#host/node/journal-archive.ts'
import { createPostgresSink, openPostgresStoredJournal } from '#host/node/postgres-stored-journal.ts'
import { createSqliteSink, openSqliteStoredJournal } from '#host/node/sqlite-stored-journal.ts'
import type { JournalEnds, JournalSink, StoredJournal } from '#host/node/stored-journal.ts'
import { Problem } from '#protocol/problem.ts'
import { recordOf, replayJournal } from './journal-replay.ts'

export interface JournalOptions extends GlobalOptions {
  readonly database?: string
}

/** As the coordinator calls it. */
const JOURNAL = 'journal'
const ENTRIES_PER_NOTE = 100_000

export const verifyJournal = (context: CliContext, options: JournalOptions): Promise<void> =>
  withJournal(context, options, async (journal) => {
    const replayed = await replayJournal(journal, progressOf(context, 'replayed', journal.ends))
    const { entries, events, epochs, stateDigest } = replayed
    const { id, epoch, lastSequence } = journal.ends
    report(context, options, { place: journal.label, id, epoch, lastSequence, ...replayed }, [
      `The journal of ${journal.label} is whole.`,
      `  ${formatCount(entries)} entries, ${formatCount(events)} events, of ${formatCount(epochs)} leaders; id ${id}`,
      `  state ${stateDigest}`,
    ])
  })

export const exportJournal = (context: CliContext, options: JournalOptions, file: string): Promise<void> =>
  withJournal(context, options, async (journal) => {
    const onProgress = progressOf(context, 'exported', journal.ends)
    const { id, firstSequence, lastSequence, checksum } = journal.ends
    if (file === '-') return writeArchive(journal, async (text) => context.stdout.write(text), onProgress)
    await writeWholeFile(file, (write) => writeArchive(journal, write, onProgress))
    const entries = lastSequence - firstSequence + 1
    report(context, options, { file, id, entries, lastSequence, checksum }, [
      `Exported ${formatCount(entries)} entries of ${journal.label} to ${file}, checksum ${checksum}.`,
    ])
  })

export async function importJournal(
  context: CliContext,
  options: JournalOptions,
  file: string,
): Promise<void> {
  const { ends, label } = await importFile(context, options, file)
  const { id, firstSequence, lastSequence, checksum } = ends
  const entries = lastSequence - firstSequence + 1
  report(context, options, { place: label, id, entries, lastSequence, checksum }, [
    `Imported ${formatCount(entries)} entries into ${label}, checksum ${checksum}.`,
    'It is the same network: never run both the old journal and this one.',
  ])
}

async function importFile(
  context: CliContext,
  options: JournalOptions,
  file: string,
): Promise<{ ends: JournalEnds; label: string }> {
  if (!existsSync(file)) throw new Problem('not_found', `There is no file ${file}.`)
  const stream = createReadStream(file)
  try {
    const { ends, steps } = await readArchive(linesOf(stream, file))
    const onProgress = progressOf(context, 'imported', ends)
    const sink = await createSink(context, options, ends)
    try {
      for await (const entries of steps) {
        for (const entry of entries) recordOf(entry, file)
        await sink.add(entries)
        onProgress((entries.at(-1)?.sequence ?? 0) - ends.firstSequence + 1)
      }
      await sink.commit()
    } catch (error) {
      await sink.abort()
      throw error
    }
    return { ends, label: sink.label }
  } finally {
    stream.destroy()
  }
}

/** Lines of a stream may end where it failed as they do at its end. */
async function* linesOf(stream: Readable, file: string): AsyncGenerator<string> {
  const lines = createInterface({ input: stream, crlfDelay: Number.POSITIVE_INFINITY })
  let failure: unknown = null
  stream.on('error', (error) => {
    failure = error
    lines.close()
  })
  try {
    yield* lines
  } catch (error) {
    failure ??= error
  }
  if (failure !== null) throw toDiskProblem(failure, file)
}

async function withJournal(
  context: CliContext,
  options: JournalOptions,
  work: (journal: StoredJournal) => Promise<void>,
): Promise<void> {
  const journal =
    options.database === undefined
      ? openSqliteStoredJournal(journalsFolder(context, options), JOURNAL)
      : await openPostgresStoredJournal(options.database, JOURNAL)
  try {
    await work(journal)
  } finally {
    await journal.close()
  }
}

const createSink = async (
  context: CliContext,
  options: JournalOptions,
  ends: JournalEnds,
): Promise<JournalSink> =>
  options.database === undefined
    ? createSqliteSink(journalsFolder(context, options), JOURNAL, ends)
    : await createPostgresSink(options.database, JOURNAL, ends)

const journalsFolder = (context: CliContext, options: JournalOptions): string =>
  join(resolve(dataFolderOf(context, options)), 'journals')

function report(
  { stdout }: CliContext,
  { json }: JournalOptions,
  facts: Readonly<Record<string, string | number>>,
  lines: readonly string[],
): void {
  stdout.write(json ? `${JSON.stringify(facts, null, 2)}\n` : `${lines.join('\n')}\n`)
}

/** Notes how far it is, for whoever waits: long journals take minutes. */
function progressOf({ stderr }: CliContext, verb: string, ends: JournalEnds): Progress {
  const total = ends.lastSequence - ends.firstSequence + 1
  let noted = 0
  return (entries) => {
    if (entries - noted < ENTRIES_PER_NOTE) return
    noted = entries
    const percent = Math.floor((100 * entries) / total)
    stderr.write(`${verb} ${formatCount(entries)} of ${formatCount(total)} entries, ${percent} %\n`)
  }
}

/** Writes `file` under another name until it is whole and on the disk. */
async function writeWholeFile(
  file: string,
  produce: (write: (text: string) => Promise<void>) => Promise<void>,
): Promise<void> {
  const path = resolve(file)
  if (existsSync(path))
    throw new Problem('conflict', `${path} is there already. Choose another name, or move it away.`)
  const temporary = `${path}.exporting`
  const stream = createWriteStream(temporary, { mode: 0o600, flush: true })
  // Each write is told of it, too; without a listener it would end the program.
  stream.on('error', () => undefined)
  try {
    await produce((text) => written(stream, text))
    await new Promise<void>((done, fail) => {
      stream.once('error', fail)
      stream.end((error?: Error | null) => (error ? fail(error) : done()))
    })
    renameSync(temporary, path)
  } catch (error) {
    stream.destroy()
    rmSync(temporary, { force: true })
    throw toDiskProblem(error, path)
  }
}

const written = (stream: Writable, text: string): Promise<void> =>
  new Promise((done, fail) => {
    stream.write(text, (error) => (error ? fail(error) : done()))
  })
