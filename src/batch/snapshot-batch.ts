import { assert } from '#kernel/assert.ts'
import { type Batch, type BatchState, isOver } from './batch.ts'
import type { BatchEvent } from './batch-events.ts'

/** A short history that leads to `state`: what a journal keeps in place of a long one. */
export function snapshotOf({ files, batches }: BatchState): BatchEvent[] {
  const kept = [...files.values()].map(({ claim, ...file }): BatchEvent => {
    return { type: 'batch.file_kept', ...file, ...(claim && { claim }) }
  })
  return [...kept, ...[...batches.values()].flatMap(historyOf)]
}

function historyOf(batch: Batch): BatchEvent[] {
  const { batchId, organisationId, keyId, inputFileId, endpoint, metadata, outputKeepMs, claim } = batch
  const { createdAtMs, expiresAtMs, inProgressAtMs, cancellingAtMs, expiringAtMs, finalizingAtMs } = batch
  const made = {
    batchId,
    organisationId,
    keyId,
    inputFileId,
    endpoint,
    outputKeepMs,
    createdAtMs,
    expiresAtMs,
  }
  const events: BatchEvent[] = [
    { type: 'batch.created', ...made, metadata: metadata && { ...metadata }, ...(claim && { claim }) },
  ]
  if (inProgressAtMs !== null && batch.model !== null) {
    const { model, requests } = batch
    events.push({ type: 'batch.accepted', batchId, model, requests, atMs: inProgressAtMs })
  }
  if (batch.done.count > 0) events.push(linesDone(batch))
  // Whose window ended may yet be cancelled, and never the other way round.
  if (expiringAtMs !== null) events.push({ type: 'batch.expiring', batchId, atMs: expiringAtMs })
  if (cancellingAtMs !== null) events.push({ type: 'batch.cancelling', batchId, atMs: cancellingAtMs })
  if (finalizingAtMs !== null) events.push({ type: 'batch.finalizing', batchId, atMs: finalizingAtMs })
  if (isOver(batch)) events.push(ended(batch))
  return events
}

function linesDone(batch: Batch): BatchEvent {
  const { batchId, chunks: chunk, done, completed, failed, tokens, cost } = batch
  const runs = done.runs().map(([first, last]): [number, number] => [first, last])
  const atMs = batch.inProgressAtMs ?? batch.createdAtMs
  return { type: 'batch.lines_done', batchId, chunk, runs, completed, failed, tokens, cost, atMs }
}

function ended({ batchId, status, errors, outputFileId, errorFileId, endedAtMs }: Batch): BatchEvent {
  assert(endedAtMs !== null, `${batchId} has ended`)
  if (status === 'failed') return { type: 'batch.refused', batchId, errors: [...errors], atMs: endedAtMs }
  assert(status === 'completed' || status === 'expired' || status === 'cancelled', `${batchId} is over`)
  return { type: 'batch.ended', batchId, end: status, outputFileId, errorFileId, atMs: endedAtMs }
}
