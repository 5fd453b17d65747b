/**
 * Sends objects: only what the network lacks of them, in messages of 4 MiB at most, two at a time. What breaks off is
 * begun again by the same call: it finds what arrived and sends the rest.
 */
import { type ChunkList, chunkListOf, hasBit, hexOf } from '#blobs/chunk-list.ts'
import { PACK_BYTES_MAX, packBytes, writePack } from '#blobs/pack.ts'
import { Problem } from '#protocol/problem.ts'
import type { BlobReader } from '../blob-store.ts'
import type { Compression } from '../compression.ts'
import type { BlobWire, MissingChunks } from './blob-wire.ts'
import type { ScannedObject, ScanParts } from './scan-object.ts'

export interface UploadParts extends Pick<ScanParts, 'crypto'> {
  readonly wire: BlobWire
  readonly compression: Pick<Compression, 'zstd'>
}

export interface SourceObject extends ScannedObject {
  readonly reader: BlobReader
  /** How it is called when something is wrong with it. */
  readonly name: string
}

export interface UploadProgress {
  /** Of all objects. */
  readonly totalBytes: number
  /** What the network lacked. */
  readonly newBytes: number
  /** Of these, what has arrived. */
  readonly doneBytes: number
  /** As they went over the wire, compressed. */
  readonly wireBytes: number
}

export interface UploadOptions {
  /** They were made just now, so nobody has them: what fits in a message is sent without asking first. */
  readonly isNew?: boolean
}

export interface UploadWatch {
  readonly signal: AbortSignal
  onProgress?(progress: UploadProgress): void
}

/** One being read or sent while another is on its way. */
const AT_ONCE = 2
const QUESTIONS_AT_ONCE = 8
const ROUNDS_MAX = 4

/**
 * Resolves when all objects are kept. Rejects with `Problem('storage_limited')` before anything is sent where they find
 * no room, and with `conflict` where a file changed meanwhile.
 */
export async function uploadObjects(
  parts: UploadParts,
  objects: readonly SourceObject[],
  watch: UploadWatch,
  { isNew = false }: UploadOptions = {},
): Promise<UploadProgress> {
  const distinct = [...new Map(objects.map((object) => [object.sha256, object])).values()]
  const progress = { totalBytes: 0, newBytes: 0, doneBytes: 0, wireBytes: 0 }
  for (const { list } of distinct) progress.totalBytes += list.bytes
  const tell = (): void => watch.onProgress?.({ ...progress })
  const rest = isNew ? await putSmall(parts, distinct, watch.signal) : distinct
  if (rest.length === 0) return progress
  const unknown = await parts.wire.unknownOf(rest.map(({ sha256 }) => sha256))
  let open = rest.filter(({ sha256 }) => unknown.has(sha256))
  for (let round = 1; open.length > 0; round++) {
    if (round > ROUNDS_MAX) throw vanishing(open[0]?.name ?? '')
    // All are announced before any is sent: no room is told while nothing was sent in vain.
    const missing = await eachOf(open, QUESTIONS_AT_ONCE, ({ sha256, list }) =>
      parts.wire.begin(sha256, list),
    )
    for (const { bytes } of missing) progress.newBytes += bytes
    tell()
    const sender = new PackSender(parts, watch.signal, (dataBytes, wireBytes) => {
      progress.doneBytes += dataBytes
      progress.wireBytes += wireBytes
      tell()
    })
    await sendMissing(sender, open, missing)
    const isKept = await eachOf(open, QUESTIONS_AT_ONCE, ({ sha256 }) => commit(parts.wire, sha256))
    open = open.filter((_, index) => !isKept[index])
  }
  tell()
  return progress
}

/** Sends what fits in one message, one after the other; answers what is left to be sent. */
async function putSmall(
  parts: UploadParts,
  objects: readonly SourceObject[],
  signal: AbortSignal,
): Promise<SourceObject[]> {
  const left: SourceObject[] = []
  for (const object of objects) {
    signal.throwIfAborted()
    const { sha256, list } = object
    const isSmall = list.count > 0 && packBytes(list.count, list.bytes) <= PACK_BYTES_MAX
    if (!isSmall || !(await parts.wire.put(sha256, await packed(parts, wholeOf(object))))) left.push(object)
  }
  return left
}

function wholeOf({ list, reader, name }: SourceObject): SentChunk[] {
  const chunks: SentChunk[] = []
  let offset = 0
  for (let index = 0; index < list.count; index++) {
    const length = list.lengthAt(index)
    chunks.push({ list, index, reader, name, offset, length })
    offset += length
  }
  return chunks
}

