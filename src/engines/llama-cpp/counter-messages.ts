/** What a token counter and its child process say to each other; both are of the same build. */
import type { CountAsk, TokenCount } from '#host/token-counter.ts'

export type ToCounter =
  | { readonly type: 'load'; readonly modelPath: string }
  | { readonly type: 'count'; readonly id: number; readonly ask: CountAsk }

export type FromCounter =
  | { readonly type: 'ready' }
  | { readonly type: 'failed'; readonly message: string }
  /** `null` for what this vocabulary cannot count. */
  | { readonly type: 'counted'; readonly id: number; readonly count: TokenCount | null }
