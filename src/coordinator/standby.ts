/**
 * A coordinator that does not lead yet: it follows the journal on the server and keeps its state as new as the
 * leader's. When the leader's lease ends, or when it is told to, it takes the next epoch and leads; whatever the old
 * leader still writes from then on is refused by the journal.
 */
import type { Host, Journal, JournalFollower, SharedJournals, Timer } from '#host/host.ts'
import { assert } from '#kernel/assert.ts'
import { Problem } from '#protocol/problem.ts'
import type { CallContext, Caller } from '#protocol/route.ts'
import { type Coordinator, type CoordinatorOptions, lead } from './coordinator.ts'
import { readRecord } from './coordinator-events.ts'
import { type CoordinatorState, evolve, formatState } from './coordinator-state.ts'
import { createSnapshots, type Snapshots } from './snapshots.ts'

export interface Standby {
  /** As of `sequence()`; changes until `led` resolves, and is the coordinator's own from then on. */
  readonly state: CoordinatorState
  sequence(): number
  /** Who leads, as last heard; `remainingMs` of its lease were left then. */
  leader(): { readonly holder: string; readonly epoch: number; readonly lastSequence: number }
  /** Leads as soon as it can, whether the leader lives or not. */
  takeOver(order: TakeoverOrder): void
  /** The first order to take over; null while nobody gave one. */
  ordered(): TakeoverOrder | null
  /** Resolves when this process leads. Rejects with a `Problem` when it never can. Stays open after `close`. */
  readonly led: Promise<Coordinator>
  close(): Promise<void>
}

/** Who ordered it, and how: for the audit log, which only whoever leads can write. */
export interface TakeoverOrder {
  readonly caller: Caller
  readonly context: CallContext
}

export interface StandbyOptions extends CoordinatorOptions {
  /** A leader that is known to be dead: its lease need not end first. */
  readonly predecessor?: string | null
  /** Looks at the state as it is followed, before this process may lead. Throws the `Problem` because of which it never can. */
  readonly check?: (state: CoordinatorState) => void
  /** Told when nobody could be reached for a while, and again when that is over. */
  readonly onAway?: (problem: Problem | null) => void
}

/** How often a standby looks; with the leader's lease it bounds how long nobody leads. */
export const FOLLOW_EVERY_MS = 200
const REPLAY_BATCH = 1_024

type StandbyHost = Pick<Host, 'clock' | 'blobs' | 'secrets' | 'log'> & { readonly journals: SharedJournals }

/** Begins to follow. Rejects with the journal server's `Problem` when it cannot be reached at the start. */
export async function standBy(host: StandbyHost, options: StandbyOptions): Promise<Standby> {
  const follower = await host.journals.follow('journal')
  const snapshots = createSnapshots(host, follower)
  const head = await follower.head()
  const loaded = await snapshots.load(head.lastSequence)
  const standby = new FollowingStandby({ host, options, follower, snapshots, head, ...loaded })
  standby.start()
  return standby
}

class FollowingStandby implements Standby {
  readonly state: CoordinatorState
  readonly led: Promise<Coordinator>
  readonly #host: StandbyHost
  readonly #options: StandbyOptions
  readonly #follower: JournalFollower
  readonly #snapshots: Snapshots
  readonly #led = Promise.withResolvers<Coordinator>()
  #sequence: number
  #snapshotSequence: number
  #leader: ReturnType<Standby['leader']>
  #order: TakeoverOrder | null = null
  #isClosed = false
  #isAway = false
  #timer: Timer | null = null
  /** The look that is under way. */
  #looking: Promise<void> = Promise.resolve()

  constructor(parts: {
    host: StandbyHost
    options: StandbyOptions
    follower: JournalFollower
    snapshots: Snapshots
    head: Awaited<ReturnType<JournalFollower['head']>>
    state: CoordinatorState
    sequence: number
  }) {
    this.#host = parts.host
    this.#options = parts.options
    this.#follower = parts.follower
    this.#snapshots = parts.snapshots
    this.state = parts.state
    this.#leader = parts.head
    this.#sequence = parts.sequence
    this.#snapshotSequence = parts.sequence
    this.led = this.#led.promise
    this.led.catch(() => undefined) // Whoever awaits it hears of it, but that may come too late for the runtime.
  }

