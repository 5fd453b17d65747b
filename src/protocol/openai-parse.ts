/** Reads requests to the OpenAI-compatible API, and says what they ask of an engine. */
import type { EngineRequest, Sampling } from './engine-request.ts'
import {
  isEmpty,
  isNothing,
  onlyOf,
  type ParsedRequest,
  parseRequest,
  refuse,
  screenNames,
  type UnservedParameters,
  unsupported,
} from './openai-parameters.ts'
import { ChatCompletionRequest, ChatMessage, CompletionRequest, EmbeddingRequest } from './openai-request.ts'
import type { Problem } from './problem.ts'

const unservedByChat = {
  audio: isNothing,
  function_call: onlyOf('none', 'auto'),
  functions: isEmpty,
  logit_bias: isEmpty,
  logprobs: onlyOf(false),
  modalities: (value) => isNothing(value) || JSON.stringify(value) === '["text"]',
  moderation: isNothing,
  prediction: isNothing,
  prompt_cache_options: isEmpty,
  prompt_cache_retention: isNothing,
  reasoning_effort: isNothing,
  tool_choice: onlyOf('none', 'auto'),
  tools: isEmpty,
  top_logprobs: onlyOf(0),
  verbosity: isNothing,
  web_search_options: isNothing,
} satisfies UnservedParameters

const unservedByCompletion = {
  logit_bias: isEmpty,
  logprobs: isNothing,
  suffix: onlyOf(''),
} satisfies UnservedParameters

const unservedByEmbedding = { dimensions: isNothing } satisfies UnservedParameters

/** What OpenAI's own replies carry beside role and content, so that a reply can be sent back as it came. */
const unservedInMessage = {
  annotations: isEmpty,
  audio: isNothing,
  function_call: isNothing,
  name: isNothing,
  refusal: isNothing,
  tool_call_id: isNothing,
  tool_calls: isEmpty,
} satisfies UnservedParameters

/** Decodes the JSON of `POST /v1/chat/completions`. */
export const parseChatRequest = (json: unknown): ParsedRequest<ChatCompletionRequest> =>
  parseRequest(json, {
    schema: ChatCompletionRequest,
    unserved: unservedByChat,
    screen: screenChat,
    check: (request) => checkTokensMax(request) ?? checkStream(request),
  })

/** Decodes the JSON of `POST /v1/completions`. */
export const parseCompletionRequest = (json: unknown): ParsedRequest<CompletionRequest> =>
  parseRequest(json, {
    schema: CompletionRequest,
    unserved: unservedByCompletion,
    screen: ({ n, best_of, echo, prompt }) =>
      screenCount(n, 'n') ?? screenCount(best_of, 'best_of') ?? screenEcho(echo) ?? screenPrompt(prompt),
    check: checkStream,
  })

/** Decodes the JSON of `POST /v1/embeddings`. */
export const parseEmbeddingRequest = (json: unknown): ParsedRequest<EmbeddingRequest> =>
  parseRequest(json, {
    schema: EmbeddingRequest,
    unserved: unservedByEmbedding,
    screen: ({ input }) =>
      isTokenIds(input) ? unsupported(['input'], 'takes text here, not token ids.') : null,
    check: () => null,
  })

/** The messages as engines take them: `developer` is `system` by its newer name, parts of text are joined. */
export const engineMessages = (
  request: ChatCompletionRequest,
): Extract<EngineRequest, { kind: 'chat' }>['messages'] =>
  request.messages.map(({ role, content }) => ({
    role: role === 'developer' ? 'system' : role,
    content: typeof content === 'string' ? content : content.map((part) => part.text).join(''),
  }))

/** The prompt as one text. */
export const promptOf = (request: CompletionRequest): string =>
  typeof request.prompt === 'string' ? request.prompt : request.prompt.join('')

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

/** Sampling with OpenAI's defaults for what is unset. */
export function samplingOf(request: ChatCompletionRequest | CompletionRequest): Sampling {
  const { temperature, top_p, seed, stop, frequency_penalty, presence_penalty } = request
  return {
    temperature: temperature ?? 1,
    topP: Math.max(top_p ?? 1, TOP_P_MIN),
    ...(isNothing(seed) ? {} : { seed: seed as number }),
    stop: typeof stop === 'string' ? [stop] : (stop ?? []),
    frequencyPenalty: frequency_penalty ?? 0,
    presencePenalty: presence_penalty ?? 0,
  }
}

function screenChat({
  n,
  store,
  response_format,
  messages,
}: Readonly<Record<string, unknown>>): Problem | null {
  const count = screenCount(n, 'n')
  if (count) return count
  if (store === true) return unsupported(['store'], 'cannot be true: answers are never stored.')
  const format = memberOf(response_format, 'type')
  if (typeof format === 'string' && format !== 'text') {
    return unsupported(
      ['response_format'],
      `of type '${format}' is not served by this network, only 'text' is.`,
    )
  }
  return Array.isArray(messages) ? screenMessages(messages) : null
}

function screenMessages(messages: readonly unknown[]): Problem | null {
  for (const [index, message] of messages.entries()) {
    if (typeof message !== 'object' || message === null) continue
    const at = ['messages', index]
    const role = memberOf(message, 'role')
    if (role === 'tool' || role === 'function') {
      return unsupported([...at, 'role'], `'${role}' is not served by this network: it has no tool calls.`)
    }
    const problem =
      screenNames(message, Object.keys(ChatMessage.shape), unservedInMessage, at) ??
      screenContent(memberOf(message, 'content'), at)
    if (problem) return problem
  }
  return null
}

function screenContent(content: unknown, at: readonly PropertyKey[]): Problem | null {
  if (!Array.isArray(content)) return null
  for (const [index, part] of content.entries()) {
    const type = memberOf(part, 'type')
    if (typeof type === 'string' && type !== 'text') {
      return unsupported(
        [...at, 'content', index],
        `of type '${type}' is not served by this network, only 'text' is.`,
      )
    }
  }
  return null
}

const screenCount = (value: unknown, name: string): Problem | null =>
  typeof value === 'number' && Number.isInteger(value) && value > 1
    ? unsupported([name], 'above 1 is not served by this network. Send several requests instead.')
    : null

const screenEcho = (echo: unknown): Problem | null =>
  echo === true ? unsupported(['echo'], 'cannot be true: the prompt is not repeated.') : null

function screenPrompt(prompt: unknown): Problem | null {
  if (isTokenIds(prompt)) return unsupported(['prompt'], 'takes text here, not token ids.')
  if (Array.isArray(prompt) && prompt.length > 1) {
    return unsupported(['prompt'], 'takes one text here. Send several requests instead.')
  }
  return null
}

const isTokenIds = (value: unknown): boolean =>
  Array.isArray(value) &&
  value.length > 0 &&
  value.every((item) => typeof item === 'number' || (Array.isArray(item) && item.length > 0))

function checkTokensMax(request: ChatCompletionRequest): Problem | null {
  if (isNothing(request.max_tokens) || isNothing(request.max_completion_tokens)) return null
  const message = `Setting 'max_tokens' and 'max_completion_tokens' at the same time is not supported.`
  return refuse('invalid_request', message, { param: 'max_tokens' })
}

function checkStream(request: ChatCompletionRequest | CompletionRequest): Problem | null {
  if (isNothing(request.stream_options) || request.stream === true) return null
  const message = `The 'stream_options' parameter is only allowed when 'stream' is enabled.`
  return refuse('invalid_request', message, { param: 'stream_options' })
}

const memberOf = (value: unknown, name: string): unknown =>
  typeof value === 'object' && value !== null ? (value as Record<string, unknown>)[name] : undefined
