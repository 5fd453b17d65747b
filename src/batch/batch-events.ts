import { z } from 'zod'
import { NanoUsd } from '#protocol/money.ts'
import { LineRun } from './line-set.ts'

export const FilePurpose = z.enum(['batch', 'batch_output'])
export type FilePurpose = z.output<typeof FilePurpose>

/** The endpoints that a batch may ask. */
export const BatchEndpoint = z.enum([
  '/v1/chat/completions',
  '/v1/completions',
  '/v1/embeddings',
  '/v1/responses',
])
export type BatchEndpoint = z.output<typeof BatchEndpoint>

/** What makes a call that comes again the same call: its key, by its caller, and a digest of all that it says. */
export const Claim = z.object({ key: z.string(), digest: z.string() })
export type Claim = z.output<typeof Claim>

/** What is wrong with an input file, in OpenAI's words. */
export const InputError = z.object({
  code: z.string(),
  message: z.string(),
  param: z.string().nullable(),
  /** Counted from 1; null where it is the file. */
  line: z.int().positive().nullable(),
})
export type InputError = z.output<typeof InputError>

const KeptFile = z.object({
  fileId: z.string(),
  organisationId: z.string(),
  filename: z.string(),
  purpose: FilePurpose,
  bytes: z.int().nonnegative(),
  createdAtMs: z.int(),
  expiresAtMs: z.int().nullable(),
  claim: Claim.optional(),
})

export const Tokens = z.object({
  promptTokens: z.int().nonnegative(),
  completionTokens: z.int().nonnegative(),
  /** Of the prompts, what nodes had read before; absent where none told. */
  cachedPromptTokens: z.int().nonnegative().optional(),
})
export type Tokens = z.output<typeof Tokens>

/** How a batch ends that was begun. */
export const BatchEnd = z.enum(['completed', 'expired', 'cancelled'])
export type BatchEnd = z.output<typeof BatchEnd>

export const BatchEvent = z.discriminatedUnion('type', [
  z.object({ type: z.literal('batch.file_kept'), ...KeptFile.shape }),
  z.object({
    type: z.literal('batch.file_deleted'),
    fileId: z.string(),
    reason: z.enum(['asked', 'expired']),
    atMs: z.int(),
  }),
  z.object({
    type: z.literal('batch.created'),
    batchId: z.string(),
    organisationId: z.string(),
    keyId: z.string(),
    inputFileId: z.string(),
    endpoint: BatchEndpoint,
    metadata: z.record(z.string(), z.string()).nullable(),
    outputKeepMs: z.int().positive().nullable(),
    createdAtMs: z.int(),
    expiresAtMs: z.int(),
    claim: Claim.optional(),
  }),
  z.object({
    type: z.literal('batch.accepted'),
    batchId: z.string(),
    model: z.string(),
    requests: z.int().positive(),
    atMs: z.int(),
  }),
  z.object({
    type: z.literal('batch.refused'),
    batchId: z.string(),
    errors: z.array(InputError).min(1),
    atMs: z.int(),
  }),
  z.object({
    type: z.literal('batch.lines_done'),
    batchId: z.string(),
    /** Where their results are; chunks are counted from 1 without gaps. */
    chunk: z.int().positive(),
    runs: z.array(LineRun).min(1),
    completed: z.int().nonnegative(),
    failed: z.int().nonnegative(),
    tokens: Tokens,
    cost: NanoUsd,
    atMs: z.int(),
  }),
  z.object({ type: z.literal('batch.cancelling'), batchId: z.string(), atMs: z.int() }),
  /** Its window is over: nothing of it is begun any more. */
  z.object({ type: z.literal('batch.expiring'), batchId: z.string(), atMs: z.int() }),
  z.object({ type: z.literal('batch.finalizing'), batchId: z.string(), atMs: z.int() }),
  z.object({
    type: z.literal('batch.ended'),
    batchId: z.string(),
    end: BatchEnd,
    outputFileId: z.string().nullable(),
    errorFileId: z.string().nullable(),
    atMs: z.int(),
  }),
  /** It leaves the memory. */
  z.object({ type: z.literal('batch.forgotten'), batchId: z.string() }),
])
export type BatchEvent = z.output<typeof BatchEvent>