  sequence(): number {
    return this.#sequence
  }

  leader(): ReturnType<Standby['leader']> {
    return this.#leader
  }

  takeOver(order: TakeoverOrder): void {
    this.#order ??= order
    this.start()
  }

  ordered(): TakeoverOrder | null {
    return this.#order
  }

  async close(): Promise<void> {
    this.#isClosed = true
    this.#timer?.cancel()
    await this.#looking
    await this.#snapshots.settle()
    await this.#follower.close()
  }

  /** Looks now, after the look that is under way. */
  start(): void {
    this.#timer?.cancel()
    this.#timer = null
    this.#looking = this.#looking.then(() => this.#look())
  }

  async #look(): Promise<void> {
    if (this.#isClosed) return
    try {
      const { lastSequence, epoch, holder, remainingMs } = await this.#follower.head()
      this.#leader = { holder, epoch, lastSequence }
      this.#back()
      await this.#catchUp(lastSequence)
      this.#options.check?.(this.state)
      const isHeld = remainingMs > 0 && holder !== this.#options.predecessor
      const journal = !isHeld || this.#order ? await this.#tryOpen(remainingMs > 0, epoch) : null
      if (journal) return await this.#lead(journal, isHeld ? journal.rivalMs : 0)
    } catch (error) {
      if (!(error instanceof Problem && error.retriable)) {
        this.#isClosed = true
        this.#led.reject(error)
        return
      }
      this.#away(error)
    }
    if (!this.#isClosed) this.#timer = this.#host.clock.after(FOLLOW_EVERY_MS, () => this.start())
  }

  async #catchUp(lastSequence: number): Promise<void> {
    while (this.#sequence < lastSequence && !this.#isClosed) {
      const entries = await this.#follower.read(this.#sequence + 1, REPLAY_BATCH)
      assert(entries.length > 0, `the journal ends at ${this.#sequence}, before its last entry`)
      for (const entry of entries) {
        assert(entry.sequence === this.#sequence + 1, `the journal jumps to ${entry.sequence}`)
        for (const event of readRecord(entry.payload).events) evolve(this.state, event)
        this.#sequence++
      }
    }
    if (this.#sequence - this.#snapshotSequence < this.#options.snapshotEvery) return
    this.#snapshotSequence = this.#sequence
    this.#snapshots.save(formatState(this.state), this.#sequence)
  }

  /** The journal with a new epoch, or `null` when somebody else was quicker than the look at `epoch`, and what followed it. */
  async #tryOpen(takeOver: boolean, epoch: number): Promise<Journal | null> {
    try {
      return await this.#host.journals.open('journal', { takeOver, epoch })
    } catch (error) {
      if (error instanceof Problem && error.code === 'journal_held') return null
      throw error
    }
  }

  async #lead(journal: Journal, rivalMs: number): Promise<void> {
    const { log } = this.#host
    log.info('coordinator.takes_over', {
      epoch: journal.epoch,
      isOrdered: this.#order !== null,
      from: this.#leader.holder,
    })
    this.#isClosed = true
    await this.#snapshots.settle()
    await this.#follower.close()
    const known = {
      journal,
      state: this.state,
      sequence: this.#sequence,
      // The follower is closed: from here on the leader's own journal tells.
      snapshots: createSnapshots(this.#host, journal),
      snapshotSequence: this.#snapshotSequence,
    }
    try {
      // The old leader, if it lives, can write no more from now on; it may answer from memory until its lease is over.
      if (rivalMs > 0) await new Promise<void>((resolve) => this.#host.clock.after(rivalMs, resolve))
      this.#led.resolve(await lead(this.#host, known, this.#options))
    } catch (error) {
      // The epoch is taken and the state half-way: only a new start puts that right.
      this.#led.reject(error)
    }
  }

  #away(problem: Problem): void {
    if (this.#isAway) return
    this.#isAway = true
    this.#host.log.warn('standby.away', { code: problem.code, message: problem.message })
    this.#options.onAway?.(problem)
  }

  #back(): void {
    if (!this.#isAway) return
    this.#isAway = false
    this.#host.log.info('standby.back')
    this.#options.onAway?.(null)
  }
}
