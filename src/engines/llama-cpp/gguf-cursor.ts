import type { Problem } from '#protocol/problem.ts'

/** Random access to the file. `read` returns fewer bytes than asked only at the end. */
export interface ByteSource {
  readonly sizeBytes: number
  read(offset: number, length: number): Uint8Array
}

/** Metadata value types of the format, by number. */
export const valueTypes = [
  'u8',
  'i8',
  'u16',
  'i16',
  'u32',
  'i32',
  'f32',
  'bool',
  'string',
  'array',
  'u64',
  'i64',
  'f64',
] as const

const ENTRIES_MAX = 1_000_000
/** What is read is kept in memory: the largest vocabularies have 300,000 tokens in some lists, and take 30 MB. */
const VALUES_MAX = 4_000_000
const HEADER_BYTES_MAX = 128 * 1024 * 1024

type Scalar = Exclude<(typeof valueTypes)[number], 'string' | 'array'>

const scalarSizes = {
  u8: 1,
  i8: 1,
  u16: 2,
  i16: 2,
  u32: 4,
  i32: 4,
  f32: 4,
  bool: 1,
  u64: 8,
  i64: 8,
  f64: 8,
} as const

/** Reads forward in windows, so that a directory of tens of megabytes costs few reads. Never past the end. */
export class GgufCursor {
  readonly #source: ByteSource
  readonly corrupt: (found: string) => Problem
  readonly #text = new TextDecoder()
  #window: DataView = new DataView(new ArrayBuffer(0))
  #windowStart = 0
  #values = 0
  offset = 0

  constructor(source: ByteSource, corrupt: (found: string) => Problem) {
    this.#source = source
    this.corrupt = corrupt
  }

  skip(length: number): void {
    this.offset += length
  }

  u32(): number {
    return Number(this.scalar('u32'))
  }

  u64(): number {
    return Number(this.scalar('u64'))
  }

  count(what: string): number {
    const count = this.u64()
    if (count > ENTRIES_MAX) throw this.corrupt(`it claims ${count} ${what}, so its header is damaged`)
    return count
  }

  /** The number of items to come; each takes at least a byte, so more than the file holds is a lie. */
  length(what: string): number {
    const length = this.u64()
    if (length > this.#source.sizeBytes - this.offset) {
      throw this.corrupt(
        `${what} claims ${length} items, more than the file holds, so it is damaged or cut short`,
      )
    }
    return length
  }

  /** As `length`, of an array; all arrays of a file together have as many values as are kept. */
  arrayLength(): number {
    const length = this.length('an array of its metadata')
    this.#values += length
    if (this.#values > VALUES_MAX)
      throw this.corrupt(`its header claims more than ${VALUES_MAX} values in its arrays, so it is damaged`)
    return length
  }

  string(bytesMax: number): string {
    const length = this.length('a text in its header')
    if (length > bytesMax) throw this.corrupt(`its header has a text of ${length} bytes, so it is damaged`)
    const view = this.#take(length)
    return this.#text.decode(new Uint8Array(view.buffer, view.byteOffset, length))
  }

  scalar(type: Scalar): number | boolean {
    const view = this.#take(scalarSizes[type])
    switch (type) {
      case 'u8':
        return view.getUint8(0)
      case 'i8':
        return view.getInt8(0)
      case 'u16':
        return view.getUint16(0, true)
      case 'i16':
        return view.getInt16(0, true)
      case 'u32':
        return view.getUint32(0, true)
      case 'i32':
        return view.getInt32(0, true)
      case 'f32':
        return view.getFloat32(0, true)
      case 'f64':
        return view.getFloat64(0, true)
      case 'u64':
        return Number(view.getBigUint64(0, true))
      case 'i64':
        return Number(view.getBigInt64(0, true))
      case 'bool':
        return view.getUint8(0) !== 0
    }
  }

  #take(length: number): DataView {
    const start = this.offset - this.#windowStart
    if (start + length > this.#window.byteLength) return this.#takeFresh(length)
    this.offset += length
    return new DataView(this.#window.buffer, this.#window.byteOffset + start, length)
  }

  #takeFresh(length: number): DataView {
    if (this.offset + length > HEADER_BYTES_MAX)
      throw this.corrupt(`its header is longer than ${HEADER_BYTES_MAX >> 20} MiB, so it is damaged`)
    const bytes = this.#source.read(this.offset, Math.max(length, 1 << 18))
    if (bytes.length < length)
      throw this.corrupt(`its header ends after ${this.#source.sizeBytes} bytes, so it was cut short`)
    this.#window = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
    this.#windowStart = this.offset
    return this.#take(length)
  }
}
