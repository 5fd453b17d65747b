/** A machine's disk: survives the process, loses what was not synced, knows one writer by its epoch, and fails as told. */
import type { Blobs, Journal, Journals, Secrets } from '#host/host.ts'
import type { Random } from '#kernel/random.ts'
import { Problem } from '#protocol/problem.ts'
import { flipBit, type Group, type StoredEntry, StoredJournal } from './sim-journal.ts'
import type { SimProcess } from './sim-process.ts'

/** What is wrong with a disk at this moment. */
export interface DiskFaults {
  /** Writes are refused. */
  isFull: boolean
  /** The next group that should become durable does not. */
  failsNextSync: boolean
  /** Nothing becomes durable before this virtual time. */
  stalledUntilMs: number
  /** Added to each sync, at most. */
  delayMsMax: number
}

/** What a backup of a disk holds. */
export interface DiskImage {
  readonly journals: readonly StoredJournal[]
  readonly secrets: ReadonlyMap<string, string>
  readonly blobs: ReadonlyMap<string, Uint8Array>
}

export interface Damage {
  readonly journal: string
  readonly sequence: number
  readonly repair: () => void
}

const SYNC_MS_MAX = 6
/** Keeps groups in order: events at the same instant run in an order of the seed's choice. */
const BEHIND_MS = 0.001
/** How soon what a full disk would not let go is tried again. */
const ROOM_AGAIN_MS = 1_000

export class SimDisk {
  readonly faults: DiskFaults = { isFull: false, failsNextSync: false, stalledUntilMs: 0, delayMsMax: 0 }
  readonly #journals = new Map<string, StoredJournal>()
  readonly #secrets = new Map<string, string>()
  readonly #blobs = new Map<string, Uint8Array>()
  readonly #random: Random
  readonly #name: string
  readonly #sha256: (bytes: Uint8Array | string) => string
  /** Appends refused because a newer writer had taken over. */
  staleAppends = 0
  /** A durable entry whose bytes are not what was written, until a person puts it right from a backup. */
  damage: Damage | null = null
  /** Runs after a process was told that its group is not durable. */
  onRefused: (process: SimProcess, problem: Problem) => void = () => {}

  constructor(name: string, random: Random, sha256: (bytes: Uint8Array | string) => string) {
    this.#name = name
    this.#random = random
    this.#sha256 = sha256
  }

  /** Every durable entry of a journal that is not trimmed. */
  durable(name: string): readonly StoredEntry[] {
    return this.#journals.get(name)?.entries ?? []
  }

  journal(name: string): StoredJournal | undefined {
    return this.#journals.get(name)
  }

