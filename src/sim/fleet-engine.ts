/**
 * An engine for months of simulated work: long answers at a steady speed, told in few and large pieces, so that a
 * node-hour costs few events. How long an answer is stands in its prompt.
 */
import type { Engine, EngineModel, EngineRun, EngineSink } from '#engines/engine.ts'
import type { Clock } from '#host/host.ts'
import type { EngineRequest } from '#protocol/engine-request.ts'
import { promptOf, promptTokensOf } from './sim-engine.ts'

export interface FleetEngineOptions {
  readonly models: readonly EngineModel[]
  /** Of each request by itself; a machine has as many slots as it can serve at this speed. */
  readonly tokensPerSecondOf: (model: string) => number
}

/** Well within the silence after which a gateway gives a node up. */
const PIECE_MS = 15_000
const PREFILL_TIMES_FASTER = 20

/** What a caller writes so that the answer has `completionTokens` tokens, and the prompt about `promptTokens`. */
export const fleetPrompt = (completionTokens: number, promptTokens: number): string =>
  `write ${completionTokens} `.padEnd(promptTokens * 4, '.')

export interface FleetEngine extends Engine {
  /** Whether a request is under way, and for how long one was since the engine began. */
  isBusy(): boolean
  busyMs(): number
}

export function createFleetEngine(clock: Clock, options: FleetEngineOptions): FleetEngine {
  let open = 0
  let busyMs = 0
  let sinceMs = 0
  function count(change: 1 | -1): void {
    const nowMs = clock.elapsedMs()
    if (open > 0) busyMs += nowMs - sinceMs
    sinceMs = nowMs
    open += change
  }

  function start(request: EngineRequest, sink: EngineSink): EngineRun {
    const prompt = promptOf(request)
    const asked = Number(/^write (\d+) /.exec(prompt)?.[1] ?? 1)
    const maxTokens = request.kind === 'embedding' ? 0 : request.maxTokens
    const length = Math.min(asked, maxTokens)
    const promptTokens = promptTokensOf(prompt)
    const perSecond = options.tokensPerSecondOf(request.model)
    const perPiece = Math.max(1, Math.floor((perSecond * PIECE_MS) / 1_000))
    let told = 0
    let isOver = false
    let isPaused = false
    count(1)

    function finish(): void {
      if (!isOver) count(-1)
      isOver = true
    }
    function tell(): void {
      if (isOver || isPaused) return
      if (told === 0) sink.onStarted(promptTokens)
      if (isOver) return
      const tokenCount = Math.min(perPiece, length - told)
      told += tokenCount
      sink.onDelta({ text: '.'.repeat(tokenCount), tokenIds: [], tokenCount })
      if (isOver) return
      if (told < length) return schedule()
      finish()
      const finishReason = asked <= maxTokens ? 'stop' : 'length'
      sink.onEnd({ finishReason, promptTokens, completionTokens: told })
    }
    function schedule(): void {
      clock.after((Math.min(perPiece, length - told) * 1_000) / perSecond, tell)
    }
    const firstPieceMs = (Math.min(perPiece, length) * 1_000) / perSecond
    clock.after((promptTokens * 1_000) / (perSecond * PREFILL_TIMES_FASTER) + firstPieceMs, tell)
    return {
      cancel: finish,
      pause() {
        isPaused = true
      },
      resume() {
        if (!isPaused) return
        isPaused = false
        if (!isOver) schedule()
      },
    }
  }
  return {
    models: () => options.models,
    onChange: () => undefined,
    start,
    close: async () => {},
    isBusy: () => open > 0,
    busyMs: () => busyMs + (open > 0 ? clock.elapsedMs() - sinceMs : 0),
  }
}

export const prefillTokensPerSecond = (tokensPerSecond: number): number =>
  tokensPerSecond * PREFILL_TIMES_FASTER
