/** A journal as it lies in its store while nobody leads it: to verify it, to copy it out, and to copy one in. */
import type { JournalEntry } from '../host.ts'

/** What a journal is, but for its entries. The chain of checksums is the same in every store. */
export interface JournalEnds {
  readonly id: string
  /** Of the newest opener. */
  readonly epoch: number
  /** 1 unless entries were trimmed. */
  readonly firstSequence: number
  /** The checksum before the first entry. */
  readonly anchor: string
  /** `firstSequence - 1` without entries. */
  readonly lastSequence: number
  /** The checksum of the last entry. */
  readonly checksum: string
}

export interface StoredJournal {
  /** For messages. */
  readonly label: string
  readonly ends: JournalEnds
  /** Entries from `fromSequence` on, verified; none after `ends.lastSequence`. Rejects with `journal_corrupt`. */
  read(fromSequence: number, countMax: number): Promise<readonly JournalEntry[]>
  close(): Promise<void>
}

/** A store that has no entries yet, and has all of them or none once this is over. */
export interface JournalSink {
  readonly label: string
  /** Adds the next entries, each with its place in the chain. */
  add(entries: readonly ChainedEntry[]): Promise<void>
  /** Makes the journal be what was added, durably. */
  commit(): Promise<void>
  /** Leaves the store as it was. */
  abort(): Promise<void>
}

export interface ChainedEntry extends JournalEntry {
  readonly checksum: string
}