/** A pack of these chunks, read and compared with their hashes, compressed. */
async function packed(
  { crypto, compression }: Pick<UploadParts, 'crypto' | 'compression'>,
  chunks: readonly SentChunk[],
): Promise<Uint8Array> {
  const pieces: Uint8Array[] = []
  for (const { reader, offset, length, list, index, name } of chunks) {
    const piece = await reader.read(offset, length)
    if (hexOf(crypto.sha256(piece)) !== hexOf(list.hashAt(index)))
      throw new Problem('conflict', `${name} changed while it was uploaded. Upload it again.`)
    pieces.push(piece)
  }
  const list = chunkListOf(
    chunks.map((chunk) => ({ hash: chunk.list.hashAt(chunk.index), length: chunk.length })),
  )
  return compression.zstd(writePack(list, pieces))
}

/** False where something is missing still, or whoever keeps it has started anew and forgotten that it was begun. */
async function commit(wire: BlobWire, sha256: string): Promise<boolean> {
  try {
    return (await wire.commit(sha256)) === null
  } catch (error) {
    if (error instanceof Problem && error.code === 'not_found') return false
    throw error
  }
}

async function sendMissing(
  sender: PackSender,
  objects: readonly SourceObject[],
  missing: readonly MissingChunks[],
): Promise<void> {
  for (const [number, { list, reader, name }] of objects.entries()) {
    const bits = missing[number]?.bits ?? new Uint8Array()
    let offset = 0
    for (let index = 0; index < list.count; index++) {
      const length = list.lengthAt(index)
      if (hasBit(bits, index)) await sender.add({ list, index, reader, name, offset, length })
      offset += length
    }
  }
  await sender.end()
}

interface SentChunk {
  readonly list: ChunkList
  readonly index: number
  readonly reader: BlobReader
  readonly name: string
  readonly offset: number
  readonly length: number
}

type OnSent = (dataBytes: number, wireBytes: number) => void

/** Fills packs and sends them; `add` waits while as many are on their way as may be. */
class PackSender {
  readonly #parts: UploadParts
  readonly #signal: AbortSignal
  readonly #onSent: OnSent
  readonly #sending = new Set<Promise<void>>()
  readonly #queued = new Set<string>()
  #chunks: SentChunk[] = []
  #bytes = 0
  #error: unknown = null

  constructor(parts: UploadParts, signal: AbortSignal, onSent: OnSent) {
    this.#parts = parts
    this.#signal = signal
    this.#onSent = onSent
  }

  async add(chunk: SentChunk): Promise<void> {
    // Objects may have chunks in common.
    const name = hexOf(chunk.list.hashAt(chunk.index))
    if (this.#queued.has(name)) return
    this.#queued.add(name)
    if (packBytes(this.#chunks.length + 1, this.#bytes + chunk.length) > PACK_BYTES_MAX) await this.#flush()
    this.#chunks.push(chunk)
    this.#bytes += chunk.length
  }

  async end(): Promise<void> {
    await this.#flush()
    await Promise.all(this.#sending)
    if (this.#error) throw this.#error
  }

  async #flush(): Promise<void> {
    while (this.#sending.size >= AT_ONCE) await Promise.race(this.#sending)
    if (this.#error) {
      await Promise.all(this.#sending)
      throw this.#error
    }
    this.#signal.throwIfAborted()
    if (this.#chunks.length === 0) return
    const [chunks, bytes] = [this.#chunks, this.#bytes]
    this.#chunks = []
    this.#bytes = 0
    const sending: Promise<void> = this.#send(chunks, bytes)
      .catch((error: unknown) => {
        this.#error ??= error
      })
      .finally(() => this.#sending.delete(sending))
    this.#sending.add(sending)
  }

  async #send(chunks: readonly SentChunk[], dataBytes: number): Promise<void> {
    const pack = await packed(this.#parts, chunks)
    await this.#parts.wire.sendPack(pack)
    this.#onSent(dataBytes, pack.length)
  }
}

/** In order, so many at once. */
async function eachOf<Item, Result>(
  items: readonly Item[],
  atOnce: number,
  run: (item: Item) => Promise<Result>,
): Promise<Result[]> {
  const results: Result[] = []
  let next = 0
  const work = async (): Promise<void> => {
    while (next < items.length) {
      const index = next++
      results[index] = await run(items[index] as Item)
    }
  }
  await Promise.all(Array.from({ length: Math.min(atOnce, items.length) }, work))
  return results
}

const vanishing = (name: string): Problem =>
  new Problem(
    'unavailable',
    `What was sent of ${name} does not stay on the network's disk. Tell its operator, and try again later.`,
  )
