/** One conversation turn over the OpenAI-compatible API, with what Shoal adds to it where it is there. */
import { z } from 'zod'
import type { NanoUsd } from '#kernel/money.ts'
import type { Fetch } from '#protocol/client.ts'
import { Problem, type ProblemCode, problemKinds } from '#protocol/problem.ts'
import { readEvents } from './event-stream.ts'

export interface ChatDeps {
  readonly fetch: Fetch
  readonly clock: { elapsedMs(): number }
  readonly openaiBaseUrl: string
  readonly apiKey: string | null
}

export interface ChatMessage {
  readonly role: 'system' | 'user' | 'assistant'
  readonly content: string
}

export interface ChatQuestion {
  readonly model: string
  readonly messages: readonly ChatMessage[]
  readonly maxTokens?: number
  readonly temperature?: number
  readonly seed?: number
}

/** `null` is what the network did not say. */
export interface ChatAnswer {
  readonly text: string
  readonly model: string
  readonly requestId: string | null
  readonly node: string | null
  readonly finishReason: string | null
  readonly promptTokens: number | null
  readonly completionTokens: number | null
  readonly cost: NanoUsd | null
  /** From asking to the first text. */
  readonly firstTokenMs: number | null
  readonly totalMs: number
}

/** Asks, and gives each piece of text to `onText` as it comes. Rejects with a `Problem`, also when the answer breaks off. */
export async function streamChat(
  deps: ChatDeps,
  question: ChatQuestion,
  listen: { onText(text: string): void; readonly signal: AbortSignal },
): Promise<ChatAnswer> {
  const startedMs = deps.clock.elapsedMs()
  const response = await deps.fetch(buildRequest(deps, question, listen.signal))
  if (!response.ok) throw openAiProblem(response.status, await response.text(), deps.openaiBaseUrl)
  const answer = emptyAnswer(response, question.model)
  if (!response.body) throw brokenOff()
  let isDone = false
  for await (const data of readEvents(response.body)) {
    if (data === '[DONE]') {
      isDone = true
      break
    }
    const chunk = parseChunk(data)
    const text = chunk.choices?.[0]?.delta?.content ?? ''
    if (text !== '') {
      answer.firstTokenMs ??= deps.clock.elapsedMs() - startedMs
      answer.text += text
      listen.onText(text)
    }
    takeFacts(answer, chunk)
  }
  if (!isDone) throw brokenOff()
  return { ...answer, totalMs: deps.clock.elapsedMs() - startedMs }
}

/** The ids of the models that are served now. */
export async function listModels(deps: ChatDeps, signal: AbortSignal): Promise<string[]> {
  const response = await deps.fetch(
    new Request(`${deps.openaiBaseUrl}/models`, { headers: headersOf(deps), signal }),
  )
  const text = await response.text()
  if (!response.ok) throw openAiProblem(response.status, text, deps.openaiBaseUrl)
  const parsed = z.object({ data: z.array(z.object({ id: z.string() })) }).safeParse(parseJson(text))
  if (!parsed.success) throw openAiProblem(response.status, text, deps.openaiBaseUrl)
  return parsed.data.data.map(({ id }) => id)
}

function buildRequest(deps: ChatDeps, question: ChatQuestion, signal: AbortSignal): Request {
  const { model, messages, maxTokens, temperature, seed } = question
  const body = {
    model,
    messages,
    stream: true,
    stream_options: { include_usage: true },
    ...(maxTokens !== undefined && { max_tokens: maxTokens }),
    ...(temperature !== undefined && { temperature }),
    ...(seed !== undefined && { seed }),
  }
  return new Request(`${deps.openaiBaseUrl}/chat/completions`, {
    method: 'POST',
    headers: { ...headersOf(deps), 'content-type': 'application/json' },
    body: JSON.stringify(body),
    signal,
  })
}

const headersOf = ({ apiKey }: ChatDeps): Record<string, string> =>
  apiKey === null ? {} : { authorization: `Bearer ${apiKey}` }

type Draft = { -readonly [Name in keyof Omit<ChatAnswer, 'totalMs'>]: ChatAnswer[Name] }

const emptyAnswer = ({ headers }: Response, model: string): Draft => ({
  text: '',
  model,
  requestId: headers.get('x-request-id'),
  node: headers.get('x-shoal-node'),
  finishReason: null,
  promptTokens: null,
  completionTokens: null,
  cost: null,
  firstTokenMs: null,
})

/** As little as is needed: any OpenAI-compatible server will do. */
const Chunk = z.object({
  model: z.string().optional(),
  choices: z
    .array(
      z.object({
        delta: z.object({ content: z.string().nullish() }).nullish(),
        finish_reason: z.string().nullish(),
      }),
    )
    .optional(),
  usage: z.object({ prompt_tokens: z.number(), completion_tokens: z.number() }).nullish(),
  x_shoal: z
    .object({
      node: z.string().nullish().catch(null),
      cost_nano_usd: z
        .string()
        .regex(/^\d{1,30}$/)
        .nullish()
        .catch(null),
    })
    .nullish()
    .catch(null),
})
type Chunk = z.output<typeof Chunk>

function takeFacts(answer: Draft, { model, choices, usage, x_shoal: shoal }: Chunk): void {
  answer.model = model ?? answer.model
  answer.finishReason = choices?.[0]?.finish_reason ?? answer.finishReason
  answer.promptTokens = usage?.prompt_tokens ?? answer.promptTokens
  answer.completionTokens = usage?.completion_tokens ?? answer.completionTokens
  answer.node = shoal?.node ?? answer.node
  if (shoal?.cost_nano_usd) answer.cost = BigInt(shoal.cost_nano_usd)
}

function parseChunk(data: string): Chunk {
  const json = parseJson(data)
  if (OpenAiFailure.safeParse(json).success) throw openAiProblem(502, data, '')
  const chunk = Chunk.safeParse(json)
  if (chunk.success) return chunk.data
  throw new Problem('internal', 'The answer has a piece that is not of OpenAI’s form. Check the address.', {
    cause: chunk.error,
  })
}

const brokenOff = (): Problem =>
  new Problem('node_failed', 'The answer broke off before its end. Ask again: another node will take it.')

const OpenAiFailure = z.object({ error: z.object({ message: z.string(), code: z.string().nullish() }) })

const codeByStatus: Readonly<Record<number, ProblemCode>> = {
  401: 'invalid_api_key',
  402: 'funds_insufficient',
  403: 'scope_missing',
  404: 'not_found',
  408: 'request_timeout',
  413: 'body_too_large',
  429: 'queue_full',
  502: 'node_failed',
  503: 'unavailable',
  504: 'node_timeout',
}

/** OpenAI's error object as the problem that it came from; other servers' by their status. */
export function openAiProblem(status: number, text: string, place: string): Problem {
  const failure = OpenAiFailure.safeParse(parseJson(text))
  const byStatus = codeByStatus[status] ?? (status >= 400 && status < 500 ? 'invalid_request' : 'internal')
  if (!failure.success) {
    return new Problem(byStatus, `${place} answered ${status} and no error object. Check the address.`)
  }
  const { message, code } = failure.data.error
  const known = code && Object.hasOwn(problemKinds, code) ? (code as ProblemCode) : byStatus
  return new Problem(known, message)
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    // The callers say what they expected instead.
    return undefined
  }
}
