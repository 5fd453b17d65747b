/** Files and batches as OpenAI's API has them, and beside it what a batch costs here. */
import { z } from 'zod'

const Seconds = z.int().min(3_600).max(2_592_000)
const UnixSeconds = z.int().describe('Seconds since 1970.')

/** What a form of `POST /v1/files` says beside its file. */
export const FileFields = z.strictObject({
  purpose: z.literal('batch'),
  'expires_after[anchor]': z.literal('created_at').optional(),
  'expires_after[seconds]': z.coerce.number().pipe(Seconds).optional(),
})
export const FileForm = FileFields.extend({
  file: z.string().meta({ format: 'binary' }).describe('JSON lines, each one request.'),
}).meta({ id: 'FileForm' })

export const FileObject = z
  .object({
    id: z.string(),
    object: z.literal('file'),
    bytes: z.int(),
    created_at: UnixSeconds,
    expires_at: UnixSeconds.optional(),
    filename: z.string(),
    purpose: z.enum(['batch', 'batch_output']),
    status: z.literal('processed'),
  })
  .meta({ id: 'FileObject' })
export type FileObject = z.output<typeof FileObject>

export const DeletedFile = z
  .object({ id: z.string(), object: z.literal('file'), deleted: z.literal(true) })
  .meta({ id: 'DeletedFile' })
export type DeletedFile = z.output<typeof DeletedFile>

const pageOf = {
  object: z.literal('list'),
  first_id: z.string().nullable(),
  last_id: z.string().nullable(),
  has_more: z.boolean(),
}
export const FileList = z.object({ ...pageOf, data: z.array(FileObject) }).meta({ id: 'FileList' })

export const FileContent = z.string().meta({ id: 'FileContent', description: 'The bytes of the file.' })

export const FilesQuery = z.strictObject({
  after: z.string().optional().describe('The last id of the page before.'),
  limit: z.coerce.number().pipe(z.int().min(1).max(10_000)).optional(),
  order: z.enum(['asc', 'desc']).optional(),
  purpose: z.enum(['batch', 'batch_output']).optional(),
})
export const BatchesQuery = z.strictObject({
  after: z.string().optional().describe('The last id of the page before.'),
  limit: z.coerce.number().pipe(z.int().min(1).max(100)).optional(),
})

export const METADATA_MAX = 16
export const BatchRequest = z
  .strictObject({
    input_file_id: z.string().min(1).max(200),
    endpoint: z.enum(['/v1/chat/completions', '/v1/completions', '/v1/embeddings', '/v1/responses']),
    completion_window: z.literal('24h'),
    metadata: z.record(z.string().min(1).max(64), z.string().max(512)).nullish(),
    output_expires_after: z.strictObject({ anchor: z.literal('created_at'), seconds: Seconds }).nullish(),
  })
  .meta({ id: 'BatchRequest' })
export type BatchRequest = z.output<typeof BatchRequest>

const Time = UnixSeconds.nullable()
export const BatchObject = z
  .object({
    id: z.string(),
    object: z.literal('batch'),
    endpoint: z.string(),
    model: z.string().nullable(),
    errors: z
      .object({
        object: z.literal('list'),
        data: z.array(
          z.object({
            code: z.string(),
            message: z.string(),
            param: z.string().nullable(),
            line: z.int().nullable(),
          }),
        ),
      })
      .nullable(),
    input_file_id: z.string(),
    completion_window: z.literal('24h'),
    status: z.enum([
      'validating',
      'failed',
      'in_progress',
      'finalizing',
      'completed',
      'expired',
      'cancelling',
      'cancelled',
    ]),
    output_file_id: z.string().nullable(),
    error_file_id: z.string().nullable(),
    created_at: UnixSeconds,
    in_progress_at: Time,
    expires_at: UnixSeconds,
    finalizing_at: Time,
    completed_at: Time,
    failed_at: Time,
    expired_at: Time,
    cancelling_at: Time,
    cancelled_at: Time,
    request_counts: z.object({ total: z.int(), completed: z.int(), failed: z.int() }),
    usage: z.object({
      input_tokens: z.int(),
      input_tokens_details: z.object({ cached_tokens: z.int() }),
      output_tokens: z.int(),
      output_tokens_details: z.object({ reasoning_tokens: z.int() }),
      total_tokens: z.int(),
    }),
    metadata: z.record(z.string(), z.string()).nullable(),
    x_shoal: z.object({
      cost_nano_usd: z.string().describe('Of the results so far, in billionths of a US dollar.'),
      waiting_for: z.string().nullable().describe('What keeps it from going on, where something does.'),
    }),
  })
  .meta({ id: 'BatchObject' })
export type BatchObject = z.output<typeof BatchObject>

export const BatchList = z.object({ ...pageOf, data: z.array(BatchObject) }).meta({ id: 'BatchList' })
