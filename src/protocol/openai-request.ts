/** Requests as OpenAI's API has them, as far as this network serves them. `openai-parse.ts` reads them. */
import { z } from 'zod'
import { ResponseFormat, TOOLS_MAX, Tool, ToolCall, ToolChoice } from './openai-tools.ts'
import { ProviderPreferences } from './provider-preferences.ts'

const Model = z.string().min(1).max(200).describe('An id that `GET /v1/models` lists.')
const TokensMax = z.int().positive().max(10_000_000)
/** Answers to one request, prompts of a completion multiplied in. */
export const CHOICES_MAX = 16
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
  stop: z.union([Stop, z.array(Stop).max(4)], 'expected one of a string or array of strings').nullish(),
  frequency_penalty: z.number().min(-2).max(2).nullish(),
  presence_penalty: z.number().min(-2).max(2).nullish(),
  stream: z.boolean().nullish(),
  stream_options: StreamOptions.nullish(),
  n: z.int().min(1).max(CHOICES_MAX).nullish().describe('How many answers; each is paid for.'),
  logit_bias: z
    .record(z.string(), z.number().min(-100).max(100))
    .nullish()
    .describe('By token id of this very model.'),
  user: z.string().nullish().describe('Accepted; has no effect.'),
  provider: ProviderPreferences.nullish(),
}

const TextPart = z.strictObject({ type: z.literal('text'), text: z.string() })
const RefusalPart = z.strictObject({ type: z.literal('refusal'), refusal: z.string() })

export const ChatMessage = z
  .object({
    role: z.enum(['system', 'developer', 'user', 'assistant', 'tool']),
    content: z
      .union(
        [z.string(), z.array(z.discriminatedUnion('type', [TextPart, RefusalPart])).min(1)],
        'expected one of a string or array of objects',
      )
      .nullish()
      .describe('Only a message of the assistant with `tool_calls` may be without.'),
    tool_calls: z.array(ToolCall).min(1).max(TOOLS_MAX).nullish(),
    tool_call_id: z
      .string()
      .max(200)
      .nullish()
      .describe('Of a message of role `tool`: which call it answers.'),
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
    service_tier: z
      .enum(['auto', 'default', 'flex', 'scale', 'priority'])
      .nullish()
      .describe(
        '`priority` goes before, `flex` behind everything else while nodes are busy; the others are the same. No tier has a price of its own.',
      ),
    tools: z.array(Tool).min(1).max(TOOLS_MAX).nullish(),
    tool_choice: ToolChoice.nullish(),
    parallel_tool_calls: z.boolean().nullish().describe('False: at most one call in an answer.'),
    response_format: ResponseFormat.nullish(),
    logprobs: z.boolean().nullish(),
    top_logprobs: z.int().min(0).max(20).nullish(),
    safety_identifier: z.string().nullish().describe('Accepted; has no effect.'),
    prompt_cache_key: z.string().nullish().describe('Accepted; has no effect.'),
  })
  .meta({ id: 'ChatCompletionRequest' })
export type ChatCompletionRequest = z.output<typeof ChatCompletionRequest>

export const CompletionRequest = z
  .object({
    model: Model,
    prompt: z
      .union(
        [z.string(), z.array(z.string()).min(1).max(CHOICES_MAX)],
        'expected one of a string or array of strings',
      )
      .describe('One text or several; each gets `n` answers.'),
    max_tokens: TokensMax.nullish().describe('16 unless given.'),
    ...generation,
    logprobs: z.int().min(0).max(5).nullish(),
    best_of: z.int().min(1).max(20).nullish().describe('Only as `n`: no answers are made that are not sent.'),
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
      'expected one of a string or array of strings',
    ),
    encoding_format: z.enum(['float', 'base64']).nullish(),
    provider: ProviderPreferences.nullish(),
    user: z.string().nullish().describe('Accepted; has no effect.'),
  })
  .meta({ id: 'EmbeddingRequest' })
export type EmbeddingRequest = z.output<typeof EmbeddingRequest>
