/**
 * Serves what the network places on this node. For each model:
 *
 *   waiting → downloading → loading → warming → ready → draining → gone       and from each of the first four → failed
 *
 * One model at a time is brought up, those whose file is here first. A model is offered once it was warmed by a real
 * generation and its speed was measured. One that is wanted no more takes no new work, lets what runs end, and is
 * unloaded; what comes next waits for the memory that it frees.
 */
import type { Engine, EngineRun, EngineSink, SupervisedEngine } from '#engines/engine.ts'
import type { ModelSpeed } from '#engines/measure.ts'
import type { Clock, Log } from '#host/host.ts'
import { memoryMibOf } from '#models/memory.ts'
import type { HostingCapability } from '#protocol/capability.ts'
import type { EngineRequest } from '#protocol/engine-request.ts'
import type { HostedModel, WantedModel, WantedModels } from '#protocol/model-catalogue.ts'
import { Problem, toProblem } from '#protocol/problem.ts'
import { type HostedEntry, hostedModel, newEntry } from './hosted-entry.ts'
import type { HostedFile, HostedFiles } from './hosted-files.ts'

export interface ModelHostPorts {
  readonly clock: Clock
  readonly log: Log
  readonly files: HostedFiles
  /** An engine for the model; `path` is null where another server computes it. Throws a `Problem`. */
  openEngine(model: WantedModel, path: string | null): SupervisedEngine
  /** Warms the model by a real generation and measures it. Rejects with the engine's `Problem`. */
  warm(engine: Engine, modelId: string): Promise<ModelSpeed>
}
export interface ModelHostOptions {
  /** For weights and contexts. */
  readonly memoryMib: number
  readonly cacheMib: number
  /** Models that are let in; null for all. */
  readonly accepts: readonly string[] | null
  /** Bytes of weights gone through in a second, until something was measured. */
  readonly bytesPerSecond: number
}

export interface ModelHost {
  /** Serves all that is ready. */
  readonly engine: Engine
  capability(): HostingCapability
  hosted(): HostedModel[]
  /** Takes the network's order, unless a later one was taken. */
  want(order: WantedModels): void
  speedOf(modelId: string): ModelSpeed | null
  /** Runs when `hosted` says something else, for progress at most once a second. */
  onChange(run: () => void): void
  close(): Promise<void>
}

const DRAIN_MS_MAX = 10 * 60_000
const PROGRESS_MS = 1_000

