/** A batch that is worked on: where in its input it stands, what of it runs, and results that are not counted yet. */
import type { Batch } from '#batch/batch.ts'
import type { BatchLine } from '#batch/batch-input.ts'
import { LineSet } from '#batch/line-set.ts'
import type { Problem } from '#protocol/problem.ts'
import type { KeptAnswer } from './kept-answer.ts'
import type { LineOrder, LineOutcome, LineRun } from './line-run.ts'
import type { LineSource } from './line-source.ts'

export interface Retry {
  readonly batchLine: BatchLine
  readonly notBeforeMs: number
  /** Times that a node failed on it. */
  readonly failures: number
}

type Kept = Map<number, { readonly meteredId: string; readonly answer: KeptAnswer }>

export class ActiveBatch {
  readonly batch: Batch
  /** Null until its input is open. */
  source: LineSource | null = null
  readonly running = new Map<number, LineRun>()
  /** Lines that are to be tried again, in no order. */
  readonly retries: Retry[] = []
  /** Answers that were paid for and not delivered yet, by line. */
  readonly kept = new Map<number, Kept>()
  /** Since when, by the monotonic clock: until then nothing newer leaves the spool. */
  readonly keptSinceMs = new Map<number, number>()
  /** Results in memory, and those on their way to a chunk. */
  results: LineOutcome[] = []
  resultBytes = 0
  writing: readonly LineOutcome[] = []
  /** Lines of `results` and `writing`. */
  #uncounted = new LineSet()
  firstResultMs = 0
  /** Nothing of it is begun before. */
  pausedUntilMs = 0
  waitingFor: string | null = null
  /** Something takes long (validation, a chunk, the end), and is to happen once at a time. */
  isBusy = false

  constructor(batch: Batch) {
    this.batch = batch
  }

  /** It runs, or is to be tried again. */
  isUnderWay(line: number): boolean {
    return this.running.has(line) || this.retries.some(({ batchLine }) => batchLine.line === line)
  }

  /** It has a result, counted or not. */
  hasResult(line: number): boolean {
    return this.batch.done.has(line) || this.#uncounted.has(line)
  }

  keptOf(line: number): LineOrder['kept'] {
    return this.kept.get(line) ?? new Map()
  }

  keep(meteredId: string, answer: KeptAnswer, nowMs: number): void {
    if (!this.keptSinceMs.has(answer.line)) this.keptSinceMs.set(answer.line, nowMs)
    const ofLine: Kept = this.kept.get(answer.line) ?? new Map()
    ofLine.set(answer.choice, { meteredId, answer })
    this.kept.set(answer.line, ofLine)
  }

  addResult(outcome: LineOutcome, nowMs: number): void {
    if (this.results.length === 0) this.firstResultMs = nowMs
    this.kept.delete(outcome.line)
    this.keptSinceMs.delete(outcome.line)
    this.results.push(outcome)
    this.resultBytes += outcome.text.length
    this.#uncounted.add(outcome.line)
  }

  /** The results so far are going to be a chunk. */
  takeResults(): readonly LineOutcome[] {
    this.writing = this.results
    this.results = []
    this.resultBytes = 0
    return this.writing
  }

  /** They are one, and counted. */
  counted(): void {
    this.writing = []
    this.#uncounted = new LineSet()
    for (const { line } of this.results) this.#uncounted.add(line)
  }

  /** They could not be written: they are still here. */
  notWritten(): void {
    this.results = [...this.writing, ...this.results]
    this.resultBytes = this.results.reduce((sum, { text }) => sum + text.length, 0)
    this.writing = []
  }

  progress(): { completed: number; failed: number; waitingFor: string | null } {
    const outcomes = [...this.writing, ...this.results]
    const failed = outcomes.filter(({ isFailed }) => isFailed).length
    return { completed: outcomes.length - failed, failed, waitingFor: this.waitingFor }
  }

  giveUpRunning(problem: Problem): void {
    for (const run of [...this.running.values()]) run.giveUp(problem)
  }

  async close(): Promise<void> {
    await this.source?.close()
    this.source = null
  }
}
