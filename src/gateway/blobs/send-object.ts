import type { BlobReader } from '#host/blob-store.ts'
import type { Exchange } from '#host/host.ts'

export interface ByteRange {
  readonly from: number
  /** Behind the last byte. */
  readonly to: number
  readonly isPart: boolean
}

/** The bytes that a `Range` header asks for: one range, or all without one. `null` where there are none such. */
export function rangeOf(header: string | undefined, bytes: number): ByteRange | null {
  if (header === undefined) return { from: 0, to: bytes, isPart: false }
  const [, first = '', last = ''] = /^bytes=(\d{1,15})-(\d{0,15})$/.exec(header.trim()) ?? []
  if (first === '') return null
  const from = Number(first)
  const to = last === '' ? bytes : Math.min(bytes, Number(last) + 1)
  return from < to ? { from, to, isPart: true } : null
}

const READ_BYTES = 1 << 20

/** Streams it as fast as its reader takes it. What breaks off is cut, so that it does not look whole. */
export async function sendObject(
  exchange: Exchange,
  reader: BlobReader,
  { from, to, isPart, sha256 }: ByteRange & { readonly sha256: string },
): Promise<void> {
  let isOpen = true
  let wake: () => void = () => undefined
  exchange.onClose(() => {
    isOpen = false
    wake()
  })
  // What cannot be read is told as a problem while nothing is sent.
  let piece = await reader.read(from, Math.min(READ_BYTES, to - from))
  if (!isOpen) return
  exchange.start(isPart ? 206 : 200, {
    'content-type': 'application/octet-stream',
    'content-length': String(to - from),
    'accept-ranges': 'bytes',
    etag: `"${sha256}"`,
    ...(isPart && { 'content-range': `bytes ${from}-${to - 1}/${reader.bytes}` }),
    'cache-control': 'private, no-store',
    'x-content-type-options': 'nosniff',
  })
  exchange.onDrain(() => wake())
  for (let offset = from; isOpen; ) {
    offset += piece.length
    const mayGoOn = exchange.write(piece)
    if (offset >= to) return exchange.end()
    if (!mayGoOn && isOpen) {
      await new Promise<void>((resolve) => {
        wake = resolve
      })
    }
    try {
      if (isOpen) piece = await reader.read(offset, Math.min(READ_BYTES, to - offset))
    } catch {
      // The reader told its owner what is damaged; this answer can only be cut.
      return exchange.abort()
    }
  }
}
