import { unreachable } from '#kernel/assert.ts'
import type { NanoUsd } from '#kernel/money.ts'
import type { TimestampMs } from '#kernel/time.ts'
import { type Batch, type BatchState, endOf, isOver, type StoredFile, takesResults } from './batch.ts'
import type { BatchEndpoint, BatchEvent, Claim, FilePurpose, InputError, Tokens } from './batch-events.ts'
import type { BatchLimits } from './batch-limits.ts'
import type { LineRun } from './line-set.ts'

/** In order of precedence. */
export type BatchRefusal =
  | 'claim_reused'
  | 'id_taken'
  | 'file_unknown'
  | 'batch_unknown'
  | 'file_not_input'
  | 'file_in_use'
  | 'files_too_many'
  | 'bytes_too_many'
  | 'batches_too_many'
  | 'batch_over'
  | 'status_wrong'
  | 'lines_repeated'
  | 'chunk_wrong'
  | 'lines_open'
  | 'too_early'

type Limits = Pick<
  BatchLimits,
  | 'organisationBytesMax'
  | 'organisationFilesMax'
  | 'organisationBatchesMax'
  | 'organisationBatchesKeptMax'
  | 'organisationErrorsMax'
  | 'windowMs'
  | 'keepMs'
>

export interface NewFile {
  readonly fileId: string
  readonly filename: string
  readonly purpose: FilePurpose
  readonly bytes: number
  readonly expiresAtMs: TimestampMs | null
}

export type BatchCommand =
  | ({ kind: 'keep_file'; organisationId: string; claim: Claim | null; nowMs: TimestampMs } & NewFile)
  | { kind: 'delete_file'; fileId: string; organisationId: string; nowMs: TimestampMs }
  | { kind: 'expire_file'; fileId: string; nowMs: TimestampMs }
  | {
      kind: 'create'
      batchId: string
      organisationId: string
      keyId: string
      inputFileId: string
      endpoint: BatchEndpoint
      metadata: Readonly<Record<string, string>> | null
      outputKeepMs: number | null
      claim: Claim | null
      nowMs: TimestampMs
    }
  | { kind: 'accept'; batchId: string; model: string; requests: number; nowMs: TimestampMs }
  | { kind: 'refuse'; batchId: string; errors: readonly InputError[]; nowMs: TimestampMs }
  | {
      kind: 'finish_lines'
      batchId: string
      chunk: number
      runs: readonly LineRun[]
      completed: number
      failed: number
      tokens: Tokens
      cost: NanoUsd
      nowMs: TimestampMs
    }
  | { kind: 'cancel'; batchId: string; organisationId: string; nowMs: TimestampMs }
  | { kind: 'expire'; batchId: string; nowMs: TimestampMs }
  | { kind: 'finalize'; batchId: string; nowMs: TimestampMs }
  | { kind: 'end'; batchId: string; output: NewFile | null; errors: NewFile | null; nowMs: TimestampMs }
  | { kind: 'forget'; batchId: string; nowMs: TimestampMs }

/** What becomes of `command`: events, none where it was carried out before, or why not. */
export function decideBatches(
  state: BatchState,
  command: BatchCommand,
  limits: Limits,
): BatchRefusal | BatchEvent[] {
  switch (command.kind) {
    case 'keep_file':
      return decideKeepFile(state, command, limits)
    case 'delete_file': {
      const file = state.files.get(command.fileId)
      if (file?.organisationId !== command.organisationId) return 'file_unknown'
      return isInUse(state, file) ? 'file_in_use' : [deleted(file, 'asked', command.nowMs)]
    }
    case 'expire_file': {
      const file = state.files.get(command.fileId)
      if (!file) return 'file_unknown'
      if (isInUse(state, file)) return 'file_in_use'
      if (file.expiresAtMs === null || command.nowMs < file.expiresAtMs) return 'too_early'
      return [deleted(file, 'expired', command.nowMs)]
    }
    case 'create':
      return decideCreate(state, command, limits)
    default: {
      const batch = state.batches.get(command.batchId)
      if (!batch) return 'batch_unknown'
      return decideBatch(batch, command, { state, limits })
    }
  }
}

