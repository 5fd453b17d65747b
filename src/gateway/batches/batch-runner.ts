/**
 * Does the work of batches while the fleet is idle. A line's answers are durable with their meter readings, in the
 * gateway's spool; its result is durable in a chunk before the record counts it; then the spool may forget the answers.
 * So whatever dies in between, each line is billed once, and what is billed is delivered.
 */
import { type Batch, isOver, takesLines, takesResults } from '#batch/batch.ts'
import { quoted } from '#batch/batch-input.ts'
import type { BatchLimits } from '#batch/batch-limits.ts'
import { LineSet } from '#batch/line-set.ts'
import type { BlobStore } from '#host/blob-store.ts'
import type { Clock, Log, Secrets } from '#host/host.ts'
import { assert } from '#kernel/assert.ts'
import { Problem, toProblem } from '#protocol/problem.ts'
import type { Gateway } from '../gateway.ts'
import { ActiveBatch } from './active-batch.ts'
import type { BatchBook } from './batch-book.ts'
import { checkInput, chunkName, openFile, writeChunk, writeResults } from './batch-files.ts'
import type { IdMaker } from './batch-ids.ts'
import { parseKept } from './kept-answer.ts'
import { deliverKept, LinePump } from './line-pump.ts'
import type { LineOutcome } from './line-run.ts'
import { LineSource } from './line-source.ts'

export interface RunnerParts {
  readonly gateway: Pick<Gateway, 'admit' | 'batchRoom' | 'callerOf' | 'contextTokens' | 'directory' | 'kept'>
  readonly book: BatchBook
  readonly store: BlobStore
  readonly ids: IdMaker
  readonly limits: BatchLimits
  readonly clock: Clock
  readonly secrets: Pick<Secrets, 'randomBytes'>
  readonly log: Log
  readonly onFatal: (problem: Problem) => void
}

const TICK_MS = 250
/** Results become a chunk when they are this old, or this many. */
const CHUNK_AGE_MS = 2_000
const CHUNK_LINES = 512
const CHUNK_BYTES = 1024 * 1024
/** Before what the disk refused is tried again. */
const PAUSE_MS = 15_000

export class BatchRunner {
  readonly #parts: RunnerParts
  readonly #active = new Map<string, ActiveBatch>()
  readonly #pump: LinePump
  #isClosed = false

  constructor(parts: RunnerParts) {
    this.#parts = parts
    this.#pump = new LinePump(parts, this.#active.values.bind(this.#active))
    for (const batch of parts.book.state.batches.values()) this.#activate(batch)
    this.#takeKept()
    this.#tick()
  }

  /** A batch was made. */
  begin(batchId: string): void {
    const batch = this.#parts.book.state.batches.get(batchId)
    if (batch) this.#activate(batch)
    this.#pump.run()
  }

  progressOf(batchId: string): ReturnType<ActiveBatch['progress']> | null {
    return this.#active.get(batchId)?.progress() ?? null
  }

  /** Begins nothing more. What runs is given up, unpaid, and done again by whoever opens the record next. */
  async close(): Promise<void> {
    this.#isClosed = true
    this.#pump.close()
    for (const active of this.#active.values()) {
      active.giveUpRunning(new Problem('unavailable', 'This gateway is stopping.'))
      await active.close()
    }
  }

  #activate(batch: Batch): void {
    if (!isOver(batch) && !this.#active.has(batch.batchId))
      this.#active.set(batch.batchId, new ActiveBatch(batch))
  }

