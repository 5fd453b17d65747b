/**
 * Serves what the network places on this node. For each model:
 *
 *   waiting → downloading → loading → warming → ready → draining → gone       and from each of the first four → failed
 *
 * One model at a time is brought up, those whose file is here first. A model is offered once it was warmed by a real
 * generation and its speed was measured. One that is wanted no more takes no new work, lets what runs end, and is
 * unloaded; what comes next waits for the memory that it frees.
 */
import type { Engine } from '#engines/engine.ts'
import type { ModelSpeed } from '#engines/measure.ts'
import type { Clock, Log } from '#host/host.ts'
import type { HostingCapability } from '#protocol/capability.ts'
import type { HostedModel, WantedModel, WantedModels } from '#protocol/model-catalogue.ts'
import { Problem, toProblem } from '#protocol/problem.ts'
import { type BringUpParts, bringUp } from './bring-up.ts'
import { createHostedEngine } from './hosted-engine.ts'
import { type HostedEntry, hostedModel, newEntry } from './hosted-entry.ts'
import type { HostedFiles } from './hosted-files.ts'

export interface ModelHostPorts extends Pick<BringUpParts, 'openEngine' | 'warm'> {
  readonly clock: Clock
  readonly log: Log
  readonly files: HostedFiles
}
export interface ModelHostOptions extends Pick<BringUpParts, 'memoryMib' | 'accepts'> {
  readonly cacheMib: number
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
  /** Whoever waits for memory. */
  let freed = Promise.withResolvers<void>()

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
  const parts: BringUpParts = {
    clock,
    files,
    entries,
    memoryMib: options.memoryMib,
    accepts: options.accepts,
    openEngine: (model, path) => ports.openEngine(model, path),
    warm: (engine, modelId) => ports.warm(engine, modelId),
    become,
    onProgress() {
      if (clock.elapsedMs() - toldMs >= PROGRESS_MS) tell()
    },
    freed: () => freed.promise,
  }

  function pump(): void {
    if (working || isClosed) return
    const waiting = [...entries.values()].filter(({ stage }) => stage === 'waiting')
    const here = new Set(files.keys())
    const next = waiting.find(({ wanted }) => here.has(wanted.key)) ?? waiting[0]
    if (!next) return
    working = next
    bringUp(parts, next)
      .then(
        () => serve(next),
        (error) => fail(next, toProblem(error)),
      )
      .finally(() => {
        working = null
        pump()
      })
  }

  function serve(entry: HostedEntry): void {
    entry.engine?.onChange(() => {
      if (entry.stage === 'ready') offersChanged()
      tell()
    })
    become(entry, 'ready')
  }

  async function fail(entry: HostedEntry, problem: Problem): Promise<void> {
    // What comes next counts on the memory of its process.
    await entry.engine?.close().catch(() => undefined)
    if (entry.abort.signal.aborted) return void unload(entry)
    entry.engine = null
    entry.problem = problem
    become(entry, 'failed')
  }

  /** It is wanted no more. */
  function drop(entry: HostedEntry): void {
    entry.again = null
    const { stage } = entry
    if (stage === 'draining') return
    if (stage === 'waiting' || stage === 'failed') return forget(entry)
    become(entry, 'draining')
    if (entry === working) return abandon(entry)
    if (entry.open === 0) return void unload(entry)
    entry.drainTimer = clock.after(DRAIN_MS_MAX, () => void unload(entry))
  }

  /** Ends the bringing up; `fail` sees to the rest. */
  function abandon(entry: HostedEntry): void {
    entry.abort.abort(new Problem('cancelled', 'The model is wanted no more.'))
    signalFreed()
    // An engine that is loading ends its wait by being closed.
    entry.engine?.close().catch(() => undefined)
  }

  function signalFreed(): void {
    freed.resolve()
    freed = Promise.withResolvers<void>()
  }

  async function unload(entry: HostedEntry): Promise<void> {
    entry.drainTimer?.cancel()
    entry.drainTimer = null
    entry.speed = null
    await entry.engine?.close().catch(() => undefined)
    entry.engine = null
    forget(entry)
  }

  function forget(entry: HostedEntry): void {
    const { model } = entry.wanted
    if (entries.get(model) === entry) entries.delete(model)
    if (entry.again && !isClosed) entries.set(model, newEntry(entry.again, clock.elapsedMs()))
    signalFreed()
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
      if (now?.key !== entry.wanted.key) drop(entry)
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

  const engine = createHostedEngine({
    clock,
    entries,
    onIdle(entry) {
      if (entry.stage === 'draining') void unload(entry)
    },
    onChange: (run) => void engineListeners.push(run),
    async close() {
      isClosed = true
      for (const entry of entries.values()) entry.abort.abort(new Problem('cancelled', 'The node stops.'))
      signalFreed()
      await Promise.all([...entries.values()].map((entry) => unload(entry)))
    },
  })

  return {
    engine,
    capability: () => capabilityOf(options, files.keys(), entries.values()),
    hosted: () => [...entries.values()].map((entry) => hostedModel(entry, clock.elapsedMs())),
    want,
    speedOf: (modelId) => entries.get(modelId)?.speed ?? null,
    onChange: (run) => void listeners.push(run),
    close: () => engine.close(),
  }
}

/** What a node's report takes. */
const CACHED_MAX = 64

const capabilityOf = (
  { memoryMib, cacheMib, accepts, bytesPerSecond }: ModelHostOptions,
  cached: readonly string[],
  entries: Iterable<HostedEntry>,
): HostingCapability => ({
  memoryMib,
  cacheMib,
  accepts: accepts && [...accepts],
  cached: cached.slice(-CACHED_MAX),
  bytesPerSecond: measuredBytesPerSecond(entries) ?? bytesPerSecond,
})

/** Of the models that were measured here, the best. */
function measuredBytesPerSecond(entries: Iterable<HostedEntry>): number | null {
  let best: number | null = null
  for (const { facts, speed } of entries) {
    if (facts && speed) best = Math.max(best ?? 0, facts.sizeBytes * speed.decodeTokensPerSecondSingle)
  }
  return best
}
