import { assert, unreachable } from '#kernel/assert.ts'
import type { Batch, BatchState } from './batch.ts'
import type { BatchEvent, Tokens } from './batch-events.ts'
import { LineSet } from './line-set.ts'

/** The only writer of the state. */
export function evolveBatches(state: BatchState, event: BatchEvent): void {
  switch (event.type) {
    case 'batch.file_kept': {
      const { type: _, claim = null, ...file } = event
      state.files.set(file.fileId, { ...file, claim })
      if (claim) state.claims.set(claim.key, file.fileId)
      return
    }
    case 'batch.file_deleted': {
      const claim = state.files.get(event.fileId)?.claim
      state.files.delete(event.fileId)
      if (claim) state.claims.delete(claim.key)
      return
    }
    case 'batch.created': {
      const { type: _, claim = null, ...batch } = event
      state.batches.set(batch.batchId, { ...batch, claim, ...unbegun() })
      if (claim) state.claims.set(claim.key, batch.batchId)
      return
    }
    case 'batch.forgotten': {
      const { claim } = batchOf(state, event)
      state.batches.delete(event.batchId)
      if (claim) state.claims.delete(claim.key)
      return
    }
    default:
      return evolveBatch(batchOf(state, event), event)
  }
}

type OfBatch = Exclude<
  BatchEvent,
  { type: 'batch.file_kept' | 'batch.file_deleted' | 'batch.created' | 'batch.forgotten' }
>

function evolveBatch(batch: Batch, event: OfBatch): void {
  switch (event.type) {
    case 'batch.accepted':
      batch.status = 'in_progress'
      batch.model = event.model
      batch.requests = event.requests
      batch.inProgressAtMs = event.atMs
      return
    case 'batch.refused':
      batch.status = 'failed'
      batch.errors = event.errors
      batch.endedAtMs = event.atMs
      return
    case 'batch.lines_done':
      for (const run of event.runs) batch.done.addRun(run)
      batch.chunks = event.chunk
      batch.completed += event.completed
      batch.failed += event.failed
      batch.tokens = {
        promptTokens: batch.tokens.promptTokens + event.tokens.promptTokens,
        completionTokens: batch.tokens.completionTokens + event.tokens.completionTokens,
        ...cachedOf(batch.tokens, event.tokens),
      }
      batch.cost += event.cost
      return
    case 'batch.cancelling':
      batch.status = 'cancelling'
      batch.stop = 'cancelled'
      batch.cancellingAtMs = event.atMs
      return
    case 'batch.expiring':
      batch.stop = 'expired'
      batch.expiringAtMs = event.atMs
      return
    case 'batch.finalizing':
      // A batch that is cancelled says so until it is.
      if (batch.status !== 'cancelling') batch.status = 'finalizing'
      batch.finalizingAtMs = event.atMs
      return
    case 'batch.ended':
      batch.status = event.end
      batch.outputFileId = event.outputFileId
      batch.errorFileId = event.errorFileId
      batch.endedAtMs = event.atMs
      // Nobody asks any more which they were, and scattered ones take room for as long as the batch is kept.
      batch.done = LineSet.of(batch.done.count > 0 ? [[1, batch.done.count]] : [])
      return
    default:
      unreachable(event)
  }
}

function batchOf({ batches }: BatchState, { batchId }: { batchId: string }): Batch {
  const batch = batches.get(batchId)
  assert(batch, `${batchId} was created before anything else became of it`)
  return batch
}

const unbegun = () => ({
  status: 'validating' as const,
  stop: null,
  model: null,
  errors: [],
  requests: 0,
  done: new LineSet(),
  completed: 0,
  failed: 0,
  chunks: 0,
  tokens: { promptTokens: 0, completionTokens: 0 },
  cost: 0n,
  outputFileId: null,
  errorFileId: null,
  inProgressAtMs: null,
  finalizingAtMs: null,
  cancellingAtMs: null,
  expiringAtMs: null,
  endedAtMs: null,
})

/** Absent while nobody told of any. */
function cachedOf(before: Tokens, more: Tokens): Pick<Tokens, 'cachedPromptTokens'> {
  const cachedPromptTokens = (before.cachedPromptTokens ?? 0) + (more.cachedPromptTokens ?? 0)
  return cachedPromptTokens > 0 ? { cachedPromptTokens } : {}
}
