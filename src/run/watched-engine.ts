/** An engine whose requests are counted, and traced as the gateway asked. */
import type { Engine, EngineRun, EngineSink } from '#engines/engine.ts'
import type { Clock } from '#host/host.ts'
import { createMetrics, createNameLimit, type Metrics } from '#host/metrics.ts'
import type { Tracer, TraceSpan } from '#host/tracer.ts'
import type { EngineRequest } from '#protocol/engine-request.ts'
import type { Problem } from '#protocol/problem.ts'
import { formatTraceparent, parseTraceparent } from '#protocol/trace-context.ts'
import { askedOf } from './gateway-traces.ts'
import { agentMetrics } from './metric-tables.ts'

export interface EngineWatch {
  readonly clock: Pick<Clock, 'elapsedMs'>
  readonly metrics: Metrics<typeof agentMetrics>
  /** Null: nothing is traced, and what came of a trace goes on to the engine as it is. */
  readonly tracer: Tracer | null
}

export const MODELS_MAX = 50

export const createAgentMetrics = (): Metrics<typeof agentMetrics> => createMetrics(agentMetrics)

export function watchEngine<Watched extends Engine>(
  engine: Watched,
  { clock, metrics, tracer }: EngineWatch,
): Pick<Watched, 'models' | 'onChange' | 'start' | 'close'> {
  const modelOf = createNameLimit(MODELS_MAX)

  function start(request: EngineRequest, sink: EngineSink): EngineRun {
    const model = modelOf(request.model)
    const startedMs = clock.elapsedMs()
    const span = spanOf(tracer, request)
    const prompt = metrics.tokens.of(model, 'prompt')
    const completion = metrics.tokens.of(model, 'completion')
    let hasBegun = false
    let isOver = false
    let delivered = 0
    metrics.inFlight.of(model).add(1)
    function end(outcome: 'completed' | 'cancelled' | 'failed', problem?: Problem): void {
      if (isOver) return
      isOver = true
      metrics.inFlight.of(model).add(-1)
      metrics.requests.of(model, outcome).add()
      metrics.duration.of(model, outcome).observe((clock.elapsedMs() - startedMs) / 1_000)
      span?.set({ 'shoal.outcome': outcome, 'gen_ai.usage.output_tokens': delivered })
      if (problem) span?.fail(problem.code)
      span?.end()
    }
    const traced = span ? { ...request, traceparent: formatTraceparent(span.context) } : request
    const run = engine.start(traced, {
      onStarted(promptTokens, cachedPromptTokens) {
        prompt.add(promptTokens)
        span?.set({ 'gen_ai.usage.input_tokens': promptTokens })
        sink.onStarted(promptTokens, cachedPromptTokens)
      },
      onDelta(delta) {
        if (!hasBegun) {
          hasBegun = true
          metrics.firstToken.of(model).observe((clock.elapsedMs() - startedMs) / 1_000)
          span?.event('gen_ai.first_token')
        }
        delivered += delta.tokenCount
        completion.value += delta.tokenCount
        sink.onDelta(delta)
      },
      onEmbedding: (vectors) => sink.onEmbedding(vectors),
      onEnd(result) {
        span?.set({ 'gen_ai.response.finish_reasons': [result.finishReason] })
        end('completed')
        sink.onEnd(result)
      },
      onProblem(problem) {
        end('failed', problem)
        sink.onProblem(problem)
      },
    })
    return {
      cancel() {
        end('cancelled')
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
  }
}

/** Only of a request that is part of a trace which is recorded: a measurement of our own is none. */
function spanOf(tracer: Tracer | null, request: EngineRequest): TraceSpan | null {
  const parent = parseTraceparent(request.traceparent)
  if (!tracer || !parent?.isSampled) return null
  const attributes = { ...askedOf(request), 'shoal.request_id': request.requestId }
  return tracer.start(`${request.kind} ${request.model}`, { kind: 'server', parent, attributes })
}
