/**
 * Files and batches of a gateway: what is uploaded is kept on its disk, what is ordered is done while the fleet is idle,
 * and both outlive its process. A file and its batches belong to the gateway that took the file; other gateways of the
 * network pass on what they are asked about them.
 */
import { isOver } from '#batch/batch.ts'
import { type BatchLimits, batchLimits } from '#batch/batch-limits.ts'
import type { BlobStore } from '#host/blob-store.ts'
import type { ReadForm } from '#host/form-upload.ts'
import type { Host, Journal } from '#host/host.ts'
import { MINUTE_MS } from '#kernel/time.ts'
import { type Problem, toProblem } from '#protocol/problem.ts'
import type { Gateway } from '../gateway.ts'
import { type BatchApi, createBatchApi } from './batch-api.ts'
import { type BatchBook, openBatchBook } from './batch-book.ts'
import { createBatchHome } from './batch-home.ts'
import { createIds, homeTag } from './batch-ids.ts'
import { openBatchPeers } from './batch-peers.ts'
import { BatchRunner } from './batch-runner.ts'

export interface Batches {
  readonly api: BatchApi
  close(): Promise<void>
}

export interface BatchesParts {
  readonly host: Pick<Host, 'bus' | 'clock' | 'crypto' | 'log' | 'secrets'>
  /** Of files and batches alone. */
  readonly journal: Journal
  readonly gateway: Gateway
  readonly store: BlobStore
  readonly readForm: ReadForm
  readonly limits?: BatchLimits
  readonly onFatal: (problem: Problem) => void
}

const SWEEP_MS = MINUTE_MS

export async function openBatches(parts: BatchesParts): Promise<Batches> {
  const { host, journal, gateway, store, readForm, onFatal, limits = batchLimits } = parts
  const { bus, clock, crypto, log, secrets } = host
  const book = await openBatchBook(journal, { limits, onFatal })
  await removeStrays(store, book)
  const ids = createIds(homeTag(journal.id, crypto), { clock, secrets })
  const known = { gateway, book, store, ids, limits, clock, secrets, log, onFatal }
  const runner = new BatchRunner(known)
  const home = createBatchHome({ ...known, runner })
  const peers = openBatchPeers({ bus, clock, log }, { tag: ids.home, home })
  let isClosed = false

  function sweep(): void {
    if (isClosed) return
    forgetOld({ book, store, nowMs: clock.nowMs() }).catch((error: unknown) => {
      log.warn('batch.sweep_failed', { message: toProblem(error).message })
    })
    clock.after(SWEEP_MS, sweep)
  }
  sweep()

  return {
    api: createBatchApi({ home, peers, store, readForm, crypto, limits, uploading: new Map() }),
    async close() {
      isClosed = true
      peers.close()
      await runner.close()
      await book.close()
    },
  }
}

/** Bytes that a crash left behind: of uploads and results that no record names, and of chunks that were joined. */
async function removeStrays(store: BlobStore, { state }: BatchBook): Promise<void> {
  for (const { name } of await store.list('file-')) if (!state.files.has(name)) await store.delete(name)
  for (const { name } of await store.list('batch_')) {
    const [batchId = ''] = name.split('.')
    const batch = state.batches.get(batchId)
    const chunk = Number(name.slice(batchId.length + 1))
    if (!batch || isOver(batch) || chunk > batch.chunks) await store.delete(name)
  }
}

async function forgetOld(known: { book: BatchBook; store: BlobStore; nowMs: number }): Promise<void> {
  const { book, store, nowMs } = known
  for (const { fileId, expiresAtMs } of [...book.state.files.values()]) {
    if (expiresAtMs === null || nowMs < expiresAtMs) continue
    const refusal = await book.take({ kind: 'expire_file', fileId, nowMs })
    if (refusal === null) await store.delete(fileId)
  }
  for (const batch of [...book.state.batches.values()]) {
    if (isOver(batch)) await book.take({ kind: 'forget', batchId: batch.batchId, nowMs })
  }
}
