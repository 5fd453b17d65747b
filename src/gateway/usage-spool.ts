/**
 * The gateway's meter readings on their way to the ledger. A record is durable here before its caller sees the end
 * of the answer; batches go to the coordinator one after the other, by sequence, until it has them for good.
 */
import type { Bus, Clock, Journal, Log, Secrets } from '#host/host.ts'
import { subjects, UsageBatch, UsageReply } from '#protocol/cell.ts'
import type { Problem } from '#protocol/problem.ts'
import { UsageRecord } from '#protocol/usage.ts'
import { jsonWriter } from '#protocol/wire-form.ts'
import { callCell, cellCall } from './cell-calls.ts'
import { readSpoolNumbers, renumberSpool } from './spool-numbers.ts'

const BATCH_RECORDS_MAX = 256
const RETRY_MS = 500
/** Readings that may wait for the coordinator; beyond it the gateway admits no more work. */
const WAITING_MAX = 100_000
const usageCall = cellCall(subjects.usage, UsageBatch, UsageReply)
const format = jsonWriter(UsageRecord)

export interface UsageSpool {
  /** Makes `record` durable, then runs `done`. A failing disk is fatal for the gateway. */
  append(record: UsageRecord, done: (sequence: number) => void): void
  /** Every record up to this sequence is in the ledger. */
  acknowledged(): number
  /** Sequence of the newest record taken in. */
  newest(): number
  isFull(): boolean
  close(): Promise<void>
}

interface Waiting {
  readonly sequence: number
  readonly record: UsageRecord
}

/** Reads back what an earlier run left, and goes on sending it. */
export async function openUsageSpool(
  parts: { journal: Journal; bus: Bus; clock: Clock; log: Log; secrets: Secrets },
  onFatal: (problem: Problem) => void,
): Promise<UsageSpool> {
  const { journal, bus, clock, log } = parts
  let numbers = readSpoolNumbers(parts, journal.id)
  /** The newest reading of earlier runs. */
  const recoveredThrough = journal.lastSequence
  /** False until the ledger has said once what it expects next. */
  let isAligned = false
  const waiting: Waiting[] = []
  let acknowledged = 0
  let isSending = false
  let isClosed = false

  function send(): void {
    const first = waiting[0]
    if (isSending || isClosed || !first) return
    isSending = true
    // The first call of a run brings nothing: it asks where the ledger stands.
    const records = isAligned ? waiting.slice(0, BATCH_RECORDS_MAX).map(({ record }) => record) : []
    const batch = { spoolId: numbers.spoolId, firstSequence: first.sequence - numbers.base, records }
    callCell({ bus, log }, usageCall, batch, (reply) => {
      isSending = false
      if (isClosed) return
      if (!reply) return void clock.after(RETRY_MS, send)
      const expected = reply.nextSequence + numbers.base
      if (!isAligned) align(expected)
      else if (!settle(expected)) return void clock.after(RETRY_MS, send)
      send()
    })
  }

  /** Starts a new spool where the ledger's numbers and ours cannot both be right. */
  function align(expected: number): void {
    isAligned = true
    const first = waiting[0]?.sequence ?? journal.lastSequence + 1
    // Beyond what this run found, the ledger knows readings that a restored journal has lost, not those taken since.
    const isAhead = expected > recoveredThrough + 1
    if (!isAhead && expected >= first) return void settle(expected)
    if (isAhead) {
      while (waiting[0] && waiting[0].sequence <= recoveredThrough) waiting.shift()
      acknowledged = recoveredThrough
    }
    numbers = renumberSpool(parts, journal.id, acknowledged)
    log.warn('spool.renumbered', { expected, first, recoveredThrough, spoolId: numbers.spoolId })
  }

  /** Forgets the readings below `expected`; false when the answer makes no sense, so that the call is made again. */
  function settle(expected: number): boolean {
    const first = waiting[0]
    if (!first || expected < first.sequence || expected > journal.lastSequence + 1) return false
    waiting.splice(0, expected - first.sequence)
    acknowledged = expected - 1
    journal.trim(acknowledged)
    return true
  }

  for (let next = 1; ; ) {
    const entries = await journal.read(next, BATCH_RECORDS_MAX)
    for (const { sequence, payload } of entries) {
      waiting.push({ sequence, record: UsageRecord.parse(JSON.parse(payload)) })
    }
    const last = entries.at(-1)
    if (!last) break
    next = last.sequence + 1
  }
  acknowledged = (waiting[0]?.sequence ?? journal.lastSequence + 1) - 1
  if (waiting.length > 0) log.info('spool.recovered', { spoolId: journal.id, records: waiting.length })
  send()

  return {
    append(record, done) {
      journal.append([format(record)], (problem) => {
        if (problem) return onFatal(problem)
        waiting.push({ sequence, record })
        done(sequence)
        send()
      })
      const sequence = journal.lastSequence
    },
    acknowledged: () => acknowledged,
    newest: () => journal.lastSequence,
    isFull: () => waiting.length >= WAITING_MAX,
    async close() {
      isClosed = true
      await journal.close()
    },
  }
}
