import { Readable } from 'node:stream'
import { promisify } from 'node:util'
import { constants, createGunzip, createZstdDecompress, zstdCompress, zstdDecompress } from 'node:zlib'
import type { BlobReader } from '#host/blob-store.ts'
import type { Compression, Packing } from '#host/compression.ts'
import { Problem } from '#protocol/problem.ts'
import { type ByteSpan, zstdFrames } from './zstd-frames.ts'

/** Fast, and little worse than slower ones on scenes. */
const LEVEL = 3
const READ_BYTES = 1 << 20
const compress = promisify(zstdCompress)
const decompress = promisify(zstdDecompress)

/** `Compression` by Node's own zlib. */
export const nodeCompression: Compression = {
  zstd: (bytes) => compress(bytes, { params: { [constants.ZSTD_c_compressionLevel]: LEVEL } }),

  async unzstd(bytes, bytesMax) {
    try {
      return await decompress(bytes, { maxOutputLength: bytesMax })
    } catch (error) {
      throw damaged(error, 'What was sent', bytesMax)
    }
  },

  async *unpack(source, packing, bytesMax) {
    const whole = { from: 0, to: source.bytes }
    let bytes = 0
    for await (const span of packing === 'gzip' ? [whole] : zstdFrames(source)) {
      for await (const piece of unpackSpan(source, packing, span)) {
        bytes += piece.length
        if (bytes > bytesMax) throw tooLarge('The file', bytesMax)
        yield piece
      }
    }
  },
}

async function* unpackSpan(source: BlobReader, packing: Packing, span: ByteSpan): AsyncGenerator<Uint8Array> {
  const unpacker = packing === 'gzip' ? createGunzip() : createZstdDecompress()
  const input = Readable.from(piecesOf(source, span))
  input.on('error', (error) => unpacker.destroy(error))
  input.pipe(unpacker)
  try {
    for await (const piece of unpacker) yield piece as Buffer
  } catch (error) {
    throw damaged(error, 'The file', 0)
  } finally {
    input.destroy()
    unpacker.destroy()
  }
}

async function* piecesOf(source: BlobReader, { from, to }: ByteSpan): AsyncGenerator<Uint8Array> {
  for (let offset = from; offset < to; ) {
    const piece = await source.read(offset, Math.min(READ_BYTES, to - offset))
    if (piece.length === 0) return
    offset += piece.length
    yield piece
  }
}

function damaged(error: unknown, what: string, bytesMax: number): unknown {
  if (error instanceof Problem || !(error instanceof Error) || !('code' in error)) return error
  if (error.code === 'ERR_BUFFER_TOO_LARGE') return tooLarge(what, bytesMax)
  const isOfDisk = 'syscall' in error
  if (isOfDisk) return error
  return new Problem('invalid_request', `${what} cannot be decompressed: it is damaged or cut off.`, {
    cause: error,
  })
}

const tooLarge = (what: string, bytesMax: number): Problem =>
  new Problem(
    'body_too_large',
    `${what} has more than ${Math.floor(bytesMax / (1 << 20))} MiB when it is decompressed.`,
  )
