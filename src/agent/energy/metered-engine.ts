/** An engine that keeps account of its work: how long it was busy, and which request took which part of that time. */
import type { Engine, EngineRun, EngineSink } from '#engines/engine.ts'
import type { JobRecord } from '#host/energy-store.ts'
import type { Clock } from '#host/host.ts'
import type { NanoUsd } from '#kernel/money.ts'
import { costOf, type TokenPrice } from '#ledger/price.ts'
import type { EngineRequest } from '#protocol/engine-request.ts'

/** A request from its start to its end. */
export interface Job {
  readonly requestId: string
  readonly model: string
  readonly startedAtMs: number
  /** The ask at its start, and what its tokens cost by it. */
  readonly askPerGpuHour: NanoUsd
  readonly price: TokenPrice
  /** `null` while it runs. */
  readonly end: { readonly atMs: number; readonly outcome: JobRecord['outcome'] } | null
  readonly promptTokens: number
  readonly completionTokens: number
  /** Of the prompt, as far as the engine says; such tokens may cost less. */
  readonly cachedPromptTokens: number
}

/** The work between two looks at it. */
export interface WorkSlice {
  readonly elapsedMs: number
  /** With at least one request under way. */
  readonly busyMs: number
  /** The time of every request in it, added up. */
  readonly slotMs: number
  /** Each request with its own time; those that ended come for the last time. */
  readonly jobs: readonly { readonly job: Job; readonly slotMs: number }[]
}

export interface MeteredEngine extends Pick<Engine, 'models' | 'onChange' | 'start' | 'close'> {
  /** The work since the last call. */
  takeWork(): WorkSlice
}

/** What the caller pays for the work of a job, by the ask of its start. One that failed costs its caller nothing. */
export const grossOf = (job: Job): NanoUsd => (job.end?.outcome === 'failed' ? 0n : costOf(job, job.price))

type OpenJob = { -readonly [Key in keyof Job]: Job[Key] } & { slotMs: number }

export function meterEngine(
  clock: Pick<Clock, 'nowMs' | 'elapsedMs'>,
  engine: Engine,
  offerOf: (model: string) => Pick<Job, 'askPerGpuHour' | 'price'>,
): MeteredEngine {
  const running = new Set<OpenJob>()
  let ended: OpenJob[] = []
  let atMs = clock.elapsedMs()
  let sum = { elapsedMs: 0, busyMs: 0, slotMs: 0 }

  /** Books the time since the last change: between two changes the same requests run. */
  function advance(): void {
    const nowMs = clock.elapsedMs()
    const passedMs = nowMs - atMs
    atMs = nowMs
    sum.elapsedMs += passedMs
    sum.slotMs += passedMs * running.size
    if (running.size > 0) sum.busyMs += passedMs
    for (const job of running) job.slotMs += passedMs
  }

  function finish(job: OpenJob, outcome: JobRecord['outcome']): void {
    if (!running.has(job)) return
    advance()
    running.delete(job)
    job.end = { atMs: clock.nowMs(), outcome }
    ended.push(job)
  }

  function start(request: EngineRequest, sink: EngineSink): EngineRun {
    advance()
    const { requestId, model } = request
    const job: OpenJob = {
      requestId,
      model,
      startedAtMs: clock.nowMs(),
      ...offerOf(model),
      end: null,
      promptTokens: 0,
      completionTokens: 0,
      cachedPromptTokens: 0,
      slotMs: 0,
    }
    running.add(job)
    const run = engine.start(request, {
      onStarted(promptTokens, cachedPromptTokens) {
        job.promptTokens = promptTokens
        job.cachedPromptTokens = cachedPromptTokens ?? 0
        sink.onStarted(promptTokens, cachedPromptTokens)
      },
      onDelta(delta) {
        job.completionTokens += delta.tokenCount
        sink.onDelta(delta)
      },
      onEmbedding: (vectors) => sink.onEmbedding(vectors),
      onEnd(end) {
        job.promptTokens = end.promptTokens
        job.completionTokens = end.completionTokens
        job.cachedPromptTokens = end.cachedPromptTokens ?? job.cachedPromptTokens
        finish(job, 'completed')
        sink.onEnd(end)
      },
      onProblem(problem) {
        finish(job, 'failed')
        sink.onProblem(problem)
      },
    })
    return {
      cancel() {
        finish(job, 'cancelled')
        run.cancel()
      },
      pause: () => run.pause(),
      resume: () => run.resume(),
    }
  }

  return {
    models: () => engine.models(),
    onChange: (run) => engine.onChange(run),
    start,
    close: () => engine.close(),
    takeWork() {
      advance()
      const jobs = [...ended, ...running].map((job) => {
        const { slotMs } = job
        job.slotMs = 0
        return { job, slotMs }
      })
      const slice = { ...sum, jobs }
      sum = { elapsedMs: 0, busyMs: 0, slotMs: 0 }
      ended = []
      return slice
    },
  }
}
