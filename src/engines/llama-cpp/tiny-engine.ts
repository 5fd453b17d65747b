/** Test support: a real engine with its real child process on the tiny model, and runs as promises. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Clock, Log } from '#host/host.ts'
import { nodeChildren } from '#host/node/node-children.ts'
import { nodeClock } from '#host/node/node-clock.ts'
import { assert } from '#kernel/assert.ts'
import type { EngineRequest, Sampling } from '#protocol/engine-request.ts'
import type { Problem } from '#protocol/problem.ts'
import type { Child, Children } from '../child.ts'
import type { Engine, EngineDelta, EngineEnd, EngineRun, SupervisedEngine } from '../engine.ts'
import { createLlamaCppEngine, type LlamaCppOptions } from './llama-cpp-engine.ts'
import { type TinyGgufOptions, tinyGguf } from './tiny-gguf.ts'

export interface TinyEngineOptions extends Partial<LlamaCppOptions> {
  /** Bytes of the model file instead of a tiny model; `null` for no file at all. */
  readonly file?: Uint8Array | null
  readonly model?: TinyGgufOptions
  readonly clock?: Clock
}

export interface TinyEngine {
  readonly engine: SupervisedEngine
  readonly modelPath: string
  /** Every child process so far, in order. */
  readonly children: readonly Child[]
  /** Resolves at the next change of the engine's models for which `holds`. */
  changed(holds: () => boolean): Promise<void>
  close(): Promise<void>
}

export async function openTinyEngine(options: TinyEngineOptions = {}): Promise<TinyEngine> {
  const { file, model, clock = nodeClock, ...engineOptions } = options
  const folder = await mkdtemp(join(tmpdir(), 'shoal-tiny-'))
  const modelPath = join(folder, 'tiny.gguf')
  if (file !== null) await writeFile(modelPath, file ?? tinyGguf({ isEndless: true, ...model }))
  const spawned: Child[] = []
  const children: Children = {
    spawnChild(program, handlers) {
      const child = nodeChildren.spawnChild(program, handlers)
      spawned.push(child)
      return child
    },
  }
  const engine = createLlamaCppEngine(
    { modelPath, modelId: 'tiny', gpu: false, threads: 1, ...engineOptions },
    { children, clock, log: silentLog },
  )
  const changed = (holds: () => boolean) =>
    new Promise<void>((resolve) => engine.onChange(() => (holds() ? resolve() : undefined)))
  const close = async () => {
    await engine.close()
    await rm(folder, { recursive: true })
  }
  return { engine, modelPath, children: spawned, changed, close }
}

export interface FinishedRun {
  readonly text: string
  readonly tokenIds: readonly number[]
  readonly deltas: readonly EngineDelta[]
  readonly vectors: readonly Float32Array[]
  /** What `onStarted` told, once; `null` when it was never called. */
  readonly startedWith: number | null
  /** Exactly one of the two, unless the run was cancelled. */
  readonly end: EngineEnd | null
  readonly problem: Problem | null
}

export interface OpenRun {
  readonly run: EngineRun
  readonly finished: Promise<FinishedRun>
  /** Resolves with the first delta, or when the run is over. */
  readonly begun: Promise<void>
  readonly deltas: readonly EngineDelta[]
}

export function startRun(engine: Engine, request: EngineRequest): OpenRun {
  const deltas: EngineDelta[] = []
  let vectors: readonly Float32Array[] = []
  let startedWith: number | null = null
  const finished = Promise.withResolvers<FinishedRun>()
  const begun = Promise.withResolvers<void>()
  const finish = (end: EngineEnd | null, problem: Problem | null) => {
    begun.resolve()
    const text = deltas.map((delta) => delta.text).join('')
    finished.resolve({
      text,
      tokenIds: deltas.flatMap((delta) => delta.tokenIds),
      deltas,
      vectors,
      startedWith,
      end,
      problem,
    })
  }
  const run = engine.start(request, {
    onStarted(promptTokens) {
      assert(startedWith === null && deltas.length === 0, 'a run starts once, before its deltas')
      startedWith = promptTokens
    },
    onDelta(delta) {
      deltas.push(delta)
      begun.resolve()
    },
    onEmbedding(all) {
      vectors = all
    },
    onEnd: (end) => finish(end, null),
    onProblem: (problem) => finish(null, problem),
  })
  return { run, finished: finished.promise, begun: begun.promise, deltas }
}

export const finishRun = (engine: Engine, request: EngineRequest): Promise<FinishedRun> =>
  startRun(engine, request).finished

const greedy: Sampling = { temperature: 0, topP: 1, stop: [], frequencyPenalty: 0, presencePenalty: 0 }

interface RequestParts {
  readonly model?: string
  readonly maxTokens?: number
  readonly sampling?: Partial<Sampling>
}

export const completion = (prompt: string, parts: RequestParts = {}): EngineRequest => ({
  kind: 'completion',
  requestId: 'request',
  model: parts.model ?? 'tiny',
  prompt,
  maxTokens: parts.maxTokens ?? 16,
  sampling: { ...greedy, ...parts.sampling },
})

type Messages = Extract<EngineRequest, { kind: 'chat' }>['messages']

export const chat = (messages: Messages, parts: RequestParts = {}): EngineRequest => ({
  kind: 'chat',
  requestId: 'request',
  model: parts.model ?? 'tiny',
  messages,
  maxTokens: parts.maxTokens ?? 16,
  sampling: { ...greedy, ...parts.sampling },
})

export const embedding = (inputs: string[], model = 'tiny'): EngineRequest => ({
  kind: 'embedding',
  requestId: 'request',
  model,
  inputs,
})

const silentLog: Log = { info: () => undefined, warn: () => undefined, error: () => undefined }
