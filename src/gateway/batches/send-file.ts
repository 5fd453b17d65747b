import type { Exchange } from '#host/host.ts'
import type { FileObject } from '#protocol/batch-api.ts'
import { Problem, toProblem } from '#protocol/problem.ts'
import type { BatchHome } from './batch-home.ts'

/** In base 64 well below what a message of a bus may have. */
const CHUNK_BYTES = 256 * 1024

interface Sent {
  readonly exchange: Exchange
  readonly requestId: string
  readonly timing: () => Record<string, string>
}

/** Streams a file, as fast as its reader takes it. One that breaks off is cut, so that it does not look whole. */
export async function sendFile(
  { exchange, requestId, timing }: Sent,
  { home, file, organisationId }: { home: BatchHome; file: FileObject; organisationId: string },
): Promise<void> {
  let isOpen = true
  let wake: () => void = () => undefined
  exchange.onClose(() => {
    isOpen = false
    wake()
  })
  let isStarted = false
  for (let offset = 0; offset < file.bytes && isOpen; ) {
    const length = Math.min(CHUNK_BYTES, file.bytes - offset)
    const asked = home.ask({ op: 'read_file', organisationId, id: file.id, offset, length })
    // What the disk refuses now is told as what the home refuses: an answer that has begun cannot become a problem.
    const part = await asked.catch(toProblem)
    const data = part instanceof Problem ? null : Buffer.from(part.data, 'base64')
    if (!isOpen) return
    if (part instanceof Problem && !isStarted) throw part
    // It was deleted meanwhile, its gateway is away, or its disk fails.
    if (!data || data.length !== length) return exchange.abort()
    if (!isStarted) {
      exchange.start(200, headersOf(file, { 'x-request-id': requestId, ...timing() }))
      exchange.onDrain(() => wake())
      isStarted = true
    }
    offset += length
    if (exchange.write(data) || !isOpen) continue
    await new Promise<void>((resolve) => {
      wake = resolve
    })
  }
  if (isOpen) exchange.end()
}

const headersOf = (
  { bytes, filename }: FileObject,
  more: Record<string, string>,
): Record<string, string> => ({
  'content-type': 'application/octet-stream',
  'content-length': String(bytes),
  'content-disposition': `attachment; filename*=UTF-8''${encodeURIComponent(filename).replaceAll("'", '%27')}`,
  // What callers sent and got is for nobody else's eyes.
  'cache-control': 'no-store',
  'x-content-type-options': 'nosniff',
  ...more,
})
