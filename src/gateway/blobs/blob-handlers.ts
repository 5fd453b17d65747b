/** What each call of `/api/blobs` does. */
import type { z } from 'zod'
import { OBJECT_BYTES_MAX } from '#blobs/chunk-cutter.ts'
import { ChunkList, readChunkList } from '#blobs/chunk-list.ts'
import { PACK_BYTES_MAX, readPack } from '#blobs/pack.ts'
import type { Root } from '#blobs/tree.ts'
import type { Compression } from '#host/compression.ts'
import type { Exchange } from '#host/host.ts'
import type { BlobCommitted, BlobMissing, BlobQuestion, BlobRouteName, BlobUpload } from '#protocol/blobs.ts'
import { Problem } from '#protocol/problem.ts'
import { type BlobAccess, type BlobCaller, noSuchObject } from './blob-access.ts'
import type { BlobVault, Missing } from './blob-vault.ts'
import { neededObjects } from './collect-blobs.ts'
import { readBytes } from './read-bytes.ts'
import { rangeOf, sendObject } from './send-object.ts'
import { badPack } from './vault-problems.ts'

/** The handler has answered by itself. */
export const ANSWERED = Symbol('answered')

export interface BlobHandlerParts {
  readonly vault: BlobVault
  readonly access: BlobAccess
  readonly compression: Compression
  /** Packs being received, by organisation. */
  readonly receiving: Map<string, number>
  /** `null` where nobody knows, and then nothing is collected. */
  readonly rootsOf: RootsOf | null
}

/** What jobs of an organisation need that are in memory, and, unless `liveOnly`, the results that are kept of others. */
export type RootsOf = (
  organisationId: string,
  asked?: { readonly liveOnly?: boolean },
) => Promise<Iterable<Root>>

export interface BlobCall {
  readonly exchange: Exchange
  readonly caller: BlobCaller
  /** Of the path; empty where it has none. */
  readonly sha256: string
}

type JsonHandler<Body = never> = {
  json(parts: BlobHandlerParts, call: BlobCall, body: Body): Promise<unknown>
}
type BytesHandler = { bytes(parts: BlobHandlerParts, call: BlobCall): Promise<unknown> }

/** A pack cannot be smaller when it is compressed; zstd adds a little to what it cannot. */
const PACK_WIRE_BYTES_MAX = PACK_BYTES_MAX + (PACK_BYTES_MAX >> 8) + 1_024
/** At once; each takes its memory twice. */
const RECEIVING_MAX = 4
const RECEIVING_ALL_MAX = 24

const askBlobs: JsonHandler<z.output<typeof BlobQuestion>> = {
  json: async ({ vault }, { caller }, { objects }) => ({ missing: await vault.unknownOf(caller, objects) }),
}

const beginBlob: JsonHandler<z.output<typeof BlobUpload>> = {
  async json({ vault }, { caller }, { sha256, chunks, isQuestion = false }) {
    const list = readChunkList(Buffer.from(chunks, 'base64'))
    if (!(list instanceof ChunkList))
      throw new Problem('invalid_request', `'chunks' is no list of chunks: ${list.replaceAll('_', ' ')}.`)
    if (list.bytes > OBJECT_BYTES_MAX)
      throw new Problem(
        'body_too_large',
        `An object has at most ${OBJECT_BYTES_MAX} bytes, not ${list.bytes}.`,
      )
    return missingReply(
      await (isQuestion ? vault.missingOf(caller, list) : vault.begin(caller, sha256, list)),
    )
  },
}

const missingReply = ({ bits, count, bytes }: Missing): z.output<typeof BlobMissing> => ({
  missing: Buffer.from(bits).toString('base64'),
  missingChunks: count,
  missingBytes: bytes,
})

const sendPack: BytesHandler = {
  bytes: (parts, call) => withPack(parts, call, (pack) => parts.vault.addPack(call.caller, pack)),
}

const putBlob: BytesHandler = {
  bytes: (parts, call) =>
    withPack(parts, call, async (bytes) => {
      const { vault } = parts
      const { caller, sha256 } = call
      const pack = readPack(bytes)
      if (typeof pack === 'string') throw badPack(pack)
      await vault.begin(caller, sha256, pack.list)
      await vault.addPack(caller, bytes)
      return committedReply(await vault.commit(caller, sha256))
    }),
}

