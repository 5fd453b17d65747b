/** Replies of the Responses API, as far as this network gives them. */
import { z } from 'zod'
import { ShoalExtension } from './openai-reply.ts'

const Status = z.enum(['in_progress', 'completed', 'incomplete'])

const OutputText = z.object({
  type: z.literal('output_text'),
  text: z.string(),
  annotations: z.array(z.never()),
  logprobs: z
    .array(z.unknown())
    .describe('With `include: ["message.output_text.logprobs"]`, one for each token.'),
})

const OutputItem = z.discriminatedUnion('type', [
  z.object({
    type: z.literal('message'),
    id: z.string(),
    status: Status,
    role: z.literal('assistant'),
    content: z.array(OutputText),
  }),
  z.object({
    type: z.literal('function_call'),
    id: z.string(),
    status: Status,
    call_id: z.string().describe('What the output of the call is sent back under.'),
    name: z.string(),
    arguments: z.string().describe('JSON.'),
  }),
])

export const ResponseReply = z
  .object({
    id: z.string(),
    object: z.literal('response'),
    created_at: z.int(),
    status: z.enum(['in_progress', 'completed', 'incomplete', 'failed']),
    error: z.object({ code: z.string(), message: z.string() }).nullable(),
    incomplete_details: z.object({ reason: z.literal('max_output_tokens') }).nullable(),
    model: z.string(),
    output: z.array(OutputItem),
    store: z.literal(false),
    usage: z
      .object({
        input_tokens: z.int(),
        input_tokens_details: z.object({ cached_tokens: z.int() }),
        output_tokens: z.int(),
        output_tokens_details: z.object({ reasoning_tokens: z.int() }),
        total_tokens: z.int(),
      })
      .nullable(),
    x_shoal: ShoalExtension.optional(),
  })
  .meta({ id: 'Response', description: 'Beside these members it repeats what was asked.' })
export type ResponseReply = z.output<typeof ResponseReply>

export const ResponseEvent = z
  .object({
    type: z
      .string()
      .describe(
        '`response.created`, `response.in_progress`, `response.output_item.added`, `response.content_part.added`, `response.output_text.delta`, `response.output_text.done`, `response.function_call_arguments.delta`, `response.function_call_arguments.done`, `response.content_part.done`, `response.output_item.done`, and at the end `response.completed`, `response.incomplete` or `response.failed`.',
      ),
    sequence_number: z.int().describe('From 0 on, one more with each event.'),
    response: ResponseReply.optional(),
    item_id: z.string().optional(),
    output_index: z.int().optional(),
    content_index: z.int().optional(),
    delta: z.string().optional(),
  })
  .meta({ id: 'ResponseEvent', description: 'One event of a stream, by its type.' })
export type ResponseEvent = z.output<typeof ResponseEvent>
