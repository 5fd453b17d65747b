/**
 * The record of files and batches: a decider and its journal. What is read from it is durable, for a command's events
 * are applied once they are written, one command after the other.
 */
import { z } from 'zod'
import { type BatchState, checkBatches, emptyBatchState } from '#batch/batch.ts'
import { BatchEvent } from '#batch/batch-events.ts'
import type { BatchLimits } from '#batch/batch-limits.ts'
import { type BatchCommand, type BatchRefusal, decideBatches } from '#batch/decide-batch.ts'
import { evolveBatches } from '#batch/evolve-batch.ts'
import { snapshotOf } from '#batch/snapshot-batch.ts'
import type { Journal } from '#host/host.ts'
import { Problem } from '#protocol/problem.ts'
import { jsonWriter } from '#protocol/wire-form.ts'

export interface BatchBook {
  readonly state: BatchState
  readonly journalId: string
  /** Carries `command` out and resolves once it is durable: `null`, or why not. Rejects when the journal is lost. */
  take(command: BatchCommand): Promise<BatchRefusal | null>
  close(): Promise<void>
}

const READ_COUNT = 256
/** Entries after which a snapshot takes the place of all of them. */
const SNAPSHOT_EVERY = 5_000
/** Events in one entry of a snapshot: all of them may be more than one text can hold. */
const SNAPSHOT_EVENTS = 100

const Entry = z.object({ version: z.literal(1), isSnapshot: z.boolean(), events: z.array(BatchEvent) })
const formatEntry = jsonWriter(Entry)

/** `onFatal` hears of a journal that cannot be written any more: whoever opened it must stop. */
export async function openBatchBook(
  journal: Journal,
  {
    limits,
    onFatal,
    snapshotEvery = SNAPSHOT_EVERY,
  }: { limits: BatchLimits; onFatal: (problem: Problem) => void; snapshotEvery?: number },
): Promise<BatchBook> {
  const replayed = await replay(journal)
  const { state } = replayed
  let sinceSnapshot = replayed.entries
  let queue: Promise<unknown> = Promise.resolve()

  const append = (payloads: readonly string[]): Promise<void> =>
    new Promise((resolve, reject) => {
      journal.append(payloads, (problem) => {
        if (!problem) return resolve()
        onFatal(problem)
        reject(problem)
      })
    })

  async function carryOut(command: BatchCommand): Promise<BatchRefusal | null> {
    const decided = decideBatches(state, command, limits)
    if (typeof decided === 'string') return decided
    if (decided.length === 0) return null
    await append([entryOf(decided)])
    for (const event of decided) evolveBatches(state, event)
    if (++sinceSnapshot >= snapshotEvery) await snapshot()
    return null
  }

  /** The first of its entries begins anew, and the rest goes on: they become durable together or not at all. */
  async function snapshot(): Promise<void> {
    sinceSnapshot = 0
    const events = snapshotOf(state)
    const payloads = [entryOf(events.slice(0, SNAPSHOT_EVENTS), true)]
    for (let from = SNAPSHOT_EVENTS; from < events.length; from += SNAPSHOT_EVENTS)
      payloads.push(entryOf(events.slice(from, from + SNAPSHOT_EVENTS)))
    await append(payloads)
    journal.trim(journal.lastSequence - payloads.length)
  }

  return {
    state,
    journalId: journal.id,
    take(command) {
      const done = queue.then(() => carryOut(command))
      queue = done.catch(() => undefined)
      return done
    },
    async close() {
      await queue
      await journal.close()
    },
  }
}

const entryOf = (events: readonly BatchEvent[], isSnapshot = false): string =>
  formatEntry({ version: 1, isSnapshot, events: [...events] })

async function replay(journal: Journal): Promise<{ state: BatchState; entries: number }> {
  let state = emptyBatchState()
  let entries = 0
  for (let next = 1; ; ) {
    const read = await journal.read(next, READ_COUNT)
    for (const { payload, sequence } of read) {
      const { isSnapshot, events } = parse(payload, sequence)
      if (isSnapshot) {
        state = emptyBatchState()
        entries = 0
      } else entries++
      for (const event of events) evolveBatches(state, event)
    }
    const last = read.at(-1)
    if (!last) break
    next = last.sequence + 1
  }
  checkBatches(state)
  return { state, entries }
}

function parse(payload: string, sequence: number): z.output<typeof Entry> {
  const parsed = Entry.safeParse(JSON.parse(payload))
  if (parsed.success) return parsed.data
  throw new Problem(
    'journal_newer',
    `Entry ${sequence} of the journal of batches is of a newer release. Start that one again, or a newer one.`,
    { cause: parsed.error },
  )
}
