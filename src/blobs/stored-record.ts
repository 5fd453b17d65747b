/**
 * What is stored explains itself, so that a folder of it needs no other record: packs, and objects as lists of chunks,
 * both begin with what they are, when they came and from whom, and how many chunks are listed.
 */
import { assert } from '#kernel/assert.ts'
import type { ChunkList } from './chunk-list.ts'
import { ENTRY_BYTES } from './chunk-list.ts'

export type RecordKind = 'pack' | 'object'

export interface Origin {
  readonly createdAtMs: number
  /** The node that sent it; empty for the organisation's own keys. */
  readonly by: string
}

export interface RecordHead extends Origin {
  /** Where the list begins, and how long it is. */
  readonly listAt: number
  readonly listBytes: number
}

const magics: Readonly<Record<RecordKind, string>> = { pack: 'SHPK1\n', object: 'SHOB1\n' }
const MAGIC_BYTES = 6
const FIXED_BYTES = MAGIC_BYTES + 8 + 1
const COUNT_BYTES = 4
export const BY_LENGTH_MAX = 64
/** How much of a record has all of its head. */
export const HEAD_BYTES_MAX = FIXED_BYTES + BY_LENGTH_MAX + COUNT_BYTES

/** All that comes before the number of chunks. */
export function writeOrigin(kind: RecordKind, { createdAtMs, by }: Origin): Uint8Array {
  assert(/^[\x20-\x7e]*$/.test(by) && by.length <= BY_LENGTH_MAX, 'who sends is a short id')
  const head = new Uint8Array(FIXED_BYTES + by.length)
  head.set(letters(magics[kind]))
  viewOf(head).setFloat64(MAGIC_BYTES, createdAtMs, true)
  head[MAGIC_BYTES + 8] = by.length
  head.set(letters(by), FIXED_BYTES)
  return head
}

export function writeObjectRecord(origin: Origin, list: ChunkList): Uint8Array {
  const head = writeOrigin('object', origin)
  const record = new Uint8Array(head.length + COUNT_BYTES + list.entries.length)
  record.set(head)
  viewOf(record).setUint32(head.length, list.count, true)
  record.set(list.entries, head.length + COUNT_BYTES)
  return record
}

/** What the first bytes of a record say; `null` for what is none of this kind. */
export function readHead(kind: RecordKind, bytes: Uint8Array): RecordHead | null {
  if (bytes.length < FIXED_BYTES || text(bytes.subarray(0, MAGIC_BYTES)) !== magics[kind]) return null
  const countAt = FIXED_BYTES + (bytes[MAGIC_BYTES + 8] ?? 0)
  if (countAt > FIXED_BYTES + BY_LENGTH_MAX || bytes.length < countAt + COUNT_BYTES) return null
  return {
    createdAtMs: viewOf(bytes).getFloat64(MAGIC_BYTES, true),
    by: text(bytes.subarray(FIXED_BYTES, countAt)),
    listAt: countAt + COUNT_BYTES,
    listBytes: viewOf(bytes).getUint32(countAt, true) * ENTRY_BYTES,
  }
}

const viewOf = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
const letters = (of: string): Uint8Array => Uint8Array.from(of, (letter) => letter.charCodeAt(0))
const text = (bytes: Uint8Array): string => String.fromCharCode(...bytes)
