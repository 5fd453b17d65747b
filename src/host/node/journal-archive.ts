/**
 * A journal as a file of JSON lines, the same for every store: a header with the ends of the chain of checksums, then an
 * entry a line. So a file that was cut short, changed or mixed with another does not pass.
 */
import { z } from 'zod'
import { Problem } from '#protocol/problem.ts'
import { chain } from './sqlite-journal-file.ts'
import type { ChainedEntry, JournalEnds, StoredJournal } from './stored-journal.ts'

/** Raised when an older program can no longer read what this one writes. */
const ARCHIVE_VERSION = 1
const ENTRIES_PER_STEP = 1_000

const sequence = z.int().min(0)
const Header = z.strictObject({
  format: z.literal('shoal-journal'),
  version: z.int(),
  id: z.string().min(16),
  epoch: sequence,
  firstSequence: sequence.min(1),
  lastSequence: sequence,
  anchor: z.string(),
  checksum: z.string(),
  /** Of all that the header says of the journal. Absent in exports of the first release. */
  headerChecksum: z.string().optional(),
})
const Entry = z.object({ sequence, epoch: sequence, payload: z.string() })

/** Told how many entries are through, now and then and at the end. */
export type Progress = (entries: number) => void

/** Writes all of `journal`, a few entries at a time. */
export async function writeArchive(
  journal: Pick<StoredJournal, 'ends' | 'read'>,
  write: (text: string) => Promise<void>,
  onProgress: Progress,
): Promise<void> {
  const { ends } = journal
  await write(
    `${JSON.stringify({ format: 'shoal-journal', version: ARCHIVE_VERSION, ...ends, headerChecksum: checksumOf(ends) })}\n`,
  )
  for await (const entries of stepsOf(journal)) {
    await write(entries.map((entry) => `${JSON.stringify(entry)}\n`).join(''))
    onProgress((entries.at(-1)?.sequence ?? 0) - ends.firstSequence + 1)
  }
}

/** All entries of `journal` in order, a few at a time. Rejects with `journal_corrupt` where it ends early. */
export async function* stepsOf(journal: Pick<StoredJournal, 'ends' | 'read'>) {
  const { firstSequence, lastSequence } = journal.ends
  for (let next = firstSequence; next <= lastSequence; ) {
    const entries = await journal.read(next, ENTRIES_PER_STEP)
    if (entries.length === 0) throw damaged(`it ends at entry ${next - 1} of ${lastSequence}`)
    yield entries
    next += entries.length
  }
}

export interface Archive {
  readonly ends: JournalEnds
  /** The entries, each verified against the chain. Rejects with `journal_corrupt` unless the last one closes it. */
  readonly steps: AsyncIterable<readonly ChainedEntry[]>
}

/** Reads what `writeArchive` wrote, from its lines. Rejects with `journal_corrupt` or `journal_newer`. */
export async function readArchive(lines: AsyncIterable<string>): Promise<Archive> {
  const iterator = lines[Symbol.asyncIterator]()
  const first = await iterator.next()
  const header = Header.safeParse(first.done ? null : parsed(first.value))
  if (!header.success) throw damaged('it does not begin with the header of an exported journal')
  const { format: _, version, headerChecksum, ...ends } = header.data
  if (version > ARCHIVE_VERSION) {
    throw new Problem(
      'journal_newer',
      `The file was exported by a newer Shoal, in version ${version}; this one reads up to ${ARCHIVE_VERSION}. Update Shoal.`,
    )
  }
  const isOfId = ends.firstSequence !== 1 || ends.anchor === chain('', 0, 0, ends.id)
  if (!isOfId || (headerChecksum !== undefined && headerChecksum !== checksumOf(ends)))
    throw damaged('its checksum is not that of its header')
  return { ends, steps: verifiedSteps(ends, { [Symbol.asyncIterator]: () => iterator }) }
}

const checksumOf = ({ id, epoch, firstSequence, lastSequence, anchor, checksum }: JournalEnds): string =>
  chain(anchor, lastSequence, epoch, `${id}:${firstSequence}:${checksum}`)

async function* verifiedSteps(ends: JournalEnds, lines: AsyncIterable<string>) {
  let { anchor: previous, firstSequence: next } = ends
  let epochBefore = 0
  let step: ChainedEntry[] = []
  for await (const line of lines) {
    const entry = Entry.safeParse(parsed(line))
    if (!entry.success) throw damaged(`line ${next - ends.firstSequence + 2} is no entry`)
    const { sequence, epoch, payload } = entry.data
    if (sequence !== next) throw damaged(`entry ${next} is missing: ${sequence} stands in its place`)
    if (epoch < epochBefore || epoch > ends.epoch) throw damaged(`entry ${next} is of epoch ${epoch}`)
    previous = chain(previous, sequence, epoch, payload)
    step.push({ sequence, epoch, payload, checksum: previous })
    epochBefore = epoch
    next++
    if (step.length < ENTRIES_PER_STEP) continue
    yield step
    step = []
  }
  if (step.length > 0) yield step
  if (next !== ends.lastSequence + 1) throw damaged(`it ends at entry ${next - 1} of ${ends.lastSequence}`)
  if (previous !== ends.checksum) throw damaged('its checksum is not that of its entries')
}

function parsed(line: string): unknown {
  try {
    return JSON.parse(line)
  } catch (error) {
    if (error instanceof SyntaxError) return null
    throw error
  }
}

const damaged = (what: string): Problem =>
  new Problem('journal_corrupt', `The exported journal is damaged: ${what}. Export it again.`)
