/**
 * The port to whatever computes. An engine serves requests for its models and tells, per request, exactly one end:
 * `onEnd` or `onProblem`. Callbacks run on the agent's own turn, never inside `start`.
 */
import type { DeltaDetail } from '#protocol/delta-detail.ts'
import type { EngineRequest } from '#protocol/engine-request.ts'
import type { Problem } from '#protocol/problem.ts'

export interface Engine {
  /** What it can serve now. Empty while it starts or after it failed; `onChange` tells when to look again. */
  models(): readonly EngineModel[]
  onChange(run: () => void): void
  /** Begins `request`; the engine queues what exceeds its slots. */
  start(request: EngineRequest, sink: EngineSink): EngineRun
  /** Ends all work and frees the engine. Runs still open get `onProblem('cancelled')`. */
  close(): Promise<void>
}

/** An engine that has to come up first, and that may go down and come back. */
export interface SupervisedEngine extends Engine {
  /**
   * Resolves when it first serves a model. Rejects with the `Problem` when it never will until a person changes
   * something (`model_missing`, `model_corrupt`, `engine_missing`, `engine_failed`), or with `cancelled` when it was closed first.
   */
  ready(): Promise<void>
  /** Why it serves nothing now; `null` while it serves, and before it has failed at all. */
  failure(): Problem | null
}

export interface EngineModel {
  readonly id: string
  /** `chat`, `completion`, `embedding`: what may be asked of it. */
  readonly tasks: readonly ('chat' | 'completion' | 'embedding')[]
  readonly contextTokens: number
  /** Requests it computes at once without making them wait. */
  readonly slots: number
  /** Hash or name that identifies the weights: streams are never continued on another one. */
  readonly fingerprint: string
  /** It takes `resumedIds`: goes on behind an answer's token ids as if it had made them itself. */
  readonly resumes?: boolean | undefined
  /** What it can do beyond plain text; it is asked for nothing else. */
  readonly features?: readonly string[] | undefined
  /** `cpu`, `cuda`, `vulkan`, `metal`; not given where another program computes. */
  readonly computesOn?: string
}

export interface EngineSink {
  /**
   * Once, before any delta: the prompt is counted and its work has begun, so it is owed even if the caller leaves.
   * `cachedPromptTokens` of it the engine had read before, where it knows already.
   */
  onStarted(promptTokens: number, cachedPromptTokens?: number): void
  /** New text, in order. `tokenIds` are the engine's own ids when it has them; without them `tokenCount` is its claim. */
  onDelta(delta: EngineDelta): void
  /** All vectors of an embedding request, in the order of its inputs; `onEnd` follows. */
  onEmbedding(vectors: readonly Float32Array[]): void
  onEnd(end: EngineEnd): void
  onProblem(problem: Problem): void
}
export interface EngineDelta {
  readonly text: string
  readonly tokenIds: readonly number[]
  readonly tokenCount: number
  /** What the same tokens are beside text. */
  readonly detail?: DeltaDetail | undefined
}
export interface EngineEnd {
  readonly finishReason: 'stop' | 'length'
  readonly promptTokens: number
  /** Of the prompt's tokens, those that the engine had read before; absent where it does not tell. */
  readonly cachedPromptTokens?: number | undefined
  /**
   * Generated tokens, the end-of-text token not among them: equals the sum of the deltas' counts. Only an engine
   * without token ids may say less in the end than its deltas claimed; then the end is right.
   */
  readonly completionTokens: number
}

export interface EngineRun {
  /** Stops the work at once; no callback follows. */
  cancel(): void
  /** Back-pressure: no `onDelta` while paused beyond what is already under way. */
  pause(): void
  resume(): void
}
