/**
 * The built-in engine: llama.cpp in a child process, supervised. Phases: *starting* (no models), *serving*, *down*
 * (the child died; its runs got `engine_failed`; another is on its way), *failed* (only a person can help), *closed*.
 */
import type { Clock, Log } from '#host/host.ts'
import type { EngineRequest } from '#protocol/engine-request.ts'
import { Problem } from '#protocol/problem.ts'
import type { Children } from '../child.ts'
import { ChildSupervisor } from '../child-supervisor.ts'
import type { EngineModel, EngineRun, EngineSink, SupervisedEngine } from '../engine.ts'
import type { FromChild, GpuChoice, ModelReport, PlainProblem, RunEvent, ToChild } from './messages.ts'

export interface LlamaCppOptions {
  /** Absolute path of a GGUF file. */
  readonly modelPath: string
  /** The name by which the model is asked for. */
  readonly modelId: string
  readonly gpu: GpuChoice
  /** Where the builds for GPUs are that were installed apart; without it, only those beside Shoal are found. */
  readonly enginesFolder?: string
  /** Default: all cores but one, at most 4. More than are free makes every token slow, so this is never guessed high. */
  readonly threads?: number
  /** Requests computed at once, default 16. Fewer are reported when memory does not suffice. */
  readonly slots?: number
  /** Upper bound of one request's context, default 8192 tokens. */
  readonly contextTokensMax?: number
  /** Requests that may wait for a slot, default 256; more are refused with `queue_full`. */
  readonly queueMax?: number
}

export interface LlamaCppPorts {
  readonly children: Children
  readonly clock: Clock
  readonly log: Log
}

/** `.ts` in the sources, `.js` in the published package. */
const CHILD_MODULE = new URL(import.meta.url.replace(/llama-cpp-engine(\.\w+)$/, 'child-main$1'))
const SILENCE_MS_MAX = 15_000
const START_MS_MAX = 60_000
/** A batch of a large prompt on a slow CPU takes a minute; no progress for longer means that it never ends. */
const STALL_MS_MAX = 180_000

/** Starts at once; `ready()` tells when it serves. */
export function createLlamaCppEngine(options: LlamaCppOptions, ports: LlamaCppPorts): SupervisedEngine {
  return new LlamaCppEngine(options, ports)
}

class LlamaCppEngine implements SupervisedEngine {
  readonly #options: LlamaCppOptions
  readonly #ports: LlamaCppPorts
  readonly #supervisor: ChildSupervisor
  readonly #runs = new Map<number, EngineSink>()
  readonly #listeners: (() => void)[] = []
  readonly #ready = Promise.withResolvers<void>()
  #models: readonly EngineModel[] = []
  #failure: Problem | null = null
  /** What the present child told before it went. */
  #lastProblem: Problem | null = null
  #isClosed = false
  #lastRun = 0
  #progress = { value: -1, sinceMs: 0 }

