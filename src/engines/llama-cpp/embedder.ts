import type { LlamaEmbeddingContext, LlamaModel } from 'node-llama-cpp'
import { Problem } from '#protocol/problem.ts'

export interface Embedder {
  /** Counts and checks all inputs before any work. Rejects with `Problem('context_length_exceeded' | 'invalid_request')`. */
  prepare(inputs: readonly string[]): Promise<readonly PreparedInput[]>
}
export interface PreparedInput {
  readonly tokens: number
  /** The unit vector of the input. One call at a time. */
  embed(): Promise<Float32Array>
}

/** Longest input: the whole of it is one batch, whose memory grows with its length. */
const INPUT_TOKENS_MAX = 2048

/** The embedding context is made by the first request for one: most nodes never need its memory. */
export function createEmbedder(options: {
  model: LlamaModel
  contextTokens: number
  threads: number
  /** As `PromptTokenizer` has it. */
  tokensAtLeast: ((text: string) => number) | undefined
}): Embedder {
  const { model, threads, tokensAtLeast = () => 1 } = options
  const contextTokens = Math.min(options.contextTokens, INPUT_TOKENS_MAX)
  let opened: Promise<LlamaEmbeddingContext> | null = null
  return {
    async prepare(inputs) {
      opened ??= model
        .createEmbeddingContext({ contextSize: contextTokens, batchSize: contextTokens, threads })
        .catch((error: unknown) => {
          // A moment without memory for it is no reason to refuse all that comes later.
          opened = null
          throw error
        })
      const context = await opened
      return inputs.map((text) => {
        const atLeast = tokensAtLeast(text)
        if (atLeast >= contextTokens) throw tooLong(`at least ${atLeast}`, contextTokens)
        const input = model.tokenize(text)
        const tokens = context.calculateInputLength(input)
        checkLength(tokens, contextTokens)
        return { tokens, embed: async () => toUnit((await context.getEmbeddingFor(input)).vector) }
      })
    },
  }
}

function checkLength(tokens: number, contextTokens: number): void {
  if (tokens === 0) {
    throw new Problem('invalid_request', `An 'input' is empty. Send at least one character.`, {
      details: { param: 'input' },
    })
  }
  if (tokens >= contextTokens) throw tooLong(String(tokens), contextTokens)
}

const tooLong = (found: string, contextTokens: number): Problem =>
  new Problem(
    'context_length_exceeded',
    `This model embeds at most ${contextTokens - 1} tokens at once, but an 'input' has ${found}. Split it.`,
    { details: { param: 'input' } },
  )

function toUnit(vector: readonly number[]): Float32Array {
  const length = Math.sqrt(vector.reduce((sum, value) => sum + value * value, 0))
  return Float32Array.from(vector, (value) => (length === 0 ? 0 : value / length))
}
