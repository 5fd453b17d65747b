/**
 * Cuts bytes where their content says so, so that an edit in the middle moves no other cut: the gear hash of FastCDC
 * (Xia and others, USENIX ATC 2016) with its normalised sizes. Where the cuts fall is a format: other cuts find
 * nothing of what was stored before.
 */
import { assert } from '#kernel/assert.ts'
import { CHUNKS_MAX } from './chunk-list.ts'

export interface ChunkSizes {
  readonly bytesMin: number
  /** A power of two. */
  readonly bytesAverage: number
  readonly bytesMax: number
}

/** For files that change here and there with every save, such as scenes. */
export const FINE: ChunkSizes = { bytesMin: 2 << 10, bytesAverage: 8 << 10, bytesMax: 32 << 10 }
export const MIDDLE: ChunkSizes = { bytesMin: 16 << 10, bytesAverage: 64 << 10, bytesMax: 256 << 10 }
export const COARSE: ChunkSizes = { bytesMin: 128 << 10, bytesAverage: 512 << 10, bytesMax: 1 << 20 }

/** Which to try, in this order: where content cuts an object into more chunks than may be, the next are larger. */
export function chunkSizesFor(bytes: number, isFine: boolean): readonly ChunkSizes[] {
  const all = isFine ? [FINE, MIDDLE, COARSE] : [MIDDLE, COARSE]
  return all.filter(({ bytesAverage }) => bytes <= bytesAverage * CHUNKS_MAX)
}

/** No object is larger: the coarsest chunks are always few enough. */
export const OBJECT_BYTES_MAX = COARSE.bytesMin * CHUNKS_MAX

/** How many bits harder a cut is before the average than after it, and easier behind. */
const NORMALISATION_BITS = 2
const gear = gearTable()

export class ChunkCutter {
  readonly #sizes: ChunkSizes
  readonly #maskBefore: number
  readonly #maskBehind: number
  #length = 0
  #hash = 0

  constructor(sizes: ChunkSizes) {
    const bits = Math.log2(sizes.bytesAverage)
    assert(Number.isInteger(bits), 'the average size of chunks is a power of two')
    this.#sizes = sizes
    this.#maskBefore = topBits(bits + NORMALISATION_BITS)
    this.#maskBehind = topBits(bits - NORMALISATION_BITS)
  }

  /** Where in `bytes`, which follow those of the call before, chunks end: offsets behind their last bytes. */
  push(bytes: Uint8Array): number[] {
    const { bytesMin, bytesAverage, bytesMax } = this.#sizes
    const ends: number[] = []
    let at = 0
    let length = this.#length
    let hash = this.#hash
    while (at < bytes.length) {
      if (length < bytesMin) {
        const skipped = Math.min(bytesMin - length, bytes.length - at)
        at += skipped
        length += skipped
        continue
      }
      const isBefore = length < bytesAverage
      const mask = isBefore ? this.#maskBefore : this.#maskBehind
      const stop = Math.min(bytes.length, at + (isBefore ? bytesAverage : bytesMax) - length)
      const start = at
      let isCut = false
      while (at < stop && !isCut) {
        // Every byte has its entry.
        hash = ((hash << 1) + (gear[bytes[at] as number] as number)) | 0
        at++
        isCut = (hash & mask) === 0
      }
      length += at - start
      if (!isCut && length < bytesMax) continue
      ends.push(at)
      length = 0
      hash = 0
    }
    this.#length = length
    this.#hash = hash
    return ends
  }

  /** How many bytes are in the chunk that has not ended. */
  get open(): number {
    return this.#length
  }
}

/** The upper bits have seen the most bytes. */
const topBits = (count: number): number => (0xffffffff << (32 - count)) | 0

/** Random numbers that never change: splitmix32 from zero. */
function gearTable(): Int32Array {
  const table = new Int32Array(256)
  let state = 0
  for (let index = 0; index < table.length; index++) {
    state = (state + 0x9e3779b9) | 0
    let mixed = state ^ (state >>> 16)
    mixed = Math.imul(mixed, 0x21f0aaad)
    mixed ^= mixed >>> 15
    mixed = Math.imul(mixed, 0x735a2d97)
    table[index] = mixed ^ (mixed >>> 15)
  }
  return table
}