  /** What was paid for before this process began is delivered, once. */
  #takeKept(): void {
    const { clock, gateway } = this.#parts
    const { kept } = gateway
    for (const [meteredId, text] of kept.kept()) {
      const answer = parseKept(text)
      const active = answer && this.#active.get(answer.batchId)
      if (answer && active && !active.hasResult(answer.line))
        active.keep(meteredId, answer, clock.elapsedMs())
      else kept.release(meteredId)
    }
  }

  #tick(): void {
    if (this.#isClosed) return
    for (const active of this.#active.values()) {
      this.#pump.giveUpKept(active)
      this.#advance(active)
    }
    this.#pump.run()
    this.#parts.clock.after(TICK_MS, () => this.#tick())
  }

  /** The next step of a batch that is no matter of single lines. */
  #advance(active: ActiveBatch): void {
    const { batch } = active
    const { book, clock, gateway, limits } = this.#parts
    // Nobody can be said to be unknown before the directory is here.
    if (!gateway.directory.isLoaded()) return
    if (active.isBusy || clock.elapsedMs() < active.pausedUntilMs) return
    const nowMs = clock.nowMs()
    if (isOver(batch)) return void this.#forgetActive(active)
    if (batch.status === 'validating') return this.#do(active, () => this.#validate(active))
    if (takesLines(batch) && nowMs >= batch.expiresAtMs) {
      return this.#do(
        active,
        async () => void (await book.take({ kind: 'expire', batchId: batch.batchId, nowMs })),
      )
    }
    if (!takesResults(batch)) return this.#do(active, () => this.#finish(active))
    // Of a batch that was stopped only answers that are paid for already are looked up there.
    const isWanted = takesLines(batch) || (active.kept.size > 0 && active.running.size === 0)
    if (!active.source && isWanted) return this.#do(active, () => this.#openInput(active))
    this.#stopLate(active, nowMs, limits.drainMs)
    if (this.#isChunkDue(active)) return this.#do(active, () => this.#writeChunk(active))
    if (this.#isDrained(active)) {
      return this.#do(active, async () => {
        await book.take({ kind: 'finalize', batchId: batch.batchId, nowMs: clock.nowMs() })
      })
    }
  }

  /** Runs `work` alone for its batch. What the disk or the network refuses is tried again later; a bug is fatal. */
  #do(active: ActiveBatch, work: () => Promise<void>): void {
    active.isBusy = true
    const { clock, log, onFatal } = this.#parts
    work().then(
      () => {
        active.isBusy = false
        if (this.#isClosed) return
        this.#advance(active)
        this.#pump.run()
      },
      (error: unknown) => {
        active.isBusy = false
        if (this.#isClosed) return
        const problem = toProblem(error)
        if (problem.code === 'internal') return onFatal(problem)
        log.warn('batch.held_up', {
          batchId: active.batch.batchId,
          code: problem.code,
          message: problem.message,
        })
        active.waitingFor = problem.message
        active.pausedUntilMs = clock.elapsedMs() + PAUSE_MS
      },
    )
  }

  async #validate({ batch }: ActiveBatch): Promise<void> {
    const { book, clock, gateway, log } = this.#parts
    const { batchId, inputFileId, endpoint } = batch
    const { errors, model, requests } = await checkInput(this.#parts, inputFileId, endpoint)
    const { directory } = gateway
    const isKnown =
      model === null ||
      directory.knowsModel(model) ||
      directory.catalogued(model) !== undefined ||
      gateway.contextTokens(model) !== null
    const unknown = {
      code: 'model_not_found',
      message: `No node of this network serves the model '${quoted(model ?? '')}'.`,
      param: 'body.model',
      line: 1,
    }
    const all = isKnown || errors.length > 0 ? errors : [unknown]
    const nowMs = clock.nowMs()
    if (all.length > 0) await book.take({ kind: 'refuse', batchId, errors: all, nowMs })
    else if (model !== null) await book.take({ kind: 'accept', batchId, model, requests, nowMs })
    log.info('batch.validated', { batchId, requests, errors: all.length })
  }

  async #openInput(active: ActiveBatch): Promise<void> {
    const { store } = this.#parts
    if (active.kept.size > 0) await deliverKept(this.#parts, active)
    if (!takesLines(active.batch)) {
      // What runs yet still brings its answers together.
      if (active.running.size === 0) this.#dropKept(active)
      return
    }
    const reader = await openFile(store, active.batch.inputFileId)
    active.source = new LineSource(reader, this.#parts.limits.lineBytesMax, {
      onMore: () => this.#pump.run(),
      onFailed: (error) => {
        // Begun anew at the next step: what has a result is passed over.
        active.source = null
        active.waitingFor = toProblem(error).message
        active.pausedUntilMs = this.#parts.clock.elapsedMs() + PAUSE_MS
      },
    })
  }

  /** What was begun before a batch was stopped may end, but not for ever. */
  #stopLate(active: ActiveBatch, nowMs: number, drainMs: number): void {
    const { stop, cancellingAtMs, expiringAtMs } = active.batch
    const sinceMs = cancellingAtMs ?? expiringAtMs
    if (stop === null || sinceMs === null || nowMs < sinceMs + drainMs) return
    active.giveUpRunning(new Problem('unavailable', 'The batch was stopped.'))
  }

  #isChunkDue(active: ActiveBatch): boolean {
    const { results, resultBytes, firstResultMs } = active
    if (results.length === 0) return false
    const ageMs = this.#parts.clock.elapsedMs() - firstResultMs
    const isLast = active.running.size === 0 && this.#isRead(active)
    return isLast || ageMs >= CHUNK_AGE_MS || results.length >= CHUNK_LINES || resultBytes >= CHUNK_BYTES
  }

  /** Nothing of its input is left to be begun. */
  #isRead({ batch, source, retries }: ActiveBatch): boolean {
    // What was done before this process began is not read again for want of a node.
    if (batch.stop !== null || batch.done.count === batch.requests) return true
    return source?.isOver === true && retries.length === 0
  }

  #isDrained(active: ActiveBatch): boolean {
    return active.running.size === 0 && active.results.length === 0 && this.#isRead(active)
  }

  async #writeChunk(active: ActiveBatch): Promise<void> {
    const { book, clock, gateway } = this.#parts
    const { batch } = active
    const { batchId } = batch
    const outcomes = active.takeResults()
    const chunk = batch.chunks + 1
    try {
      await writeChunk(this.#parts, chunkName(batchId, chunk), outcomes)
    } catch (error) {
      active.notWritten()
      throw error
    }
    const failed = outcomes.filter(({ isFailed }) => isFailed).length
    const total = (read: (outcome: LineOutcome) => number): number =>
      outcomes.reduce((sum, outcome) => sum + read(outcome), 0)
    const cachedPromptTokens = total(({ tokens }) => tokens.cachedPromptTokens ?? 0)
    const refusal = await book.take({
      kind: 'finish_lines',
      batchId,
      chunk,
      runs: LineSet.of(outcomes.map(({ line }) => [line, line])).runs(),
      completed: outcomes.length - failed,
      failed,
      tokens: {
        promptTokens: total(({ tokens }) => tokens.promptTokens),
        completionTokens: total(({ tokens }) => tokens.completionTokens),
        ...(cachedPromptTokens > 0 && { cachedPromptTokens }),
      },
      cost: outcomes.reduce((sum, { cost }) => sum + cost, 0n),
      nowMs: clock.nowMs(),
    })
    assert(refusal === null, `a chunk of an open batch counts, not ${refusal}`)
    active.counted()
    for (const { requestIds } of outcomes) for (const id of requestIds) gateway.kept.release(id)
  }

  async #finish(active: ActiveBatch): Promise<void> {
    const { book, clock, store, log } = this.#parts
    const { batch } = active
    const { batchId, chunks } = batch
    const files = await writeResults(this.#parts, batch)
    const refusal = await book.take({ kind: 'end', batchId, ...files, nowMs: clock.nowMs() })
    assert(refusal === null, `a batch that is written out ends, not ${refusal}`)
    log.info('batch.ended', {
      batchId,
      status: batch.status,
      completed: batch.completed,
      failed: batch.failed,
    })
    for (let chunk = 1; chunk <= chunks; chunk++) await store.delete(chunkName(batchId, chunk))
  }

  async #forgetActive(active: ActiveBatch): Promise<void> {
    this.#active.delete(active.batch.batchId)
    this.#dropKept(active)
    await active.close()
  }

  /** Of lines that were answered in part, and that nothing more is begun of. */
  #dropKept({ kept, keptSinceMs }: ActiveBatch): void {
    for (const ofLine of kept.values())
      for (const { meteredId } of ofLine.values()) this.#parts.gateway.kept.release(meteredId)
    kept.clear()
    keptSinceMs.clear()
  }
}
