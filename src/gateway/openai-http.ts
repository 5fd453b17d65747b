/** The OpenAI-compatible surface: reads the call, admits it, writes the answer in OpenAI's shapes. */
import type { Clock, Exchange, Log, Secrets } from '#host/host.ts'
import { formatId, ID_BYTES } from '#kernel/id.ts'
import { allows } from '#organisations/organisations.ts'
import type { EngineRequest } from '#protocol/engine-request.ts'
import {
  completionMaxTokens,
  embeddingInputs,
  engineMessages,
  maxTokensOf,
  parseChatRequest,
  parseCompletionRequest,
  parseEmbeddingRequest,
  promptOf,
  samplingOf,
} from '#protocol/openai-parse.ts'
import { Problem, toProblem } from '#protocol/problem.ts'
import type { Caller, Gateway } from './gateway.ts'
import { respondProblem } from './openai-problem.ts'
import { type ReplyForm, writeReply } from './openai-reply-writer.ts'
import type { RequestRun } from './request-run.ts'

export interface OpenAiHttpParts {
  readonly gateway: Gateway
  readonly clock: Clock
  readonly log: Log
  readonly secrets: Secrets
}

const BODY_BYTES_MAX = 4 * 1024 * 1024
/** Generated at most when the caller sets no limit: what is reserved must fit a modest balance. */
const COMPLETION_TOKENS_DEFAULT = 4_096
/** What a chat template may add to the messages, in tokens: its system text and each message's frame. */
const TEMPLATE_TOKENS_MAX = 512
const MESSAGE_TOKENS_MAX = 16

/** Serves one exchange whose path begins with `/v1/`. */
export function serveOpenAi(parts: OpenAiHttpParts, exchange: Exchange): void {
  const requestId = formatId('req', parts.secrets.randomBytes(ID_BYTES))
  const path = exchange.target.split('?', 1)[0] ?? ''
  const refuse = (problem: Problem): void => respondProblem(exchange, requestId, problem)

  const caller = parts.gateway.authenticate(bearerOf(exchange))
  if (caller instanceof Problem) return refuse(caller)
  const kind = generatingPaths[path]
  if (kind) {
    if (exchange.method !== 'POST') return refuse(wrongMethod(exchange, path, 'POST'))
    if (!allows(caller.scopes, 'developer')) return refuse(scopeMissing('developer'))
    return exchange.readBody(BODY_BYTES_MAX, (problem, body) => {
      if (problem) return refuse(problem)
      try {
        generate(parts, { exchange, requestId, caller, kind, body })
      } catch (error) {
        refuse(toProblem(error))
      }
    })
  }
  if (path === '/v1/models' || path.startsWith('/v1/models/')) {
    if (exchange.method !== 'GET') return refuse(wrongMethod(exchange, path, 'GET'))
    if (!allows(caller.scopes, 'viewer')) return refuse(scopeMissing('viewer'))
    return listModels(parts, { exchange, requestId, path })
  }
  refuse(new Problem('not_found', `There is no ${exchange.method} ${path}. See /docs for what there is.`))
}

const generatingPaths: Readonly<Record<string, EngineRequest['kind']>> = {
  '/v1/chat/completions': 'chat',
  '/v1/completions': 'completion',
  '/v1/embeddings': 'embedding',
}

interface Call {
  readonly exchange: Exchange
  readonly requestId: string
  readonly caller: Caller
  readonly kind: EngineRequest['kind']
  readonly body: Uint8Array
}

function generate(parts: OpenAiHttpParts, call: Call): void {
  const { exchange, requestId, caller } = call
  const asked = readCall(call, (model) => contextOf(parts.gateway, model))
  if (asked instanceof Problem) return respondProblem(exchange, requestId, asked)

  let run: RequestRun | null = null
  const sink = writeReply(
    { exchange, requestId, form: asked.form, createdAtMs: parts.clock.nowMs() },
    {
      pause: () => run?.pause(),
      resume: () => run?.resume(),
    },
  )
  const { keyId, organisationId } = caller
  const { engine, promptTokensMax, completionTokensMax } = asked
  const admitted = parts.gateway.admit(
    { requestId, keyId, organisationId, engine, promptTokensMax, completionTokensMax },
    sink,
  )
  if (admitted instanceof Problem) return respondProblem(exchange, requestId, admitted)
  run = admitted
  exchange.onClose((finished) => {
    if (!finished) admitted.cancel()
  })
}

interface Asked {
  readonly engine: EngineRequest
  readonly form: ReplyForm
  readonly promptTokensMax: number
  readonly completionTokensMax: number
}

const decoder = new TextDecoder('utf-8', { fatal: true })

