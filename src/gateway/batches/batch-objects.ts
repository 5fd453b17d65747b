/** Files and batches in OpenAI's shapes. */
import type { Batch, StoredFile } from '#batch/batch.ts'
import type { TimestampMs } from '#kernel/time.ts'
import type { BatchObject, FileObject } from '#protocol/batch-api.ts'

const seconds = (ms: TimestampMs): number => Math.floor(ms / 1_000)
const secondsOrNull = (ms: TimestampMs | null): number | null => (ms === null ? null : seconds(ms))

export const fileObject = ({
  fileId,
  bytes,
  createdAtMs,
  expiresAtMs,
  filename,
  purpose,
}: StoredFile): FileObject => ({
  id: fileId,
  object: 'file',
  bytes,
  created_at: seconds(createdAtMs),
  ...(expiresAtMs !== null && { expires_at: seconds(expiresAtMs) }),
  filename,
  purpose,
  status: 'processed',
})

/** What of a batch is not in its record yet, or never will be. */
export interface BatchProgress {
  /** Results that are durable, though not counted yet. */
  readonly completed: number
  readonly failed: number
  readonly waitingFor: string | null
}

export function batchObject(batch: Batch, progress: BatchProgress | null): BatchObject {
  const { status, errors, tokens, requests, endedAtMs } = batch
  const endedIn = (name: Batch['status']): number | null =>
    status === name ? secondsOrNull(endedAtMs) : null
  return {
    id: batch.batchId,
    object: 'batch',
    endpoint: batch.endpoint,
    model: batch.model,
    errors: errors.length === 0 ? null : { object: 'list', data: [...errors] },
    input_file_id: batch.inputFileId,
    completion_window: '24h',
    status,
    output_file_id: batch.outputFileId,
    error_file_id: batch.errorFileId,
    created_at: seconds(batch.createdAtMs),
    in_progress_at: secondsOrNull(batch.inProgressAtMs),
    expires_at: seconds(batch.expiresAtMs),
    finalizing_at: secondsOrNull(batch.finalizingAtMs),
    completed_at: endedIn('completed'),
    failed_at: endedIn('failed'),
    expired_at: endedIn('expired'),
    cancelling_at: secondsOrNull(batch.cancellingAtMs),
    cancelled_at: endedIn('cancelled'),
    request_counts: {
      total: requests,
      completed: batch.completed + (progress?.completed ?? 0),
      failed: batch.failed + (progress?.failed ?? 0),
    },
    usage: {
      input_tokens: tokens.promptTokens,
      input_tokens_details: { cached_tokens: tokens.cachedPromptTokens ?? 0 },
      output_tokens: tokens.completionTokens,
      output_tokens_details: { reasoning_tokens: 0 },
      total_tokens: tokens.promptTokens + tokens.completionTokens,
    },
    metadata: batch.metadata && { ...batch.metadata },
    x_shoal: { cost_nano_usd: batch.cost.toString(), waiting_for: progress?.waitingFor ?? null },
  }
}
