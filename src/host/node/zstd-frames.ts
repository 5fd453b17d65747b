/**
 * Where the frames of a zstd file are: Node's decompressor stops behind the first, and scenes have one for each MiB and
 * a table of them at the end. Format: RFC 8878, section 3.1.
 */
import type { BlobReader } from '#host/blob-store.ts'
import { Problem } from '#protocol/problem.ts'

export interface ByteSpan {
  readonly from: number
  readonly to: number
}

const MAGIC = 0xfd2fb528
const SKIPPABLE = 0x184d2a50
const HEADER_BYTES_MAX = 18
const DICTIONARY_BYTES = [0, 1, 2, 4]
const CONTENT_SIZE_BYTES = [0, 2, 4, 8]
const RLE_BLOCK = 1

/** The frames that hold data, in order. Throws `Problem('invalid_request')` where something else is between them. */
export async function* zstdFrames(source: BlobReader): AsyncGenerator<ByteSpan> {
  for (let from = 0; from < source.bytes; ) {
    const head = viewOf(await source.read(from, HEADER_BYTES_MAX))
    if (head.byteLength < 8) throw damaged()
    const magic = head.getUint32(0, true)
    if ((magic & 0xfffffff0) >>> 0 === SKIPPABLE) {
      from += 8 + head.getUint32(4, true)
      continue
    }
    if (magic !== MAGIC) throw damaged()
    const to = await endOf(source, from, head.getUint8(4))
    yield { from, to }
    from = to
  }
}

async function endOf(source: BlobReader, from: number, descriptor: number): Promise<number> {
  const isSingleSegment = (descriptor & 0x20) !== 0
  const dictionary = DICTIONARY_BYTES[descriptor & 3] ?? 0
  const sizeFlag = descriptor >> 6
  const contentSize = sizeFlag === 0 && isSingleSegment ? 1 : (CONTENT_SIZE_BYTES[sizeFlag] ?? 0)
  let at = from + 5 + (isSingleSegment ? 0 : 1) + dictionary + contentSize
  for (;;) {
    const block = await source.read(at, 3)
    if (block.length < 3) throw damaged()
    const header = viewOf(block).getUint16(0, true) | (viewOf(block).getUint8(2) << 16)
    const isRle = ((header >> 1) & 3) === RLE_BLOCK
    at += 3 + (isRle ? 1 : header >> 3)
    if (header & 1) break
  }
  const to = at + ((descriptor & 4) === 0 ? 0 : 4)
  if (to > source.bytes) throw damaged()
  return to
}

const viewOf = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.length)

const damaged = (): Problem =>
  new Problem('invalid_request', 'The file cannot be decompressed: it is damaged or cut off.')
