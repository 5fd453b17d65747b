/** What a request to the OpenAI-compatible API asks of an engine. */
import type { EngineMessage, EngineRequest, OutputFormat, Sampling } from './engine-request.ts'
import type {
  ChatCompletionRequest,
  ChatMessage,
  CompletionRequest,
  EmbeddingRequest,
} from './openai-request.ts'
import type { FunctionDefinition, ResponseFormat } from './openai-tools.ts'

type ChatAsk = Extract<EngineRequest, { kind: 'chat' }>
type EngineTools = NonNullable<ChatAsk['tools']>

/** The messages as engines take them: `developer` is `system` by its newer name, parts of text are joined. */
export const engineMessages = (request: ChatCompletionRequest): EngineMessage[] =>
  request.messages.map(({ role, content, tool_calls, tool_call_id }) => ({
    role: role === 'developer' ? 'system' : role,
    content: textOf(content),
    ...(tool_calls && {
      toolCalls: tool_calls.map((call) => ({
        id: call.id,
        name: call.function.name,
        arguments: call.function.arguments,
      })),
    }),
    ...(tool_call_id && { toolCallId: tool_call_id }),
  }))

const textOf = (content: ChatMessage['content']): string =>
  typeof content === 'string'
    ? content
    : (content ?? []).map((part) => (part.type === 'text' ? part.text : part.refusal)).join('')

/** Format, tools and probabilities, as far as the request asks for them. */
export function chatExtras(
  request: ChatCompletionRequest,
): Pick<ChatAsk, 'format' | 'tools' | 'topLogprobs'> {
  const { response_format, logprobs, top_logprobs } = request
  const format = formatOf(response_format)
  const tools = engineTools(request)
  return {
    ...(format && { format }),
    ...(tools && { tools }),
    ...(logprobs === true && { topLogprobs: top_logprobs ?? 0 }),
  }
}

/** `null` for plain text. */
export function formatOf(format: ResponseFormat | null | undefined): OutputFormat | null {
  if (!format || format.type === 'text') return null
  if (format.type === 'json_object') return { type: 'json_object' }
  const { name, schema, strict } = format.json_schema
  return { type: 'json_schema', name, schema, isStrict: strict === true }
}

function engineTools({ tools, tool_choice, parallel_tool_calls }: ChatCompletionRequest): EngineTools | null {
  if (!tools || tools.length === 0 || tool_choice === 'none') return null
  const named = typeof tool_choice === 'object' ? tool_choice?.function.name : undefined
  return {
    list: tools.map((tool) => toEngineTool(tool.function)),
    choice: named === undefined ? (tool_choice === 'required' ? 'required' : 'auto') : { name: named },
    mayBeParallel: parallel_tool_calls !== false,
  }
}

export const toEngineTool = ({
  name,
  description,
  parameters,
  strict,
}: FunctionDefinition): EngineTools['list'][number] => ({
  name,
  ...(description && { description }),
  ...(parameters && { parameters }),
  isStrict: strict === true,
})

/** Its prompts, at least one. */
export const promptsOf = (request: CompletionRequest): string[] =>
  typeof request.prompt === 'string' ? [request.prompt] : request.prompt

/** The texts to embed, in order. */
export const embeddingInputs = (request: EmbeddingRequest): string[] =>
  typeof request.input === 'string' ? [request.input] : request.input

/** How many tokens may be generated, or `null` when only the model's context limits it. */
export const maxTokensOf = (request: ChatCompletionRequest): number | null =>
  request.max_completion_tokens ?? request.max_tokens ?? null

/** A completion without `max_tokens` gets 16, as OpenAI's does. */
export const completionMaxTokens = (request: CompletionRequest): number => request.max_tokens ?? 16

/** OpenAI allows `top_p: 0`; engines want it above zero, and this keeps the single likeliest token. */
const TOP_P_MIN = 1e-6

type SamplingMembers = Partial<
  Pick<
    ChatCompletionRequest,
    'temperature' | 'top_p' | 'seed' | 'stop' | 'frequency_penalty' | 'presence_penalty' | 'logit_bias'
  >
>

/** Sampling with OpenAI's defaults for what is unset. */
export function samplingOf(request: SamplingMembers): Sampling {
  const { temperature, top_p, seed, stop, frequency_penalty, presence_penalty, logit_bias } = request
  return {
    temperature: temperature ?? 1,
    topP: Math.max(top_p ?? 1, TOP_P_MIN),
    ...(typeof seed === 'number' && { seed }),
    stop: typeof stop === 'string' ? [stop] : (stop ?? []),
    frequencyPenalty: frequency_penalty ?? 0,
    presencePenalty: presence_penalty ?? 0,
    ...(logit_bias && Object.keys(logit_bias).length > 0 && { logitBias: logit_bias }),
  }
}
