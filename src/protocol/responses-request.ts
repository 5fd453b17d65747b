/** Requests to the Responses API, as far as this network serves them: without state, in text. `responses-parse.ts` reads them. */
import { z } from 'zod'
import { FunctionDefinition, TOOLS_MAX } from './openai-tools.ts'
import { ProviderPreferences } from './provider-preferences.ts'

const TextPart = z.object({ type: z.enum(['input_text', 'output_text']), text: z.string() })
const RefusalPart = z.object({ type: z.literal('refusal'), refusal: z.string() })
const Content = z.union(
  [z.string(), z.array(z.union([TextPart, RefusalPart])).min(1)],
  'expected one of a string or array of objects',
)

/** What replies carry and what has no meaning when it is sent back. */
const ofReplies = { id: z.string().nullish(), status: z.string().nullish() }

const InputMessage = z.strictObject({
  type: z.literal('message').optional(),
  role: z.enum(['user', 'assistant', 'system', 'developer']),
  content: Content,
  phase: z.null().optional(),
  ...ofReplies,
})
const FunctionCall = z.strictObject({
  type: z.literal('function_call'),
  call_id: z.string().min(1).max(200),
  name: z.string().min(1).max(200),
  arguments: z.string(),
  ...ofReplies,
})
const FunctionCallOutput = z.strictObject({
  type: z.literal('function_call_output'),
  call_id: z.string().min(1).max(200),
  output: Content,
  ...ofReplies,
})
export const InputItem = z.union([InputMessage, FunctionCall, FunctionCallOutput])
export type InputItem = z.output<typeof InputItem>
/** By their `type`, so that what is wrong with an item is told of the kind that it is. */
export const inputItemKinds = {
  message: InputMessage,
  function_call: FunctionCall,
  function_call_output: FunctionCallOutput,
} as const

export const ResponseTool = z.strictObject({ type: z.literal('function'), ...FunctionDefinition.shape })

const TextFormat = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('text') }),
  z.strictObject({ type: z.literal('json_object') }),
  z.strictObject({
    type: z.literal('json_schema'),
    name: z
      .string()
      .min(1)
      .max(64)
      .regex(/^[a-zA-Z0-9_-]+$/),
    description: z.string().max(1024).nullish(),
    schema: z.record(z.string(), z.unknown()),
    strict: z.boolean().nullish(),
  }),
])

export const ResponseRequest = z
  .object({
    model: z.string().min(1).max(200).describe('An id that `GET /v1/models` lists.'),
    input: z
      .union([z.string(), z.array(z.unknown()).min(1)], 'expected one of a string or array of objects')
      .describe('A text of the user, or messages, calls of functions and their outputs.'),
    instructions: z.string().nullish().describe('Said by the system before everything else.'),
    max_output_tokens: z.int().positive().max(10_000_000).nullish(),
    temperature: z.number().min(0).max(2).nullish(),
    top_p: z.number().min(0).max(1).nullish(),
    stream: z.boolean().nullish(),
    stream_options: z.strictObject({ include_obfuscation: z.literal(false).nullish() }).nullish(),
    store: z.literal(false).nullish().describe('Answers are never stored: send the conversation each time.'),
    text: z
      .strictObject({ format: TextFormat.nullish(), verbosity: z.literal('medium').nullish() })
      .nullish(),
    tools: z.array(ResponseTool).max(TOOLS_MAX).nullish(),
    tool_choice: z
      .union(
        [
          z.enum(['none', 'auto', 'required']),
          z.strictObject({ type: z.literal('function'), name: z.string().min(1) }),
        ],
        'expected one of a string or object',
      )
      .nullish(),
    parallel_tool_calls: z.boolean().nullish(),
    include: z.array(z.literal('message.output_text.logprobs')).nullish(),
    top_logprobs: z.int().min(0).max(20).nullish(),
    truncation: z.literal('disabled').nullish(),
    provider: ProviderPreferences.nullish(),
    metadata: z.record(z.string(), z.string()).nullish().describe('Given back; has no other effect.'),
    service_tier: z
      .enum(['auto', 'default', 'flex', 'scale', 'priority'])
      .nullish()
      .describe(
        '`priority` goes before, `flex` behind everything else while nodes are busy; the others are the same. No tier has a price of its own.',
      ),
    user: z.string().nullish().describe('Accepted; has no effect.'),
    safety_identifier: z.string().nullish().describe('Accepted; has no effect.'),
    prompt_cache_key: z.string().nullish().describe('Accepted; has no effect.'),
  })
  .meta({ id: 'ResponseRequest' })
export type ResponseRequest = z.output<typeof ResponseRequest>
