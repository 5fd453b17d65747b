/** Begins lines of batches while nodes have room for them, and tries again those that nothing came of. */
import { takesLines } from '#batch/batch.ts'
import { type BatchLine, readLine } from '#batch/batch-input.ts'
import { type CutLine, LineSplitter } from '#batch/line-splitter.ts'
import { chunksOf } from '#host/blob-store.ts'
import { assert } from '#kernel/assert.ts'
import { formatId, ID_BYTES } from '#kernel/id.ts'
import { MINUTE_MS } from '#kernel/time.ts'
import { Problem } from '#protocol/problem.ts'
import type { Caller } from '../gateway.ts'
import type { ActiveBatch, Retry } from './active-batch.ts'
import type { RunnerParts } from './batch-runner.ts'
import { isAnswered, type LineOrder, outcomeOf, problemReply, runLine } from './line-run.ts'

/** With more results in memory, or more lines to be tried again, nothing new is begun of a batch. */
const RESULTS_MAX = 2_048
const RETRIES_MAX = 256
/** Lines of a batch that are too large for what is left of its key's tokens now, and are passed over by others. */
const PASSED_OVER_MAX = 8
/** Nodes that may fail on a line before it counts as one that no node survives. */
const FAILURES_MAX = 5
const RETRY_MS = 1_000
const RETRY_MS_MAX = 60_000
/** Before what an account could not pay is tried again. */
const UNPAID_MS = 15_000
/** So long a gateway may take to hear of a key, at most. */
const KEY_LAG_MS = 30_000
/** So long a line that is answered and paid for in part waits for the rest: all readings since then stay in the spool. */
const KEPT_MS_MAX = 60 * MINUTE_MS
const NO_ROOM = 'a node that takes work of batches and has a slot free'

type PumpParts = Pick<RunnerParts, 'gateway' | 'clock' | 'secrets' | 'limits' | 'store'>

export class LinePump {
  readonly #parts: PumpParts
  readonly #batches: () => Iterable<ActiveBatch>
  #isRunning = false
  #isDue = false
  #isClosed = false

  constructor(parts: PumpParts, batches: () => Iterable<ActiveBatch>) {
    this.#parts = parts
    this.#batches = batches
  }

  close(): void {
    this.#isClosed = true
  }

  /** Begins what may be begun now. What ends meanwhile runs it again. */
  run(): void {
    this.#isDue = true
    if (this.#isRunning) return
    this.#isRunning = true
    while (this.#isDue && !this.#isClosed) {
      this.#isDue = false
      for (let next = this.#neediest(); next && !this.#isClosed; next = this.#neediest())
        this.#beginLine(next)
    }
    this.#isRunning = false
  }

  /** The batch to begin a line of: of the organisation that has least under way, and of its batches the oldest. */
  #neediest(): ActiveBatch | null {
    const inFlight = new Map<string, number>()
    let total = 0
    for (const { batch, running } of this.#batches()) {
      inFlight.set(batch.organisationId, (inFlight.get(batch.organisationId) ?? 0) + running.size)
      total += running.size
    }
    if (total >= this.#parts.limits.inFlightMax) return null
    const of = ({ batch }: ActiveBatch): number => inFlight.get(batch.organisationId) ?? 0
    let found: ActiveBatch | null = null
    for (const active of this.#batches()) {
      if ((!found || of(active) < of(found)) && this.#mayBegin(active)) found = active
    }
    return found
  }

  #mayBegin(active: ActiveBatch): boolean {
    const { batch, source, results, retries, running } = active
    const { clock, gateway } = this.#parts
    if (!takesLines(batch) || !source || batch.model === null) return false
    if (results.length > RESULTS_MAX || clock.elapsedMs() < active.pausedUntilMs) return false
    const hasNew = retries.length < RETRIES_MAX && source.hasLine
    if (!hasNew && !this.#dueRetry(active)) return false
    if (gateway.batchRoom(batch.model) > 0) {
      active.waitingFor = null
      return true
    }
    if (running.size === 0) active.waitingFor = NO_ROOM
    // Of a model that no node has loaded: one that asks for it is what loads it.
    const isCold =
      gateway.contextTokens(batch.model) === null && gateway.directory.catalogued(batch.model) !== undefined
    return isCold && running.size === 0
  }

  #dueRetry({ retries }: ActiveBatch): Retry | null {
    const nowMs = this.#parts.clock.elapsedMs()
    return retries.find(({ notBeforeMs }) => notBeforeMs <= nowMs) ?? null
  }

  #beginLine(active: ActiveBatch): void {
    const retry = this.#dueRetry(active)
    if (retry) {
      active.retries.splice(active.retries.indexOf(retry), 1)
      return this.#begin(active, retry)
    }
    const batchLine = nextLine(active, active.source?.next() ?? null)
    if (batchLine) this.#begin(active, { batchLine, notBeforeMs: 0, failures: 0 })
  }

  #begin(active: ActiveBatch, { batchLine, failures }: Retry): void {
    const { batch } = active
    const { line } = batchLine
    const { gateway, clock } = this.#parts
    const caller = gateway.callerOf(batch.keyId)
    const kept = active.keptOf(line)
    if (!caller) return this.#withoutKey(active, { batchLine, failures, notBeforeMs: 0 })
    let isOver = false
    const run = runLine(
      this.#parts,
      { batch, batchLine, caller, kept },
      {
        onDone: (outcome) => {
          isOver = true
          active.running.delete(line)
          active.addResult(outcome, clock.elapsedMs())
          this.run()
        },
        onProblem: (problem, answers) => {
          isOver = true
          active.running.delete(line)
          for (const { meteredId, answer } of answers.values())
            active.keep(meteredId, answer, clock.elapsedMs())
          this.#again(active, { batchLine, failures, problem })
          this.run()
        },
      },
    )
    if (!isOver) active.running.set(line, run)
  }

