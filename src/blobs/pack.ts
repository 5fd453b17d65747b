/**
 * Many chunks in one message and in one stored blob: the number of chunks (4 bytes, little end first), their list, their bytes
 * one after the other. Stored, it has a head (`stored-record.ts`) before it.
 */
import { ChunkList, type ChunkListRefusal, ENTRY_BYTES, readChunkList } from './chunk-list.ts'

/** Of a pack on the wire, before it is compressed. What is sent is sent whole, or again. */
export const PACK_BYTES_MAX = 4 * 1024 * 1024
const COUNT_BYTES = 4

export interface Pack {
  readonly list: ChunkList
  /** Where the bytes of the first chunk are. */
  readonly dataAt: number
}
export type PackRefusal = ChunkListRefusal | 'too_short' | 'length_wrong' | 'pack_empty'

/** What others sent, or why it is no pack. The hashes are not looked at. */
export function readPack(bytes: Uint8Array): Pack | PackRefusal {
  if (bytes.length < COUNT_BYTES) return 'too_short'
  const count = viewOf(bytes).getUint32(0, true)
  const dataAt = COUNT_BYTES + count * ENTRY_BYTES
  if (count === 0) return 'pack_empty'
  if (dataAt > bytes.length) return 'too_short'
  const list = readChunkList(bytes.subarray(COUNT_BYTES, dataAt))
  if (!(list instanceof ChunkList)) return list
  return dataAt + list.bytes === bytes.length ? { list, dataAt } : 'length_wrong'
}

export const packBytes = (chunkCount: number, dataBytes: number): number =>
  COUNT_BYTES + chunkCount * ENTRY_BYTES + dataBytes

export function writePack(list: ChunkList, chunks: Iterable<Uint8Array>): Uint8Array {
  const pack = new Uint8Array(packBytes(list.count, list.bytes))
  viewOf(pack).setUint32(0, list.count, true)
  pack.set(list.entries, COUNT_BYTES)
  let at = COUNT_BYTES + list.entries.length
  for (const chunk of chunks) {
    pack.set(chunk, at)
    at += chunk.length
  }
  return pack
}

const viewOf = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
