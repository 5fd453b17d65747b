/** What a token counter and its child process say to each other; both are of the same build. */
import type { EngineRequest } from '#protocol/engine-request.ts'

export interface CountAsk {
  /** Whose prompt is to be counted; `null` for none. */
  readonly request: EngineRequest | null
  readonly text: string
  /** As the node told them; `null` where it told none. */
  readonly tokenIds: readonly number[] | null
}

export interface TokenCount {
  readonly promptTokens: number | null
  readonly completionTokens: number
}

export type ToCounter =
  | { readonly type: 'load'; readonly modelPath: string }
  | { readonly type: 'count'; readonly id: number; readonly ask: CountAsk }

export type FromCounter =
  | { readonly type: 'ready' }
  | { readonly type: 'failed'; readonly message: string }
  /** `null` for what this vocabulary cannot count. */
  | { readonly type: 'counted'; readonly id: number; readonly count: TokenCount | null }
