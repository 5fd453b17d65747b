/**
 * A journal server in the simulator: one disk that several machines reach, a lease for each record by the server's own
 * clock, and messages that take their time in both directions. What a stopped process sent before it was stopped still
 * arrives; the answer waits until it is woken.
 */
import type { Journal, JournalFollower, SharedJournals } from '#host/host.ts'
import type { Random } from '#kernel/random.ts'
import { Problem } from '#protocol/problem.ts'
import type { Scheduler } from './scheduler.ts'
import type { SimDisk } from './sim-disk.ts'
import type { SimProcess } from './sim-process.ts'

interface Lease {
  holder: string
  epoch: number
  untilMs: number
}

const LEASE_MS = 2_000
const RENEW_EVERY_MS = 500
/** How much earlier than the server the holder counts its lease as over. */
const MARGIN_MS = 100
const LATENCY_MS_MAX = 20

export class SimJournalServer {
  readonly #disk: SimDisk
  readonly #scheduler: Scheduler
  readonly #random: Random
  readonly #leases = new Map<string, Lease>()

  constructor(parts: { disk: SimDisk; scheduler: Scheduler; random: Random }) {
    this.#disk = parts.disk
    this.#scheduler = parts.scheduler
    this.#random = parts.random
  }

  /** The epoch of the newest opener; 0 before the first. */
  epoch(name: string): number {
    return this.#leases.get(name)?.epoch ?? 0
  }

  journals(process: SimProcess, holder: string): SharedJournals {
    return {
      open: async (name, { takeOver = false, epoch } = {}) => {
        await process.sleep(1 + this.#random.int(LATENCY_MS_MAX))
        const sentMs = process.clock().elapsedMs()
        const remainingMs = (this.#leases.get(name)?.untilMs ?? 0) - this.#scheduler.nowMs()
        const mayTakeOver = takeOver && this.epoch(name) === (epoch ?? this.epoch(name))
        if (remainingMs > 0 && !mayTakeOver) {
          throw new Problem('journal_held', 'Another leads.', { details: { remainingMs } })
        }
        const journal = this.#disk.openNow(name, process)
        const rivalMs = Math.max(0, remainingMs)
        const lease = { holder, epoch: journal.epoch, untilMs: this.#scheduler.nowMs() + LEASE_MS }
        this.#leases.set(name, lease)
        return this.#held({ journal, process, lease, name, sentMs, rivalMs })
      },
      follow: async (name) => {
        await process.sleep(1 + this.#random.int(LATENCY_MS_MAX))
        return this.#follower(name, process)
      },
    }
  }

  #held(parts: {
    journal: Journal
    process: SimProcess
    lease: Lease
    name: string
    sentMs: number
    rivalMs: number
  }): Journal {
    const { journal, process, lease, name } = parts
    const clock = process.clock()
    let heldUntilMs = parts.sentMs + LEASE_MS - MARGIN_MS
    let isClosed = false
    let lost: (problem: Problem) => void = () => {}
    const isMine = (): boolean => this.#leases.get(name) === lease
    const renew = (): void => {
      if (isClosed) return
      const sentMs = clock.elapsedMs()
      this.#scheduler.after(this.#random.int(LATENCY_MS_MAX), () => {
        if (isMine()) lease.untilMs = this.#scheduler.nowMs() + LEASE_MS
        const isRenewed = isMine()
        process.after(this.#random.int(LATENCY_MS_MAX), () => {
          if (isClosed) return
          if (!isRenewed) return lost(new Problem('lease_lost', 'Another has taken the journal.'))
          heldUntilMs = sentMs + LEASE_MS - MARGIN_MS
          process.after(RENEW_EVERY_MS, renew)
        })
      })
    }
    process.after(RENEW_EVERY_MS, renew)
    return {
      id: journal.id,
      epoch: journal.epoch,
      rivalMs: parts.rivalMs,
      get lastSequence() {
        return journal.lastSequence
      },
      append: (payloads, done) => journal.append(payloads, done),
      read: (fromSequence, countMax) => journal.read(fromSequence, countMax),
      trim: (sequence) => journal.trim(sequence),
      heldUntilMs: () => heldUntilMs,
      onLost: (run) => {
        lost = run
      },
      async close() {
        isClosed = true
        await journal.close()
        if (isMine()) lease.untilMs = 0
      },
    }
  }

  #follower(name: string, process: SimProcess): JournalFollower {
    const pause = (): Promise<void> => process.sleep(1 + this.#random.int(LATENCY_MS_MAX))
    // Made by whoever comes first, as on the real server.
    if (!this.#disk.journal(name)) this.#disk.create(name)
    const stored = () => {
      const found = this.#disk.journal(name)
      if (!found) throw new Problem('journal_corrupt', 'The record is gone.')
      return found
    }
    return {
      id: stored().id,
      head: async () => {
        await pause()
        const lease = this.#leases.get(name)
        return {
          lastSequence: stored().last().sequence,
          epoch: lease?.epoch ?? 0,
          holder: lease?.holder ?? '',
          remainingMs: Math.max(0, (lease?.untilMs ?? 0) - this.#scheduler.nowMs()),
        }
      },
      read: async (fromSequence, countMax) => {
        await pause()
        return stored().read(fromSequence, countMax)
      },
      close: async () => {},
    }
  }
}
