/** Files and batches of one gateway, as every gateway of the network asks for them. */
import { z } from 'zod'
import type { BatchState } from '#batch/batch.ts'
import { BatchEndpoint, Claim, FilePurpose } from '#batch/batch-events.ts'
import type { BatchLimits } from '#batch/batch-limits.ts'
import type { BatchRefusal } from '#batch/decide-batch.ts'
import type { BlobStore, BlobWriter } from '#host/blob-store.ts'
import type { Clock } from '#host/host.ts'
import type { BatchObject, DeletedFile, FileObject } from '#protocol/batch-api.ts'
import { Problem } from '#protocol/problem.ts'
import type { BatchBook } from './batch-book.ts'
import type { IdMaker } from './batch-ids.ts'
import { orderOf } from './batch-ids.ts'
import { batchObject, fileObject } from './batch-objects.ts'
import type { BatchRunner } from './batch-runner.ts'

const Page = {
  /** What ids of the page come after, in its order; the beginning without it. */
  after: z.string().nullable(),
  limit: z.int().positive(),
  isAscending: z.boolean(),
}

/** What may be asked of a home, over the bus as well as in its own process. */
export const HomeCall = z.discriminatedUnion('op', [
  z.object({ op: z.literal('get_file'), organisationId: z.string(), id: z.string() }),
  z.object({ op: z.literal('delete_file'), organisationId: z.string(), id: z.string() }),
  z.object({
    op: z.literal('read_file'),
    organisationId: z.string(),
    id: z.string(),
    offset: z.int().nonnegative(),
    length: z.int().positive(),
  }),
  z.object({
    op: z.literal('list_files'),
    organisationId: z.string(),
    purpose: FilePurpose.nullable(),
    ...Page,
  }),
  z.object({
    op: z.literal('create_batch'),
    organisationId: z.string(),
    keyId: z.string(),
    inputFileId: z.string(),
    endpoint: BatchEndpoint,
    metadata: z.record(z.string(), z.string()).nullable(),
    outputKeepMs: z.int().positive().nullable(),
    claim: Claim.nullable(),
  }),
  z.object({ op: z.literal('get_batch'), organisationId: z.string(), id: z.string() }),
  z.object({ op: z.literal('cancel_batch'), organisationId: z.string(), id: z.string() }),
  z.object({ op: z.literal('list_batches'), organisationId: z.string(), ...Page }),
])
export type HomeCall = z.output<typeof HomeCall>

export interface HomeAnswers {
  get_file: FileObject
  delete_file: DeletedFile
  /** The bytes in base 64, and how many there are in all. */
  read_file: { readonly data: string; readonly bytes: number }
  /** Perhaps fewer than were asked for: none, where there are no more. */
  list_files: readonly FileObject[]
  create_batch: BatchObject
  get_batch: BatchObject
  cancel_batch: BatchObject
  list_batches: readonly BatchObject[]
}

export type CallOf<Op extends HomeCall['op']> = Extract<HomeCall, { op: Op }>

/** A gateway's files and batches, wherever it is. */
export interface BatchHome {
  ask<Op extends HomeCall['op']>(call: CallOf<Op>): Promise<HomeAnswers[Op] | Problem>
}

export interface NewUpload {
  readonly organisationId: string
  readonly filename: string
  readonly keepMs: number | null
  readonly claim: Claim | null
  readonly writer: BlobWriter
}

/** The home in this very process, which also takes what is uploaded here. */
export interface OwnBatchHome extends BatchHome {
  keepFile(upload: NewUpload): Promise<FileObject | Problem>
}

interface Parts {
  readonly book: BatchBook
  readonly store: BlobStore
  readonly ids: IdMaker
  readonly clock: Pick<Clock, 'nowMs'>
  readonly limits: BatchLimits
  readonly runner: Pick<BatchRunner, 'begin' | 'progressOf'>
}

