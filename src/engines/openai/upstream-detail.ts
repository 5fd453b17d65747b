/** Probabilities and calls of tools in an upstream's chunks, as engines tell them. */
import { TOOL_CALLS_MAX, type TokenLogprob, type ToolCallDelta } from '#protocol/delta-detail.ts'
import type { Logprobs, ToolCallChunk } from './upstream-replies.ts'

/** As many of the likeliest tokens as were asked for, and no more than that. */
export function readLogprobs(logprobs: Logprobs | null | undefined, topCount: number): TokenLogprob[] {
  if (!logprobs) return []
  if (logprobs.content) {
    return logprobs.content.map(({ token, bytes, logprob, top_logprobs }) => ({
      token,
      bytes: bytes ?? null,
      logprob,
      top: (top_logprobs ?? []).slice(0, topCount).map((one) => ({ ...one, bytes: one.bytes ?? null })),
    }))
  }
  return (logprobs.tokens ?? []).map((token, index) => ({
    token,
    bytes: null,
    logprob: logprobs.token_logprobs?.[index] ?? 0,
    top: Object.entries(logprobs.top_logprobs?.[index] ?? {})
      .map(([text, logprob]) => ({ token: text, bytes: null, logprob }))
      .sort((a, b) => b.logprob - a.logprob)
      .slice(0, topCount),
  }))
}

/**
 * Numbers the calls of an answer from 0 on: some servers leave the index out, and give each call an id instead. Those
 * behind the last that an answer may have are left out.
 */
export class UpstreamCalls {
  readonly #numbers = new Map<string, number>()
  #last = -1

  read(chunks: readonly ToolCallChunk[]): ToolCallDelta[] {
    return chunks.flatMap((chunk) => {
      const { index, isFirst } = this.#place(chunk)
      if (index >= TOOL_CALLS_MAX) return []
      const { name, arguments: more } = chunk.function ?? {}
      return [{ index, ...(isFirst && { name: name ?? '' }), ...(more && { arguments: more }) }]
    })
  }

  #place({ index: given, id, function: called }: ToolCallChunk): { index: number; isFirst: boolean } {
    const key =
      given === null || given === undefined
        ? (id ?? (called?.name ? `new ${this.#last}` : null))
        : `at ${given}`
    if (key === null) return { index: Math.max(0, this.#last), isFirst: false }
    const known = this.#numbers.get(key)
    if (known !== undefined) return { index: known, isFirst: false }
    // What goes on without saying with which call belongs to the last, though that be one too many.
    if (this.#last < TOOL_CALLS_MAX) this.#last++
    if (this.#last < TOOL_CALLS_MAX) this.#numbers.set(key, this.#last)
    return { index: this.#last, isFirst: true }
  }
}
