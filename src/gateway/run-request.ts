/** What a caller's side gives to a request and hears of it. */
import type { NanoUsd } from '#kernel/money.ts'
import type { DeltaDetail } from '#protocol/delta-detail.ts'
import type { EngineRequest } from '#protocol/engine-request.ts'
import type { Problem } from '#protocol/problem.ts'
import type { SlaClass } from '#protocol/sla.ts'
import type { RequestBudget } from './key-budgets.ts'
import type { Preferences } from './preferences.ts'
import type { RequestPriority } from './telemetry.ts'

/** What the caller's side of a request hears. After `onFinish` or `onProblem` nothing more comes. */
export interface RunSink {
  /** The node that answers, before its first text. */
  onNode(nodeId: string): void
  /** The next piece: text, and with what else the same tokens are; the text may then be empty. */
  onText(text: string, detail?: DeltaDetail): void
  onEmbedding(vectors: readonly (readonly number[])[]): void
  onFinish(result: RunResult): void
  onProblem(problem: Problem): void
  /** The reader was given up: its connection must not look finished. */
  onCut(): void
}

export interface RunResult {
  readonly nodeId: string
  readonly finishReason: 'stop' | 'length'
  readonly promptTokens: number
  /** Of those, what the node had read before; absent where it does not tell. */
  readonly cachedPromptTokens?: number | undefined
  readonly completionTokens: number
  /** How often a node failed in the middle of it and another went on. */
  readonly continuations: number
  readonly cost: NanoUsd
  readonly firstTokenMs: number | null
  readonly totalMs: number
}

export interface RunRequest {
  readonly requestId: string
  readonly organisationId: string
  readonly keyId: string
  /** What its key's limits leave to it; absent for a key without. */
  readonly budget?: Pick<RequestBudget, 'budgetId' | 'reserve' | 'release'>
  readonly engine: EngineRequest
  /** Never less than what the prompt can turn out to have. */
  readonly promptTokensMax: number
  readonly completionTokensMax: number
  /**
   * Of a batch: only for nodes that take such work, at their price for it. `keep` is asked once it is complete, for what
   * becomes durable together with its reading.
   */
  readonly batch?: { keep(result: RunResult): string }
  /** Which nodes will do, and what comes first; absent where the caller leaves it to us. */
  readonly preferences?: Preferences
  /** The network's own, to look at the answer. */
  readonly isCanary?: boolean
  /** What it goes before while nodes are busy; `default` unless given. */
  readonly priority?: RequestPriority
  /** What its caller is promised; nothing unless given. */
  readonly slaClass?: SlaClass
}
