/** The OpenAI-compatible endpoints. The gateway serves them on its own hot path; this table is for the API's document. */
import { z } from 'zod'
import {
  ChatCompletion,
  ChatCompletionChunk,
  Completion,
  EmbeddingList,
  Model,
  ModelList,
} from './openai-reply.ts'
import { ChatCompletionRequest, CompletionRequest, EmbeddingRequest } from './openai-request.ts'
import { ResponseEvent, ResponseReply } from './responses-reply.ts'
import { ResponseRequest } from './responses-request.ts'
import type { Scope } from './scope.ts'

export interface OpenAiRoute {
  readonly method: 'GET' | 'POST'
  readonly path: `/v1/${string}`
  readonly scope: Scope
  readonly summary: string
  readonly description?: string
  readonly params?: z.ZodObject
  readonly body?: z.ZodObject
  readonly reply: z.ZodType
  /** One event of the answer, where the body's `stream` asks for a stream. */
  readonly chunk?: z.ZodType
  readonly example?: Readonly<Record<string, unknown>>
}

const MODEL_EXAMPLE = 'shoal-guide'

export const openAiRoutes = {
  listModels: {
    method: 'GET',
    path: '/v1/models',
    scope: 'viewer',
    summary: 'Lists the models that nodes serve now.',
    reply: ModelList,
  },
  getModel: {
    method: 'GET',
    path: '/v1/models/:model',
    scope: 'viewer',
    summary: 'Reads one model.',
    params: z.strictObject({ model: z.string() }),
    reply: Model,
  },
  createChatCompletion: {
    method: 'POST',
    path: '/v1/chat/completions',
    scope: 'developer',
    summary: 'Answers a conversation, whole or as a stream.',
    description: 'Text only. What is not in the schema is refused by name, never ignored.',
    body: ChatCompletionRequest,
    reply: ChatCompletion,
    chunk: ChatCompletionChunk,
    example: { model: MODEL_EXAMPLE, messages: [{ role: 'user', content: 'What is Shoal?' }], stream: true },
  },
  createResponse: {
    method: 'POST',
    path: '/v1/responses',
    scope: 'developer',
    summary: 'Answers as the Responses API does, whole or as a stream.',
    description: 'Stateless: nothing is stored, and the whole conversation is sent each time.',
    body: ResponseRequest,
    reply: ResponseReply,
    chunk: ResponseEvent,
    example: { model: MODEL_EXAMPLE, input: 'What is Shoal?' },
  },
  createCompletion: {
    method: 'POST',
    path: '/v1/completions',
    scope: 'developer',
    summary: 'Continues a text, whole or as a stream.',
    body: CompletionRequest,
    reply: Completion,
    chunk: Completion,
    example: { model: MODEL_EXAMPLE, prompt: 'Shoal is', max_tokens: 32 },
  },
  createEmbedding: {
    method: 'POST',
    path: '/v1/embeddings',
    scope: 'developer',
    summary: 'Turns texts into vectors.',
    body: EmbeddingRequest,
    reply: EmbeddingList,
    example: { model: MODEL_EXAMPLE, input: 'a shoal of fish' },
  },
} as const satisfies Readonly<Record<string, OpenAiRoute>>
