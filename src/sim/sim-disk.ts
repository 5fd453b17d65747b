/** A machine's disk: survives the process, loses what was not synced, knows one writer by its epoch. */
import type { Blobs, Journal, JournalEntry, Journals, Secrets } from '#host/host.ts'
import { assert } from '#kernel/assert.ts'
import type { Random } from '#kernel/random.ts'
import { Problem } from '#protocol/problem.ts'
import type { SimProcess } from './sim-process.ts'

interface StoredJournal {
  readonly id: string
  epoch: number
  trimmedThrough: number
  readonly entries: JournalEntry[]
  /** Groups on their way to the platter, in order. */
  inFlight: Group[]
}
interface Group {
  readonly entries: readonly JournalEntry[]
  readonly writer: SimProcess
}

const SYNC_MS_MAX = 6
/** Keeps groups in order: events at the same instant run in an order of the seed's choice. */
const BEHIND_MS = 0.001

export class SimDisk {
  readonly #journals = new Map<string, StoredJournal>()
  readonly #secrets = new Map<string, string>()
  readonly #blobs = new Map<string, Uint8Array>()
  readonly #random: Random
  #ids = 0
  readonly #name: string
  readonly #sha256: (bytes: Uint8Array) => string
  /** Appends refused because a newer writer had taken over. */
  staleAppends = 0

  constructor(name: string, random: Random, sha256: (bytes: Uint8Array) => string) {
    this.#name = name
    this.#random = random
    this.#sha256 = sha256
  }

  /** Every durable entry of a journal that is not trimmed. */
  durable(name: string): readonly JournalEntry[] {
    return this.#journals.get(name)?.entries ?? []
  }

  journalId(name: string): string | undefined {
    return this.#journals.get(name)?.id
  }

  journals(process: SimProcess): Journals {
    return {
      open: async (name) => {
        await process.sleep(1 + this.#random.int(SYNC_MS_MAX))
        return this.#open(name, process)
      },
    }
  }

  /** What the process had in flight when it died: some prefix reached the platter, the rest is torn and gone. */
  crash(process: SimProcess): void {
    for (const journal of this.#journals.values()) {
      const own = journal.inFlight.filter((group) => group.writer === process)
      const kept = own.length === 0 ? 0 : this.#random.int(own.length + 1)
      for (const group of own.slice(0, kept)) journal.entries.push(...group.entries)
      journal.inFlight = journal.inFlight.filter((group) => group.writer !== process)
    }
  }

  #open(name: string, process: SimProcess): Journal {
    let stored = this.#journals.get(name)
    if (!stored) {
      stored = {
        id: `${this.#name}-${name}-${++this.#ids}`,
        epoch: 0,
        trimmedThrough: 0,
        entries: [],
        inFlight: [],
      }
      this.#journals.set(name, stored)
    }
    // A newer epoch locks out the older writer at once: what it has in flight fails when it lands.
    stored.epoch++
    return this.#journal(stored, process)
  }

  #journal(stored: StoredJournal, process: SimProcess): Journal {
    const { epoch } = stored
    let lastSequence = stored.entries.at(-1)?.sequence ?? stored.trimmedThrough
    let hasFailed = false
    let landsAtMs = 0
    const clock = process.clock()

    const append = (payloads: readonly string[], done: (problem: Problem | null) => void): void => {
      const entries = payloads.map((payload) => ({ sequence: ++lastSequence, epoch, payload }))
      const group: Group = { entries, writer: process }
      stored.inFlight.push(group)
      // Groups land in order, whatever each takes.
      landsAtMs = Math.max(landsAtMs + BEHIND_MS, clock.elapsedMs() + 1 + this.#random.int(SYNC_MS_MAX))
      process.after(landsAtMs - clock.elapsedMs(), () => {
        stored.inFlight = stored.inFlight.filter((other) => other !== group)
        if (hasFailed || stored.epoch !== epoch) {
          hasFailed = true
          this.staleAppends++
          return done(new Problem('epoch_stale', 'A newer writer has taken over this journal.'))
        }
        const next = (stored.entries.at(-1)?.sequence ?? stored.trimmedThrough) + 1
        assert(entries.length === 0 || entries[0]?.sequence === next, 'entries land without gaps')
        stored.entries.push(...entries)
        done(null)
      })
    }

    return {
      id: stored.id,
      epoch,
      get lastSequence() {
        return lastSequence
      },
      heldUntilMs: () => Number.POSITIVE_INFINITY,
      onLost: () => {},
      append,
      read: async (fromSequence, countMax) => {
        await process.sleep(1)
        const first = stored.entries[0]?.sequence ?? 1
        const start = Math.max(0, fromSequence - first)
        return stored.entries.slice(start, start + countMax)
      },
      trim: (sequence) => {
        const keepFrom = stored.entries.findIndex((entry) => entry.sequence > sequence)
        const dropped = stored.entries.splice(0, keepFrom === -1 ? stored.entries.length : keepFrom)
        stored.trimmedThrough = dropped.at(-1)?.sequence ?? stored.trimmedThrough
      },
      close: async () => {},
    }
  }

  secrets(randomBytes: (length: number) => Uint8Array): Secrets {
    return {
      randomBytes,
      read: (name) => this.#secrets.get(name) ?? null,
      write: (name, text) => void this.#secrets.set(name, text),
    }
  }

  blobs(process: SimProcess): Blobs {
    return {
      put: async (bytes) => {
        await process.sleep(1 + this.#random.int(20))
        const hash = this.#sha256(bytes)
        this.#blobs.set(hash, bytes)
        return hash
      },
      get: async (hash) => {
        await process.sleep(1)
        return this.#blobs.get(hash) ?? null
      },
      delete: async (hash) => {
        await process.sleep(1)
        this.#blobs.delete(hash)
      },
    }
  }
}