/** Answers with what `take` makes of the pack that the call brings. */
async function withPack(
  { vault, receiving, compression }: BlobHandlerParts,
  { exchange, caller: { organisationId } }: BlobCall,
  take: (pack: Uint8Array) => Promise<unknown>,
): Promise<typeof ANSWERED> {
  // Before a byte of it is read.
  await vault.checkRoom(organisationId, 0)
  const release = reserve(receiving, organisationId)
  try {
    const sent = await readBytes(exchange, PACK_WIRE_BYTES_MAX)
    const answer = await take(await compression.unzstd(sent, PACK_BYTES_MAX))
    exchange.respond(
      200,
      { 'content-type': 'application/json', 'cache-control': 'no-store' },
      JSON.stringify(answer),
    )
    return ANSWERED
  } finally {
    release()
  }
}

function reserve(receiving: Map<string, number>, organisationId: string): () => void {
  const own = receiving.get(organisationId) ?? 0
  const all = [...receiving.values()].reduce((sum, count) => sum + count, 0)
  if (own >= RECEIVING_MAX || all >= RECEIVING_ALL_MAX) {
    throw new Problem(
      'overloaded',
      'Too many packs are on their way at once. Send this one again in a moment.',
      {
        details: { retryAfterMs: 500 },
      },
    )
  }
  receiving.set(organisationId, own + 1)
  return () => {
    const left = (receiving.get(organisationId) ?? 1) - 1
    if (left > 0) receiving.set(organisationId, left)
    else receiving.delete(organisationId)
  }
}

const commitBlob: JsonHandler = {
  json: async ({ vault }, { caller, sha256 }) => committedReply(await vault.commit(caller, sha256)),
}

const committedReply = (missing: Missing | null): z.output<typeof BlobCommitted> => ({
  isKept: missing === null,
  ...missingReply(missing ?? { bits: new Uint8Array(), count: 0, bytes: 0 }),
})

const getBlob: BytesHandler = {
  async bytes({ vault }, { exchange, caller, sha256 }) {
    await caller.checkRead(sha256)
    const reader = await vault.open(caller.organisationId, sha256)
    if (!reader) throw noSuchObject(sha256)
    try {
      const range = rangeOf(exchange.headers['range'], reader.bytes)
      if (!range)
        throw new Problem('invalid_request', `The range is none of this object's ${reader.bytes} bytes.`)
      await sendObject(exchange, reader, { ...range, sha256 })
      return ANSWERED
    } finally {
      await reader.close()
    }
  },
}

const listBlobChunks: JsonHandler = {
  async json({ vault }, { caller, sha256 }) {
    await caller.checkRead(sha256)
    const list = await vault.listOf(caller.organisationId, sha256)
    if (!list) throw noSuchObject(sha256)
    return { bytes: list.bytes, chunks: Buffer.from(list.entries).toString('base64') }
  },
}

const deleteBlob: JsonHandler = {
  async json({ vault, rootsOf }, { caller, sha256 }) {
    const { organisationId } = caller
    if (!(await vault.listOf(organisationId, sha256))) throw noSuchObject(sha256)
    const roots = (await rootsOf?.(organisationId, { liveOnly: true })) ?? []
    if ((await neededObjects(vault, organisationId, roots)).has(sha256))
      throw new Problem(
        'conflict',
        `A job or a quote needs ${sha256}. Delete it a day after the job is done or cancelled: until then its results can be rejected, and taken over by others.`,
      )
    if (!(await vault.delete(organisationId, sha256))) throw noSuchObject(sha256)
    return { sha256, isDeleted: true }
  },
}

const getBlobUsage: JsonHandler = { json: ({ vault }, { caller }) => vault.usage(caller.organisationId) }

export const blobHandlers: Readonly<Record<BlobRouteName, JsonHandler | BytesHandler>> = {
  getBlobUsage,
  askBlobs: askBlobs as JsonHandler,
  beginBlob: beginBlob as JsonHandler,
  sendPack,
  putBlob,
  commitBlob,
  getBlob,
  listBlobChunks,
  deleteBlob,
}
