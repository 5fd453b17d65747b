/**
 * A record on a simulated disk. It keeps what the real one keeps: entries, each with a checksum over itself and the
 * checksum before it, and behind them the bytes of groups whose sync never ended. A start takes the whole groups of
 * those bytes and tears off the rest; a changed entry no longer fits the chain and is refused by its number.
 */
import type { JournalEntry } from '#host/host.ts'
import { assert } from '#kernel/assert.ts'
import type { Random } from '#kernel/random.ts'
import { Problem } from '#protocol/problem.ts'
import type { SimProcess } from './sim-process.ts'

export interface StoredEntry extends JournalEntry {
  readonly checksum: string
}
/** Entries that become durable together or not at all. */
export interface Group {
  readonly entries: readonly StoredEntry[]
  readonly epoch: number
  readonly writer: SimProcess
}
/** The entry before the oldest kept one. */
interface Trimmed {
  readonly sequence: number
  readonly checksum: string
}

type Sha256 = (bytes: Uint8Array | string) => string

/** How many of the newest entries are verified when the record is opened; reading verifies the others. */
const TAIL_COUNT = 100

/** The checksum of an entry: as of the journal on SQLite. */
export const chainOf = (sha256: Sha256, previous: string, entry: JournalEntry): string =>
  sha256(`${previous}:${entry.sequence}:${entry.epoch}:${entry.payload}`).slice(0, 32)

export class StoredJournal {
  readonly name: string
  readonly id: string
  epoch = 0
  /** Every durable entry that is not trimmed. */
  entries: StoredEntry[] = []
  /** Groups that were torn off because a crash left only part of them. */
  tornGroups = 0
  /** Groups on their way to the platter, in order. */
  inFlight: Group[] = []
  #trimmed: Trimmed
  /** What lies behind the last entry: written, and nobody was told that it is durable. */
  #unsynced = ''
  readonly #sha256: Sha256
  /** What entries were found to fit behind, so that none is hashed twice: an entry that changes is another object. */
  #fits = new WeakMap<StoredEntry, string>()

  constructor(name: string, id: string, sha256: Sha256) {
    this.name = name
    this.id = id
    this.#sha256 = sha256
    // The chain starts at the id: entries of another journal do not fit in.
    this.#trimmed = { sequence: 0, checksum: sha256(id).slice(0, 32) }
  }

  /** A copy that goes its own way. What was on its way is not in it. */
  copy(): StoredJournal {
    const copied = new StoredJournal(this.name, this.id, this.#sha256)
    copied.epoch = this.epoch
    copied.entries = [...this.entries]
    copied.#trimmed = this.#trimmed
    copied.#fits = this.#fits
    return copied
  }

  last(): { readonly sequence: number; readonly checksum: string } {
    return this.entries.at(-1) ?? this.#trimmed
  }

  sealed(previous: string, entry: JournalEntry): StoredEntry {
    const made = { ...entry, checksum: chainOf(this.#sha256, previous, entry) }
    this.#fits.set(made, previous)
    return made
  }

  land(group: Group): void {
    const [first] = group.entries
    assert(!first || first.sequence === this.last().sequence + 1, 'entries land without gaps')
    this.entries.push(...group.entries)
  }

  /** Its writer is gone: of its groups some reached the system, which goes on and writes them out whole. */
  keepSome(writer: SimProcess, random: Random): void {
    const own = this.drop(writer)
    const count = own.length === 0 ? 0 : random.int(own.length + 1)
    for (const group of own.slice(0, count)) this.land(group)
  }

  /** The power is gone, or a sync failed: of the bytes on their way, some first part is on the platter. */
  tear(groups: readonly Group[], random: Random): void {
    const bytes = groups.map(encodeGroup).join('')
    if (bytes.length === 0) return
    // Often enough all of it: then it is there, although nobody was told so.
    this.#unsynced = random.chance(1, 3) ? bytes : bytes.slice(0, random.int(bytes.length + 1))
  }

  /** Nothing of `writer` lands any more. Returns what it had on its way. */
  drop(writer: SimProcess): readonly Group[] {
    const own = this.inFlight.filter((group) => group.writer === writer)
    this.inFlight = this.inFlight.filter((group) => group.writer !== writer)
    // What a writer that was taken over still had in flight fits nowhere any more.
    return own.filter((group) => group.epoch === this.epoch)
  }

  /** What an opener does first: whole groups behind the last entry count, and a part of one never happened. */
  recover(): void {
    const lines = this.#unsynced.split('\n')
    const torn = lines.pop()
    this.#unsynced = ''
    if (torn) this.tornGroups++
    for (const line of lines) this.entries.push(...(JSON.parse(line) as StoredEntry[]))
  }

  /** Verified entries from `fromSequence` on. Throws `Problem('journal_corrupt')` with the first that does not fit. */
  read(fromSequence: number, countMax: number): readonly StoredEntry[] {
    const first = this.#trimmed.sequence + 1
    const start = Math.max(0, fromSequence - first)
    const found = this.entries.slice(start, start + countMax)
    let previous = start === 0 ? this.#trimmed.checksum : (this.entries[start - 1]?.checksum ?? '')
    for (const [index, entry] of found.entries()) {
      if (!this.#fitsBehind(previous, entry) || entry.sequence !== first + start + index)
        throw this.#corrupt(first + start + index)
      previous = entry.checksum
    }
    return found
  }

  #fitsBehind(previous: string, entry: StoredEntry): boolean {
    if (this.#fits.get(entry) === previous) return true
    const fits = entry.checksum === chainOf(this.#sha256, previous, entry)
    if (fits) this.#fits.set(entry, previous)
    return fits
  }

  /** Throws as `read` does when one of the newest entries is damaged. */
  verifyEnd(): void {
    this.read(this.last().sequence - TAIL_COUNT + 1, TAIL_COUNT)
  }

  trim(sequence: number): void {
    const keepFrom = this.entries.findIndex((entry) => entry.sequence > sequence)
    const dropped = this.entries.splice(0, keepFrom === -1 ? this.entries.length : keepFrom)
    this.#trimmed = dropped.at(-1) ?? this.#trimmed
  }

  /** Flips one bit of a durable entry's payload and returns its number and what puts it right again. */
  flip(random: Random): { readonly sequence: number; readonly repair: () => void } | null {
    const index = this.entries.length === 0 ? -1 : random.int(this.entries.length)
    const entry = this.entries[index]
    if (!entry) return null
    const { sequence } = entry
    const place = random.int(entry.payload.length)
    this.entries[index] = { ...entry, payload: flipBit(entry.payload, place, random) }
    const repair = (): void => {
      const at = this.entries.findIndex((other) => other.sequence === sequence)
      if (at !== -1) this.entries[at] = entry
    }
    return { sequence, repair }
  }

  #corrupt(sequence: number): Problem {
    return new Problem(
      'journal_corrupt',
      `${this.name} is damaged at entry ${sequence}: it is not what was written. Restore it from a backup.`,
      { details: { sequence } },
    )
  }
}

/** Whole exactly when its line end is there. */
const encodeGroup = (group: Group): string => `${JSON.stringify(group.entries)}\n`

/** One of the seven low bits: the text stays a text. */
export function flipBit(text: string, place: number, random: Random): string {
  const flipped = String.fromCharCode(text.charCodeAt(place) ^ (1 << random.int(7)))
  return text.slice(0, place) + flipped + text.slice(place + 1)
}
