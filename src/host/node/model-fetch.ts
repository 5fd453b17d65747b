/** One attempt at the rest of a file: asks for what is missing, checks that it is of the same file, and appends it. */
import { type FileHandle, open, readFile, rm, stat, statfs, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { z } from 'zod'
import { Problem } from '#protocol/problem.ts'

export interface Part {
  readonly path: string
  readonly notesPath: string
}
export interface Progress {
  readonly receivedBytes: number
  readonly totalBytes: number | null
  readonly bytesPerSecond: number
}
export interface Rest {
  readonly url: URL
  readonly sha256: string | null
  readonly token?: string
  readonly onTotal?: (totalBytes: number | null) => Promise<void>
  readonly bytesMax?: number
  readonly fetch: (request: Request) => Promise<Response>
}
interface Watch {
  onProgress(progress: Progress): void
  readonly signal: AbortSignal
}

/** What the server said of the file when the part was begun. */
const Notes = z.object({
  url: z.string(),
  etag: z.string().nullable(),
  sha256: z.string().nullable(),
  totalBytes: z.int().nonnegative().nullable(),
})
type Notes = z.output<typeof Notes>

const SILENCE_MS_MAX = 30_000
const REDIRECTS_MAX = 5
const PROGRESS_MS = 200
/** Left free for everything else that the machine does. */
const SPARE_BYTES = 64 * 1024 * 1024

/** Resolves, once the part is whole, to the sha256 to expect, or `null` when nobody knows one. */
export async function fetchRest(rest: Rest, part: Part, watch: Watch): Promise<string | null> {
  if (watch.signal.aborted) throw cancelled()
  const notes = await readNotes(part, rest.url)
  const size = notes === null ? 0 : ((await stat(part.path).catch(() => null))?.size ?? 0)
  const isResumable =
    notes !== null && size > 0 && (isStrong(notes.etag) || expectedSha256(rest, notes) !== null)
  const offset = isResumable ? size : 0
  if (isResumable && size === notes.totalBytes) return expectedSha256(rest, notes)
  const silence = createSilenceTimer(watch.signal)
  try {
    const { response, linkedSha256 } = await request(rest, rangeHeaders(offset, notes), silence.signal)
    return await receive({ rest, part, watch, notes, offset, silence }, response, linkedSha256)
  } finally {
    silence.stop()
  }
}

interface Attempt {
  readonly rest: Rest
  readonly part: Part
  readonly watch: Watch
  readonly notes: Notes | null
  readonly offset: number
  readonly silence: SilenceTimer
}

async function receive(
  attempt: Attempt,
  response: Response,
  linkedSha256: string | null,
): Promise<string | null> {
  const { rest, part, watch, offset, silence } = attempt
  // The part is longer than the file has become: forget what it was of, and start over.
  if (response.status === 416) await rm(part.notesPath, { force: true })
  const start = startOf(response, offset, rest.url)
  const contentLength = Number(response.headers.get('content-length') ?? Number.NaN)
  const totalBytes = Number.isFinite(contentLength) ? start + contentLength : null
  const fresh: Notes = {
    url: rest.url.href,
    etag: response.headers.get('etag'),
    sha256: linkedSha256,
    totalBytes,
  }
  const notes = start === 0 ? fresh : (attempt.notes ?? fresh)
  await rest.onTotal?.(totalBytes)
  checkSize(rest, totalBytes ?? 0)
  await checkSpace(part.path, totalBytes === null ? 0 : totalBytes - start)
  // Before the first byte, so that a part never stands beside the notes of another file.
  const file = await open(part.path, start === 0 ? 'w' : 'r+')
  try {
    await writeFile(part.notesPath, JSON.stringify(notes))
    const meter = createMeter(watch, start, totalBytes)
    let appended = start
    const received = await append(file, response, start, (bytes) => {
      silence.touch()
      meter(bytes)
      appended += bytes
      checkSize(rest, appended)
    })
    if (totalBytes !== null && received !== totalBytes) throw cutShort(rest.url, received, totalBytes)
    return expectedSha256(rest, notes)
  } finally {
    await file.close()
  }
}

/** Where the answer's first byte belongs; throws for an answer that is no part of the file. */
function startOf(response: Response, offset: number, url: URL): number {
  const { status } = response
  if (status === 200) return 0
  if (status === 206) {
    const start = Number(/^bytes (\d+)-/.exec(response.headers.get('content-range') ?? '')?.[1] ?? Number.NaN)
    if (start === offset) return start
  }
  const place = `${url.host}${url.pathname}`
  if (status === 404 || status === 410)
    throw new Problem(
      'model_missing',
      `${place} does not exist (status ${status}). Check the name and the revision.`,
    )
  if (status === 401 || status === 403) {
    throw new Problem(
      'model_missing',
      `${place} needs a permission (status ${status}). Accept its terms there and set a token, or choose another model.`,
    )
  }
  throw new Problem(
    'network_unreachable',
    `${url.host} answered with status ${status} instead of the file. Try again later.`,
  )
}

async function append(
  file: FileHandle,
  response: Response,
  start: number,
  onBytes: (count: number) => void,
): Promise<number> {
  let position = start
  if (response.body === null) return position
  for await (const chunk of response.body) {
    // A disk that is nearly full takes a part, and what follows must not go behind the gap.
    for (let at = 0; at < chunk.length; ) {
      const { bytesWritten } = await file.write(chunk, at, chunk.length - at, position + at)
      at += bytesWritten
    }
    position += chunk.length
    onBytes(chunk.length)
  }
  return position
}

/** Follows redirects by hand: the hub tells the checksum in the first answer, and a token is for its host alone. */
async function request(rest: Rest, range: Record<string, string>, signal: AbortSignal) {
  let url = rest.url
  let linkedSha256: string | null = null
  for (let hop = 0; hop <= REDIRECTS_MAX; hop++) {
    const authorization: Record<string, string> =
      rest.token !== undefined && url.host === rest.url.host ? { authorization: `Bearer ${rest.token}` } : {}
    const headers = { ...range, ...authorization, 'accept-encoding': 'identity' }
    const response = await rest.fetch(new Request(url, { headers, redirect: 'manual', signal }))
    linkedSha256 ??= /^"?([0-9a-f]{64})"?$/.exec(response.headers.get('x-linked-etag') ?? '')?.[1] ?? null
    const location = response.headers.get('location')
    if (response.status < 300 || response.status >= 400 || location === null)
      return { response, linkedSha256 }
    await response.body?.cancel()
    const next = new URL(location, url)
    if (url.protocol === 'https:' && next.protocol !== 'https:') {
      throw new Problem(
        'model_missing',
        `${url.host} sends the download on to ${next.host} without encryption. It was not followed; choose another source.`,
      )
    }
    url = next
  }
  throw new Problem('model_missing', `${rest.url.host} sends the download on and on. Check the address.`)
}

function rangeHeaders(offset: number, notes: Notes | null): Record<string, string> {
  if (offset === 0) return {}
  const etag = notes?.etag ?? null
  return { range: `bytes=${offset}-`, ...(isStrong(etag) ? { 'if-range': etag } : {}) }
}

const isStrong = (etag: string | null): etag is string => etag !== null && !etag.startsWith('W/')
const expectedSha256 = (rest: Rest, notes: Notes): string | null => rest.sha256 ?? notes.sha256

async function readNotes(part: Part, url: URL): Promise<Notes | null> {
  const text = await readFile(part.notesPath, 'utf8').catch(() => null)
  if (text === null) return null
  try {
    const notes = Notes.safeParse(JSON.parse(text)).data
    return notes?.url === url.href ? notes : null
  } catch {
    // Torn by a crash: the download starts over.
    return null
  }
}

function checkSize({ url, bytesMax = Number.POSITIVE_INFINITY }: Rest, bytes: number): void {
  if (bytes <= bytesMax) return
  throw new Problem(
    'disk_full',
    `${url.host}${url.pathname} is larger than the ${bytesMax} bytes that are there for it.`,
  )
}

async function checkSpace(path: string, neededBytes: number): Promise<void> {
  const { bavail, bsize } = await statfs(dirname(path))
  const freeBytes = bavail * bsize
  if (freeBytes >= neededBytes + SPARE_BYTES) return
  const mib = (bytes: number) => Math.ceil(bytes / 1024 / 1024)
  throw new Problem(
    'disk_full',
    `The model needs ${mib(neededBytes)} MiB more in ${dirname(path)}, where ${mib(freeBytes)} MiB are free. Free some space, or choose another folder with --data.`,
  )
}

interface SilenceTimer {
  readonly signal: AbortSignal
  touch(): void
  stop(): void
}

/** Aborts when nothing came for too long, or when `outer` does. */
function createSilenceTimer(outer: AbortSignal): SilenceTimer {
  const controller = new AbortController()
  const silent = new Problem('network_timeout', `Nothing came for ${SILENCE_MS_MAX / 1000} s.`)
  const timeout = setTimeout(() => controller.abort(silent), SILENCE_MS_MAX)
  const onAbort = () => controller.abort(cancelled())
  outer.addEventListener('abort', onAbort, { once: true })
  return {
    signal: controller.signal,
    touch: () => timeout.refresh(),
    stop() {
      clearTimeout(timeout)
      outer.removeEventListener('abort', onAbort)
    },
  }
}

/** Reports at most five times a second, with the speed of the last moments, and the very end. */
function createMeter(
  { onProgress }: Watch,
  start: number,
  totalBytes: number | null,
): (bytes: number) => void {
  let receivedBytes = start
  let bytesPerSecond = 0
  let last = { atMs: performance.now(), bytes: start }
  return (bytes) => {
    receivedBytes += bytes
    const nowMs = performance.now()
    if (nowMs - last.atMs < PROGRESS_MS && receivedBytes !== totalBytes) return
    const speed = ((receivedBytes - last.bytes) / Math.max(nowMs - last.atMs, 1)) * 1000
    bytesPerSecond = bytesPerSecond === 0 ? speed : bytesPerSecond * 0.7 + speed * 0.3
    last = { atMs: nowMs, bytes: receivedBytes }
    onProgress({ receivedBytes, totalBytes, bytesPerSecond: Math.round(bytesPerSecond) })
  }
}

const cancelled = (): Problem =>
  new Problem('cancelled', 'The download was stopped. What is there is kept: start it again to go on.')
const cutShort = (url: URL, received: number, total: number): Problem =>
  new Problem('network_unreachable', `${url.host} ended the connection after ${received} of ${total} bytes.`)
