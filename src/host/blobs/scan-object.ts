import { ChunkCutter, type ChunkSizes, chunkSizesFor, OBJECT_BYTES_MAX } from '#blobs/chunk-cutter.ts'
import { CHUNKS_MAX, type ChunkList, chunkListOf, type ListedChunk } from '#blobs/chunk-list.ts'
import { Problem } from '#protocol/problem.ts'
import type { BlobReader } from '../blob-store.ts'
import type { Hasher } from '../hasher.ts'

export interface ScanParts {
  readonly crypto: { sha256(data: Uint8Array): Uint8Array }
  readonly createHasher: () => Hasher
}

export interface ScannedObject {
  readonly sha256: string
  readonly list: ChunkList
}

const READ_BYTES = 1 << 20

/** Reads an object once and cuts it into chunks; again with larger ones where it has too many. */
export async function scanObject(
  parts: ScanParts,
  reader: BlobReader,
  { isFine, signal }: { isFine: boolean; signal: AbortSignal },
): Promise<ScannedObject> {
  for (const sizes of chunkSizesFor(reader.bytes, isFine)) {
    const scanned = await scanWith(parts, reader, { sizes, signal })
    if (scanned) return scanned
  }
  throw new Problem(
    'body_too_large',
    `A file may have ${OBJECT_BYTES_MAX / 1024 ** 3} GiB, and this one has ${(reader.bytes / 1024 ** 3).toFixed(1)}. Split it.`,
  )
}

async function scanWith(
  { crypto, createHasher }: ScanParts,
  reader: BlobReader,
  { sizes, signal }: { sizes: ChunkSizes; signal: AbortSignal },
): Promise<ScannedObject | null> {
  const cutter = new ChunkCutter(sizes)
  const whole = createHasher()
  const chunks: ListedChunk[] = []
  /** The part of an open chunk that was read before. */
  let open: Uint8Array[] = []
  const end = (last: Uint8Array): void => {
    const chunk = open.length === 0 ? last : Buffer.concat([...open, last])
    open = []
    if (chunk.length > 0) chunks.push({ hash: crypto.sha256(chunk), length: chunk.length })
  }
  for (let offset = 0; offset < reader.bytes; ) {
    signal.throwIfAborted()
    const bytes = await reader.read(offset, READ_BYTES)
    if (bytes.length === 0)
      throw new Problem('conflict', 'The file became shorter while it was read. Try again.')
    offset += bytes.length
    whole.update(bytes)
    let from = 0
    for (const to of cutter.push(bytes)) {
      end(bytes.subarray(from, to))
      from = to
    }
    if (from < bytes.length) open.push(bytes.subarray(from))
    if (chunks.length > CHUNKS_MAX) return null
  }
  end(new Uint8Array())
  return chunks.length > CHUNKS_MAX ? null : { sha256: whole.digest(), list: chunkListOf(chunks) }
}
