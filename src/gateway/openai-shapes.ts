/** The parts of replies that whole answers and streams share. */
import type { Exchange } from '#host/host.ts'
import type { TimestampMs } from '#kernel/time.ts'
import type { DeltaDetail, TokenLogprob } from '#protocol/delta-detail.ts'
import type { ReplyTotal } from './reply-choices.ts'
import type { RunResult } from './run-request.ts'

export interface ReplyForm {
  readonly kind: 'chat' | 'completion' | 'embedding'
  readonly model: string
  readonly isStream: boolean
  readonly includesUsage: boolean
  /** Embeddings as base64 of 32-bit floats. */
  readonly isBase64: boolean
  /** Answers to one request; 1 unless given. */
  readonly choices?: number
}

export interface Reply {
  readonly exchange: Exchange
  readonly requestId: string
  readonly form: ReplyForm
  readonly createdAtMs: TimestampMs
  /** Further headers, as they stand when the answer begins. */
  readonly headers?: () => Readonly<Record<string, string>>
}

/** Told when the reader falls behind and when it has caught up. */
export interface Brake {
  pause(): void
  resume(): void
}

export const usageOf = ({ promptTokens, completionTokens, cachedPromptTokens }: ReplyTotal) => ({
  prompt_tokens: promptTokens,
  completion_tokens: completionTokens,
  total_tokens: promptTokens + completionTokens,
  ...(cachedPromptTokens !== undefined && { prompt_tokens_details: { cached_tokens: cachedPromptTokens } }),
})

export const extensionOf = ({ nodeId, cost, firstTokenMs, totalMs, continuations }: ReplyTotal) => ({
  x_shoal: {
    node: nodeId,
    cost_nano_usd: cost.toString(),
    first_token_ms: firstTokenMs === null ? null : Math.round(firstTokenMs),
    total_ms: Math.round(totalMs),
    ...(continuations > 0 && { continuations }),
  },
})

export const envelopeOf = ({ requestId, form, createdAtMs }: Reply) => ({
  id: `${form.kind === 'chat' ? 'chatcmpl' : 'cmpl'}-${requestId.slice(4)}`,
  created: Math.floor(createdAtMs / 1_000),
  model: form.model,
})

/** The same for the same request, choice and call, so that an answer that moves to another node keeps it. */
export const toolCallId = (requestId: string, choice: number, index: number): string =>
  `call_${requestId.slice(4)}${choice.toString(36)}${index.toString(36).padStart(2, '0')}`

/** What a choice that is complete says of why: a call is an end of its own. */
export const finishReasonOf = (
  reason: RunResult['finishReason'],
  calls: number,
): 'stop' | 'length' | 'tool_calls' => (reason === 'stop' && calls > 0 ? 'tool_calls' : reason)

/** Of a chat. */
export const chatLogprobs = (logprobs: readonly TokenLogprob[]) => ({
  content: logprobs.map(({ token, bytes, logprob, top }) => ({ token, bytes, logprob, top_logprobs: top })),
  refusal: null,
})

/** Of a completion, whose tokens begin at `offset` of its text, in characters. */
export function completionLogprobs(logprobs: readonly TokenLogprob[], offset: number) {
  let at = offset
  return {
    tokens: logprobs.map(({ token }) => token),
    token_logprobs: logprobs.map(({ logprob }) => logprob),
    top_logprobs: logprobs.map(({ top }) =>
      Object.fromEntries(top.map(({ token, logprob }) => [token, logprob])),
    ),
    text_offset: logprobs.map(({ token }) => {
      const start = at
      at += token.length
      return start
    }),
  }
}

export type ToolCallDeltas = NonNullable<DeltaDetail['toolCalls']>
