/**
 * An answer of a batch as it is kept with its meter reading, in one entry of the spool: what is billed is there to be
 * delivered, and what is not billed was never delivered.
 */
import { z } from 'zod'
import { TokenLogprob } from '#protocol/delta-detail.ts'
import { NanoUsd } from '#protocol/money.ts'
import { jsonWriter } from '#protocol/wire-form.ts'
import type { RunResult, RunSink } from '../run-request.ts'

export const KeptAnswer = z.object({
  batchId: z.string(),
  line: z.int().positive(),
  choice: z.int().nonnegative(),
  /** Of the line: that of its first choice, which all of them answer under. */
  requestId: z.string(),
  createdAtMs: z.int(),
  text: z.string(),
  logprobs: z.array(TokenLogprob).nullable(),
  calls: z.array(z.object({ name: z.string(), arguments: z.string() })),
  /** What the model thought; left out where it told nothing of it. */
  reasoning: z.string().optional(),
  vectors: z.array(z.array(z.number())).nullable(),
  result: z.object({
    nodeId: z.string(),
    finishReason: z.enum(['stop', 'length']),
    promptTokens: z.int(),
    cachedPromptTokens: z.int().optional(),
    completionTokens: z.int(),
    continuations: z.int(),
    cost: NanoUsd,
    firstTokenMs: z.number().nullable(),
    totalMs: z.number(),
  }),
})
export type KeptAnswer = z.output<typeof KeptAnswer>

export const formatKept = jsonWriter(KeptAnswer)

/** `null` for what is no kept answer. */
export function parseKept(text: string): KeptAnswer | null {
  const parsed = KeptAnswer.safeParse(JSON.parse(text))
  return parsed.success ? parsed.data : null
}

/** Collects an answer as it comes. */
export class AnswerCollector {
  #text = ''
  #reasoning = ''
  #logprobs: TokenLogprob[] | null = null
  readonly #calls: { name: string; arguments: string }[] = []
  #vectors: number[][] | null = null

  onText: RunSink['onText'] = (text, detail) => {
    this.#text += text
    this.#reasoning += detail?.reasoning ?? ''
    if (detail?.logprobs) {
      this.#logprobs ??= []
      this.#logprobs.push(...detail.logprobs)
    }
    for (const { index, name = '', arguments: more = '' } of detail?.toolCalls ?? []) {
      const call = this.#calls[index]
      if (call) call.arguments += more
      else this.#calls[index] = { name, arguments: more }
    }
  }

  onEmbedding: RunSink['onEmbedding'] = (vectors) => {
    this.#vectors = vectors.map((vector) => [...vector])
  }

  answer(
    known: Pick<KeptAnswer, 'batchId' | 'line' | 'choice' | 'requestId' | 'createdAtMs'>,
    result: RunResult,
  ): KeptAnswer {
    const parts = { text: this.#text, logprobs: this.#logprobs, calls: this.#calls, vectors: this.#vectors }
    return { ...known, ...parts, ...(this.#reasoning !== '' && { reasoning: this.#reasoning }), result }
  }
}

/** Tells `sink` the answer again, in one piece. */
export function tellAgain(
  { text, logprobs, calls, reasoning, vectors, result }: KeptAnswer,
  sink: RunSink,
): void {
  sink.onNode(result.nodeId)
  if (reasoning !== undefined) sink.onText('', { reasoning })
  if (vectors) sink.onEmbedding(vectors)
  if (text !== '' || logprobs) sink.onText(text, { ...(logprobs && { logprobs }) })
  const toolCalls = calls.map((call, index) => ({ index, ...call }))
  if (toolCalls.length > 0) sink.onText('', { toolCalls })
  sink.onFinish(result)
}
