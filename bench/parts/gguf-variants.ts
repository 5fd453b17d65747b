/** Cheaper models made of a given one: fewer layers, coarser weights. For benches of what tells them apart. */
import { type ByteSource, GgufCursor, valueTypes } from '#engines/llama-cpp/gguf-cursor.ts'

interface Tensor {
  readonly name: string
  readonly shape: readonly number[]
  readonly type: number
  readonly offset: number
}

interface Parts {
  readonly head: Buffer
  readonly tensors: readonly Tensor[]
  readonly data: Buffer
  /** Where in `head` the number of layers stands, a u32. */
  readonly layersAt: number
  readonly layers: number
  /** Where in `head` the number of tensors stands, a u64. */
  readonly countAt: number
  readonly alignment: number
}

const COUNT_AT = 8
const ALIGNMENT = 32
const [F32, Q4_0, Q4_1, Q8_0] = [0, 2, 3, 8]
/** Bytes of a block, and in it where the values begin. */
const nibbles: Readonly<Record<number, readonly [bytes: number, valuesAt: number]>> = {
  [Q4_0]: [18, 2],
  [Q4_1]: [20, 4],
}

/** The model with one layer in `every` left out. */
export function fewerLayers(file: Buffer, every: number): Buffer {
  const parts = readParts(file)
  const kept = Array.from({ length: parts.layers }, (_, layer) => layer).filter(
    (layer) => layer % every !== every - 1,
  )
  const tensors = parts.tensors.flatMap((tensor): (Tensor & { newName: string })[] => {
    const [, layer, rest] = /^blk\.(\d+)\.(.*)$/.exec(tensor.name) ?? []
    if (layer === undefined) return [{ ...tensor, newName: tensor.name }]
    const index = kept.indexOf(Number(layer))
    return index < 0 ? [] : [{ ...tensor, newName: `blk.${index}.${rest}` }]
  })
  const head = Buffer.from(parts.head)
  head.writeUInt32LE(kept.length, parts.layersAt)
  head.writeBigUInt64LE(BigInt(tensors.length), parts.countAt)
  const ends = endsOf(parts)
  const bodies = tensors.map(({ offset }) => parts.data.subarray(offset, ends.get(offset)))
  let at = 0
  const table = tensors.map((tensor, index) => {
    const entry = entryOf(tensor.newName, tensor, at)
    at += padded(bodies[index]?.length ?? 0)
    return entry
  })
  return join(Buffer.concat([head, ...table]), bodies)
}

/** The model with weights that keep `bits` of their 4, or of floats `bits` of their sign and mantissa. */
export function coarser(file: Buffer, bits: number): Buffer {
  const parts = readParts(file)
  const changed = Buffer.from(file)
  const data = changed.subarray(file.length - parts.data.length)
  const ends = endsOf(parts)
  for (const { name, type, offset } of parts.tensors) {
    if (!name.startsWith('blk.') || name.includes('norm')) continue
    const body = data.subarray(offset, ends.get(offset))
    const block = nibbles[type]
    if (block) coarsenNibbles(body, block, 4 - bits)
    else if (type === Q8_0) coarsenBytes(body, 8 - 2 * bits)
    else if (type === F32) coarsenFloats(body, bits)
  }
  return changed
}

function coarsenNibbles(body: Buffer, [bytes, valuesAt]: readonly [number, number], lost: number): void {
  const round = (value: number): number => Math.min(15, ((value >> lost) << lost) + ((1 << lost) >> 1))
  for (let block = 0; block < body.length; block += bytes)
    for (let at = block + valuesAt; at < block + bytes; at++) {
      const byte = body[at] ?? 0
      body[at] = round(byte & 15) | (round(byte >> 4) << 4)
    }
}

function coarsenBytes(body: Buffer, lost: number): void {
  for (let block = 0; block < body.length; block += 34)
    for (let at = block + 2; at < block + 34; at++) {
      const value = body.readInt8(at)
      body.writeInt8(Math.max(-127, Math.min(127, Math.round(value / 2 ** lost) * 2 ** lost)), at)
    }
}

/** In blocks of 32, as quantised weights have one scale each. */
function coarsenFloats(body: Buffer, bits: number): void {
  const values = new Float32Array(body.buffer, body.byteOffset, body.length / 4)
  for (let block = 0; block < values.length; block += 32) {
    const part = values.subarray(block, block + 32)
    const largest = part.reduce((most, value) => Math.max(most, Math.abs(value)), 0)
    const step = largest / (2 ** (bits - 1) - 1)
    for (const [index, value] of part.entries()) part[index] = Math.round(value / step) * step
  }
}

function readParts(file: Buffer): Parts {
  const source: ByteSource = {
    sizeBytes: file.length,
    read: (offset, length) => file.subarray(offset, offset + length),
  }
  const cursor = new GgufCursor(source, (found) => new Error(found) as never)
  cursor.skip(COUNT_AT)
  const tensorCount = cursor.u64()
  const entries = cursor.u64()
  let layersAt = 0
  let layers = 0
  for (let entry = 0; entry < entries; entry++) {
    const key = cursor.string(65_535)
    const type = cursor.u32()
    if (key.endsWith('.block_count')) layersAt = cursor.offset
    const value = readValue(cursor, type)
    if (key.endsWith('.block_count')) layers = Number(value)
  }
  const tableAt = cursor.offset
  const tensors = Array.from({ length: tensorCount }, (): Tensor => {
    const name = cursor.string(65_535)
    const shape = Array.from({ length: cursor.u32() }, () => cursor.u64())
    return { name, shape, type: cursor.u32(), offset: cursor.u64() }
  })
  return {
    head: file.subarray(0, tableAt),
    tensors,
    data: file.subarray(padded(cursor.offset)),
    ...{ layersAt, layers, countAt: COUNT_AT, alignment: ALIGNMENT },
  }
}

function readValue(cursor: GgufCursor, typeNumber: number): unknown {
  const type = valueTypes[typeNumber]
  if (type === 'string') return cursor.string(Number.MAX_SAFE_INTEGER)
  if (type !== 'array') return type === undefined ? null : cursor.scalar(type)
  const item = cursor.u32()
  for (let left = cursor.u64(); left > 0; left--) readValue(cursor, item)
  return null
}

/** Where each tensor's bytes end: where the next begins. */
function endsOf({ tensors, data }: Parts): ReadonlyMap<number, number> {
  const offsets = tensors.map(({ offset }) => offset).sort((a, b) => a - b)
  return new Map(offsets.map((offset, index) => [offset, offsets[index + 1] ?? data.length]))
}

function entryOf(name: string, { shape, type }: Tensor, offset: number): Buffer {
  const text = Buffer.from(name)
  const entry = Buffer.alloc(8 + text.length + 4 + shape.length * 8 + 4 + 8)
  let at = entry.writeBigUInt64LE(BigInt(text.length), 0)
  at += text.copy(entry, at)
  at = entry.writeUInt32LE(shape.length, at)
  for (const size of shape) at = entry.writeBigUInt64LE(BigInt(size), at)
  at = entry.writeUInt32LE(type, at)
  entry.writeBigUInt64LE(BigInt(offset), at)
  return entry
}

const padded = (length: number): number => Math.ceil(length / ALIGNMENT) * ALIGNMENT

function join(head: Buffer, bodies: readonly Buffer[]): Buffer {
  const pad = (bytes: Buffer): Buffer[] => [bytes, Buffer.alloc(padded(bytes.length) - bytes.length)]
  return Buffer.concat([...pad(head), ...bodies.flatMap(pad)])
}
