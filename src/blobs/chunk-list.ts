/**
 * What an object is made of: the hashes and lengths of its chunks, in order. In bytes an entry is 32 of SHA-256 and 3
 * of length, little end first.
 */
import { assert } from '#kernel/assert.ts'

export const HASH_BYTES = 32
export const ENTRY_BYTES = HASH_BYTES + 3
export const CHUNK_BYTES_MAX = 1024 * 1024
/** Of one object; its list then crosses in one message. */
export const CHUNKS_MAX = 131_072

export type ChunkListRefusal = 'length_odd' | 'chunks_too_many' | 'chunk_empty' | 'chunk_too_large'

export class ChunkList {
  /** As on the wire. */
  readonly entries: Uint8Array
  readonly count: number
  /** Of all chunks. */
  readonly bytes: number

  constructor(entries: Uint8Array) {
    assert(entries.length % ENTRY_BYTES === 0, 'a list of chunks has whole entries')
    this.entries = entries
    this.count = entries.length / ENTRY_BYTES
    let bytes = 0
    for (let index = 0; index < this.count; index++) bytes += this.lengthAt(index)
    this.bytes = bytes
  }

  hashAt(index: number): Uint8Array {
    const at = index * ENTRY_BYTES
    return this.entries.subarray(at, at + HASH_BYTES)
  }

  lengthAt(index: number): number {
    const at = index * ENTRY_BYTES + HASH_BYTES
    const { entries } = this
    return byteAt(entries, at) | (byteAt(entries, at + 1) << 8) | (byteAt(entries, at + 2) << 16)
  }
}

const byteAt = (bytes: Uint8Array, at: number): number => bytes[at] as number

/** What others sent, or why it is no list. An empty one is a list. */
export function readChunkList(entries: Uint8Array): ChunkList | ChunkListRefusal {
  if (entries.length % ENTRY_BYTES !== 0) return 'length_odd'
  if (entries.length / ENTRY_BYTES > CHUNKS_MAX) return 'chunks_too_many'
  const list = new ChunkList(entries)
  for (let index = 0; index < list.count; index++) {
    const length = list.lengthAt(index)
    if (length === 0) return 'chunk_empty'
    if (length > CHUNK_BYTES_MAX) return 'chunk_too_large'
  }
  return list
}

export interface ListedChunk {
  readonly hash: Uint8Array
  readonly length: number
}

export function chunkListOf(chunks: readonly ListedChunk[]): ChunkList {
  const entries = new Uint8Array(chunks.length * ENTRY_BYTES)
  for (const [index, { hash, length }] of chunks.entries()) {
    assert(
      hash.length === HASH_BYTES && length > 0 && length <= CHUNK_BYTES_MAX,
      'a chunk has a hash and a length',
    )
    const at = index * ENTRY_BYTES
    entries.set(hash, at)
    entries.set([length & 255, (length >> 8) & 255, length >> 16], at + HASH_BYTES)
  }
  return new ChunkList(entries)
}

const hexDigits = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0'))

export const hexOf = (bytes: Uint8Array): string => {
  let text = ''
  for (const byte of bytes) text += hexDigits[byte]
  return text
}

export function bytesOfHex(hex: string): Uint8Array {
  const bytes = new Uint8Array(hex.length / 2)
  for (let index = 0; index < bytes.length; index++)
    bytes[index] = Number.parseInt(hex.slice(index * 2, index * 2 + 2), 16)
  return bytes
}

/** One bit a chunk, the lowest of the first byte for the first: which of a list are meant. */
export function bitmapOf(count: number, isMeant: (index: number) => boolean): Uint8Array {
  const bits = new Uint8Array(Math.ceil(count / 8))
  for (let index = 0; index < count; index++) {
    if (isMeant(index)) bits[index >> 3] = byteAt(bits, index >> 3) | (1 << (index & 7))
  }
  return bits
}

/** False beyond the end of the bitmap. */
export const hasBit = (bits: Uint8Array, index: number): boolean =>
  ((bits[index >> 3] ?? 0) & (1 << (index & 7))) !== 0
