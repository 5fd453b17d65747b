/** Chats with a network by the stock client, as their callers see them. */
import type OpenAI from 'openai'
import { APIUserAbortError } from 'openai'
import type { ShoalExtension } from '#protocol/openai-reply.ts'

export interface ChatResult {
  /** As the usage list names it; null when no answer began. */
  readonly requestId: string | null
  readonly text: string
  /** Chunks with text. */
  readonly chunks: number
  readonly finishReason: string | null
  readonly usage: OpenAI.CompletionUsage | null
  readonly cost: bigint | null
  /** How often another engine went on with it. */
  readonly continuations: number
  /** What ended it, unless it ended well. */
  readonly error: unknown
}

export interface ChatOptions {
  readonly prompt: string
  readonly maxTokens: number
  readonly model?: string
  readonly onChunk?: (chunks: number) => void
  /** The caller leaves. */
  readonly signal?: AbortSignal
}

/** One streamed chat, greedy. Never rejects. */
export async function streamChat(openai: OpenAI, options: ChatOptions): Promise<ChatResult> {
  const { prompt, maxTokens, model = 'tiny', onChunk, signal } = options
  const seen = { requestId: null as string | null, text: '', chunks: 0, finishReason: null as string | null }
  let usage: OpenAI.CompletionUsage | null = null
  let cost: bigint | null = null
  let continuations = 0
  try {
    const stream = await openai.chat.completions.create(
      {
        model,
        messages: [{ role: 'user', content: prompt }],
        max_tokens: maxTokens,
        temperature: 0,
        stream: true,
        stream_options: { include_usage: true },
      },
      signal ? { signal } : {},
    )
    for await (const chunk of stream) {
      seen.requestId = requestIdOf(chunk.id)
      const [choice] = chunk.choices
      if (choice?.delta.content) {
        seen.text += choice.delta.content
        seen.chunks++
        onChunk?.(seen.chunks)
      }
      seen.finishReason = choice?.finish_reason ?? seen.finishReason
      usage = chunk.usage ?? usage
      const extension = extensionOf(chunk)
      if (extension) cost = BigInt(extension.cost_nano_usd)
      continuations = extension?.continuations ?? continuations
    }
    // The client ends the loop in silence when its caller leaves.
    const error = signal?.aborted ? new APIUserAbortError() : null
    return {
      ...seen,
      usage,
      cost,
      continuations,
      error: error ?? (seen.finishReason === null ? new Error('cut off') : null),
    }
  } catch (error) {
    return { ...seen, usage, cost, continuations, error }
  }
}

/** `req_…` of the `chatcmpl-…` or `cmpl-…` that an answer bears. */
export const requestIdOf = (answerId: string): string => answerId.replace(/^(chatcmpl|cmpl)-/, 'req_')

/** What Shoal adds to an answer and to the last chunk of a stream. */
export const extensionOf = (answer: object): ShoalExtension | undefined =>
  (answer as { x_shoal?: ShoalExtension }).x_shoal