type OfKind<Kind extends BatchCommand['kind']> = Extract<BatchCommand, { kind: Kind }>

function decideKeepFile(
  state: BatchState,
  { kind: _, claim, nowMs, ...file }: OfKind<'keep_file'>,
  limits: Limits,
): BatchRefusal | BatchEvent[] {
  const { organisationId, bytes } = file
  const repeated = repeatOf(state, claim)
  if (repeated) return repeated
  if (state.files.has(file.fileId)) return 'id_taken'
  const own = [...state.files.values()].filter((other) => other.organisationId === organisationId)
  if (own.length >= limits.organisationFilesMax) return 'files_too_many'
  const used = own.reduce((sum, other) => sum + other.bytes, 0)
  if (used + bytes > limits.organisationBytesMax) return 'bytes_too_many'
  return [{ type: 'batch.file_kept', ...file, createdAtMs: nowMs, ...(claim && { claim }) }]
}

function decideCreate(
  state: BatchState,
  { kind: _, claim, nowMs, ...batch }: OfKind<'create'>,
  limits: Limits,
): BatchRefusal | BatchEvent[] {
  const { organisationId, inputFileId, metadata } = batch
  const repeated = repeatOf(state, claim)
  if (repeated) return repeated
  if (state.batches.has(batch.batchId)) return 'id_taken'
  const file = state.files.get(inputFileId)
  if (file?.organisationId !== organisationId) return 'file_unknown'
  if (file.purpose !== 'batch') return 'file_not_input'
  const own = batchesOf(state, organisationId)
  if (own.filter((other) => !isOver(other)).length >= limits.organisationBatchesMax) return 'batches_too_many'
  const times = { createdAtMs: nowMs, expiresAtMs: nowMs + limits.windowMs }
  return [
    ...madeRoom(own, limits).map(({ batchId }): BatchEvent => ({ type: 'batch.forgotten', batchId })),
    {
      type: 'batch.created',
      ...batch,
      metadata: metadata && { ...metadata },
      ...times,
      ...(claim && { claim }),
    },
  ]
}

const batchesOf = ({ batches }: BatchState, organisationId: string): Batch[] =>
  [...batches.values()].filter((batch) => batch.organisationId === organisationId)

/** Which of an organisation's batches go for one more: the oldest that failed, then the oldest that are over. */
function madeRoom(own: readonly Batch[], { organisationBatchesKeptMax }: Limits): readonly Batch[] {
  const tooMany = Math.max(0, own.length + 1 - organisationBatchesKeptMax)
  const failed = own.filter(({ status }) => status === 'failed')
  const others = own.filter((batch) => isOver(batch) && batch.status !== 'failed')
  return [...failed, ...others].slice(0, tooMany)
}

/** A call that was carried out before changes nothing; another call under its key is refused. */
function repeatOf({ claims, files, batches }: BatchState, claim: Claim | null): 'claim_reused' | [] | null {
  const id = claim && claims.get(claim.key)
  if (!claim || !id) return null
  const before = (files.get(id) ?? batches.get(id))?.claim
  return before?.digest === claim.digest ? [] : 'claim_reused'
}

type OfBatch = Exclude<BatchCommand, { kind: 'keep_file' | 'delete_file' | 'expire_file' | 'create' }>

interface Around {
  readonly state: BatchState
  readonly limits: Limits
}

