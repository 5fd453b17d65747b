/** What OpenAI-compatible servers answer, as far as it is used; what else they send is ignored. */
import { z } from 'zod'
import { Problem } from '#protocol/problem.ts'

const TokenCount = z.int().nonnegative()

export const Usage = z.object({
  prompt_tokens: TokenCount,
  completion_tokens: TokenCount.optional(),
  prompt_tokens_details: z.object({ cached_tokens: TokenCount.nullish() }).nullish(),
})
export type Usage = z.output<typeof Usage>

const Probability = z.object({
  token: z.string(),
  bytes: z.array(z.int().min(0).max(255)).nullish(),
  logprob: z.number(),
})

/** Of a chat, token by token; of a completion, each member of all tokens. */
const Logprobs = z.object({
  content: z.array(Probability.extend({ top_logprobs: z.array(Probability).nullish() })).nullish(),
  tokens: z.array(z.string()).nullish(),
  token_logprobs: z.array(z.number().nullable()).nullish(),
  top_logprobs: z.array(z.record(z.string(), z.number()).nullable()).nullish(),
})
export type Logprobs = z.output<typeof Logprobs>

const ToolCallChunk = z.object({
  index: z.int().min(0).max(127).nullish(),
  id: z.string().nullish(),
  function: z.object({ name: z.string().nullish(), arguments: z.string().nullish() }).nullish(),
})
export type ToolCallChunk = z.output<typeof ToolCallChunk>

/** One event of a stream of chat or text completions. */
export const StreamChunk = z.object({
  choices: z
    .array(
      z.object({
        text: z.string().nullish(),
        delta: z
          .object({
            content: z.string().nullish(),
            /** What the model thinks, told apart from its answer: of vLLM, SGLang, llama-server and DeepSeek; the other of Ollama. */
            reasoning_content: z.string().nullish().catch(null),
            reasoning: z.string().nullish().catch(null),
            tool_calls: z.array(ToolCallChunk).nullish(),
          })
          .nullish(),
        logprobs: Logprobs.nullish(),
        finish_reason: z.string().nullish(),
      }),
    )
    .nullish(),
  usage: Usage.nullish(),
  error: z.unknown().optional(),
})
export type StreamChunk = z.output<typeof StreamChunk>

export const EmbeddingReply = z.object({
  data: z.array(z.object({ index: z.int().nonnegative(), embedding: z.array(z.number()) })),
  usage: Usage.nullish(),
})

export const ModelList = z.object({
  data: z
    .array(
      z.object({
        id: z.string(),
        owned_by: z.string().nullish(),
        /** Of vLLM and SGLang: the path or repository of the weights, and the context. */
        root: z.string().nullish(),
        max_model_len: z.int().positive().nullish(),
        /** Of llama-server. */
        meta: z.object({ n_ctx_train: z.int().positive().nullish() }).nullish(),
      }),
    )
    .nullable(),
})
export type ListedModel = NonNullable<z.output<typeof ModelList>['data']>[number]

const ErrorBody = z.object({
  message: z.string().optional(),
  code: z.unknown().optional(),
  type: z.unknown().optional(),
})
/** `{error: {message}}` of OpenAI, `{error: "..."}` of Ollama, `{message}` of older vLLM, `{detail}` of FastAPI. */
const ErrorReply = z.union([
  z.object({ error: ErrorBody }).transform(({ error }) => error),
  z
    .object({ error: z.string() })
    .transform(({ error }) => ({ message: error, code: undefined, type: undefined })),
  z.object({ detail: z.unknown() }).transform(({ detail }) => ({
    message: typeof detail === 'string' ? detail : JSON.stringify(detail),
    code: undefined,
    type: undefined,
  })),
  ErrorBody,
])

const MESSAGE_LENGTH_MAX = 500

/** What a refusal means: the caller's fault is told to the caller, everything else is a failure of this node. */
export function problemOfStatus(status: number, body: string, place: string): Problem {
  const { message, code, type } = parseError(body)
  const said =
    message === undefined ? `status ${status}` : `status ${status}: ${message.slice(0, MESSAGE_LENGTH_MAX)}`
  const details = { upstreamStatus: status }
  if (code === 'context_length_exceeded' || type === 'exceed_context_size_error') {
    return new Problem('context_length_exceeded', message ?? 'The prompt does not fit the model’s context.', {
      details,
    })
  }
  if (status === 400 || status === 413 || status === 422) {
    return new Problem('invalid_request', message ?? `The model server refuses the request (${said}).`, {
      details,
    })
  }
  if (status === 401 || status === 403) {
    return new Problem(
      'engine_failed',
      `The server at ${place} refuses this node's key (${said}). The owner has to set a valid one.`,
      { details },
    )
  }
  // It works, and has enough to do: no failure of this node, which only gets less for a while.
  if (status === 429)
    return new Problem('overloaded', `The server at ${place} is overloaded (${said}). Try again.`, {
      details,
    })
  return new Problem('engine_failed', `The server at ${place} failed (${said}). Try again.`, { details })
}

function parseError(body: string): z.output<typeof ErrorBody> {
  return ErrorReply.safeParse(parseJson(body)).data ?? {}
}

/** `undefined` for what is not JSON. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
