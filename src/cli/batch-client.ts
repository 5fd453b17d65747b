/** Files and batches, as the command line asks a network for them. */
import type { z } from 'zod'
import { BatchList, BatchObject, FileObject } from '#protocol/batch-api.ts'
import { Problem } from '#protocol/problem.ts'
import { openAiProblem } from './chat-stream.ts'
import type { Session } from './session.ts'

export interface BatchClient {
  upload(filename: string, text: string): Promise<FileObject>
  create(order: { fileId: string; endpoint: string; key: string }): Promise<BatchObject>
  get(batchId: string): Promise<BatchObject>
  cancel(batchId: string): Promise<BatchObject>
  list(page: { limit: number; after: string | undefined }): Promise<z.output<typeof BatchList>>
  content(fileId: string): Promise<Uint8Array>
}

export function createBatchClient({ context, connection, signal }: Session): BatchClient {
  const { openaiBaseUrl, apiKey } = connection
  async function send(path: string, init: RequestInit = {}): Promise<Response> {
    const headers = new Headers(init.headers)
    if (apiKey !== null) headers.set('authorization', `Bearer ${apiKey}`)
    const response = await context.fetch(new Request(`${openaiBaseUrl}${path}`, { ...init, headers, signal }))
    if (!response.ok) throw openAiProblem(response.status, await response.text(), openaiBaseUrl)
    return response
  }
  async function ask<Schema extends z.ZodType>(
    schema: Schema,
    path: string,
    init?: RequestInit,
  ): Promise<z.output<Schema>> {
    const parsed = schema.safeParse(await (await send(path, init)).json())
    if (parsed.success) return parsed.data
    throw new Problem('not_supported', `${openaiBaseUrl} answers in another form than this program knows.`, {
      cause: parsed.error,
    })
  }
  const of = (batchId: string): string => `/batches/${encodeURIComponent(batchId)}`
  return {
    upload(filename, text) {
      const form = new FormData()
      form.set('purpose', 'batch')
      form.set('file', new Blob([text]), filename)
      return ask(FileObject, '/files', { method: 'POST', body: form })
    },
    create: ({ fileId, endpoint, key }) =>
      ask(BatchObject, '/batches', {
        method: 'POST',
        headers: { 'content-type': 'application/json', 'idempotency-key': key },
        body: JSON.stringify({ input_file_id: fileId, endpoint, completion_window: '24h' }),
      }),
    get: (batchId) => ask(BatchObject, of(batchId)),
    cancel: (batchId) => ask(BatchObject, `${of(batchId)}/cancel`, { method: 'POST' }),
    list({ limit, after }) {
      const query = new URLSearchParams({ limit: String(limit), ...(after !== undefined && { after }) })
      return ask(BatchList, `/batches?${query}`)
    },
    async content(fileId) {
      return new Uint8Array(await (await send(`/files/${encodeURIComponent(fileId)}/content`)).arrayBuffer())
    },
  }
}