function decideBatch(batch: Batch, command: OfBatch, around: Around): BatchRefusal | BatchEvent[] {
  const { batchId, status } = batch
  const { nowMs: atMs } = command
  switch (command.kind) {
    case 'accept': {
      const { model, requests } = command
      if (status !== 'validating') return 'status_wrong'
      return [{ type: 'batch.accepted', batchId, model, requests, atMs }]
    }
    case 'refuse':
      if (status !== 'validating') return 'status_wrong'
      return [{ type: 'batch.refused', batchId, errors: listed(batch, command.errors, around), atMs }]
    case 'finish_lines':
      return decideFinishLines(batch, command)
    case 'cancel':
      if (batch.organisationId !== command.organisationId) return 'batch_unknown'
      // Asked for twice, it is cancelled once.
      if (status === 'cancelling' || status === 'cancelled') return []
      if (isOver(batch) || status === 'finalizing') return 'batch_over'
      return [{ type: 'batch.cancelling', batchId, atMs }]
    case 'expire':
      if (status !== 'in_progress') return 'status_wrong'
      if (batch.stop !== null) return []
      return atMs < batch.expiresAtMs ? 'too_early' : [{ type: 'batch.expiring', batchId, atMs }]
    case 'finalize':
      if (!takesResults(batch)) return 'status_wrong'
      if (batch.stop === null && batch.done.count < batch.requests) return 'lines_open'
      return [{ type: 'batch.finalizing', batchId, atMs }]
    case 'end':
      return decideEnd(batch, command, around)
    case 'forget':
      if (!isOver(batch)) return 'status_wrong'
      if (batch.endedAtMs === null || atMs < batch.endedAtMs + around.limits.keepMs) return 'too_early'
      return [{ type: 'batch.forgotten', batchId }]
    default:
      return unreachable(command)
  }
}

/** What a refused batch says of its errors: all of them, while its organisation's batches say no more than they may. */
function listed(
  { organisationId }: Batch,
  errors: readonly InputError[],
  { state, limits }: Around,
): InputError[] {
  const before = batchesOf(state, organisationId).reduce((sum, batch) => sum + batch.errors.length, 0)
  return errors.slice(0, Math.max(1, limits.organisationErrorsMax - before))
}

function decideFinishLines(
  batch: Batch,
  { kind: _, nowMs, runs, ...rest }: OfKind<'finish_lines'>,
): BatchRefusal | BatchEvent[] {
  if (!takesResults(batch)) return 'status_wrong'
  if (runs.some((run) => batch.done.hasAny(run))) return 'lines_repeated'
  const count = runs.reduce((sum, [first, last]) => sum + last - first + 1, 0)
  if (count === 0 || count !== rest.completed + rest.failed) return 'chunk_wrong'
  if (rest.chunk !== batch.chunks + 1 || batch.done.count + count > batch.requests) return 'chunk_wrong'
  return [
    { type: 'batch.lines_done', ...rest, runs: runs.map(([first, last]) => [first, last]), atMs: nowMs },
  ]
}

function decideEnd(
  batch: Batch,
  { output, errors, nowMs }: OfKind<'end'>,
  { state, limits }: Around,
): BatchRefusal | BatchEvent[] {
  const { batchId, organisationId, finalizingAtMs } = batch
  if (finalizingAtMs === null || isOver(batch)) return 'status_wrong'
  if ([output, errors].some((file) => file && state.files.has(file.fileId))) return 'id_taken'
  const kept = [output, errors].flatMap((file): BatchEvent[] => {
    if (!file) return []
    const expiresAtMs = nowMs + (batch.outputKeepMs ?? limits.keepMs)
    return [{ type: 'batch.file_kept', ...file, organisationId, createdAtMs: nowMs, expiresAtMs }]
  })
  const files = { outputFileId: output?.fileId ?? null, errorFileId: errors?.fileId ?? null }
  return [...kept, { type: 'batch.ended', batchId, end: endOf(batch), ...files, atMs: nowMs }]
}

const isInUse = ({ batches }: BatchState, { fileId }: StoredFile): boolean =>
  [...batches.values()].some((batch) => batch.inputFileId === fileId && !isOver(batch))

const deleted = ({ fileId }: StoredFile, reason: 'asked' | 'expired', atMs: TimestampMs): BatchEvent => ({
  type: 'batch.file_deleted',
  fileId,
  reason,
  atMs,
})
