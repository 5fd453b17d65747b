import type { Engine, EngineRun, EngineSink, SupervisedEngine } from '#engines/engine.ts'
import type { Clock } from '#host/host.ts'
import type { EngineRequest } from '#protocol/engine-request.ts'
import type { WantedModel } from '#protocol/model-catalogue.ts'
import { Problem } from '#protocol/problem.ts'
import type { HostedEntry } from './hosted-entry.ts'

/** What its own engine calls the model. */
export const engineModelOf = ({ model, source }: WantedModel): string =>
  source.kind === 'upstream' ? (source.model ?? model) : model

export interface HostedEngineParts {
  readonly clock: Pick<Clock, 'after'>
  readonly entries: ReadonlyMap<string, HostedEntry>
  /** The last request under way of the model has ended. */
  onIdle(entry: HostedEntry): void
  onChange(run: () => void): void
  close(): Promise<void>
}

/** All models that are ready, as one engine. One that is being unloaded still takes what was sent before that was known. */
export function createHostedEngine(parts: HostedEngineParts): Engine {
  const { clock, entries } = parts

  function startOn(
    entry: HostedEntry,
    own: SupervisedEngine,
    { request, sink }: { request: EngineRequest; sink: EngineSink },
  ): EngineRun {
    entry.open++
    let isOver = false
    const over = (): void => {
      if (isOver) return
      isOver = true
      entry.open--
      if (entry.open === 0) parts.onIdle(entry)
    }
    const run = own.start(
      { ...request, model: engineModelOf(entry.wanted) },
      {
        onStarted: (...counted) => sink.onStarted(...counted),
        onDelta: (delta) => sink.onDelta(delta),
        onEmbedding: (vectors) => sink.onEmbedding(vectors),
        onEnd(end) {
          over()
          sink.onEnd(end)
        },
        onProblem(problem) {
          over()
          sink.onProblem(problem)
        },
      },
    )
    return {
      cancel() {
        run.cancel()
        over()
      },
      pause: () => run.pause(),
      resume: () => run.resume(),
    }
  }

  return {
    models: () =>
      [...entries.values()]
        .filter(({ stage }) => stage === 'ready')
        .flatMap(({ wanted, engine }) =>
          (engine?.models() ?? []).map((model) => ({ ...model, id: wanted.model })),
        ),
    onChange: parts.onChange,
    start(request, sink) {
      const entry = entries.get(request.model)
      if (!entry?.engine || entry.speed === null) return refuse(clock, request, sink)
      return startOn(entry, entry.engine, { request, sink })
    },
    close: parts.close,
  }
}

function refuse(clock: Pick<Clock, 'after'>, { model }: EngineRequest, sink: EngineSink): EngineRun {
  const timer = clock.after(0, () =>
    sink.onProblem(new Problem('model_not_found', `This node does not serve ${model} now.`)),
  )
  return { cancel: () => timer.cancel(), pause: () => undefined, resume: () => undefined }
}