  constructor(options: LlamaCppOptions, ports: LlamaCppPorts) {
    this.#options = options
    this.#ports = ports
    // Whoever never asks for `ready()` learns of a failure by `failure()`.
    this.#ready.promise.catch(() => undefined)
    this.#supervisor = new ChildSupervisor(
      {
        name: `llama-cpp ${options.modelId}`,
        program: { module: CHILD_MODULE, args: [] },
        silenceMsMax: SILENCE_MS_MAX,
        startMsMax: START_MS_MAX,
      },
      ports,
      {
        onSpawn: () => this.#load(),
        // The child is `child-main.ts` of this same build.
        onMessage: (message) => this.#onMessage(message as FromChild),
        onDown: (reason) => this.#onDown(reason),
      },
    )
    this.#supervisor.start()
  }

  models(): readonly EngineModel[] {
    return this.#models
  }

  onChange(run: () => void): void {
    this.#listeners.push(run)
  }

  ready(): Promise<void> {
    return this.#ready.promise
  }

  failure(): Problem | null {
    return this.#failure
  }

  start(request: EngineRequest, sink: EngineSink): EngineRun {
    const run = ++this.#lastRun
    this.#runs.set(run, sink)
    const refusal = this.#refusalOf(request)
    if (refusal === null) this.#send({ type: 'start', run, request })
    // Callbacks never run inside `start`.
    else this.#ports.clock.after(0, () => this.#settle(run, () => sink.onProblem(refusal)))
    return {
      cancel: () => {
        if (this.#runs.delete(run)) this.#send({ type: 'cancel', run })
      },
      pause: () => this.#send({ type: 'pause', run }),
      resume: () => this.#send({ type: 'resume', run }),
    }
  }

  async close(): Promise<void> {
    this.#isClosed = true
    const closed = new Problem('cancelled', 'The engine was closed.')
    this.#ready.reject(closed)
    this.#goDown(closed, closed)
    await this.#supervisor.retire()
  }

  #refusalOf(request: EngineRequest): Problem | null {
    if (this.#isClosed) return new Problem('cancelled', 'The engine was closed.')
    const [model] = this.#models
    if (model === undefined) {
      const why = this.#failure?.message ?? 'It is still loading its model.'
      return new Problem(
        'engine_failed',
        `The engine for ${this.#options.modelId} serves nothing now. ${why}`,
      )
    }
    if (request.model === model.id) return null
    return new Problem('model_not_found', `This engine serves ${model.id}, not ${request.model}.`)
  }

  #load(): void {
    this.#lastProblem = null
    const { modelPath, gpu, enginesFolder, threads, slots, contextTokensMax, queueMax } = this.#options
    this.#send({
      type: 'load',
      modelPath,
      gpu,
      enginesFolder: enginesFolder ?? null,
      threads: threads ?? null,
      slots: slots ?? 16,
      contextTokensMax: contextTokensMax ?? 8192,
      queueMax: queueMax ?? 256,
    })
  }

  #send(message: ToChild): void {
    this.#supervisor.send(message)
  }

  #onMessage(message: FromChild): void {
    if (message.type === 'events') for (const event of message.events) this.#onEvent(event)
    else if (message.type === 'tick') this.#onTick(message.working, message.progress)
    else if (message.type === 'ready') this.#onReady(message.model)
    else this.#onFailed(toProblem(message.problem), message.isFinal)
  }

  #onReady(report: ModelReport): void {
    const { tasks, contextTokens, slots, fingerprint, threads, gpu, features } = report
    const { modelId } = this.#options
    const computesOn = gpu === false ? 'cpu' : gpu
    this.#models = [
      {
        id: modelId,
        tasks,
        contextTokens,
        slots,
        fingerprint,
        computesOn,
        resumes: true,
        ...(features && { features }),
      },
    ]
    this.#failure = null
    this.#supervisor.markServing()
    this.#ports.log.info('engine.ready', { modelId, contextTokens, slots, threads, gpu, fingerprint })
    this.#ready.resolve()
    this.#tellChange()
  }

  #onFailed(problem: Problem, isFinal: boolean): void {
    this.#ports.log.error('engine.failed', {
      modelId: this.#options.modelId,
      code: problem.code,
      message: problem.message,
    })
    this.#lastProblem = problem
    this.#goDown(problem, problem)
    if (!isFinal) return
    this.#ready.reject(problem)
    void this.#supervisor.retire()
  }

  /** A child that ticks but computes nothing, with work at hand, hangs in native code or in the driver. */
  #onTick(working: number, progress: number): void {
    const nowMs = this.#ports.clock.elapsedMs()
    if (working === 0 || progress !== this.#progress.value)
      this.#progress = { value: progress, sinceMs: nowMs }
    else if (nowMs - this.#progress.sinceMs > STALL_MS_MAX)
      this.#supervisor.replace('computed nothing for 3 min')
  }

  #onDown(reason: string): void {
    this.#progress = { value: -1, sinceMs: 0 }
    const problem = new Problem(
      'engine_failed',
      `The engine for ${this.#options.modelId} ${reason}. It restarts by itself; try again.`,
    )
    // A failure that the child told in words explains more than its exit.
    this.#goDown(this.#lastProblem ?? problem, problem)
  }

  #goDown(failure: Problem, forRuns: Problem): void {
    this.#failure = failure
    this.#models = []
    for (const run of [...this.#runs.keys()]) this.#settle(run, (sink) => sink.onProblem(forRuns))
    this.#tellChange()
  }

  #onEvent(event: RunEvent): void {
    const sink = this.#runs.get(event.run)
    if (sink === undefined) return
    if (event.kind === 'delta') {
      const { text, tokenIds, detail } = event
      sink.onDelta({ text, tokenIds, tokenCount: tokenIds.length, ...(detail && { detail }) })
    } else if (event.kind === 'started') {
      sink.onStarted(event.promptTokens, event.cachedPromptTokens)
    } else if (event.kind === 'embedding') {
      sink.onEmbedding(event.vectors)
    } else if (event.kind === 'problem') {
      this.#settle(event.run, () => sink.onProblem(toProblem(event.problem)))
    } else {
      const { kind: _kind, run, ...end } = event
      this.#settle(run, () => sink.onEnd(end))
    }
  }

  /** Forgets the run before telling its end, so that no second end can follow. */
  #settle(run: number, tell: (sink: EngineSink) => void): void {
    const sink = this.#runs.get(run)
    this.#runs.delete(run)
    if (sink !== undefined) tell(sink)
  }

  #tellChange(): void {
    for (const listener of this.#listeners) listener()
  }
}

const toProblem = ({ code, message, details }: PlainProblem): Problem =>
  new Problem(code, message, { details })
