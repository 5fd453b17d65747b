/**
 * Files of jobs, by their content. A file is cut into chunks; what the organisation has already is not sent again, and
 * what breaks off goes on where it was. Bytes cross as they are, everything else as JSON.
 */
import { z } from 'zod'
import { Id } from './field.ts'
import type { Scope } from './scope.ts'

/** An endpoint as in `route.ts`, but that its body or its reply may be bytes. */
export interface BlobRoute {
  readonly method: 'GET' | 'POST' | 'DELETE'
  readonly path: `/api/blobs${string}`
  readonly scope: Scope
  /** A node with a grant may call it, in place of a key. */
  readonly takesGrant: boolean
  readonly summary: string
  readonly description?: string
  readonly params?: z.ZodObject
  readonly body?: z.ZodObject
  /** The body is bytes. */
  readonly takesBytes?: true
  /** The reply is bytes. */
  readonly isBinary?: true
  readonly reply: z.ZodType
  readonly example?: Readonly<Record<string, unknown>>
}

export const BlobHash = z
  .string()
  .regex(/^[0-9a-f]{64}$/, 'expected 32 bytes in lower-case hex')
  .describe('SHA-256 of the whole, in hex.')
const Base64 = z.string().regex(/^[A-Za-z0-9+/]*={0,2}$/, 'expected base64')

export const KNOWN_MAX = 4_096
/** Room for the list of the most chunks that an object may have. */
export const BLOB_JSON_BYTES_MAX = 8 << 20

export const BlobQuestion = z
  .strictObject({ objects: z.array(BlobHash).max(KNOWN_MAX) })
  .meta({ id: 'BlobQuestion' })
export const BlobAnswer = z
  .object({ missing: z.array(BlobHash).describe('Those of them that are not there.') })
  .meta({ id: 'BlobAnswer' })

export const BlobUpload = z
  .strictObject({
    sha256: BlobHash,
    chunks: Base64.max(BLOB_JSON_BYTES_MAX).describe(
      'All chunks in order, 35 bytes each: SHA-256, then the length in 3 bytes, little end first. Base 64.',
    ),
    isQuestion: z
      .boolean()
      .optional()
      .describe('Only asks which chunks would be missing: nothing is begun, and no room is looked for.'),
  })
  .meta({ id: 'BlobUpload' })
export const BlobMissing = z
  .object({
    missing: Base64.describe(
      'A bit a chunk, the lowest of the first byte for the first: 1 where it is to be sent. Base 64.',
    ),
    missingChunks: z.int(),
    missingBytes: z.int(),
  })
  .meta({ id: 'BlobMissing' })
export const BlobCommit = z.strictObject({}).meta({ id: 'BlobCommit' })
export const BlobCommitted = BlobMissing.extend({
  isKept: z.boolean().describe('Whether the object is there now. If not, chunks are missing.'),
}).meta({ id: 'BlobCommitted' })

export const PackBytes = z.string().meta({ id: 'PackBytes', description: 'A pack of chunks.' })
export const PackKept = z.object({ chunks: z.int(), bytes: z.int() }).meta({ id: 'PackKept' })
export const BlobBytes = z.string().meta({ id: 'BlobBytes', description: 'The bytes of the object.' })
export const BlobChunks = z
  .object({ bytes: z.int(), chunks: Base64.describe('As in `BlobUpload`.') })
  .meta({ id: 'BlobChunks' })
export const BlobDeleted = z
  .object({ sha256: BlobHash, isDeleted: z.literal(true) })
  .meta({ id: 'BlobDeleted' })
export const BlobUsage = z
  .object({ usedBytes: z.int(), quotaBytes: z.int(), objectCount: z.int() })
  .meta({ id: 'BlobUsage' })

const BlobParams = z.strictObject({ sha256: Id })

export const blobRoutes = {
  getBlobUsage: {
    method: 'GET',
    path: '/api/blobs',
    scope: 'viewer',
    takesGrant: false,
    summary: 'Says how much the organisation stores, and how much it may.',
    reply: BlobUsage,
  },
  askBlobs: {
    method: 'POST',
    path: '/api/blobs/known',
    scope: 'developer',
    takesGrant: true,
    summary: 'Tells which of these objects would have to be uploaded.',
    description: 'The others stay for a day at least, whether a job needs them or not.',
    body: BlobQuestion,
    example: { objects: ['a0'.repeat(32)] },
    reply: BlobAnswer,
  },
  beginBlob: {
    method: 'POST',
    path: '/api/blobs/uploads',
    scope: 'developer',
    takesGrant: true,
    summary: 'Begins the upload of an object, or goes on with it: tells which chunks to send.',
    description: 'Refused with `storage_limited` where they would find no room.',
    body: BlobUpload,
    example: { sha256: 'a0'.repeat(32), chunks: '' },
    reply: BlobMissing,
  },
  sendPack: {
    method: 'POST',
    path: '/api/blobs/packs',
    scope: 'developer',
    takesGrant: true,
    summary: 'Sends chunks, 4 MiB of them at most.',
    description:
      'A zstd frame of: the number of chunks (4 bytes, little end first), their list as in `BlobUpload`, their bytes. What was sent before is taken again without harm.',
    takesBytes: true,
    reply: PackKept,
  },
  commitBlob: {
    method: 'POST',
    path: '/api/blobs/uploads/:sha256/commit',
    scope: 'developer',
    takesGrant: true,
    summary: 'Makes an object of an upload whose chunks are there.',
    params: BlobParams,
    body: BlobCommit,
    example: {},
    reply: BlobCommitted,
  },
  putBlob: {
    method: 'POST',
    path: '/api/blobs/objects/:sha256',
    scope: 'developer',
    takesGrant: true,
    summary: 'Sends an object that fits in one pack, in one call: it is there, or nothing changed.',
    description: 'A pack as in `sendPack`, whose chunks in their order are the object.',
    params: BlobParams,
    takesBytes: true,
    reply: BlobCommitted,
  },
  getBlob: {
    method: 'GET',
    path: '/api/blobs/objects/:sha256',
    scope: 'viewer',
    takesGrant: true,
    summary: 'Reads an object, or the range of it that a `Range` header names.',
    params: BlobParams,
    isBinary: true,
    reply: BlobBytes,
  },
  listBlobChunks: {
    method: 'GET',
    path: '/api/blobs/objects/:sha256/chunks',
    scope: 'viewer',
    takesGrant: true,
    summary: 'Lists the chunks of an object, by which each part of it can be checked on arrival.',
    params: BlobParams,
    reply: BlobChunks,
  },
  deleteBlob: {
    method: 'DELETE',
    path: '/api/blobs/objects/:sha256',
    scope: 'developer',
    takesGrant: false,
    summary: 'Deletes an object that no job needs.',
    params: BlobParams,
    reply: BlobDeleted,
  },
} as const satisfies Readonly<Record<string, BlobRoute>>

export type BlobRouteName = keyof typeof blobRoutes