  /** Groups of all journals that a start found only a part of. */
  tornGroups(): number {
    return [...this.#journals.values()].reduce((sum, journal) => sum + journal.tornGroups, 0)
  }

  journals(process: SimProcess): Journals {
    return {
      open: async (name) => {
        await this.#pause(process, SYNC_MS_MAX)
        this.#refuseIfFull(name)
        return this.openNow(name, process)
      },
    }
  }

  /** The process died, the machine did not: each group that it wrote is there or not. */
  crash(process: SimProcess): void {
    for (const journal of this.#journals.values()) journal.keepSome(process, this.#random)
  }

  /** The machine died with its processes: of the groups on their way some first bytes are there. */
  cutPower(processes: readonly SimProcess[]): void {
    for (const journal of this.#journals.values())
      for (const process of processes) journal.tear(journal.drop(process), this.#random)
  }

  /** Another disk, an empty one, stands in its place. No process may have a journal open. */
  replace(): void {
    this.restore({ journals: [], secrets: new Map(), blobs: new Map() })
  }

  backup(): DiskImage {
    return {
      journals: [...this.#journals.values()].map((journal) => journal.copy()),
      secrets: new Map(this.#secrets),
      blobs: new Map(this.#blobs),
    }
  }

  /** All is as it was when `image` was taken. No process may have a journal open. */
  restore(image: DiskImage): void {
    this.damage = null
    for (const map of [this.#journals, this.#secrets, this.#blobs]) map.clear()
    for (const journal of image.journals) this.#journals.set(journal.name, journal.copy())
    for (const [name, text] of image.secrets) this.#secrets.set(name, text)
    for (const [hash, bytes] of image.blobs) this.#blobs.set(hash, bytes)
  }

  /** Flips a bit of some durable entry of a journal. False when it has none. */
  flip(name: string): boolean {
    const flipped = this.#journals.get(name)?.flip(this.#random)
    if (!flipped) return false
    const repair = (): void => {
      flipped.repair()
      this.damage = null
    }
    this.damage = { journal: name, sequence: flipped.sequence, repair }
    return true
  }

  /** Reads all of a journal, as a person does who wants to know; the first entry that is damaged, or null. */
  verify(name: string): number | null {
    try {
      this.#journals.get(name)?.read(1, Number.POSITIVE_INFINITY)
      return null
    } catch (error) {
      if (!(error instanceof Problem)) throw error
      return Number(error.details['sequence'])
    }
  }

  /** Harms the kept snapshot: cuts or changes its bytes, or changes what refers to it. False when there is none. */
  harmSnapshot(): boolean {
    const text = this.#secrets.get('snapshot')
    if (text === undefined) return false
    const random = this.#random
    const hash = /[0-9a-f]{64}/.exec(text)?.[0] ?? ''
    const bytes = this.#blobs.get(hash)
    if (!bytes || bytes.length === 0 || random.chance(1, 3)) {
      this.#secrets.set('snapshot', flipBit(text, random.int(text.length), random))
      return true
    }
    const place = random.int(bytes.length)
    const harmed = random.chance(1, 2) ? bytes.slice(0, place) : bytes.slice()
    if (harmed.length > place) harmed[place] = (harmed[place] ?? 0) ^ (1 << random.int(8))
    this.#blobs.set(hash, harmed)
    return true
  }

  /** An empty record. */
  create(name: string): StoredJournal {
    const id = `${this.#name}-${name}-${this.#random.int(0x1_0000_0000).toString(16).padStart(8, '0')}`
    const stored = new StoredJournal(name, id, this.#sha256)
    this.#journals.set(name, stored)
    return stored
  }

  /** Opens without a pause: for whoever counts it as one step of a server. */
  openNow(name: string, process: SimProcess): Journal {
    const stored = this.#journals.get(name) ?? this.create(name)
    stored.recover()
    stored.verifyEnd()
    // A newer epoch locks out the older writer at once: what it has in flight fails when it lands.
    stored.epoch++
    return this.#handle(stored, process)
  }

  #handle(stored: StoredJournal, process: SimProcess): Journal {
    const { id, epoch } = stored
    const clock = process.clock()
    let last = stored.last()
    let failure: Problem | null = null
    let landsAtMs = 0
    let trimTarget = 0
    const waiting: { group: Group; done: (problem: Problem | null) => void }[] = []

    /** Lands the oldest group: those behind it never overtake, however long the disk took. */
    const land = (): void => {
      const stallMs = this.faults.stalledUntilMs - clock.elapsedMs()
      if (stallMs > 0) return void process.after(stallMs, land)
      const next = waiting.shift()
      if (!next) return
      stored.inFlight = stored.inFlight.filter((other) => other !== next.group)
      if (!failure) {
        failure = this.#refusal(stored, epoch)
        if (failure?.code === 'epoch_stale') this.staleAppends++
        // It may be there all the same at the next start: the disk did not say.
        if (failure?.code === 'disk_failed')
          stored.tear([next.group, ...waiting.map((other) => other.group)], this.#random)
      }
      if (failure) stored.drop(process)
      else stored.land(next.group)
      next.done(failure)
      if (failure) this.onRefused(process, failure)
    }

    return {
      id,
      epoch,
      get lastSequence() {
        return last.sequence
      },
      rivalMs: 0,
      heldUntilMs: () => Number.POSITIVE_INFINITY,
      onLost: () => {},
      append: (payloads, done) => {
        const entries = payloads.map((payload) => {
          const entry = stored.sealed(last.checksum, { sequence: last.sequence + 1, epoch, payload })
          last = entry
          return entry
        })
        const group: Group = { entries, epoch, writer: process }
        stored.inFlight.push(group)
        waiting.push({ group, done })
        // Groups land in order, whatever each takes.
        const syncMs = 1 + this.#random.int(SYNC_MS_MAX + this.faults.delayMsMax)
        landsAtMs = Math.max(landsAtMs + BEHIND_MS, clock.elapsedMs() + syncMs)
        process.after(landsAtMs - clock.elapsedMs(), land)
      },
      read: async (fromSequence, countMax) => {
        await process.sleep(1)
        const entries = stored.read(Math.max(fromSequence, trimTarget + 1), countMax)
        return entries.map(({ sequence, epoch, payload }) => ({ sequence, epoch, payload }))
      },
      trim: (sequence) => {
        trimTarget = Math.max(trimTarget, sequence)
        const trim = (): void => {
          if (this.faults.isFull) process.after(ROOM_AGAIN_MS, trim)
          else if (stored.epoch === epoch) stored.trim(trimTarget)
        }
        process.after(1 + this.#random.int(SYNC_MS_MAX), trim)
      },
      close: async () => {
        while (waiting.length > 0) await process.sleep(1)
        if (!this.faults.isFull && stored.epoch === epoch) stored.trim(trimTarget)
      },
    }
  }

  /** Why nothing becomes durable for the opener of `epoch` now; null when it does. */
  #refusal(stored: StoredJournal, epoch: number): Problem | null {
    if (stored.epoch !== epoch)
      return new Problem('epoch_stale', 'A newer writer has taken over this journal.')
    if (this.faults.isFull) return this.#full(stored.name)
    if (!this.faults.failsNextSync) return null
    this.faults.failsNextSync = false
    return new Problem('disk_failed', `The disk failed at ${stored.name}: a sync did not end well.`)
  }

  #full(what: string): Problem {
    return new Problem('disk_full', `The disk is full: ${what} could not be written.`)
  }

  #refuseIfFull(what: string): void {
    if (this.faults.isFull) throw this.#full(what)
  }

  async #pause(process: SimProcess, delayMsMax: number): Promise<void> {
    await process.sleep(1 + this.#random.int(delayMsMax))
    const stallMs = this.faults.stalledUntilMs - process.clock().elapsedMs()
    if (stallMs > 0) await process.sleep(stallMs)
  }

  secrets(randomBytes: (length: number) => Uint8Array): Secrets {
    return {
      randomBytes,
      read: (name) => this.#secrets.get(name) ?? null,
      write: (name, text) => {
        this.#refuseIfFull(name)
        this.#secrets.set(name, text)
      },
    }
  }

  blobs(process: SimProcess): Blobs {
    return {
      put: async (bytes) => {
        await this.#pause(process, 20)
        this.#refuseIfFull('a blob')
        const hash = this.#sha256(bytes)
        this.#blobs.set(hash, bytes)
        return hash
      },
      get: async (hash) => {
        await process.sleep(1)
        const bytes = this.#blobs.get(hash)
        // What rots is found by its name, as on a real disk, and is no blob any more.
        return bytes && this.#sha256(bytes) === hash ? bytes : null
      },
      delete: async (hash) => {
        await process.sleep(1)
        this.#blobs.delete(hash)
      },
    }
  }
}