export function createBatchHome(parts: Parts): OwnBatchHome {
  const { book, clock, ids, limits, runner, store } = parts
  const { state } = book

  const seenBatch = (organisationId: string, id: string): BatchObject | Problem => {
    const batch = state.batches.get(id)
    if (batch?.organisationId !== organisationId) return refused('batch_unknown', { id })
    return batchObject(batch, runner.progressOf(id))
  }

  const asks: { readonly [Op in HomeCall['op']]: (call: CallOf<Op>) => Promise<HomeAnswers[Op] | Problem> } =
    {
      async get_file({ organisationId, id }) {
        const file = fileOf(state, organisationId, id)
        return file ? fileObject(file) : refused('file_unknown', { id })
      },
      async delete_file({ organisationId, id }) {
        const command = { kind: 'delete_file', fileId: id, organisationId, nowMs: clock.nowMs() } as const
        const refusal = await book.take(command)
        if (refusal) return refused(refusal, { id })
        await store.delete(id)
        return { id, object: 'file', deleted: true }
      },
      async read_file({ organisationId, id, offset, length }) {
        const reader = fileOf(state, organisationId, id) && (await store.open(id))
        if (!reader) return refused('file_unknown', { id })
        try {
          const data = await reader.read(offset, length)
          return { data: Buffer.from(data).toString('base64'), bytes: reader.bytes }
        } finally {
          await reader.close()
        }
      },
      async list_files({ organisationId, purpose, ...page }) {
        const own = [...state.files.values()].filter(
          (file) => file.organisationId === organisationId && (purpose === null || file.purpose === purpose),
        )
        return fitting(pageOf(own, ({ fileId }) => fileId, page).map(fileObject))
      },
      async create_batch({ op: _, ...asked }) {
        const batchId = ids.next('batch_')
        const refusal = await book.take({ kind: 'create', batchId, ...asked, nowMs: clock.nowMs() })
        if (refusal) return refused(refusal, { id: asked.inputFileId, limits })
        // A call that came before made another.
        const made = (asked.claim && state.claims.get(asked.claim.key)) ?? batchId
        runner.begin(made)
        return seenBatch(asked.organisationId, made)
      },
      get_batch: async ({ organisationId, id }) => seenBatch(organisationId, id),
      async cancel_batch({ organisationId, id }) {
        const command = { kind: 'cancel', batchId: id, organisationId, nowMs: clock.nowMs() } as const
        const refusal = await book.take(command)
        const status = state.batches.get(id)?.status
        return refusal ? refused(refusal, { id, status }) : seenBatch(organisationId, id)
      },
      async list_batches({ organisationId, ...page }) {
        const own = [...state.batches.values()].filter((batch) => batch.organisationId === organisationId)
        const shown = pageOf(own, ({ batchId }) => batchId, page)
        return fitting(shown.map((batch) => batchObject(batch, runner.progressOf(batch.batchId))))
      },
    }

  return {
    // Each call goes to the handler of its own name.
    ask: <Op extends HomeCall['op']>(call: CallOf<Op>) => (asks[call.op] as (typeof asks)[Op])(call),
    async keepFile({ organisationId, filename, keepMs, claim, writer }) {
      const fileId = ids.next('file-')
      const { bytes } = writer.digest()
      await writer.finish(fileId)
      const nowMs = clock.nowMs()
      const expiresAtMs = nowMs + (keepMs ?? limits.keepMs)
      const file = { fileId, organisationId, filename, purpose: 'batch', bytes, expiresAtMs } as const
      const refusal = await book.take({ kind: 'keep_file', ...file, claim, nowMs })
      const kept = (claim && state.claims.get(claim.key)) ?? fileId
      if (refusal || kept !== fileId) await store.delete(fileId)
      if (refusal) return refused(refusal, { id: fileId, limits })
      const found = fileOf(state, organisationId, kept)
      return found ? fileObject(found) : refused('file_unknown', { id: kept })
    },
  }
}

const fileOf = ({ files }: BatchState, organisationId: string, id: string) => {
  const file = files.get(id)
  return file?.organisationId === organisationId ? file : null
}

function pageOf<T>(
  all: readonly T[],
  idOf: (item: T) => string,
  { after, limit, isAscending }: { after: string | null; limit: number; isAscending: boolean },
): T[] {
  const isLater = (item: T): boolean => after === null || comesAfter(idOf(item), after, isAscending)
  return all
    .filter(isLater)
    .sort((a, b) => (comesAfter(idOf(a), orderOf(idOf(b)), isAscending) ? 1 : -1))
    .slice(0, limit)
}

/** Well below what a message of a bus may have. */
const PAGE_BYTES_MAX = 256 * 1024

/** As many of a page's first items as one reply holds, and one at least: whoever asks goes on behind the last of them. */
function fitting<T>(page: readonly T[]): readonly T[] {
  let bytes = 0
  const over = page.findIndex((item) => {
    bytes += Buffer.byteLength(JSON.stringify(item))
    return bytes > PAGE_BYTES_MAX
  })
  return over < 0 ? page : page.slice(0, Math.max(1, over))
}

export const comesAfter = (id: string, order: string, isAscending: boolean): boolean =>
  isAscending ? orderOf(id) > order : orderOf(id) < order

type Refused = { readonly id: string; readonly limits?: BatchLimits; readonly status?: string | undefined }

/** What a caller hears of a refusal. */
function refused(refusal: BatchRefusal, { id, limits, status }: Refused): Problem {
  const invalid = (message: string, param: string | null, code: string): Problem =>
    new Problem('invalid_request', message, { details: { param, code } })
  switch (refusal) {
    case 'claim_reused':
      return invalid(
        'This Idempotency-Key was used for something else. Use a new key for a new request.',
        null,
        'idempotency_key_reused',
      )
    case 'file_unknown':
      return new Problem('not_found', `No such File object: ${id}`, { details: { param: 'id' } })
    case 'batch_unknown':
      return new Problem('not_found', `No batch found with id '${id}'.`, { details: { param: 'id' } })
    case 'file_not_input':
      return invalid(`${id} is no input: upload one with purpose 'batch'.`, 'input_file_id', 'invalid_value')
    case 'file_in_use':
      return new Problem('conflict', `A batch works on ${id}. Cancel it, or wait until it is over.`, {
        details: { code: 'file_in_use' },
      })
    case 'files_too_many':
      return invalid(
        `The organisation has ${limits?.organisationFilesMax ?? 'too many'} files, the most there may be. Delete some.`,
        null,
        'files_limit_exceeded',
      )
    case 'bytes_too_many':
      return invalid(
        `The organisation's files would be more than ${limits?.organisationBytesMax ?? 'their'} bytes together. Delete some.`,
        'file',
        'storage_limit_exceeded',
      )
    case 'batches_too_many':
      return new Problem(
        'rate_limited',
        `The organisation has ${limits?.organisationBatchesMax ?? 'too many'} batches under way, the most there may be. Wait for one to end.`,
        { details: { code: 'batch_limit_exceeded' } },
      )
    case 'batch_over':
    case 'status_wrong':
      return new Problem('conflict', `The batch ${id} is ${status ?? 'over'} and cannot be cancelled.`, {
        details: { code: 'batch_not_cancellable' },
      })
    case 'id_taken':
    case 'lines_repeated':
    case 'chunk_wrong':
    case 'lines_open':
    case 'too_early':
      return new Problem('internal', `${id}: ${refusal}`)
  }
}
