/** Reads requests to the OpenAI-compatible API. What they ask of an engine is in `openai-ask.ts`. */

import { checkSchemas } from './json-schema-limits.ts'
import { checkMessages, screenMessages } from './openai-messages.ts'
import {
  isEmpty,
  isNothing,
  onlyOf,
  type ParsedRequest,
  parseRequest,
  refuse,
  type UnservedParameters,
  unsupported,
} from './openai-parameters.ts'
import { CHOICES_MAX, ChatCompletionRequest, CompletionRequest, EmbeddingRequest } from './openai-request.ts'
import type { Problem } from './problem.ts'

const unservedByChat = {
  audio: isNothing,
  function_call: onlyOf('none', 'auto'),
  functions: isEmpty,
  modalities: (value) => isNothing(value) || (Array.isArray(value) && value.every((kind) => kind === 'text')),
  moderation: isNothing,
  prediction: isNothing,
  prompt_cache_options: isEmpty,
  prompt_cache_retention: isNothing,
  reasoning_effort: isNothing,
  verbosity: isNothing,
  web_search_options: isNothing,
} satisfies UnservedParameters

const unservedByCompletion = { suffix: onlyOf('') } satisfies UnservedParameters

const unservedByEmbedding = { dimensions: isNothing } satisfies UnservedParameters

/** Decodes the JSON of `POST /v1/chat/completions`. */
export const parseChatRequest = (json: unknown): ParsedRequest<ChatCompletionRequest> =>
  parseRequest(json, {
    schema: ChatCompletionRequest,
    unserved: unservedByChat,
    screen: screenChat,
    check: (request) =>
      checkTokensMax(request) ??
      checkStream(request) ??
      checkLogitBias(request) ??
      checkLogprobs(request) ??
      checkMessages(request.messages) ??
      checkToolChoice(request) ??
      checkSchemas(schemasOf(request)),
  })

