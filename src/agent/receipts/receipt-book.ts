/**
 * The node's own copies of what both sides signed: durable before the node's signature leaves, and kept until the network has
 * them for good. They are the second way in: what a gateway lost with its disk is brought to the ledger with them.
 */
import { z } from 'zod'
import type { Journal, Journals, Log } from '#host/host.ts'
import { toProblem } from '#protocol/problem.ts'
import { type ChainPosition, ReceiptsClaim, type SignedHead } from '#protocol/receipts.ts'

export type SignedRun = ReceiptsClaim

export interface ReceiptBook {
  /** Runs once it is known what earlier runs of the agent left; never where the disk failed. */
  onReady(run: () => void): void
  /** Where the node's chains ended, as both signed it. */
  last(): SignedHead | null
  /** How far this chain is signed, as far as that is remembered. */
  positionOf(chain: string): ChainPosition | null
  /** What was signed up to this number, if it is not settled. */
  signed(chain: string, number: number): SignedRun | null
  /** Keeps it durably, then runs `done`; never where the disk fails. */
  add(run: SignedRun, done: () => void): void
  /** The network has the chain up to this number: its copies may go. */
  settle(chain: string, number: number): void
  /** Not settled, oldest first. */
  unsettled(): Iterable<SignedRun>
  close(): Promise<void>
}

const JOURNAL = 'receipts'
const READ_MAX = 256
/** Copies that nobody settles; beyond them the oldest go. */
const KEPT_MAX = 4_096
const POSITIONS_MAX = 1_024

const Entry = z.object({ run: ReceiptsClaim })

interface Kept {
  readonly run: SignedRun
  readonly sequence: number
  isSettled: boolean
}

export function openReceiptBook({ journals, log }: { journals: Journals; log: Log }): ReceiptBook {
  const kept: Kept[] = []
  const positions = new Map<string, ChainPosition>()
  let last: SignedHead | null = null
  let journal: Journal | null = null
  let hasFailed = false
  let isClosed = false
  let waiting: (() => void)[] = []

  function fail(error: unknown): void {
    if (hasFailed) return
    hasFailed = true
    log.warn('receipts.book_failed', { message: toProblem(error).message })
  }

  function note(run: SignedRun, sequence: number): void {
    const { chain, number, hash } = run.head
    last = run.head
    positions.delete(chain)
    positions.set(chain, { chain, number, hash })
    const oldest = positions.keys().next()
    if (positions.size > POSITIONS_MAX && !oldest.done) positions.delete(oldest.value)
    kept.push({ run, sequence, isSettled: false })
    if (kept.length <= KEPT_MAX) return
    log.warn('receipts.copies_dropped', { chain: kept[0]?.run.chain })
    kept.shift()
  }

  async function read(): Promise<void> {
    const opened = await journals.open(JOURNAL)
    for (let next = 1; ; ) {
      const entries = await opened.read(next, READ_MAX)
      for (const { sequence, payload } of entries) note(Entry.parse(JSON.parse(payload)).run, sequence)
      const newest = entries.at(-1)
      if (!newest) break
      next = newest.sequence + 1
    }
    journal = opened
    if (isClosed) return opened.close()
    for (const run of waiting) run()
    waiting = []
  }
  const reading = read().catch(fail)

  /** The newest stays: it says where the next chain goes on. */
  function trim(): void {
    let through = 0
    while (kept.length > 1 && kept[0]?.isSettled) through = kept.shift()?.sequence ?? through
    if (through > 0) journal?.trim(through)
  }

  return {
    onReady(run) {
      if (journal) run()
      else if (!hasFailed) waiting.push(run)
    },
    last: () => last,
    positionOf: (chain) => positions.get(chain) ?? null,
    signed: (chain, number) =>
      kept.find(({ run }) => run.chain === chain && run.head.number === number)?.run ?? null,
    add(run, done) {
      if (!journal || hasFailed || isClosed) return
      journal.append([JSON.stringify({ run })], (problem) => {
        if (problem) return fail(problem)
        done()
      })
      note(run, journal.lastSequence)
    },
    settle(chain, number) {
      for (const one of kept)
        if (one.run.chain === chain && one.run.head.number <= number) one.isSettled = true
      trim()
    },
    *unsettled() {
      for (const { run, isSettled } of kept) if (!isSettled) yield run
    },
    async close() {
      isClosed = true
      await reading
      await journal?.close()
    },
  }
}
