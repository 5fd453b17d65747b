/** What a stored journal comes to: every entry verified and read, and the state that a coordinator would start with. */
import { createHash } from 'node:crypto'
import { checkRecord } from '#coordinator/coordinator-events.ts'
import { checkState, emptyState, evolve, formatState } from '#coordinator/coordinator-state.ts'
import type { JournalEntry } from '#host/host.ts'
import { type Progress, stepsOf } from '#host/node/journal-archive.ts'
import type { StoredJournal } from '#host/node/stored-journal.ts'
import { AssertionError } from '#kernel/assert.ts'
import { Problem } from '#protocol/problem.ts'

export interface ReplayedJournal {
  readonly entries: number
  readonly events: number
  /** How many openers have written. */
  readonly epochs: number
  /** SHA-256, in hex, of the state's text: equal for equal journals, in whatever store. */
  readonly stateDigest: string
}

/**
 * Reads all of `journal`, which checks its checksums and that no entry is missing, replays it and checks the state's
 * invariants. Rejects with `Problem`: `journal_corrupt`, `journal_newer`, `not_supported` for a trimmed one.
 */
export async function replayJournal(journal: StoredJournal, onProgress: Progress): Promise<ReplayedJournal> {
  const { ends, label } = journal
  if (ends.firstSequence !== 1) {
    throw new Problem(
      'not_supported',
      `The journal of ${label} begins at entry ${ends.firstSequence}: what was trimmed cannot be replayed.`,
    )
  }
  const state = emptyState()
  let [entries, events, epochs, epoch] = [0, 0, 0, 0]
  for await (const step of stepsOf(journal)) {
    for (const entry of step) {
      if (entry.epoch < epoch || entry.epoch > ends.epoch) {
        throw damaged(label, entry, `is of epoch ${entry.epoch}, between ${epoch} and ${ends.epoch}`)
      }
      if (entry.epoch > epoch) epochs++
      epoch = entry.epoch
      for (const event of recordOf(entry, label).events) {
        apply(() => evolve(state, event), entry, label)
        events++
      }
    }
    entries += step.length
    onProgress(entries)
  }
  apply(() => checkState(state), { sequence: ends.lastSequence }, label)
  const stateDigest = createHash('sha256').update(formatState(state)).digest('hex')
  return { entries, events, epochs, stateDigest }
}

/** The entry as a record, checked against its schema. Throws `Problem('journal_corrupt' | 'journal_newer')`. */
export function recordOf(entry: Pick<JournalEntry, 'sequence' | 'payload'>, label: string) {
  try {
    return checkRecord(entry.payload)
  } catch (error) {
    if (error instanceof Problem && error.code !== 'journal_corrupt') throw error
    throw damaged(label, entry, `cannot be read (${causeOf(error)})`, error)
  }
}

/** What a decider never decided contradicts the state. */
function apply(work: () => void, entry: Pick<JournalEntry, 'sequence'>, label: string): void {
  try {
    work()
  } catch (error) {
    if (!(error instanceof AssertionError)) throw error
    throw damaged(label, entry, `contradicts what was before (${messageOf(error)})`, error)
  }
}

const causeOf = (error: unknown): string =>
  messageOf(error instanceof Problem ? (error.cause ?? error) : error)

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error))

const damaged = (
  label: string,
  { sequence }: Pick<JournalEntry, 'sequence'>,
  what: string,
  cause?: unknown,
): Problem =>
  new Problem(
    'journal_corrupt',
    `The journal of ${label} is damaged: entry ${sequence} ${what}. Restore it from a backup.`,
    { details: { sequence }, cause },
  )