export function createModelHost(ports: ModelHostPorts, options: ModelHostOptions): ModelHost {
  const { clock, log, files } = ports
  const entries = new Map<string, HostedEntry>()
  const listeners: (() => void)[] = []
  const engineListeners: (() => void)[] = []
  let order = { epoch: 0, version: -1 }
  let working: HostedEntry | null = null
  let toldMs = Number.NEGATIVE_INFINITY
  let isClosed = false
  /** Waits for memory. */
  let onFreed: (() => void) | null = null

  const tell = (): void => {
    toldMs = clock.elapsedMs()
    for (const run of listeners) run()
  }
  const offersChanged = (): void => {
    for (const run of engineListeners) run()
  }
  function become(entry: HostedEntry, stage: HostedEntry['stage']): void {
    const before = entry.stage
    entry.stage = stage
    entry.sinceMs = clock.elapsedMs()
    log.info('hosting.stage', { model: entry.wanted.model, stage, message: entry.problem?.message ?? null })
    tell()
    if (before === 'ready' || stage === 'ready') offersChanged()
  }

  function pump(): void {
    if (working || isClosed) return
    const waiting = [...entries.values()].filter(({ stage }) => stage === 'waiting')
    const here = new Set(files.keys())
    const next = waiting.find(({ wanted }) => here.has(wanted.key)) ?? waiting[0]
    if (!next) return
    working = next
    bringUp(next).then(
      () => become(next, 'ready'),
      (error) => fail(next, toProblem(error)),
    ).finally(() => {
      working = null
      pump()
    })
  }

  async function bringUp(entry: HostedEntry): Promise<void> {
    const { wanted, abort } = entry
    const { model, source } = wanted
    if (options.accepts && !options.accepts.includes(model)) throw notAccepted(model)
    const file = source.kind === 'upstream' ? null : await obtain(entry)
    entry.facts = file?.facts ?? null
    await makeRoom(entry)
    abort.signal.throwIfAborted()
    become(entry, 'loading')
    const engine = ports.openEngine(wanted, file?.path ?? null)
    entry.engine = engine
    await engine.ready()
    abort.signal.throwIfAborted()
    become(entry, 'warming')
    entry.speed = await ports.warm(engine, engineModelOf(wanted))
    abort.signal.throwIfAborted()
    engine.onChange(() => {
      if (entry.stage === 'ready') offersChanged()
      tell()
    })
  }

  async function obtain(entry: HostedEntry): Promise<HostedFile> {
    become(entry, 'downloading')
    const keep = new Set([...entries.values()].map(({ wanted }) => wanted.key))
    const before = files.keys().length
    const file = await files.obtain(entry.wanted, keep, {
      signal: entry.abort.signal,
      onProgress({ receivedBytes, totalBytes, bytesPerSecond }) {
        const isKnown = totalBytes !== null && bytesPerSecond > 0
        entry.downloadLeftMs = isKnown ? Math.ceil(((totalBytes - receivedBytes) * 1_000) / bytesPerSecond) : null
        if (clock.elapsedMs() - toldMs >= PROGRESS_MS) tell()
      },
    })
    if (files.keys().length !== before) offersChanged()
    return file
  }

  const needMibOf = ({ wanted, facts }: HostedEntry): number =>
    memoryMibOf({ source: wanted.source, facts, settings: wanted }) ?? 0

  /** Waits until what is being unloaded leaves room. */
  async function makeRoom(entry: HostedEntry): Promise<void> {
    const needMib = needMibOf(entry)
    if (needMib > options.memoryMib) throw tooLarge(entry.wanted.model, needMib, options.memoryMib)
    for (;;) {
      const loaded = [...entries.values()].filter((other) => other !== entry && other.engine)
      const usedMib = loaded.reduce((sum, other) => sum + needMibOf(other), 0)
      if (usedMib + needMib <= options.memoryMib || entry.abort.signal.aborted) return
      if (!loaded.some(({ stage }) => stage === 'draining'))
        throw tooLarge(entry.wanted.model, needMib, options.memoryMib - usedMib)
      await new Promise<void>((resolve) => {
        onFreed = resolve
      })
    }
  }

  function fail(entry: HostedEntry, problem: Problem): void {
    if (entry.abort.signal.aborted) return void unload(entry)
    entry.problem = problem
    entry.engine?.close().catch(() => undefined)
    entry.engine = null
    become(entry, 'failed')
  }

  /** It is wanted no more. */
  function drop(entry: HostedEntry): void {
    entry.again = null
    const { stage } = entry
    if (stage === 'draining') return
    if (stage === 'waiting' || stage === 'failed') return forget(entry)
    become(entry, 'draining')
    if (entry === working) {
      entry.abort.abort(new Problem('cancelled', 'The model is wanted no more.'))
      onFreed?.()
      // An engine that is loading ends its wait by being closed.
      entry.engine?.close().catch(() => undefined)
      return
    }
    if (entry.open === 0) return void unload(entry)
    entry.drainTimer = clock.after(DRAIN_MS_MAX, () => void unload(entry))
  }

  async function unload(entry: HostedEntry): Promise<void> {
    entry.drainTimer?.cancel()
    entry.drainTimer = null
    entry.speed = null
    const { engine } = entry
    await engine?.close().catch(() => undefined)
    entry.engine = null
    forget(entry)
  }

  function forget(entry: HostedEntry): void {
    const { model } = entry.wanted
    if (entries.get(model) === entry) entries.delete(model)
    if (entry.again && !isClosed) entries.set(model, newEntry(entry.again, clock.elapsedMs()))
    onFreed?.()
    tell()
    pump()
  }

  function want(given: WantedModels): void {
    const isLate = given.epoch < order.epoch || (given.epoch === order.epoch && given.version < order.version)
    if (isLate || isClosed) return
    order = given
    const wanted = new Map(given.models.map((model) => [model.model, model]))
    for (const entry of [...entries.values()]) {
      const now = wanted.get(entry.wanted.model)
      // Another file under the same name is another model.
      if (!now || now.key !== entry.wanted.key) {
        drop(entry)
        if (now && entries.get(now.model) === entry) entry.again = now
      }
    }
    for (const model of given.models) {
      const entry = entries.get(model.model)
      if (!entry) entries.set(model.model, newEntry(model, clock.elapsedMs()))
      else if (entry.stage === 'draining') revive(entry, model)
    }
    tell()
    pump()
  }

  /** Wanted again before it was gone: it stays if it still can. */
  function revive(entry: HostedEntry, model: WantedModel): void {
    if (entry.speed === null || entry.drainTimer === null || model.key !== entry.wanted.key) {
      entry.again = model
      return
    }
    entry.drainTimer.cancel()
    entry.drainTimer = null
    become(entry, 'ready')
  }

  const engine: Engine = {
    models: () =>
      [...entries.values()]
        .filter(({ stage }) => stage === 'ready')
        .flatMap(({ wanted, engine: own }) =>
          (own?.models() ?? []).map((model) => ({ ...model, id: wanted.model })),
        ),
    onChange: (run) => void engineListeners.push(run),
    start(request, sink) {
      const entry = entries.get(request.model)
      if (!entry?.engine || entry.speed === null) return refuse(clock, request, sink)
      return startOn(entry, entry.engine, { request, sink })
    },
    async close() {
      isClosed = true
      for (const entry of entries.values()) entry.abort.abort(new Problem('cancelled', 'The node stops.'))
      onFreed?.()
      await Promise.all([...entries.values()].map((entry) => unload(entry)))
    },
  }

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
      if (entry.open === 0 && entry.stage === 'draining') void unload(entry)
    }
    const run = own.start(
      { ...request, model: engineModelOf(entry.wanted) },
      {
        ...sink,
        onStarted: (promptTokens) => sink.onStarted(promptTokens),
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
    engine,
    capability: () => ({
      memoryMib: options.memoryMib,
      cacheMib: options.cacheMib,
      accepts: options.accepts && [...options.accepts],
      cached: [...files.keys()],
      bytesPerSecond: measuredBytesPerSecond(entries.values()) ?? options.bytesPerSecond,
    }),
    hosted: () => [...entries.values()].map((entry) => hostedModel(entry, clock.elapsedMs())),
    want,
    speedOf: (modelId) => entries.get(modelId)?.speed ?? null,
    onChange: (run) => void listeners.push(run),
    close: () => engine.close(),
  }
}

