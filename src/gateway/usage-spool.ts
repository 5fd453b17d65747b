/**
 * The gateway's meter readings on their way to the ledger. A record is durable here before its caller sees the end
 * of the answer; batches go to the coordinator one after the other, by sequence, until it has them for good.
 */
import { z } from 'zod'
import type { Bus, Clock, Journal, Log, Secrets } from '#host/host.ts'
import { assert } from '#kernel/assert.ts'
import { type BudgetUse, subjects, UsageReply } from '#protocol/cell.ts'
import type { Problem } from '#protocol/problem.ts'
import { UsageRecord } from '#protocol/usage.ts'
import { jsonWriter } from '#protocol/wire-form.ts'
import { type CellCall, callCell } from './cell-calls.ts'
import { beginSpool, renumberSpool, type Spool } from './spool-numbers.ts'

const BATCH_RECORDS_MAX = 256
const RETRY_MS = 500
/**
 * A ledger that says for so long that it lacks what it once acknowledged was put back under a running gateway: longer than a
 * leader that was replaced, and knows less, goes on answering.
 */
const GAP_MS = 10_000
/** How long a reading waits for others before they go: each batch is a call, a turn of the ledger and an entry in its journal. */
const GATHER_MS = 20
/** How often the disk forgets what the ledger has: that is a write like any other, and readings wait behind it. */
const TRIM_EVERY_MS = 500
/** Readings that may wait for the coordinator; beyond it the gateway admits no more work. */
const WAITING_MAX = 100_000
const format = jsonWriter(UsageRecord)

interface WrittenBatch {
  readonly spoolId: string
  readonly firstSequence: number
  readonly texts: readonly string[]
}

/** A `UsageBatch`, of readings as they were written for the disk: to write each once more would cost as much again. */
const usageCall: CellCall<WrittenBatch, z.output<typeof UsageReply>> = {
  subject: subjects.usage,
  write: ({ spoolId, firstSequence, texts }) =>
    `{"spoolId":${JSON.stringify(spoolId)},"firstSequence":${firstSequence},"records":[${texts.join(',')}]}`,
  output: UsageReply,
}

export interface UsageSpool {
  /**
   * Makes `record` durable, then runs `done`. A failing disk is fatal for the gateway. What is `kept` becomes durable
   * with it, in one entry, and stays until it is released.
   */
  append(record: UsageRecord, done: (sequence: number) => void, kept?: string): void
  /** What earlier runs kept and nobody has released, by the ids of its requests, oldest first. */
  kept(): ReadonlyMap<string, string>
  /** What was kept with the reading of this request is safe elsewhere, or of no use. */
  release(requestId: string): void
  /** Every record up to this sequence is in the ledger. */
  acknowledged(): number
  /** Sequence of the newest record taken in. */
  newest(): number
  isFull(): boolean
  close(): Promise<void>
}

/** Told what waits for the ledger, those of earlier runs included, and what is in it. */
export interface SpoolListener {
  onWaiting?(record: UsageRecord): void
  onSettled?(records: readonly UsageRecord[], uses: readonly BudgetUse[]): void
}

const Kept = z.object({ kept: z.string().optional() })

/** As one more member of the record, which those who know nothing of it pass over. */
const withKept = (text: string, kept: string | undefined): string =>
  kept === undefined ? text : `${text.slice(0, -1)},"kept":${JSON.stringify(kept)}}`

interface Waiting {
  readonly sequence: number
  readonly record: UsageRecord
  /** The record as it is written, without what is kept with it. */
  readonly text: string
}