/** Decodes the JSON of `POST /v1/completions`. */
export const parseCompletionRequest = (json: unknown): ParsedRequest<CompletionRequest> =>
  parseRequest(json, {
    schema: CompletionRequest,
    unserved: unservedByCompletion,
    screen: ({ echo, prompt }) => screenEcho(echo) ?? screenPrompt(prompt),
    check: (request) => checkStream(request) ?? checkLogitBias(request) ?? checkCount(request),
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

function screenChat({ store, tools, messages }: Readonly<Record<string, unknown>>): Problem | null {
  if (store === true) return unsupported(['store'], 'cannot be true: answers are never stored.')
  if (Array.isArray(tools)) {
    for (const [index, tool] of tools.entries()) {
      const type = (tool as { type?: unknown } | null)?.type
      if (typeof type === 'string' && type !== 'function') {
        return unsupported(
          ['tools', index, 'type'],
          `'${type}' is not served by this network, only 'function' is.`,
        )
      }
    }
  }
  return Array.isArray(messages) ? screenMessages(messages) : null
}

const screenEcho = (echo: unknown): Problem | null =>
  echo === true ? unsupported(['echo'], 'cannot be true: the prompt is not repeated.') : null

const screenPrompt = (prompt: unknown): Problem | null =>
  isTokenIds(prompt) ? unsupported(['prompt'], 'takes text here, not token ids.') : null

const isTokenIds = (value: unknown): boolean =>
  Array.isArray(value) &&
  value.length > 0 &&
  value.every((item) => typeof item === 'number' || (Array.isArray(item) && item.length > 0))

function checkTokensMax(request: ChatCompletionRequest): Problem | null {
  if (isNothing(request.max_tokens) || isNothing(request.max_completion_tokens)) return null
  const message = `Setting 'max_tokens' and 'max_completion_tokens' at the same time is not supported.`
  return refuse('invalid_request', message, { param: 'max_tokens', code: 'invalid_parameter_combination' })
}

function checkStream(request: ChatCompletionRequest | CompletionRequest): Problem | null {
  if (isNothing(request.stream_options) || request.stream === true) return null
  const message = `The 'stream_options' parameter is only allowed when 'stream' is enabled.`
  return refuse('invalid_request', message, { param: 'stream_options' })
}

const TOKEN_ID = /^\d{1,9}$/

function checkLogitBias({ logit_bias }: ChatCompletionRequest | CompletionRequest): Problem | null {
  const strange = Object.keys(logit_bias ?? {}).find((key) => !TOKEN_ID.test(key))
  if (strange === undefined) return null
  const message = `Invalid key in 'logit_bias': ${strange.slice(0, 60)}. You should be submitting integers keys only: token ids of the model.`
  return refuse('invalid_request', message, { param: 'logit_bias' })
}

function checkLogprobs({ logprobs, top_logprobs }: ChatCompletionRequest): Problem | null {
  if (isNothing(top_logprobs) || top_logprobs === 0 || logprobs === true) return null
  const message = `The 'top_logprobs' parameter is only allowed when 'logprobs' is enabled.`
  return refuse('invalid_request', message, { param: 'top_logprobs' })
}

function checkToolChoice(request: ChatCompletionRequest): Problem | null {
  const { tools, tool_choice, parallel_tool_calls } = request
  if (!tools) {
    if (!isNothing(tool_choice) && tool_choice !== 'none') return onlyWithTools('tool_choice')
    return isNothing(parallel_tool_calls) ? null : onlyWithTools('parallel_tool_calls')
  }
  if (typeof tool_choice !== 'object') return null
  const { name } = tool_choice?.function ?? {}
  if (name === undefined) return null
  if (tools.some((tool) => tool.function.name === name)) return null
  const message = `Invalid value for 'tool_choice': the function '${name}' is not among the 'tools'.`
  return refuse('invalid_request', message, { param: 'tool_choice' })
}

const onlyWithTools = (param: string): Problem =>
  refuse(
    'invalid_request',
    `Invalid value for '${param}': '${param}' is only allowed when 'tools' are specified.`,
    { param },
  )

function checkCount({ n, best_of, stream, prompt }: CompletionRequest): Problem | null {
  const count = n ?? 1
  if (!isNothing(best_of) && stream === true && best_of !== count) {
    return refuse('invalid_request', `The 'best_of' parameter cannot be used with 'stream'.`, {
      param: 'best_of',
    })
  }
  if (!isNothing(best_of) && (best_of ?? 1) < count) {
    const message = `You requested that the server return more choices than it will generate (HINT: 'n' (currently ${count}) must be at most 'best_of' (currently ${best_of})).`
    return refuse('invalid_request', message, { param: 'best_of' })
  }
  if (!isNothing(best_of) && best_of !== count) {
    return unsupported(
      ['best_of'],
      `above 'n' is not served by this network. Ask for all of them by 'n', and choose.`,
    )
  }
  return checkChoices(count, typeof prompt === 'string' ? 1 : prompt.length)
}

function checkChoices(count: number, prompts: number): Problem | null {
  if (count * prompts <= CHOICES_MAX) return null
  const message = `Invalid 'n': ${prompts} prompts with ${count} answers each are more than the ${CHOICES_MAX} that one request may have.`
  return refuse('invalid_request', message, { param: 'n' })
}

/** Every schema of a request, with the path by which it is named. */
function schemasOf({ tools, response_format: format }: ChatCompletionRequest) {
  const ofTools = (tools ?? []).map(({ function: { name, parameters } }, index) => ({
    schema: parameters ?? {},
    at: `tools[${index}].function.parameters`,
    what: `function '${name}'`,
    code: 'invalid_function_parameters',
  }))
  if (format?.type !== 'json_schema') return ofTools
  const { name, schema } = format.json_schema
  const at = 'response_format.json_schema.schema'
  return [...ofTools, { schema, at, what: `response_format '${name}'`, code: 'invalid_json_schema' }]
}
