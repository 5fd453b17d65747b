/** The OpenAI-compatible endpoints. The gateway serves them on its own hot path; this table is for the API's document. */
import { z } from 'zod'
import {
  BatchesQuery,
  BatchList,
  BatchObject,
  BatchRequest,
  DeletedFile,
  FileContent,
  FileForm,
  FileList,
  FileObject,
  FilesQuery,
} from './batch-api.ts'
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
  readonly method: 'GET' | 'POST' | 'DELETE'
  readonly path: `/v1/${string}`
  readonly scope: Scope
  readonly summary: string
  readonly description?: string
  readonly params?: z.ZodObject
  readonly query?: z.ZodObject
  readonly body?: z.ZodObject
  /** The body is a form, `multipart/form-data`. */
  readonly isForm?: true
  /** The reply is bytes. */
  readonly isBinary?: true
  readonly reply: z.ZodType
  /** One event of the answer, where the body's `stream` asks for a stream. */
  readonly chunk?: z.ZodType
  readonly example?: Readonly<Record<string, unknown>>
}

const FileParams = z.strictObject({ fileId: z.string() })
const BatchParams = z.strictObject({ batchId: z.string() })
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
  createFile: {
    method: 'POST',
    path: '/v1/files',
    scope: 'developer',
    summary: 'Uploads the input of a batch.',
    body: FileForm,
    isForm: true,
    reply: FileObject,
  },
  listFiles: {
    method: 'GET',
    path: '/v1/files',
    scope: 'viewer',
    summary: 'Lists files, newest first.',
    query: FilesQuery,
    reply: FileList,
  },
  getFile: {
    method: 'GET',
    path: '/v1/files/:fileId',
    scope: 'viewer',
    summary: 'Reads what is known of a file.',
    params: FileParams,
    reply: FileObject,
  },
  getFileContent: {
    method: 'GET',
    path: '/v1/files/:fileId/content',
    scope: 'viewer',
    summary: 'Reads a file.',
    params: FileParams,
    reply: FileContent,
    isBinary: true,
  },
  deleteFile: {
    method: 'DELETE',
    path: '/v1/files/:fileId',
    scope: 'developer',
    summary: 'Deletes a file that no batch works on.',
    params: FileParams,
    reply: DeletedFile,
  },
  createBatch: {
    method: 'POST',
    path: '/v1/batches',
    scope: 'developer',
    summary:
      'Orders the requests of a file, to be done within 24 hours while there is room, for half the price.',
    body: BatchRequest,
    reply: BatchObject,
  },
  listBatches: {
    method: 'GET',
    path: '/v1/batches',
    scope: 'viewer',
    summary: 'Lists batches, newest first.',
    query: BatchesQuery,
    reply: BatchList,
  },
  getBatch: {
    method: 'GET',
    path: '/v1/batches/:batchId',
    scope: 'viewer',
    summary: 'Reads a batch and how far it is.',
    params: BatchParams,
    reply: BatchObject,
  },
  cancelBatch: {
    method: 'POST',
    path: '/v1/batches/:batchId/cancel',
    scope: 'developer',
    summary: 'Cancels a batch; what is done of it is delivered.',
    params: BatchParams,
    reply: BatchObject,
  },
} as const satisfies Readonly<Record<string, OpenAiRoute>>
