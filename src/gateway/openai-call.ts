/** Reads the body of a generating call: what it asks of engines, at most how many tokens that takes, how it is answered. */
import type { EngineRequest } from '#protocol/engine-request.ts'
import {
  chatExtras,
  completionMaxTokens,
  embeddingInputs,
  engineMessages,
  maxTokensOf,
  promptsOf,
  samplingOf,
} from '#protocol/openai-ask.ts'
import { parseChatRequest, parseCompletionRequest, parseEmbeddingRequest } from '#protocol/openai-parse.ts'
import type { ChatCompletionRequest, CompletionRequest, EmbeddingRequest } from '#protocol/openai-request.ts'
import { Problem } from '#protocol/problem.ts'
import type { ProviderPreferences } from '#protocol/provider-preferences.ts'
import {
  parseResponseRequest,
  type ResponseAsk,
  responseExtras,
  responseMessages,
} from '#protocol/responses-parse.ts'
import type { ResponseRequest } from '#protocol/responses-request.ts'
import type { ReplyForm } from './openai-shapes.ts'
import { type Preferences, readPreferences } from './preferences.ts'
import type { RequestPriority } from './telemetry.ts'

export interface Asked {
  /** One for each choice, at least one; their ids of requests are set by whoever admits them. */
  readonly asks: readonly Ask[]
  readonly form: ReplyForm
  /** Of the Responses API, which says in its reply what was asked. */
  readonly response?: ResponseRequest
  /** Which nodes will do, and what comes first. */
  readonly preferences?: Preferences
  /** What it goes before while nodes are busy. */
  readonly priority?: RequestPriority
}

export interface Ask {
  readonly engine: EngineRequest
  readonly promptTokensMax: number
  readonly completionTokensMax: number
}

export type CallKind = EngineRequest['kind'] | 'response'

export interface CallBody {
  readonly kind: CallKind
  readonly body: Uint8Array
  readonly requestId: string
}

/** Generated at most when the caller sets no limit: what is reserved must fit a modest balance. */
const COMPLETION_TOKENS_DEFAULT = 4_096
/** What a chat template may add to the messages, in tokens: its system text and each message's frame. */
const TEMPLATE_TOKENS_MAX = 512
const MESSAGE_TOKENS_MAX = 16
/** Some templates write the tools indented, and each call and result between marks. */
const TOOLS_BYTES_FACTOR = 2

/** Of an engine's request on its way: what is left of a frame (8 MiB) is for its salt and the ids of what is gone on with. */
const ENGINE_REQUEST_BYTES_MAX = 6 * 1024 * 1024
/** `1e20` is written out as 21 digits: nothing else of a body grows as much on the way to its engine. */
const GROWTH_MAX = 6

/** `contextTokensOf` tells the longest context that any node has for a model. */
export function readCall(call: CallBody, contextTokensOf: (model: string) => number): Asked | Problem {
  const asked = readKind(call, contextTokensOf)
  if (asked instanceof Problem || call.body.length * GROWTH_MAX <= ENGINE_REQUEST_BYTES_MAX) return asked
  return tooLong(asked) ?? asked
}

/** Why no frame holds it. Only schemas have numbers as the caller writes them; choices differ in their seed alone. */
function tooLong({ asks, response }: Asked): Problem | null {
  const engine = asks[0]?.engine
  if (engine?.kind !== 'chat') return null
  const bytes = jsonBytes(engine)
  if (bytes <= ENGINE_REQUEST_BYTES_MAX) return null
  const longest = [
    { param: response ? 'input' : 'messages', bytes: jsonBytes(engine.messages) },
    { param: 'tools', bytes: jsonBytes(engine.tools ?? null) },
    { param: response ? 'text' : 'response_format', bytes: jsonBytes(engine.format ?? null) },
  ].reduce((most, one) => (one.bytes > most.bytes ? one : most))
  const message = `Invalid '${longest.param}': written out it takes ${longest.bytes} of the request's ${bytes} bytes, and a request may take ${ENGINE_REQUEST_BYTES_MAX} with its numbers in full digits. Send less, or shorter numbers.`
  return new Problem('invalid_request', message, { details: { param: longest.param } })
}

function readKind(
  { kind, body, requestId }: CallBody,
  contextTokensOf: (model: string) => number,
): Asked | Problem {
  const json = decodeBody(body)
  if (json instanceof Problem) return json
  switch (kind) {
    case 'chat': {
      const parsed = parseChatRequest(json)
      if (parsed instanceof Problem) return parsed
      return chatAsked(parsed.ok, requestId, contextTokensOf(parsed.ok.model))
    }
    case 'completion': {
      const parsed = parseCompletionRequest(json)
      if (parsed instanceof Problem) return parsed
      return completionAsked(parsed.ok, requestId, contextTokensOf(parsed.ok.model))
    }
    case 'response': {
      const parsed = parseResponseRequest(json)
      if (parsed instanceof Problem) return parsed
      return responseAsked(parsed.ok, requestId, contextTokensOf(parsed.ok.request.model))
    }
    case 'embedding': {
      const parsed = parseEmbeddingRequest(json)
      if (parsed instanceof Problem) return parsed
      return embeddingAsked(parsed.ok, requestId)
    }
  }
}

const decoder = new TextDecoder('utf-8', { fatal: true })

/** The body as JSON, still unchecked. */
export function decodeBody(body: Uint8Array): unknown {
  try {
    return JSON.parse(decoder.decode(body))
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : 'it does not parse'
    return new Problem('invalid_json', `The body is not valid JSON in UTF-8: ${why}.`, { cause })
  }
}