/** What its own engine calls it. */
const engineModelOf = ({ model, source }: WantedModel): string =>
  source.kind === 'upstream' ? (source.model ?? model) : model

function refuse(clock: Clock, { model }: EngineRequest, sink: EngineSink): EngineRun {
  let isCancelled = false
  clock.after(0, () => {
    if (!isCancelled) sink.onProblem(new Problem('model_not_found', `This node does not serve ${model} now.`))
  })
  return {
    cancel() {
      isCancelled = true
    },
    pause: () => undefined,
    resume: () => undefined,
  }
}

/** Of the models that were measured here, the best. */
function measuredBytesPerSecond(entries: Iterable<HostedEntry>): number | null {
  let best: number | null = null
  for (const { facts, speed } of entries) {
    if (facts && speed) best = Math.max(best ?? 0, facts.sizeBytes * speed.decodeTokensPerSecondSingle)
  }
  return best
}

const notAccepted = (model: string): Problem =>
  new Problem('config_invalid', `The owner of this node does not let the model ${model} in.`)
const tooLarge = (model: string, needMib: number, freeMib: number): Problem =>
  new Problem(
    'engine_failed',
    `${model} needs ${needMib} MiB and this node has ${Math.max(0, freeMib)} MiB left for models. Give it more with --models-memory, or add the model with a shorter context or fewer slots.`,
  )
