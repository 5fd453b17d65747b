/** Fills packs with chunks of what is uploaded, and sends them. */
import { chunkListOf, hexOf } from '#blobs/chunk-list.ts'
import { PACK_BYTES_MAX, packBytes, writePack } from '#blobs/pack.ts'
import { Problem } from '#protocol/problem.ts'
import type { BlobReader } from '../blob-store.ts'
import type { Compression } from '../compression.ts'
import type { BlobWire } from './blob-wire.ts'
import type { ScannedObject, ScanParts } from './scan-object.ts'

export interface SourceObject extends ScannedObject {
  /** Its bytes, from the beginning; whoever opens them closes them. There may be more objects than a process may have open. */
  open(): Promise<BlobReader>
  /** How it is called when something is wrong with it. */
  readonly name: string
}

export interface SentChunk {
  readonly source: SourceObject
  readonly index: number
  readonly offset: number
}

export interface PackParts extends Pick<ScanParts, 'crypto'> {
  readonly wire: Pick<BlobWire, 'sendPack'>
  readonly compression: Pick<Compression, 'zstd'>
}

/** A pack of these chunks, read and compared with their hashes, compressed. Those of an object lie together. */
export async function packed(
  { crypto, compression }: Pick<PackParts, 'crypto' | 'compression'>,
  chunks: readonly SentChunk[],
): Promise<Uint8Array> {
  const pieces: Uint8Array[] = []
  for (const [source, own] of Map.groupBy(chunks, (chunk) => chunk.source)) {
    const reader = await source.open()
    try {
      for (const chunk of own) pieces.push(await checkedPiece(crypto, reader, chunk))
    } finally {
      await reader.close()
    }
  }
  const list = chunkListOf(
    chunks.map(({ source, index }, at) => ({
      hash: source.list.hashAt(index),
      length: pieces[at]?.length ?? 0,
    })),
  )
  return compression.zstd(writePack(list, pieces))
}

async function checkedPiece(
  crypto: PackParts['crypto'],
  reader: BlobReader,
  { source: { list, name }, index, offset }: SentChunk,
): Promise<Uint8Array> {
  const piece = await reader.read(offset, list.lengthAt(index))
  if (hexOf(crypto.sha256(piece)) === hexOf(list.hashAt(index))) return piece
  throw new Problem('conflict', `${name} changed while it was uploaded. Upload it again.`)
}

/** One being read or sent while another is on its way. */
const AT_ONCE = 2

type OnSent = (dataBytes: number, wireBytes: number) => void

/** `add` waits while as many packs are on their way as may be. */
export class PackSender {
  readonly #parts: PackParts
  readonly #signal: AbortSignal
  readonly #onSent: OnSent
  readonly #sending = new Set<Promise<void>>()
  readonly #queued = new Set<string>()
  #chunks: SentChunk[] = []
  #bytes = 0
  #error: unknown = null

  constructor(parts: PackParts, signal: AbortSignal, onSent: OnSent) {
    this.#parts = parts
    this.#signal = signal
    this.#onSent = onSent
  }

  async add(chunk: SentChunk): Promise<void> {
    const { list } = chunk.source
    // Objects may have chunks in common.
    const name = hexOf(list.hashAt(chunk.index))
    if (this.#queued.has(name)) return
    this.#queued.add(name)
    const bytes = list.lengthAt(chunk.index)
    if (packBytes(this.#chunks.length + 1, this.#bytes + bytes) > PACK_BYTES_MAX) await this.#flush()
    this.#chunks.push(chunk)
    this.#bytes += bytes
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