function readCall(
  { kind, body, requestId }: Call,
  contextTokensOf: (model: string) => number,
): Asked | Problem {
  let json: unknown
  try {
    json = JSON.parse(decoder.decode(body))
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : 'it does not parse'
    return new Problem('invalid_json', `The body is not valid JSON in UTF-8: ${why}.`, { cause })
  }
  switch (kind) {
    case 'chat': {
      const parsed = parseChatRequest(json)
      if (parsed instanceof Problem) return parsed
      const { ok: request } = parsed
      const { model } = request
      const messages = engineMessages(request)
      const contextTokens = contextTokensOf(model)
      const maxTokens = Math.min(maxTokensOf(request) ?? COMPLETION_TOKENS_DEFAULT, contextTokens)
      const textBytes = messages.reduce(
        (sum, message) => sum + byteLength(message.content) + MESSAGE_TOKENS_MAX,
        0,
      )
      return {
        engine: { kind, requestId, model, messages, maxTokens, sampling: samplingOf(request) },
        form: replyForm(kind, model, request),
        promptTokensMax: Math.min(textBytes + TEMPLATE_TOKENS_MAX, contextTokens),
        completionTokensMax: maxTokens,
      }
    }
    case 'completion': {
      const parsed = parseCompletionRequest(json)
      if (parsed instanceof Problem) return parsed
      const { ok: request } = parsed
      const { model } = request
      const prompt = promptOf(request)
      const contextTokens = contextTokensOf(model)
      const maxTokens = Math.min(completionMaxTokens(request), contextTokens)
      return {
        engine: { kind, requestId, model, prompt, maxTokens, sampling: samplingOf(request) },
        form: replyForm(kind, model, request),
        promptTokensMax: Math.min(byteLength(prompt) + MESSAGE_TOKENS_MAX, contextTokens),
        completionTokensMax: maxTokens,
      }
    }
    case 'embedding': {
      const parsed = parseEmbeddingRequest(json)
      if (parsed instanceof Problem) return parsed
      const { ok: request } = parsed
      const { model } = request
      const inputs = embeddingInputs(request)
      const isBase64 = request.encoding_format === 'base64'
      return {
        engine: { kind, requestId, model, inputs },
        form: { kind, model, isStream: false, includesUsage: true, isBase64 },
        promptTokensMax: inputs.reduce((sum, input) => sum + byteLength(input) + MESSAGE_TOKENS_MAX, 0),
        completionTokensMax: 0,
      }
    }
  }
}

function replyForm(
  kind: 'chat' | 'completion',
  model: string,
  request: {
    stream?: boolean | null | undefined
    stream_options?: { include_usage?: boolean | null | undefined } | null | undefined
  },
): ReplyForm {
  const isStream = request.stream === true
  return {
    kind,
    model,
    isStream,
    includesUsage: request.stream_options?.include_usage === true,
    isBase64: false,
  }
}

/** The longest context that a live node has for `model`; unlimited while none is here, for the engine decides. */
const contextOf = (gateway: Gateway, model: string): number =>
  gateway.contextTokens(model) ?? Number.MAX_SAFE_INTEGER

const byteLength = (text: string): number => encoder.encode(text).length
const encoder = new TextEncoder()

function listModels(
  { gateway, clock }: OpenAiHttpParts,
  { exchange, requestId, path }: { exchange: Exchange; requestId: string; path: string },
): void {
  const created = Math.floor(clock.nowMs() / 1_000)
  const models = [...gateway.models().values()]
    .sort((a, b) => (a.id < b.id ? -1 : 1))
    .map(({ id, contextTokens, promptPerMillionMin, completionPerMillionMin, nodes }) => ({
      id,
      object: 'model' as const,
      created,
      owned_by: 'shoal',
      context_length: contextTokens,
      nodes,
      pricing: {
        prompt_nano_usd_per_million: promptPerMillionMin.toString(),
        completion_nano_usd_per_million: completionPerMillionMin.toString(),
      },
    }))
  if (path === '/v1/models') return respondJson(exchange, requestId, { object: 'list', data: models })
  const id = safeDecode(path.slice('/v1/models/'.length))
  const model = models.find((candidate) => candidate.id === id)
  if (model) return respondJson(exchange, requestId, model)
  respondProblem(
    exchange,
    requestId,
    new Problem('model_not_found', `The model '${id}' does not exist here.`, { details: { param: 'model' } }),
  )
}

function safeDecode(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text // Not valid percent-encoding: it names no model either way.
  }
}

function respondJson(exchange: Exchange, requestId: string, value: unknown): void {
  exchange.respond(
    200,
    { 'content-type': 'application/json', 'x-request-id': requestId },
    JSON.stringify(value),
  )
}

function bearerOf(exchange: Exchange): string | null {
  const match = /^bearer\s+(\S+)\s*$/i.exec(exchange.headers['authorization'] ?? '')
  return match?.[1] ?? null
}

const scopeMissing = (scope: string): Problem =>
  new Problem(
    'scope_missing',
    `This API key lacks the scope '${scope}'. Make one that has it with "shoal keys create".`,
  )

const wrongMethod = (exchange: Exchange, path: string, right: string): Problem =>
  new Problem('method_not_allowed', `${path} takes ${right}, not ${exchange.method}.`)
