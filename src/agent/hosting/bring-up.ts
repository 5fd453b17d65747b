/** The way of one model from its order to its first generation. */
import type { Engine, SupervisedEngine } from '#engines/engine.ts'
import type { ModelSpeed } from '#engines/measure.ts'
import type { Clock } from '#host/host.ts'
import { MINUTE_MS } from '#kernel/time.ts'
import { memoryMibOf } from '#models/memory.ts'
import type { WantedModel } from '#protocol/model-catalogue.ts'
import { Problem } from '#protocol/problem.ts'
import { engineModelOf } from './hosted-engine.ts'
import type { HostedEntry } from './hosted-entry.ts'
import type { HostedFile, HostedFiles } from './hosted-files.ts'

export interface BringUpParts {
  readonly clock: Pick<Clock, 'after'>
  readonly files: HostedFiles
  readonly entries: ReadonlyMap<string, HostedEntry>
  /** For weights and contexts. */
  readonly memoryMib: number
  /** Models that are let in; null for all. */
  readonly accepts: readonly string[] | null
  /** An engine for the model; `path` is null where another server computes it. Throws a `Problem`. */
  openEngine(model: WantedModel, path: string | null): SupervisedEngine
  /** Warms the model by a real generation and measures it. Rejects with the engine's `Problem`. */
  warm(engine: Engine, modelId: string): Promise<ModelSpeed>
  become(entry: HostedEntry, stage: HostedEntry['stage']): void
  onProgress(): void
  /** Resolves when the next model has been unloaded. */
  freed(): Promise<void>
}

/** Resolves when the model can serve: its engine and its speed are in `entry` then. Rejects with the `Problem`. */
export async function bringUp(parts: BringUpParts, entry: HostedEntry): Promise<void> {
  const { wanted, abort } = entry
  const { model, source } = wanted
  if (parts.accepts && !parts.accepts.includes(model)) throw notAccepted(model)
  const file = source.kind === 'upstream' ? null : await obtain(parts, entry)
  entry.facts = file?.facts ?? null
  await makeRoom(parts, entry)
  abort.signal.throwIfAborted()
  parts.become(entry, 'loading')
  const engine = parts.openEngine(wanted, file?.path ?? null)
  entry.engine = engine
  await loaded(engine, { model, msMax: loadMsMaxOf(entry), clock: parts.clock })
  abort.signal.throwIfAborted()
  parts.become(entry, 'warming')
  const speed = await parts.warm(engine, engineModelOf(wanted))
  abort.signal.throwIfAborted()
  entry.speed = speed
}

async function obtain(parts: BringUpParts, entry: HostedEntry): Promise<HostedFile> {
  parts.become(entry, 'downloading')
  const keep = new Set([...parts.entries.values()].map(({ wanted }) => wanted.key))
  return await parts.files.obtain(entry.wanted, keep, {
    signal: entry.abort.signal,
    onProgress({ receivedBytes, totalBytes, bytesPerSecond }) {
      const isKnown = totalBytes !== null && bytesPerSecond > 0
      entry.downloadLeftMs = isKnown
        ? Math.ceil(((totalBytes - receivedBytes) * 1_000) / bytesPerSecond)
        : null
      parts.onProgress()
    },
  })
}

/** Waits until what is being unloaded leaves room. */
async function makeRoom(parts: BringUpParts, entry: HostedEntry): Promise<void> {
  const needMib = needMibOf(entry)
  const { memoryMib } = parts
  if (needMib > memoryMib) throw tooLarge(entry.wanted.model, needMib, memoryMib)
  for (;;) {
    const loaded = [...parts.entries.values()].filter((other) => other !== entry && other.engine)
    const usedMib = loaded.reduce((sum, other) => sum + needMibOf(other), 0)
    if (usedMib + needMib <= memoryMib || entry.abort.signal.aborted) return
    if (!loaded.some(({ stage }) => stage === 'draining'))
      throw tooLarge(entry.wanted.model, needMib, memoryMib - usedMib)
    await parts.freed()
  }
}

/** The least that a disk gives of a model's weights in a millisecond, and what an engine needs beside reading them. */
const READ_BYTES_PER_MS = 50_000
const LOAD_MS_MAX = 5 * MINUTE_MS
/** An engine comes back by itself, ten seconds later; what ended it this often is no passing trouble. */
const FAILURES_MAX = 3

const loadMsMaxOf = ({ facts }: HostedEntry): number =>
  LOAD_MS_MAX + Math.ceil((facts?.sizeBytes ?? 0) / READ_BYTES_PER_MS)

/**
 * Resolves when `engine` serves its model. An engine whose trouble may pass tries on for ever, and until it serves it keeps
 * the node's other models waiting and counts as a replica to come: so that it is given up in time, and placed elsewhere.
 */
function loaded(
  engine: SupervisedEngine,
  { model, msMax, clock }: { model: string; msMax: number; clock: Pick<Clock, 'after'> },
): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  const timer = clock.after(msMax, () => reject(engine.failure() ?? tooSlow(model, msMax)))
  const failures = new Set<Problem>()
  engine.onChange(() => {
    const failure = engine.failure()
    if (failure) failures.add(failure)
    if (failure && failures.size >= FAILURES_MAX) reject(failure)
  })
  engine.ready().then(resolve, reject)
  return promise.finally(() => timer.cancel())
}

const needMibOf = ({ wanted, facts }: HostedEntry): number =>
  memoryMibOf({ source: wanted.source, facts, settings: wanted }) ?? 0

const notAccepted = (model: string): Problem =>
  new Problem('config_invalid', `The owner of this node does not let the model ${model} in.`)
const tooSlow = (model: string, msMax: number): Problem =>
  new Problem(
    'engine_failed',
    `${model} was not loaded within ${Math.round(msMax / MINUTE_MS)} min. See what else uses this machine's disk, memory or GPU; the network asks for it again later.`,
  )
const tooLarge = (model: string, needMib: number, freeMib: number): Problem =>
  new Problem(
    'engine_failed',
    `${model} needs ${needMib} MiB and this node has ${Math.max(0, freeMib)} MiB left for models. Give it more with --models-memory, or add the model with a shorter context or fewer slots.`,
  )