function chatAsked(request: ChatCompletionRequest, requestId: string, contextTokens: number): Asked {
  const { model } = request
  const engine = {
    kind: 'chat',
    requestId,
    model,
    messages: engineMessages(request),
    maxTokens: Math.min(maxTokensOf(request) ?? COMPLETION_TOKENS_DEFAULT, contextTokens),
    sampling: samplingOf(request),
    ...chatExtras(request),
  } as const
  const ask = chatAsk(engine, contextTokens)
  const form = replyForm('chat', model, request, request.n ?? 1)
  return { asks: repeated(ask, request.n), form, ...preferencesOf(request) }
}

function responseAsked(ask: ResponseAsk, requestId: string, contextTokens: number): Asked {
  const { request } = ask
  const { model } = request
  const engine = {
    kind: 'chat',
    requestId,
    model,
    messages: responseMessages(ask),
    maxTokens: Math.min(request.max_output_tokens ?? COMPLETION_TOKENS_DEFAULT, contextTokens),
    ...responseExtras(ask),
  } as const
  return {
    asks: [chatAsk(engine, contextTokens)],
    form: replyForm('chat', model, { stream: request.stream }, 1),
    response: request,
    ...preferencesOf(request),
  }
}

/** A chat with the most tokens that it may take. */
function chatAsk(engine: Extract<EngineRequest, { kind: 'chat' }>, contextTokens: number): Ask {
  const ofMessages = engine.messages.reduce((sum, { content, toolCalls }) => {
    const ofCalls = toolCalls ? TOOLS_BYTES_FACTOR * byteLength(JSON.stringify(toolCalls)) : 0
    return sum + byteLength(content) + ofCalls + MESSAGE_TOKENS_MAX
  }, 0)
  const ofTools = engine.tools
    ? TEMPLATE_TOKENS_MAX + TOOLS_BYTES_FACTOR * byteLength(JSON.stringify(engine.tools.list))
    : 0
  const promptTokensMax = Math.min(ofMessages + ofTools + TEMPLATE_TOKENS_MAX, contextTokens)
  return {
    engine: { ...engine, withReasoning: true },
    promptTokensMax,
    completionTokensMax: engine.maxTokens,
  }
}

function completionAsked(request: CompletionRequest, requestId: string, contextTokens: number): Asked {
  const { model, n, logprobs } = request
  const maxTokens = Math.min(completionMaxTokens(request), contextTokens)
  const sampling = samplingOf(request)
  const asks = promptsOf(request).flatMap((prompt) => {
    const hasLogprobs = typeof logprobs === 'number' && { topLogprobs: logprobs }
    return repeated(
      {
        engine: { kind: 'completion', requestId, model, prompt, maxTokens, sampling, ...hasLogprobs },
        promptTokensMax: Math.min(byteLength(prompt) + MESSAGE_TOKENS_MAX, contextTokens),
        completionTokensMax: maxTokens,
      },
      n,
    )
  })
  return { asks, form: replyForm('completion', model, request, asks.length), ...preferencesOf(request) }
}

function embeddingAsked(request: EmbeddingRequest, requestId: string): Asked {
  const { model } = request
  const inputs = embeddingInputs(request)
  const promptTokensMax = inputs.reduce((sum, input) => sum + byteLength(input) + MESSAGE_TOKENS_MAX, 0)
  return {
    asks: [
      { engine: { kind: 'embedding', requestId, model, inputs }, promptTokensMax, completionTokensMax: 0 },
    ],
    form: {
      kind: 'embedding',
      model,
      isStream: false,
      includesUsage: true,
      isBase64: request.encoding_format === 'base64',
    },
    ...preferencesOf(request),
  }
}

function preferencesOf(request: {
  provider?: ProviderPreferences | null | undefined
  service_tier?: string | null | undefined
}) {
  const preferences = readPreferences(request.provider)
  const priority = priorities[request.service_tier ?? 'auto']
  return { ...(preferences && { preferences }), ...(priority && { priority }) }
}

/** By OpenAI's tiers. */
const priorities: Readonly<Record<string, RequestPriority>> = { priority: 'interactive', flex: 'bulk' }

/** `n` times the same, but for the seed: equal seeds would give equal answers. */
function repeated(ask: Ask, n: number | null | undefined): Ask[] {
  const { engine } = ask
  const seed = engine.kind === 'embedding' ? undefined : engine.sampling.seed
  return Array.from({ length: n ?? 1 }, (_, index) => {
    if (engine.kind === 'embedding' || seed === undefined || index === 0) return ask
    // The largest seeds go on downwards: what is beyond them is no exact number any more.
    const next = Number.isSafeInteger(seed + index) ? seed + index : seed - index
    return { ...ask, engine: { ...engine, sampling: { ...engine.sampling, seed: next } } }
  })
}

function replyForm(
  kind: 'chat' | 'completion',
  model: string,
  request: Pick<ChatCompletionRequest, 'stream' | 'stream_options'>,
  choices: number,
): ReplyForm {
  const includesUsage = request.stream_options?.include_usage === true
  return { kind, model, isStream: request.stream === true, includesUsage, isBase64: false, choices }
}

const byteLength = (text: string): number => encoder.encode(text).length
const jsonBytes = (value: unknown): number => byteLength(JSON.stringify(value))
const encoder = new TextEncoder()
