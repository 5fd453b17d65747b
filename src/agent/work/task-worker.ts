/**
 * Works off tasks: one at a time, with the inputs of the next fetched and the results of those before sent meanwhile.
 *
 * What it was given it keeps through a lost connection: it goes on, mentions its fences when it is back, and says again
 * what was not answered. An order that comes twice changes nothing, and one that comes late finds its fence over. The
 * network may take an attempt away at any time; the owner may want the machine back at any time, and then it is given back.
 */
import type { TaskEngine } from '#engines/task-engine.ts'
import type { Clock, Log } from '#host/host.ts'
import { failureProblem } from '#protocol/task-failure.ts'
import {
  type TaskGrant,
  WORK_HELD_MAX,
  type WorkerFacts,
  type WorkOrder,
  type WorkSay,
} from '#protocol/work-link.ts'
import { explainFailure, givenBack } from './explain-failure.ts'
import { FenceBook } from './fence-book.ts'
import { persist } from './persist.ts'
import { SessionShelf, type ShelfOptions } from './session-shelf.ts'
import {
  isOnItsWay,
  isWaiting,
  keptAttempt,
  newAttempt,
  remainingMs,
  type TaskAttempt,
} from './task-attempt.ts'
import { untilAborted } from './until-aborted.ts'
import type { JobInputs, JobOutputs, KeptResult } from './work-ports.ts'
import { WorkerVoice } from './worker-voice.ts'

export interface WorkerParts {
  readonly clock: Clock
  readonly log: Log
  readonly engines: readonly TaskEngine[]
  readonly inputs: JobInputs
  readonly outputs: JobOutputs
  /** As they are now. */
  readonly facts: () => WorkerFacts
}

/** What becomes of the task that runs when the owner wants the machine: it may end first, or goes back at once. */
export type PauseHow = 'finish' | 'give_back'

/** The one that runs and the next. */
const ROOM = 2
/** Results on their way, beyond which no more are made. */
const SENDING_MAX = 8
/** Of what a download is of a task, so that one that is on its way is not taken for one that hangs. */
const FETCH_SHARE = 0.04

export class TaskWorker {
  readonly #parts: WorkerParts
  readonly #shelf: SessionShelf
  readonly #voice: WorkerVoice
  readonly #attempts = new Map<number, TaskAttempt>()
  readonly #fences = new FenceBook()
  readonly #pauses = new Map<string, PauseHow>()
  #running: TaskAttempt | null = null
  #hasRun = false
  #isLeaving = false
  #onIdle: (() => void) | null = null

