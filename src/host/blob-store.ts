/**
 * Large bytes by name: what comes in and goes out of jobs. A blob is written once, whole, and shows under its name only
 * when it is durable. On a disk, or on any store of objects that reads ranges.
 */

/** 1 to 128 of `a-z 0-9 _ - .`, not beginning with a dot. */
export const BLOB_NAME = /^[a-z0-9_-][a-z0-9_.-]{0,127}$/

/** All of it rejects with `Problem`s of the disk: `disk_full` (also beyond the store's own maximum), `disk_failed` … */
export interface BlobStore {
  /** Begins a blob that has no name yet. */
  create(): Promise<BlobWriter>
  /** `null` where nothing has that name. */
  open(name: string): Promise<BlobReader | null>
  /** Nothing, where nothing has that name. One that is being read is read to its end. */
  delete(name: string): Promise<void>
  /** Names that begin with `prefix`, in no order. */
  list(prefix: string): Promise<readonly BlobEntry[]>
  /** Bytes under names, and the most that may be. */
  usage(): { readonly bytes: number; readonly bytesMax: number }
}

export interface BlobEntry {
  readonly name: string
  readonly bytes: number
}

/** Ends with `finish` or `abort`. */
export interface BlobWriter {
  /** Resolves when more may come; one call at a time. */
  write(chunk: Uint8Array): Promise<void>
  /** Bytes written, and their SHA-256 in hex. */
  digest(): { readonly bytes: number; readonly sha256: string }
  /** Makes it durable under `name`, in place of what had it. */
  finish(name: string): Promise<void>
  abort(): Promise<void>
}

export interface BlobReader {
  readonly bytes: number
  /** Up to `length` bytes from `offset`; fewer only at the end. */
  read(offset: number, length: number): Promise<Uint8Array>
  close(): Promise<void>
}

const CHUNK_BYTES = 256 * 1024

/** Its bytes from the beginning, piece by piece; the reader is closed afterwards, or when nobody takes any more. */
export async function* chunksOf(reader: BlobReader, from = 0): AsyncGenerator<Uint8Array> {
  try {
    for (let offset = from; offset < reader.bytes; ) {
      const chunk = await reader.read(offset, CHUNK_BYTES)
      if (chunk.length === 0) return
      offset += chunk.length
      yield chunk
    }
  } finally {
    await reader.close()
  }
}
