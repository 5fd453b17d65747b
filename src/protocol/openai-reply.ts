/** Replies as OpenAI's API has them, with what Shoal adds: `x_shoal`, where each answer came from and what it cost. */
import { z } from 'zod'
import { NodeClass } from './node-class.ts'

/** Our own addition to a reply and to the last chunk of a stream; OpenAI's clients pass over it. */
export const ShoalExtension = z
  .object({
    node: z.string().describe('The node that gave the last token.'),
    cost_nano_usd: z.string().describe('What the caller paid, in billionths of a US dollar.'),
    first_token_ms: z.number().nullable(),
    total_ms: z.number(),
    continuations: z
      .int()
      .optional()
      .describe('How often a node failed in the middle of it and another went on.'),
  })
  .meta({ id: 'ShoalExtension' })
export type ShoalExtension = z.output<typeof ShoalExtension>

const extension = { x_shoal: ShoalExtension.optional() }

export const TokenUsage = z
  .object({
    prompt_tokens: z.int().nonnegative(),
    completion_tokens: z.int().nonnegative(),
    total_tokens: z.int().nonnegative(),
    prompt_tokens_details: z
      .object({ cached_tokens: z.int().nonnegative() })
      .optional()
      .describe('What of the prompt the node had read before; absent where its engine does not tell.'),
  })
  .meta({ id: 'TokenUsage' })
export type TokenUsage = z.output<typeof TokenUsage>

const FinishReason = z.enum(['stop', 'length', 'tool_calls'])
const TokenProbability = z.object({
  token: z.string(),
  bytes: z.array(z.int()).nullable(),
  logprob: z.number(),
})
const ChatLogprobs = z.object({
  content: z.array(TokenProbability.extend({ top_logprobs: z.array(TokenProbability) })),
  refusal: z.null(),
})
const CompletionLogprobs = z.object({
  tokens: z.array(z.string()),
  token_logprobs: z.array(z.number()),
  top_logprobs: z.array(z.record(z.string(), z.number())),
  text_offset: z.array(z.int()),
})
const CalledFunction = z.object({ name: z.string(), arguments: z.string().describe('JSON.') })
const ReplyToolCall = z.object({ id: z.string(), type: z.literal('function'), function: CalledFunction })
const ToolCallChunk = z.object({
  index: z.int(),
  id: z.string().optional(),
  type: z.literal('function').optional(),
  function: CalledFunction.partial(),
})
const reasoning = z
  .string()
  .describe(
    'What the model thought before it answered, from nodes whose engine tells that apart. Its tokens count.',
  )
const envelope = {
  id: z.string(),
  created: z.int().describe('Seconds since the Unix epoch.'),
  model: z.string(),
}

export const ChatCompletion = z
  .object({
    ...envelope,
    object: z.literal('chat.completion'),
    choices: z.array(
      z.object({
        index: z.int(),
        message: z.object({
          role: z.literal('assistant'),
          content: z.string().nullable().describe('`null` where there are tool calls alone.'),
          refusal: z.null(),
          reasoning_content: reasoning.optional(),
          tool_calls: z.array(ReplyToolCall).optional(),
        }),
        logprobs: ChatLogprobs.nullable(),
        finish_reason: FinishReason,
      }),
    ),
    usage: TokenUsage,
    ...extension,
  })
  .meta({ id: 'ChatCompletion' })
export type ChatCompletion = z.output<typeof ChatCompletion>

export const ChatCompletionChunk = z
  .object({
    ...envelope,
    object: z.literal('chat.completion.chunk'),
    choices: z
      .array(
        z.object({
          index: z.int(),
          delta: z.object({
            role: z.literal('assistant').optional(),
            content: z.string().optional(),
            reasoning_content: reasoning.optional(),
            tool_calls: z.array(ToolCallChunk).optional(),
          }),
          logprobs: ChatLogprobs.nullish(),
          finish_reason: FinishReason.nullable(),
        }),
      )
      .describe('Empty in the chunk that carries `usage`.'),
    usage: TokenUsage.nullish(),
    ...extension,
  })
  .meta({
    id: 'ChatCompletionChunk',
    description: 'One event of a stream; the stream ends with the event `[DONE]`.',
  })
export type ChatCompletionChunk = z.output<typeof ChatCompletionChunk>

export const Completion = z
  .object({
    ...envelope,
    object: z.literal('text_completion'),
    choices: z.array(
      z.object({
        index: z.int(),
        text: z.string(),
        logprobs: CompletionLogprobs.nullable(),
        finish_reason: FinishReason.nullable(),
      }),
    ),
    usage: TokenUsage.nullish(),
    ...extension,
  })
  .meta({ id: 'Completion', description: 'The reply, and one event of a stream alike.' })
export type Completion = z.output<typeof Completion>

export const EmbeddingList = z
  .object({
    object: z.literal('list'),
    data: z.array(
      z.object({
        object: z.literal('embedding'),
        index: z.int(),
        embedding: z
          .union([z.array(z.number()), z.string()])
          .describe('Numbers, or with `encoding_format: base64` little-endian 32-bit floats.'),
      }),
    ),
    model: z.string(),
    usage: z.object({ prompt_tokens: z.int().nonnegative(), total_tokens: z.int().nonnegative() }),
    ...extension,
  })
  .meta({ id: 'EmbeddingList' })
export type EmbeddingList = z.output<typeof EmbeddingList>

export const Model = z
  .object({
    id: z.string(),
    object: z.literal('model'),
    created: z.int(),
    owned_by: z.string(),
    context_length: z.int().describe('The longest that a node has, in tokens.'),
    nodes: z.int().describe('That serve it now.'),
    slots: z.int().describe('Requests that they compute at once.'),
    tasks: z.array(z.string()).describe('`chat`, `completion`, `embedding`.'),
    features: z.array(z.string()).describe('What at least one node can do beyond plain text.'),
    resumes: z.boolean().describe('Whether an answer goes on elsewhere when its node fails.'),
    tokens_per_second: z.number().describe('Of the quickest node, one request alone, as measured on it.'),
    tokens_per_second_all: z.number().describe('Of all nodes together, every slot busy.'),
    status: z
      .enum(['ready', 'cold'])
      .describe('`cold`: no node serves it now; a request waits for the load, or is told how long it takes.'),
    classes: z.array(NodeClass).describe('Of the nodes that serve it.'),
    pricing: z
      .object({
        prompt_nano_usd_per_million: z.string(),
        cached_prompt_nano_usd_per_million: z
          .string()
          .describe(
            'Of input that the node has read before, as `usage` tells it. The same as other input where no price of its own is set.',
          ),
        completion_nano_usd_per_million: z.string(),
        prompt_nano_usd_per_million_max: z.string(),
        completion_nano_usd_per_million_max: z.string(),
      })
      .nullable()
      .describe(
        'What the cheapest node asks for a million tokens, and the dearest; in billionths of a US dollar. Of a model that no node serves now: what it is quoted at, `null` where nodes will say.',
      ),
  })
  .meta({ id: 'Model' })
export type Model = z.output<typeof Model>

export const ModelList = z
  .object({ object: z.literal('list'), data: z.array(Model) })
  .meta({ id: 'ModelList' })
export type ModelList = z.output<typeof ModelList>

export const OpenAiErrorReply = z
  .object({
    error: z.object({
      message: z.string(),
      type: z.string(),
      param: z.string().nullable(),
      code: z.string().nullable(),
    }),
  })
  .meta({ id: 'OpenAiError' })
