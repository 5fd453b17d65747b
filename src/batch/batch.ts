/**
 * Uploaded files and batches of requests, as a decider.
 *
 *   validating ─→ in_progress ─→ finalizing ─→ completed
 *       │              ├─ its window is over ─→ finalizing ─→ expired
 *       ├──────────────┴─→ cancelling ─→ cancelled
 *       └─→ failed: its input file is not what it should be
 *
 * A line of the input counts as done once its result is durable in a *chunk*; the event that counts it names the chunk.
 * A batch ends with its results in files of their own, and its chunks are of no use any more.
 */
import { assert } from '#kernel/assert.ts'
import type { NanoUsd } from '#kernel/money.ts'
import type { TimestampMs } from '#kernel/time.ts'
import type { BatchEnd, BatchEndpoint, Claim, FilePurpose, InputError, Tokens } from './batch-events.ts'
import type { LineSet } from './line-set.ts'

export interface StoredFile {
  readonly fileId: string
  readonly organisationId: string
  readonly filename: string
  readonly purpose: FilePurpose
  readonly bytes: number
  readonly createdAtMs: TimestampMs
  readonly expiresAtMs: TimestampMs | null
  readonly claim: Claim | null
}

export type BatchStatus =
  | 'validating'
  | 'failed'
  | 'in_progress'
  | 'finalizing'
  | 'completed'
  | 'expired'
  | 'cancelling'
  | 'cancelled'

export interface Batch {
  readonly batchId: string
  readonly organisationId: string
  readonly keyId: string
  readonly inputFileId: string
  readonly endpoint: BatchEndpoint
  readonly metadata: Readonly<Record<string, string>> | null
  /** How long its output files are kept, where its maker said so. */
  readonly outputKeepMs: number | null
  readonly createdAtMs: TimestampMs
  readonly expiresAtMs: TimestampMs
  readonly claim: Claim | null
  status: BatchStatus
  /** Why nothing of it is begun any more, before it is over. */
  stop: 'expired' | 'cancelled' | null
  model: string | null
  errors: readonly InputError[]
  requests: number
  /** Lines with a result, by their number in the input file; of a batch that is over how many there were is left. */
  done: LineSet
  completed: number
  failed: number
  chunks: number
  tokens: Tokens
  cost: NanoUsd
  outputFileId: string | null
  errorFileId: string | null
  inProgressAtMs: TimestampMs | null
  finalizingAtMs: TimestampMs | null
  cancellingAtMs: TimestampMs | null
  expiringAtMs: TimestampMs | null
  endedAtMs: TimestampMs | null
}

export interface BatchState {
  readonly files: Map<string, StoredFile>
  readonly batches: Map<string, Batch>
  /** The file or batch that a claimed call made. */
  readonly claims: Map<string, string>
}

export const emptyBatchState = (): BatchState => ({ files: new Map(), batches: new Map(), claims: new Map() })

const overStatuses: readonly BatchStatus[] = ['failed', 'completed', 'expired', 'cancelled']

export const isOver = ({ status }: Batch): boolean => overStatuses.includes(status)

/** Whether requests of it may be begun. */
export const takesLines = ({ status, stop }: Batch): boolean => status === 'in_progress' && stop === null

/** Whether requests of it that run may still bring results. */
export const takesResults = ({ status, finalizingAtMs }: Batch): boolean =>
  status === 'in_progress' || (status === 'cancelling' && finalizingAtMs === null)

export const endOf = ({ stop }: Batch): BatchEnd => stop ?? 'completed'

/** Throws unless the state makes sense. */
export function checkBatches({ files, batches, claims }: BatchState): void {
  for (const batch of batches.values()) {
    const { batchId, requests, done, completed, failed, inputFileId } = batch
    assert(done.count === completed + failed, `${batchId}: each done line is completed or failed`)
    assert(done.count <= requests, `${batchId}: no more lines are done than there are`)
    assert(isOver(batch) === (batch.endedAtMs !== null), `${batchId}: what is over has ended`)
    if (batch.status === 'completed') assert(done.count === requests, `${batchId}: all lines are done`)
    if (!isOver(batch)) {
      assert(files.get(inputFileId)?.purpose === 'batch', `${batchId}: its input stays while it is worked on`)
      assert(batch.outputFileId === null && batch.errorFileId === null, `${batchId}: output comes at the end`)
    }
    if (batch.status === 'failed') assert(batch.errors.length > 0, `${batchId}: a failure has a reason`)
  }
  for (const [key, id] of claims) {
    const claim = (files.get(id) ?? batches.get(id))?.claim
    assert(claim?.key === key, `the claim of ${id} is its own`)
  }
}
