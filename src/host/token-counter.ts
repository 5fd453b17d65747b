/** The port to whoever counts the tokens of a text by a model's own vocabulary, beside the path of the tokens. */
import type { EngineRequest } from '#protocol/engine-request.ts'

export interface TokenCounter {
  /** It will be asked soon. */
  warm(): void
  /** `done` runs once, never inside; with `null` where nobody could count in time. */
  count(ask: CountAsk, done: (count: TokenCount | null) => void): void
  close(): void
}

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
