/** What a node of the simulator serves by the network's choice: files on a disk that survives it, engines that take their time. */
import type { HostedFiles } from '#agent/hosting/hosted-files.ts'
import type { SupervisedEngine } from '#engines/engine.ts'
import type { Clock } from '#host/host.ts'
import { assert } from '#kernel/assert.ts'
import type { Random } from '#kernel/random.ts'
import type { ModelFacts, WantedModel } from '#protocol/model-catalogue.ts'
import { Problem } from '#protocol/problem.ts'
import { createSimEngine } from './sim-engine.ts'

/** A node's disk: whole files, and how much there is of others. */
export interface SimModelDisk {
  readonly whole: Map<string, ModelFacts>
  readonly parts: Map<string, number>
}
export const emptyModelDisk = (): SimModelDisk => ({ whole: new Map(), parts: new Map() })

export interface SimFilesOptions {
  readonly disk: SimModelDisk
  readonly cacheMib: number
  readonly bytesPerMs: number
  readonly factsOf: (model: string) => ModelFacts
  /** Of a thousand downloads, this many fail. */
  readonly failuresPer1000: number
}

const STEP_MS = 1_000
const MIB = 1024 * 1024

export function createSimFiles(
  { clock, random }: { clock: Clock; random: Random },
  options: SimFilesOptions,
): HostedFiles {
  const { disk, bytesPerMs, factsOf, failuresPer1000 } = options
  const wait = (delayMs: number): Promise<void> =>
    new Promise((resolve) => void clock.after(delayMs, () => resolve()))
  return {
    keys: () => [...disk.whole.keys()],
    async obtain({ model, key }, keep, { signal, onProgress }) {
      const facts = factsOf(model)
      const totalBytes = facts.sizeBytes
      for (const other of [...disk.whole.keys()]) {
        const used = [...disk.whole.values()].reduce((sum, { sizeBytes }) => sum + sizeBytes, 0)
        if (used + totalBytes > options.cacheMib * MIB && !keep.has(other)) disk.whole.delete(other)
      }
      while (!disk.whole.has(key)) {
        await wait(STEP_MS)
        signal.throwIfAborted()
        if (random.chance(failuresPer1000, 1_000)) throw new Problem('network_unreachable', 'The line broke.')
        const receivedBytes = Math.min(totalBytes, (disk.parts.get(key) ?? 0) + bytesPerMs * STEP_MS)
        disk.parts.set(key, receivedBytes)
        onProgress({ receivedBytes, totalBytes, bytesPerSecond: bytesPerMs * 1_000 })
        if (receivedBytes < totalBytes) continue
        disk.parts.delete(key)
        disk.whole.set(key, facts)
      }
      return { path: key, facts }
    },
  }
}

/** Engines that are open on a node, with what each model needs of its memory. */
export interface OpenEngines {
  readonly models: Map<SupervisedEngine, string>
}

/** An engine that loads for a while and answers nobody before it was warmed. */
export function createSimHostedEngine(
  clock: Clock,
  { model, slots, contextTokens }: WantedModel,
  parts: { readonly loadMs: number; readonly open: OpenEngines; readonly isWarm: () => boolean },
): SupervisedEngine {
  const models = [
    {
      id: model,
      tasks: ['chat', 'completion'] as const,
      contextTokens,
      slots,
      fingerprint: model,
      resumes: true,
    },
  ]
  const engine = createSimEngine(clock, { models, msPerToken: 20, prefillMs: 20 })
  const ready = Promise.withResolvers<void>()
  ready.promise.catch(() => undefined)
  let isUp = false
  const timer = clock.after(parts.loadMs, () => {
    isUp = true
    ready.resolve()
  })
  const supervised: SupervisedEngine = {
    models: () => (isUp ? engine.models() : []),
    onChange: (run) => engine.onChange(run),
    start(request, sink) {
      assert(isUp && parts.isWarm(), `${model} is asked before it was warmed`)
      return engine.start(request, sink)
    },
    ready: () => ready.promise,
    failure: () => null,
    async close() {
      isUp = false
      timer.cancel()
      // Runs that are still open are told, as by every engine.
      engine.faults.crash(0)
      parts.open.models.delete(supervised)
      ready.reject(new Problem('cancelled', 'The engine was closed.'))
    },
  }
  parts.open.models.set(supervised, model)
  return supervised
}