  /** A key that is not known here was ended, or is so new that this gateway has not heard of it. */
  #withoutKey(active: ActiveBatch, retry: Retry): void {
    const { clock } = this.#parts
    if (clock.nowMs() - active.batch.createdAtMs > KEY_LAG_MS) {
      return this.#giveUp(active, retry.batchLine, keyGone())
    }
    active.pausedUntilMs = clock.elapsedMs() + RETRY_MS
    active.retries.push({ ...retry, notBeforeMs: active.pausedUntilMs })
  }

  #again(
    active: ActiveBatch,
    { batchLine, problem, ...tried }: { batchLine: BatchLine; failures: number; problem: Problem },
  ): void {
    const nowMs = this.#parts.clock.elapsedMs()
    // Of the key, the account or the fleet: the same would become of every other line.
    const isOfAll = [402, 429, 503].includes(problem.status)
    const failures = tried.failures + (isOfAll ? 0 : 1)
    if (failures >= FAILURES_MAX) return this.#giveUp(active, batchLine, problem)
    const askedMs = Number(problem.details['retryAfterMs'] ?? 0)
    const leastMs = problem.status === 402 ? UNPAID_MS : RETRY_MS * 2 ** failures
    const waitMs = Math.min(Math.max(askedMs, leastMs), RETRY_MS_MAX)
    if (isOfAll) {
      active.pausedUntilMs = nowMs + waitMs
      active.waitingFor = problem.message
    }
    // It may be this line alone that is too large for what is left: the next ones are begun before it is tried again.
    const isPassedOver =
      problem.code === 'tokens_limited' && active.retries.length < PASSED_OVER_MAX && active.source?.hasLine
    active.retries.push({ batchLine, failures, notBeforeMs: nowMs + waitMs * (isPassedOver ? 2 : 1) })
  }

  /** Ends lines whose other choices do not come: those that did are paid, and told as the cost. */
  giveUpKept(active: ActiveBatch): void {
    const { batch, keptSinceMs, retries } = active
    if (keptSinceMs.size === 0 || !takesLines(batch)) return
    const dueMs = this.#parts.clock.elapsedMs() - KEPT_MS_MAX
    for (const retry of [...retries]) {
      const { batchLine } = retry
      if ((keptSinceMs.get(batchLine.line) ?? Number.POSITIVE_INFINITY) > dueMs) continue
      retries.splice(retries.indexOf(retry), 1)
      this.#giveUp(active, batchLine, choicesMissing(active.waitingFor))
    }
  }

  #giveUp(active: ActiveBatch, batchLine: BatchLine, problem: Problem): void {
    const kept = active.keptOf(batchLine.line)
    const requestId = formatId('req', this.#parts.secrets.randomBytes(ID_BYTES))
    const outcome = outcomeOf(batchLine, kept, problemReply(requestId, problem))
    active.addResult(outcome, this.#parts.clock.elapsedMs())
  }
}

/** The line, unless it is blank, has its result, or is under way. */
function nextLine(active: ActiveBatch, cut: CutLine | null): BatchLine | null {
  if (!cut || active.hasResult(cut.line) || active.isUnderWay(cut.line)) return null
  const batchLine = readLine(cut, active.batch.endpoint)
  assert(batchLine === null || !('code' in batchLine), 'the lines of an accepted batch are right')
  return batchLine
}

/** Of a batch as this process found it: lines that were paid for get their results, without any node. */
export async function deliverKept(parts: PumpParts, active: ActiveBatch): Promise<void> {
  const { batch } = active
  const { clock, limits, store } = parts
  const splitter = new LineSplitter(limits.lineBytesMax)
  const deliver = (cuts: readonly CutLine[]): void => {
    for (const cut of cuts) {
      const kept = active.keptOf(cut.line)
      const batchLine = kept.size === 0 ? null : nextLine(active, cut)
      if (!batchLine) continue
      const order: LineOrder = { batch, batchLine, caller: nobody(batch.keyId, batch.organisationId), kept }
      if (!isAnswered(order)) {
        // Before all others: what is paid for in part is to be whole soon.
        if (takesLines(batch)) active.retries.push({ batchLine, notBeforeMs: 0, failures: 0 })
        continue
      }
      runLine(parts, order, {
        onDone: (outcome) => active.addResult(outcome, clock.elapsedMs()),
        onProblem: (problem) => assert(false, `what is answered needs nothing more: ${problem.message}`),
      })
    }
  }
  const reader = await store.open(batch.inputFileId)
  // Without its input nobody could be told of its lines by their names.
  if (!reader) return
  for await (const chunk of chunksOf(reader)) deliver(splitter.push(chunk))
  deliver(splitter.end())
}

/** Whose key it was does not matter any more: it was let in, and paid. */
const nobody = (keyId: string, organisationId: string): Caller => ({ keyId, organisationId, scopes: [] })

const choicesMissing = (waitingFor: string | null): Problem =>
  new Problem(
    'unavailable',
    `Some choices of this request were answered and paid for, and the others did not come within an hour${waitingFor === null ? '' : `. The batch waited for: ${waitingFor}`}. Send it again.`,
  )

const keyGone = (): Problem =>
  new Problem(
    'invalid_api_key',
    'The key that made this batch was revoked or has expired: nothing more is done in its name.',
  )