  constructor(parts: WorkerParts, options: ShelfOptions) {
    this.#parts = parts
    this.#shelf = new SessionShelf(parts.clock, options)
    this.#voice = new WorkerVoice({
      ...{ clock: parts.clock, facts: parts.facts, cached: () => parts.inputs.cached() },
      ...{ attempts: this.#attempts, room: () => this.#room() },
    })
    for (const kept of parts.outputs.kept) this.#offerAgain(kept)
  }

  get engines(): readonly TaskEngine[] {
    return this.#parts.engines
  }

  /** A connection serves: who it is goes first, then what it has, then all that was not answered. */
  connected(say: (say: WorkSay) => void): void {
    this.#voice.connected(say)
  }

  /** It is gone; the work goes on. */
  disconnected(): void {
    this.#voice.disconnected()
  }

  /** What it says of the machine has changed. */
  renew(): void {
    this.#voice.introduce()
  }

  receive(order: WorkOrder): void {
    switch (order.kind) {
      case 'who':
        return this.#voice.introduce()
      case 'grant':
        return this.#take(order)
      case 'cancel':
        this.#end(order.fence)
        return this.#pump()
      case 'answer':
        this.#onAnswer(order)
        return this.#pump()
    }
  }

  /** Takes nothing new until `resume` with the same name. What was not begun goes back to others at once. */
  pause(name: string, how: PauseHow): void {
    this.#pauses.set(name, how)
    for (const attempt of this.#attempts.values()) {
      const isRunning = attempt.stage === 'running'
      if (isWaiting(attempt) || (isRunning && how === 'give_back'))
        this.#fail(attempt, givenBack('the owner of this machine wants it'))
    }
    // What stays loaded would keep memory that the owner wants.
    if (how === 'give_back') void this.#shelf.close()
    this.#voice.beat()
  }

  resume(name: string): void {
    if (!this.#pauses.delete(name)) return
    this.#voice.beat()
  }

  /** Takes nothing new for good. What cannot end within `graceMs` goes back at once; results on their way are sent. */
  leave(graceMs: number): void {
    this.#isLeaving = true
    const nowMs = this.#parts.clock.elapsedMs()
    for (const attempt of this.#attempts.values()) {
      const isLate = attempt.stage === 'running' && remainingMs(attempt, nowMs) > graceMs
      if (isWaiting(attempt) || isLate) this.#fail(attempt, givenBack('this node leaves'))
    }
    this.#voice.beat()
  }

  /** The time is up: all that is not over goes back. */
  giveBack(): void {
    this.#isLeaving = true
    for (const attempt of this.#attempts.values()) {
      if (attempt.stage !== 'failing') this.#fail(attempt, givenBack('this node leaves'))
    }
  }

  /** Runs once nothing is held any more, at once if so it is. */
  onIdle(run: () => void): void {
    if (this.#attempts.size === 0) return run()
    this.#onIdle = run
  }

  /** How many attempts it has, whatever their stage. */
  count(): number {
    return this.#attempts.size
  }

  /** Whether a task ran at any moment since the last call. */
  wasAtWork(): boolean {
    const hasRun = this.#hasRun
    this.#hasRun = this.#running !== null
    return hasRun
  }

  /** Ends all that runs, without a word. */
  async close(): Promise<void> {
    this.#isLeaving = true
    this.disconnected()
    for (const [fence, attempt] of [...this.#attempts]) {
      // The next process offers it.
      if (!isOnItsWay(attempt)) this.#end(fence)
      else if (this.#attempts.delete(fence)) attempt.abort.abort()
    }
    await this.#shelf.close()
  }

  #offerAgain(kept: KeptResult): void {
    this.#attempts.set(kept.grant.fence, keptAttempt(kept))
    this.#parts.log.info('task.offered_again', { fence: kept.grant.fence })
  }

  #room(): number {
    if (this.#isLeaving || this.#pauses.size > 0) return 0
    const all = [...this.#attempts.values()]
    const begun = all.filter((attempt) => isWaiting(attempt) || attempt.stage === 'running').length
    return this.#hasHandsFull() ? 0 : Math.max(0, ROOM - begun)
  }

  #hasHandsFull(): boolean {
    return [...this.#attempts.values()].filter(isOnItsWay).length >= SENDING_MAX
  }

  #take(grant: TaskGrant): void {
    const { fence } = grant
    const known = this.#attempts.get(fence)
    if (known) {
      known.grant = grant
      return
    }
    // A full hand takes nothing: what is not mentioned is given to another.
    if (this.#fences.isOver(fence) || this.#attempts.size >= WORK_HELD_MAX) return
    const attempt = newAttempt(grant)
    this.#attempts.set(fence, attempt)
    if (this.#isLeaving || this.#pauses.size > 0)
      return this.#fail(attempt, givenBack('this node takes no work now'))
    void this.#prepare(attempt)
  }

  async #prepare(attempt: TaskAttempt): Promise<void> {
    const { inputs, outputs } = this.#parts
    const { fence, inputRoot, files } = attempt.grant
    try {
      const held = await inputs.obtain({ fence, inputRoot, files }, this.#watch(attempt, FETCH_SHARE))
      if (attempt.abort.signal.aborted) return held.release()
      attempt.inputs = held
      attempt.folder = await outputs.makeFolder(fence)
      if (attempt.abort.signal.aborted) return this.#clear(attempt)
      attempt.stage = 'ready'
    } catch (error) {
      this.#fail(attempt, explainFailure(error))
    } finally {
      // One behind it may have waited for it.
      this.#pump()
    }
  }

  /** Begins the next, if nothing runs and what was made before gets away. */
  #pump(): void {
    if (this.#running || this.#hasHandsFull()) return
    for (const attempt of this.#attempts.values()) {
      // It is ready in a moment: what was given first runs first.
      if (attempt.stage === 'fetching' && attempt.inputs) return
      if (attempt.stage !== 'ready') continue
      this.#running = attempt
      this.#hasRun = true
      attempt.stage = 'running'
      attempt.startedAtMs = this.#parts.clock.elapsedMs()
      void this.#run(attempt)
      return
    }
    this.#shelf.rest()
  }

  async #run(attempt: TaskAttempt): Promise<void> {
    try {
      const made = await this.#work(attempt)
      if (!attempt.abort.signal.aborted) {
        attempt.outputs = made.files
        attempt.wallMs = made.wallMs
        attempt.fraction = 1
        attempt.stage = 'committing'
        this.#voice.tell(attempt)
        this.#note(attempt, made)
        const { grant, folder } = attempt
        if (folder !== null)
          void this.#parts.outputs.keep({ grant, folder, files: made.files, wallMs: made.wallMs })
      }
    } catch (error) {
      if (!attempt.abort.signal.aborted) this.#fail(attempt, explainFailure(error))
    }
    attempt.inputs?.release()
    attempt.inputs = null
    // Before its folder is cleared: the next one waits for nothing.
    this.#running = null
    this.#pump()
    if (attempt.abort.signal.aborted) this.#clear(attempt)
  }

  /** What each task took: `tookMs` from its begin on, of which `wallMs` are work. By the elapsed clock of this process. */
  #note({ grant, startedAtMs }: TaskAttempt, { wallMs, cpuMs }: { wallMs: number; cpuMs: number }): void {
    const { jobId, step, task, fence } = grant
    const tookMs = this.#parts.clock.elapsedMs() - startedAtMs
    this.#parts.log.info('task.made', { jobId, step, task, fence, startedAtMs, tookMs, wallMs, cpuMs })
  }

  async #work(attempt: TaskAttempt) {
    const { grant, inputs, folder, abort } = attempt
    const engine = this.#parts.engines.find(({ kind }) => kind === grant.engine)
    if (!engine || !inputs || folder === null)
      throw failureProblem(
        'node',
        'engine_missing',
        `This node has no engine for tasks of kind ${grant.engine}.`,
      )
    const session = await untilAborted(
      this.#shelf.obtain({ engine, inputs, settings: grant.settings }),
      abort.signal,
    )
    const onProgress = (fraction: number): void => {
      attempt.fraction = Math.max(attempt.fraction, Math.min(1, fraction))
    }
    return session.run({ params: grant.params, outFolder: folder }, onProgress, abort.signal)
  }

  #onAnswer({ to, fence, refusal }: Extract<WorkOrder, { kind: 'answer' }>): void {
    const attempt = this.#attempts.get(fence)
    if (!attempt) return
    if (refusal !== null) {
      this.#parts.log.info('task.refused', { fence, to, refusal })
      return this.#end(fence)
    }
    if (to === 'commit' && attempt.stage === 'committing') return void this.#send(attempt)
    const isLast =
      (to === 'deliver' && attempt.stage === 'delivering') || (to === 'fail' && attempt.stage === 'failing')
    if (isLast) this.#end(fence)
  }

  async #send(attempt: TaskAttempt): Promise<void> {
    const { outputs, clock } = this.#parts
    attempt.stage = 'sending'
    try {
      const made = { folder: attempt.folder ?? '', files: attempt.outputs }
      const watch = this.#watch(attempt, 0)
      if (made.files.length > 0)
        await persist(clock, watch.signal, (onMoved) => outputs.send(made, { ...watch, onProgress: onMoved }))
      if (attempt.stage !== 'sending') return
      attempt.stage = 'delivering'
      this.#voice.tell(attempt)
    } catch (error) {
      this.#fail(attempt, explainFailure(error))
      this.#pump()
    }
  }

  #watch(attempt: TaskAttempt, share: number) {
    return {
      token: () => attempt.grant.token ?? '',
      signal: attempt.abort.signal,
      onProgress: (fraction: number): void => {
        attempt.fraction = Math.max(attempt.fraction, fraction * share)
      },
    }
  }

  /** What it did is stopped; that it failed is said until somebody heard it. */
  #fail(attempt: TaskAttempt, failure: NonNullable<TaskAttempt['failure']>): void {
    const { fence } = attempt.grant
    if (this.#attempts.get(fence) !== attempt || attempt.stage === 'failing') return
    attempt.failure = failure
    this.#stop(attempt)
    attempt.stage = 'failing'
    this.#parts.log.info('task.failed', { fence, class: failure.class, message: failure.message })
    this.#voice.tell(attempt)
  }

  /** It is over: whatever is said of it from now on changes nothing. */
  #end(fence: number): void {
    this.#fences.end(fence)
    const attempt = this.#attempts.get(fence)
    if (!attempt) return
    this.#attempts.delete(fence)
    this.#stop(attempt)
    if (this.#attempts.size > 0) return
    this.#onIdle?.()
    this.#onIdle = null
  }

  #stop(attempt: TaskAttempt): void {
    attempt.abort.abort()
    // One that runs is cleared when its engine has let go.
    if (this.#running !== attempt) this.#clear(attempt)
  }

  #clear(attempt: TaskAttempt): void {
    attempt.inputs?.release()
    attempt.inputs = null
    if (attempt.folder !== null) void this.#parts.outputs.drop(attempt.folder)
    attempt.folder = null
  }
}