/** Reads back what an earlier run left, and goes on sending it. */
export async function openUsageSpool(
  parts: { journal: Journal; bus: Bus; clock: Clock; log: Log; secrets: Secrets },
  onFatal: (problem: Problem) => void,
  listener: SpoolListener = {},
): Promise<UsageSpool> {
  const { journal, bus, clock, log } = parts
  const waiting: Waiting[] = []
  const found = new Map<string, string>()
  /** Entries that stay, by request, oldest first. */
  const held = new Map<string, number>()
  let trimmed = 0
  for (let next = 1; ; ) {
    const entries = await journal.read(next, BATCH_RECORDS_MAX)
    for (const { sequence, payload } of entries) {
      const wire: unknown = JSON.parse(payload)
      const record = UsageRecord.parse(wire)
      waiting.push({ sequence, record, text: format(record) })
      const { kept } = Kept.parse(wire)
      if (kept === undefined) continue
      found.set(record.requestId, kept)
      held.set(record.requestId, sequence)
    }
    const last = entries.at(-1)
    if (!last) break
    next = last.sequence + 1
  }
  let acknowledged = (waiting[0]?.sequence ?? journal.lastSequence + 1) - 1
  let numbers = beginSpool(parts, acknowledged + 1)
  /** Spools of which the ledger has said once what it expects next; of this run's own it knows nothing yet. */
  const aligned = new Set(numbers.slice(-1).map(({ spoolId }) => spoolId))
  /** Since when the ledger says that it lacks readings before the oldest that waits. */
  let gapSinceMs: number | null = null
  let isSending = false
  let isSendDue = false
  let isTrimDue = false
  let isClosed = false

  /** The spool of a reading, and the last journal entry that can be in it. */
  function spoolOf(sequence: number): { spool: Spool; through: number } {
    const index = numbers.findLastIndex(({ base }) => base < sequence)
    const spool = numbers[index]
    assert(spool, `reading ${sequence} is in some spool`)
    return { spool, through: numbers[index + 1]?.base ?? Number.POSITIVE_INFINITY }
  }

  function send(): void {
    const first = waiting[0]
    if (isSending || isClosed || !first) return
    isSending = true
    const { spool, through } = spoolOf(first.sequence)
    const isAligned = aligned.has(spool.spoolId)
    const countMax = Math.min(BATCH_RECORDS_MAX, through - first.sequence + 1)
    // The first call for what an earlier run left brings nothing: it asks where the ledger stands.
    const texts = isAligned ? waiting.slice(0, countMax).map(({ text }) => text) : []
    const batch = { spoolId: spool.spoolId, firstSequence: first.sequence - spool.base, texts }
    callCell({ bus, log }, usageCall, batch, (reply) => {
      isSending = false
      if (isClosed) return
      if (!reply) return void clock.after(RETRY_MS, send)
      // A disk that was put back has fewer readings of its old spools than the ledger knows.
      const expected = Math.min(reply.nextSequence + spool.base, through + 1)
      const uses = reply.uses ?? []
      if (!isAligned) align(spool, expected, uses)
      else if (settle(expected, uses)) gapSinceMs = null
      else if (expected < first.sequence && isLasting()) align(spool, expected, uses)
      else return void clock.after(RETRY_MS, send)
      sendSoon()
    })
  }

  /** What makes a whole batch, or belongs to an earlier run, does not wait. */
  function sendSoon(): void {
    if (isSending) return
    if (waiting.length >= BATCH_RECORDS_MAX || !isAlignedThrough()) return send()
    if (isSendDue) return
    isSendDue = true
    clock.after(GATHER_MS, () => {
      isSendDue = false
      send()
    })
  }

  function isAlignedThrough(): boolean {
    const first = waiting[0]
    return first === undefined || aligned.has(spoolOf(first.sequence).spool.spoolId)
  }

  function trimSoon(): void {
    if (isTrimDue) return
    isTrimDue = true
    clock.after(TRIM_EVERY_MS, () => {
      isTrimDue = false
      if (!isClosed) trim()
    })
  }

  function isLasting(): boolean {
    gapSinceMs ??= clock.elapsedMs()
    return clock.elapsedMs() - gapSinceMs >= GAP_MS
  }

  /** A ledger that was put back lacks readings that are gone from here: what is left goes on under a new spool. */
  function align(spool: Spool, expected: number, uses: readonly BudgetUse[]): void {
    gapSinceMs = null
    aligned.add(spool.spoolId)
    if (expected > acknowledged) return void settle(expected, uses)
    numbers = renumberSpool(parts, numbers, { spool, base: acknowledged })
    for (const { spoolId, base } of numbers) if (base === acknowledged) aligned.add(spoolId)
    log.warn('spool.renumbered', { expected, first: acknowledged + 1, spoolId: spool.spoolId })
  }

  /** Forgets the readings below `expected`; false when the answer makes no sense, so that the call is made again. */
  function settle(expected: number, uses: readonly BudgetUse[]): boolean {
    const first = waiting[0]
    if (!first || expected < first.sequence || expected > journal.lastSequence + 1) return false
    const settled = waiting.splice(0, expected - first.sequence)
    listener.onSettled?.(
      settled.map(({ record }) => record),
      uses,
    )
    acknowledged = expected - 1
    trimSoon()
    return true
  }

  function trim(): void {
    const [oldest = Number.POSITIVE_INFINITY] = held.values()
    const through = Math.min(acknowledged, oldest - 1)
    if (through <= trimmed) return
    trimmed = through
    journal.trim(through)
  }

  for (const { record } of waiting) listener.onWaiting?.(record)
  if (waiting.length > 0) log.info('spool.recovered', { journalId: journal.id, records: waiting.length })
  send()

  return {
    append(record, done, kept) {
      const text = format(record)
      journal.append([withKept(text, kept)], (problem) => {
        if (problem) return onFatal(problem)
        waiting.push({ sequence, record, text })
        listener.onWaiting?.(record)
        done(sequence)
        sendSoon()
      })
      const sequence = journal.lastSequence
      if (kept !== undefined) held.set(record.requestId, sequence)
    },
    kept: () => found,
    release(requestId) {
      found.delete(requestId)
      if (held.delete(requestId)) trimSoon()
    },
    acknowledged: () => acknowledged,
    newest: () => journal.lastSequence,
    isFull: () => waiting.length >= WAITING_MAX,
    async close() {
      isClosed = true
      if (isTrimDue) trim()
      await journal.close()
    },
  }
}
