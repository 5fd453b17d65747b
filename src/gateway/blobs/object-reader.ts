/** Reads an object out of the packs that its chunks are in, each chunk checked by its hash. */
import { type ChunkList, hexOf } from '#blobs/chunk-list.ts'
import type { Holdings } from '#blobs/holdings.ts'
import type { BlobReader, BlobStore } from '#host/blob-store.ts'
import type { Crypto } from '#host/host.ts'
import { assert } from '#kernel/assert.ts'
import { Problem } from '#protocol/problem.ts'

/** Neighbours in a pack are read at once, up to so much. */
const READ_BYTES = 1 << 20

export interface ObjectReaderParts {
  readonly store: BlobStore
  readonly crypto: Pick<Crypto, 'sha256'>
  readonly holdings: Holdings
  /** Told of a chunk that is not there any more or is damaged; nothing that needs it is whole. */
  onDamage(hash: Uint8Array): void
}

export class ObjectReader implements BlobReader {
  readonly bytes: number
  readonly #parts: ObjectReaderParts
  readonly #list: ChunkList
  /** Where each chunk begins. */
  readonly #starts: Float64Array
  #open: { readonly name: string; readonly reader: BlobReader } | null = null

  constructor(parts: ObjectReaderParts, list: ChunkList) {
    this.#parts = parts
    this.#list = list
    this.bytes = list.bytes
    this.#starts = new Float64Array(list.count)
    let at = 0
    for (let index = 0; index < list.count; index++) {
      this.#starts[index] = at
      at += list.lengthAt(index)
    }
  }

  async read(offset: number, length: number): Promise<Uint8Array> {
    const end = Math.min(this.bytes, offset + length)
    if (offset >= end) return new Uint8Array()
    const whole = new Uint8Array(end - offset)
    let at = offset
    while (at < end) {
      const index = this.#chunkAt(at)
      const run = await this.#readRun(index, end)
      const start = this.#startOf(index)
      const part = run.subarray(at - start, end - start)
      whole.set(part, at - offset)
      at += part.length
    }
    return whole
  }

  async close(): Promise<void> {
    await this.#open?.reader.close()
    this.#open = null
  }

  /** Chunk `index` and those behind it that lie behind it in its pack too, as far as `end`. */
  async #readRun(index: number, end: number): Promise<Uint8Array> {
    const { holdings } = this.#parts
    const hash = this.#list.hashAt(index)
    const place = holdings.placeOf(hash)
    const reader = place && (await this.#packReader(place.pack.name))
    // A pack that went meanwhile was written anew: the chunk is elsewhere by now.
    if (!place || !reader) return this.#again(index, end)
    let next = index + 1
    let bytes = place.length
    while (next < this.#list.count && this.#startOf(next) < end && bytes < READ_BYTES) {
      const other = holdings.placeOf(this.#list.hashAt(next))
      if (other?.packNumber !== place.packNumber || other.offset !== place.offset + bytes) break
      bytes += other.length
      next++
    }
    const run = await reader.read(place.offset, bytes)
    let at = 0
    for (let checked = index; checked < next; checked++) {
      const length = this.#list.lengthAt(checked)
      this.#check(checked, run.subarray(at, at + length))
      at += length
    }
    return run
  }

  async #again(index: number, end: number): Promise<Uint8Array> {
    const place = this.#parts.holdings.placeOf(this.#list.hashAt(index))
    if (!place || this.#open?.name === place.pack.name || !(await this.#packReader(place.pack.name))) {
      throw this.#damaged(index, 'is gone')
    }
    return this.#readRun(index, end)
  }

  #check(index: number, chunk: Uint8Array): void {
    const hash = this.#list.hashAt(index)
    if (hexOf(this.#parts.crypto.sha256(chunk)) !== hexOf(hash)) throw this.#damaged(index, 'is damaged')
  }

  #damaged(index: number, what: string): Problem {
    this.#parts.onDamage(this.#list.hashAt(index))
    return new Problem(
      'disk_failed',
      `Chunk ${index + 1} of ${this.#list.count} ${what} on the network's disk. Upload the file again: what is whole is not sent twice.`,
      { details: { chunk: index } },
    )
  }

  async #packReader(name: string): Promise<BlobReader | null> {
    if (this.#open?.name === name) return this.#open.reader
    await this.close()
    const reader = await this.#parts.store.open(name)
    if (reader) this.#open = { name, reader }
    return reader
  }

  #startOf(index: number): number {
    return this.#starts[index] ?? this.bytes
  }

  /** The chunk that byte `at` is in. */
  #chunkAt(at: number): number {
    let low = 0
    let high = this.#list.count - 1
    while (low < high) {
      const middle = (low + high + 1) >> 1
      if (this.#startOf(middle) <= at) low = middle
      else high = middle - 1
    }
    assert(this.#startOf(low) <= at, 'the first chunk begins at the beginning')
    return low
  }
}
