/** Requests as OpenAI's API has them, as far as this network serves them. `openai-parse.ts` reads them. */
import { z } from 'zod'

const Model = z.string().min(1).max(200).describe('An id that `GET /v1/models` lists.')
const TokensMax = z.int().positive().max(10_000_000)
const Stop = z.string().min(1).max(500)
const StreamOptions = z.strictObject({
  include_usage: z.boolean().nullish().describe('Adds a last chunk with `usage` and no choices.'),
  include_obfuscation: z.literal(false).nullish(),
})

/** Accepted by every generating call. `nullish`, as OpenAI's own clients send `null` for what is unset. */
const generation = {
  temperature: z.number().min(0).max(2).nullish(),
  top_p: z.number().min(0).max(1).nullish(),
  seed: z.int().nullish().describe('The same seed on the same node and model gives the same text.'),
  stop: z
    .union(
      [Stop, z.array(Stop).max(4)],
      'expected a string or an array of at most 4 strings, none of them empty',
    )
    .nullish(),
  frequency_penalty: z.number().min(-2).max(2).nullish(),
  presence_penalty: z.number().min(-2).max(2).nullish(),
  stream: z.boolean().nullish(),
  stream_options: StreamOptions.nullish(),
  n: z.literal(1, 'expected 1, the only number of choices that is served').nullish(),
  user: z.string().nullish().describe('Accepted; has no effect.'),
}

const TextPart = z.object({ type: z.literal('text'), text: z.string() })

export const ChatMessage = z
  .object({
    role: z.enum(['system', 'developer', 'user', 'assistant']),
    content: z.union([z.string(), z.array(TextPart).min(1)], 'expected a string or an array of text parts'),
  })
  .meta({ id: 'ChatMessage' })
export type ChatMessage = z.output<typeof ChatMessage>

export const ChatCompletionRequest = z
  .object({
    model: Model,
    messages: z.array(ChatMessage).min(1),
    max_completion_tokens: TokensMax.nullish(),
    max_tokens: TokensMax.nullish().describe('The older name of `max_completion_tokens`.'),
    ...generation,
    metadata: z.record(z.string(), z.string()).nullish().describe('Accepted; has no effect.'),
    store: z.literal(false, 'expected false, as answers are never stored').nullish(),
    service_tier: z.string().nullish().describe('Accepted; there is one tier.'),
    parallel_tool_calls: z.boolean().nullish().describe('Accepted; there are no tool calls.'),
    response_format: z.strictObject({ type: z.literal('text') }).nullish(),
    safety_identifier: z.string().nullish().describe('Accepted; has no effect.'),
    prompt_cache_key: z.string().nullish().describe('Accepted; has no effect.'),
  })
  .meta({ id: 'ChatCompletionRequest' })
export type ChatCompletionRequest = z.output<typeof ChatCompletionRequest>

export const CompletionRequest = z
  .object({
    model: Model,
    prompt: z
      .union([z.string(), z.array(z.string()).length(1)], 'expected a string')
      .describe('One text; an array of one string is taken too.'),
    max_tokens: TokensMax.nullish().describe('16 unless given.'),
    ...generation,
    best_of: z.literal(1, 'expected 1').nullish(),
    echo: z.literal(false, 'expected false').nullish(),
  })
  .meta({ id: 'CompletionRequest' })
export type CompletionRequest = z.output<typeof CompletionRequest>

const EmbeddingText = z.string().min(1)

export const EmbeddingRequest = z
  .object({
    model: Model,
    input: z.union(
      [EmbeddingText, z.array(EmbeddingText).min(1).max(2_048)],
      'expected a string or an array of 1 to 2048 strings, none of them empty',
    ),
    encoding_format: z.enum(['float', 'base64']).nullish(),
    user: z.string().nullish().describe('Accepted; has no effect.'),
  })
  .meta({ id: 'EmbeddingRequest' })
export type EmbeddingRequest = z.output<typeof EmbeddingRequest>
